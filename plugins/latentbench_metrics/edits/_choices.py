"""Attributes, items and directions that edits are scored on; shared by gains, chains and flips."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pydantic import Field, field_validator

from latentbench import LatentSpace, Metric, NotApplicableError
from latentbench.latent.edits.attributes import Attribute, attribute_names, find_attribute
from latentbench.latent.edits.directions import Direction, How, random_direction
from latentbench.latent.sampling import training_codes

__all__ = ["ITEMS", "EditParams", "control_direction", "scored_attributes", "strengths_note"]

ITEMS = 200
MOST = 6  # attributes that are edited unless they are named


class EditParams(Metric.Params):
    """What is edited, and how directions are found."""

    attributes: tuple[str, ...] = Field(
        default=(),
        description="factors to edit; by default the binary ones or, if there are none, all; at most six",
    )
    how: How = Field(default="balanced_means", description="how directions are found on the training split")

    @field_validator("attributes", mode="before")
    @classmethod
    def _as_tuple(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value


def scored_attributes(space: LatentSpace, names: Sequence[str] = ()) -> list[Attribute]:
    """Return the attributes of these names; without names all binary factors, or else all factors, at most six.

    Raises:
        NotApplicableError: no factors in the training split.
        UnknownNameError: there is no such attribute.
    """
    if not attribute_names(space):
        raise NotApplicableError("no ground-truth factors in the training split")
    attributes = [find_attribute(space, name) for name in names or _varying(space)]
    return (
        attributes if names else ([attribute for attribute in attributes if attribute.binary] or attributes)[:MOST]
    )


def _varying(space: LatentSpace) -> Iterator[str]:
    for name, factor in zip(attribute_names(space), space.train.factors.T, strict=True):
        if (factor != factor[0]).any():
            yield name


def control_direction(space: LatentSpace, direction: Direction, seed: int) -> Direction:
    """Return a random direction of equal length; each `seed` gives another one."""
    vector = random_direction(training_codes(space), direction.vector.double().norm(), seed)
    return Direction(direction.name, vector, direction.unit, "random")


def strengths_note(how: str, strengths: Sequence[tuple[str, float]]) -> str:
    """Write out what was edited."""
    parts = ", ".join(f"{name} x {strength:.2f}" for name, strength in strengths)
    return f"directions by {how}, strengths by validation: {parts}"
