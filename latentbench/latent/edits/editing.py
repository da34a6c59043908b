"""Edits of codes along attribute directions, chains of edits, and their true counterfactuals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from latentbench.errors import NotApplicableError
from latentbench.latent.edits.attributes import Attribute
from latentbench.latent.edits.directions import Direction
from latentbench.latent.space import LatentSpace

__all__ = [
    "STRENGTHS",
    "Counterfactual",
    "Originals",
    "Step",
    "best_strength",
    "chain",
    "counterfactual",
    "edit",
    "masked_error",
    "originals",
    "validation_items",
]

Strength = float | Tensor
VISIBLE = 8 / 255  # of the range of pixels, change above which a pixel counts as changed
STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0)
VALIDATION_ITEMS = 100


@dataclass(frozen=True)
class Step:
    """One step of a chain of edits.

    Attributes:
        name: the attribute; "reconstruction" before the first edit.
        codes: the codes after it `(m, d)`.
        outputs: the decoded codes `(m, *shape)`.
    """

    name: str
    codes: Tensor
    outputs: Tensor


def edit(space: LatentSpace, codes: Tensor, direction: Direction, strength: Strength) -> Step:
    """Move codes `(m, d)` along a direction by `strength` units, one for all or one per code `(m,)`, and decode.

    >>> space = LatentSpace.from_arrays(codes=torch.zeros(1, 2), decode=lambda z: 10 * z)
    >>> edit(space, space.codes, Direction("hat", torch.tensor([1.0, 0.0]), "", ""), 0.5).outputs
    tensor([[5., 0.]])
    """
    amounts = strength.to(codes)[:, None] if isinstance(strength, Tensor) else strength
    moved = codes + amounts * direction.vector.to(codes)
    return Step(direction.name, moved, space.decode(moved))


def chain(
    space: LatentSpace, codes: Tensor, edits: Sequence[tuple[Direction, Strength]], *, reencode: bool = False
) -> list[Step]:
    """Edit codes `(m, d)` step by step; return every step, the reconstruction first.

    Without `reencode` directions add up, in any order. With it each step starts from the code of the image that
    the previous step gave.
    """
    steps = [Step("reconstruction", codes, space.decode(codes))]
    for direction, strength in edits:
        start = space.encode(steps[-1].outputs) if reencode and len(steps) > 1 else steps[-1].codes
        steps.append(edit(space, start, direction, strength))
    return steps


@dataclass(frozen=True)
class Originals:
    """Items drawn from factors, and what a model makes of them.

    Attributes:
        factors: the factors `(m, k)`.
        inputs: the inputs drawn from them `(m, *shape)`.
        codes: the codes of the inputs `(m, d)`.
        outputs: the reconstructions `(m, *shape)`.
    """

    factors: Tensor
    inputs: Tensor
    codes: Tensor
    outputs: Tensor


@dataclass(frozen=True)
class Counterfactual:
    """The same items with factors changed: what an edit should give.

    Attributes:
        originals: the items.
        change: the change of each changed factor `(m, attributes)`.
        truth: the inputs drawn from the changed factors `(m, *shape)`.
        changed: mask of the pixels that differ by more than 8/255 of their range `(m, *shape)`.
        ideal: the reconstructions of `truth`, the best that the model can give.
    """

    originals: Originals
    change: Tensor
    truth: Tensor
    changed: Tensor
    ideal: Tensor


def originals(space: LatentSpace, factors: Tensor) -> Originals:
    """Draw items of these factors `(m, k)`, encode and decode them.

    Raises:
        NotApplicableError: no renderer, encoder or decoder.
    """
    inputs = space.render(factors)
    codes = space.encode(inputs)
    return Originals(factors, inputs, codes, space.decode(codes))


def counterfactual(
    space: LatentSpace, items: Originals, *attributes: Attribute, aims: Sequence[Tensor] = ()
) -> Counterfactual:
    """Draw the items with some factors changed.

    Args:
        space: the space whose renderer and model are used.
        items: the unchanged items.
        attributes: factors to change, all at once.
        aims: their new values `(m,)`, one tensor per attribute; default: the opposite values.

    Raises:
        NotApplicableError: an attribute is not a factor.
    """
    columns, factors = [_column(attribute) for attribute in attributes], items.factors.clone()
    for number, (column, attribute) in enumerate(zip(columns, attributes, strict=True)):
        factors[:, column] = aims[number] if aims else attribute.opposite(factors[:, column])
    truth = space.render(factors)
    change = torch.stack([(factors - items.factors)[:, column] for column in columns], 1)
    changed = (truth - items.inputs).abs() > VISIBLE * _reach(items.inputs, truth)
    return Counterfactual(items, change, truth, changed, space.decode(space.encode(truth)))


def masked_error(outputs: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
    """Return the mean squared error of each item over its masked pixels, `(m,)` in float64; 0 without any.

    >>> masked_error(torch.tensor([[1.0, 9.0]]), torch.zeros(1, 2), torch.tensor([[True, False]]))
    tensor([1.], dtype=torch.float64)
    """
    squared = (outputs - truth).double().square() * mask
    return squared.flatten(1).sum(1) / mask.flatten(1).sum(1).clamp_min(1)


def best_strength(space: LatentSpace, case: Counterfactual, direction: Direction) -> float:
    """Return the strength from 0 to 4 with the least error on the pixels that should change.

    Ten strengths are tried, then the minimum of the parabola through the best and its neighbors.
    """

    def error(strength: float) -> float:
        edited = edit(space, case.originals.codes, direction, strength * case.change[:, 0])
        return float(masked_error(edited.outputs, case.truth, case.changed).mean())

    errors = {strength: error(strength) for strength in STRENGTHS}
    best = min(errors, key=errors.__getitem__)
    place = min(max(STRENGTHS.index(best), 1), len(STRENGTHS) - 2)
    near = STRENGTHS[place - 1 : place + 2]
    bottom = _bottom(near, [errors[strength] for strength in near])
    return bottom if error(bottom) < errors[best] else best


def validation_items(space: LatentSpace) -> Originals:
    """Return the 100 items of the validation split on which strengths are chosen.

    Raises:
        NotApplicableError: no validation split with factors, no renderer, no encoder or no decoder.
    """
    factors = space.validation.factors
    rows = torch.randperm(len(factors), generator=torch.Generator().manual_seed(0))[:VALIDATION_ITEMS]
    return originals(space, factors[rows.sort().values.to(factors.device)].double())


def _column(attribute: Attribute) -> int:
    if attribute.column is None:
        raise NotApplicableError(f"{attribute.name} is not a factor: an item of the other class cannot be drawn")
    return attribute.column


def _reach(inputs: Tensor, truth: Tensor) -> float:
    """Return 1 for images in [0, 1], else the range of the values."""
    low, high = min(float(inputs.min()), float(truth.min())), max(float(inputs.max()), float(truth.max()))
    return 1.0 if low >= 0 and high <= 1 else high - low


def _bottom(places: Sequence[float], heights: Sequence[float]) -> float:
    """Return the minimum, between the outer two, of the parabola through three points."""
    (a, b, c), (f, g, h) = places, heights
    left, right = (b - a) * (g - h), (b - c) * (g - f)
    bend = left - right
    if bend == 0:
        return b
    return min(max(b - 0.5 * ((b - a) * left - (b - c) * right) / bend, a), c)
