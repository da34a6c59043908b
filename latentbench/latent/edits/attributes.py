"""What an edit can change, a factor or the class, and how far an item has to go."""

from __future__ import annotations

import re
from dataclasses import dataclass

import torch
from torch import Tensor

from latentbench.errors import NotApplicableError, RequestError, UnknownNameError, near_matches
from latentbench.latent.space import LatentSpace

__all__ = ["Attribute", "attribute_names", "find_attribute"]

PAIR = re.compile(r"label:(\d+)->?(\d+)")


@dataclass(frozen=True)
class Attribute:
    """A ground-truth factor, or a pair of classes, with its values in the training split.

    Attributes:
        name: as it was asked for, "smile" or "label:5->9".
        column: of the factors; None for a pair of classes.
        rows: training rows it is known of `(m,)`: all, or those of the two classes.
        values: of these rows `(m,)`, float64: the factor, or 0 for the first class and 1 for the second.
        levels: the values that it can have, ascending; empty for a continuous factor.
    """

    name: str
    column: int | None
    rows: Tensor
    values: Tensor
    levels: Tensor

    @property
    def binary(self) -> bool:
        """Whether it has two values only."""
        return len(self.levels) == 2

    @property
    def unit(self) -> str:
        """What a strength of 1 means."""
        return "the gap between the classes' means" if self.column is None else f"{self.name} + 1"

    @property
    def ends(self) -> tuple[Tensor, Tensor]:
        """Low and high: the two values there are, else the outer quartiles (the extremes where those are one)."""
        low, high = (torch.quantile(self.values, share, interpolation="nearest") for share in (0.25, 0.75))
        extremes = self.binary or bool(low == high)
        return (self.values.min(), self.values.max()) if extremes else (low, high)

    def is_high(self, values: Tensor) -> Tensor:
        """Return which values lie nearer to the high than to the low end."""
        low, high = self.ends
        return values >= (low + high) / 2

    def opposite(self, values: Tensor) -> Tensor:
        """Return for each value the end on the other side: of two values the other one."""
        low, high = self.ends
        return torch.where(self.is_high(values), low, high).to(values)

    def moved(self, values: Tensor, steps: float) -> Tensor:
        """Return where `steps` lead from each value.

        Of two values the higher for positive steps, the lower for negative ones. Otherwise a step is a standard
        deviation over the training split; nothing leaves its range, and what has levels ends on the nearest one.
        """
        if steps == 0:
            return values
        if self.binary:
            return torch.full_like(values, float(self.levels[1 if steps > 0 else 0]))
        aim = (values + steps * self.values.std()).clamp(self.values.min(), self.values.max())
        if not len(self.levels):
            return aim
        return self.levels.to(aim)[(aim[:, None] - self.levels.to(aim)).abs().argmin(1)]


def attribute_names(space: LatentSpace) -> tuple[str, ...]:
    """Return the names of the factors that can be edited; pairs of classes come besides."""
    return space.factor_names if "train" in space.supplies and "factors" in space.train.supplies else ()


def find_attribute(space: LatentSpace, name: str) -> Attribute:
    """Return the attribute of a name: a factor's, or a pair of classes as "label:5->9" (or "label:5-9").

    Raises:
        UnknownNameError: the space has no such factor or class.
        RequestError: this is no pair of classes.
        NotApplicableError: there is no training split, or the factor has a single value there.
    """
    train = space.train
    if name.startswith("label:"):
        return _class_pair(train, name)
    known = attribute_names(space)
    if name not in known:
        raise UnknownNameError(
            f"there is no attribute {name!r}{near_matches(name, known)}; attributes here: "
            f"{', '.join((*known, 'pairs of classes as label:0->1'))}"
        )
    column = known.index(name)
    values = train.factors[:, column].double()
    levels = torch.unique(values)
    if len(levels) < 2:
        raise NotApplicableError(f"{name} has a single value in the training split")
    discrete = space.factor_sizes[column] > 0 or len(levels) == 2
    rows = torch.arange(len(values), device=values.device)
    return Attribute(name, column, rows, values, levels if discrete else levels[:0])


def _class_pair(train: LatentSpace, name: str) -> Attribute:
    match = PAIR.fullmatch(name)
    if match is None or match[1] == match[2]:
        raise RequestError(
            f"a pair of classes is written 'label:5->9' (in quotes: > is the shell's) or label:5-9, got {name!r}"
        )
    first, second = int(match[1]), int(match[2])
    labels = train.labels
    known = torch.unique(labels).tolist()
    for number in (first, second):
        if number not in known:
            raise UnknownNameError(
                f"there is no class {number} in the training labels; classes here: {', '.join(map(str, known))}"
            )
    rows = ((labels == first) | (labels == second)).nonzero()[:, 0]
    values = (labels[rows] == second).double()
    return Attribute(f"label:{first}->{second}", None, rows, values, torch.unique(values))
