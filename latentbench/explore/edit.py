"""A sheet of edits: items, their reconstructions, and each step of a chain with its true image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentbench.drawing.drawing import Drawing
from latentbench.drawing.pictures import as_pictures
from latentbench.drawing.sheet_layout import Sheet
from latentbench.latent.class_names import item_words
from latentbench.latent.edits.attributes import Attribute, find_attribute
from latentbench.latent.edits.directions import Direction, How, attribute_direction
from latentbench.latent.edits.editing import (
    STRENGTHS,
    Counterfactual,
    Originals,
    Step,
    best_strength,
    chain,
    counterfactual,
    masked_error,
    validation_items,
)
from latentbench.latent.part import codes_at
from latentbench.latent.space import LatentSpace

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Change", "PlannedEdit", "draw_edits", "edited_by_default", "plan_edits"]

FIRST_ITEMS = 4
WIDE = 104  # pixels, least shorter side of an image
DRAWN = {"validation", "render", "encoder"}  # what choosing a strength needs


@dataclass(frozen=True)
class Change:
    """A requested change: an attribute, and how many steps up or down."""

    attribute: str
    steps: float

    def __str__(self) -> str:
        return f"{self.attribute}={self.steps:+g}"


@dataclass(frozen=True)
class PlannedEdit:
    """A change, its direction in the codes, and how far to go.

    Attributes:
        change: the request.
        attribute: the attribute, with its values in the training split.
        direction: the direction of codes that changes it.
        strength: factor by which the change of the attribute is multiplied.
        chosen: whether the strength was chosen on the validation split.
    """

    change: Change
    attribute: Attribute
    direction: Direction
    strength: float
    chosen: bool

    @property
    def words(self) -> str:
        """The change in words: "more smile", "with glasses", "sandal to ankle boot"; steps too, if not one."""
        if self.attribute.class_words:
            return str(self)
        up, count = self.change.steps > 0, abs(self.change.steps)
        way = ("with" if up else "without") if self.attribute.binary else "more" if up else "less"
        return f"{way} {self.attribute.name}" + (f", {count:g} steps" if count != 1 else "")

    @property
    def strength_words(self) -> str:
        """The strength, and whether it is the largest that was tried: more might have been better."""
        at_end = ", the largest tried" if self.chosen and self.strength >= STRENGTHS[-1] else ""
        return f"{self.strength:.2f}{at_end}"

    def __str__(self) -> str:
        """The change as it was asked for: "smile=+1", or "sandal to ankle boot" for a step between classes."""
        if not self.attribute.class_words:
            return str(self.change)
        ends = self.attribute.class_words if self.change.steps > 0 else self.attribute.class_words[::-1]
        count = abs(self.change.steps)
        return f"{ends[0]} to {ends[1]}" + (f", {count:g} steps" if count != 1 else "")


def plan_edits(
    space: LatentSpace, changes: Sequence[Change], how: How, strength: float | None, locked: Sequence[str] = ()
) -> list[PlannedEdit]:
    """Find the directions of changes, and their strengths unless `strength` is given.

    Strengths are chosen on the validation split where items can be drawn; elsewhere they are 1, the gap between
    the means.

    Raises:
        UnknownNameError: there is no such attribute.
        NotApplicableError: the space lacks what the directions need.
    """
    planned = []
    for change in changes:
        attribute = find_attribute(space, change.attribute)
        direction = attribute_direction(space, attribute, how, orthogonal_to=locked)
        chosen = strength is None and attribute.column is not None and space.supplies >= DRAWN
        used = 1.0 if strength is None else strength
        if chosen:
            used = best_strength(space, counterfactual(space, validation_items(space), attribute), direction)
        planned.append(PlannedEdit(change, attribute, direction, used, chosen))
    return planned


def edited_by_default(space: LatentSpace, edit: PlannedEdit) -> list[int]:
    """Return the first four items that an edit changes: items of the class it leaves, or without the attribute."""
    if edit.attribute.column is None:
        first, second = edit.attribute.classes or (0, 0)
        fits = space.labels == (first if edit.change.steps > 0 else second)
    else:
        values = space.factors[:, edit.attribute.column].double()
        fits = edit.attribute.moved(values, edit.change.steps) != values
    return [int(row) for row in fits.nonzero()[:FIRST_ITEMS, 0].tolist()]


def draw_edits(
    space: LatentSpace, rows: Sequence[int], edits: Sequence[PlannedEdit], title: str, *, reencode: bool
) -> Drawing:
    """Edit items; draw every step.

    Raises:
        NotApplicableError: no decoder, or no images.
    """
    items = _items(space, rows)
    aims, amounts = _amounts(items, edits)
    steps = chain(
        space,
        items.codes,
        [(edit.direction, edit.strength * amount) for edit, amount in zip(edits, amounts, strict=True)],
        reencode=reencode,
    )
    truths = _truths(space, items, edits, aims)
    names = [item_words(space, row) for row in rows]
    sheet = _sheet(names, items, edits, steps, truths, title)
    return Drawing(sheet, _numbers(rows, items, edits, steps, truths), title)


def _items(space: LatentSpace, rows: Sequence[int]) -> Originals:
    picked = torch.tensor(rows, device=space.device)
    has_factors = "factors" in space.supplies
    factors = space.factors[picked].double() if has_factors else torch.zeros(len(rows), 0, device=space.device)
    codes = codes_at(space, picked)
    return Originals(factors, space.inputs[picked], codes, space.decode(codes))


def _amounts(items: Originals, edits: Sequence[PlannedEdit]) -> tuple[list[Tensor], list[Tensor]]:
    """Return the new value of each edited factor and its change; for a pair of classes both are the steps."""
    factors, aims, amounts = items.factors.clone(), [], []
    for edit in edits:
        if edit.attribute.column is None:
            aim = amount = torch.full((len(factors),), edit.change.steps, device=factors.device)
        else:
            values = factors[:, edit.attribute.column].clone()
            aim = edit.attribute.moved(values, edit.change.steps)
            factors[:, edit.attribute.column], amount = aim, aim - values
        aims.append(aim)
        amounts.append(amount)
    return aims, amounts


def _truths(
    space: LatentSpace, items: Originals, edits: Sequence[PlannedEdit], aims: Sequence[Tensor]
) -> list[Counterfactual]:
    """Return the true counterfactuals of the steps up to the first edit of a class."""
    if not space.supplies >= {"render", "encoder", "factors"}:
        return []
    classes = (number for number, edit in enumerate(edits) if edit.attribute.column is None)
    known = next(classes, len(edits))
    attributes = [edit.attribute for edit in edits]
    return [counterfactual(space, items, *attributes[:step], aims=aims[:step]) for step in range(1, known + 1)]


def _sheet(
    names: Sequence[str],
    items: Originals,
    edits: Sequence[PlannedEdit],
    steps: Sequence[Step],
    truths: Sequence[Counterfactual],
    title: str,
) -> Sheet:
    """Lay out the items of these names, one per row; where truths are known, with the true images below."""
    columns = [items.inputs, *(step.outputs for step in steps)]
    pictures = _pictures(torch.cat([*columns, *(case.truth for case in truths)]), items.inputs)
    grid = pictures.reshape(-1, len(names), *pictures.shape[1:]).swapaxes(0, 1)
    lines, titles = grid[:, : len(columns)], list(names)
    if truths:
        below = np.ones_like(lines)
        below[:, 2 : 2 + len(truths)] = grid[:, len(columns) :]
        lines = np.stack([lines, below], 1).reshape(-1, *lines.shape[1:])
        titles = [title for name in names for title in (name, "true image")]
    return Sheet(lines, titles, ["input", "reconstruction", *(edit.words for edit in edits)], title)


def _pictures(values: Tensor, inputs: Tensor) -> NDArray[Any]:
    """Return images wide enough for the titles above them."""
    pictures = as_pictures(values, like=inputs)
    times = -(-WIDE // min(pictures.shape[2:]))
    return pictures.repeat(times, 2).repeat(times, 3)


def _numbers(
    rows: Sequence[int],
    items: Originals,
    edits: Sequence[PlannedEdit],
    steps: Sequence[Step],
    truths: Sequence[Counterfactual],
) -> pd.DataFrame:
    """Return one row per item and step; errors are mean squares against the truth, masked: where it changed."""
    import pandas as pd

    records: list[dict[str, Any]] = []
    for number, (edit, step) in enumerate(zip(edits, steps[1:], strict=True)):
        columns = {
            "code_change": (step.codes - items.codes).double().norm(dim=1),
            "image_change": (step.outputs - items.outputs).double().square().flatten(1).mean(1).sqrt(),
            **(_errors(items, step, truths[number]) if number < len(truths) else {}),
        }
        for place, row in enumerate(rows):
            about = {"item": row, "step": number + 1, "edit": str(edit), "how": edit.direction.how,
                     "strength": edit.strength}  # fmt: skip
            records.append({**about, **{name: float(values[place]) for name, values in columns.items()}})
    return pd.DataFrame(records)


def _errors(items: Originals, step: Step, case: Counterfactual) -> dict[str, Tensor]:
    outputs = {"edited": step.outputs, "unedited": items.outputs, "reconstructed": case.ideal}
    everywhere = torch.ones_like(case.changed)
    return {
        f"{name}{what}": masked_error(images, case.truth, mask)
        for name, mask in (("error_", everywhere), ("masked_error_", case.changed))
        for what, images in outputs.items()
    }
