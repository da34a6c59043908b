"""Whether moving codes in one direction changes one attribute."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from latentbench import Invariance, LatentSpace, Metric, Need, NotApplicableError, Score, Tier
from latentbench.latent.edits.directions import Direction, How, attribute_direction
from latentbench.latent.edits.editing import (
    Counterfactual,
    best_strength,
    counterfactual,
    edit,
    masked_error,
    originals,
    validation_items,
)
from latentbench.latent.part import part_of, some_rows
from latentbench_metrics.edits._choices import (
    ITEMS,
    EditParams,
    control_direction,
    scored_attributes,
    strengths_note,
)

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["EditGain", "edit_gain", "edit_gains", "edit_leak"]

LEAST_ROOM = 0.05  # share of the error of no edit at all that a gain is measured by at least


def edit_gain(plain: Tensor, edited: Tensor, ideal: Tensor, truth: Tensor, changed: Tensor) -> float:
    """How far an edit gets from the unedited image to the true counterfactual; higher is better.

    (E(plain) - E(edited)) / (E(plain) - E(ideal)), where E is the squared error against `truth` on the pixels that
    truly change, averaged over the pixels of each item and then over items. 1: as good as encoding and decoding
    the true image; 0: no better than doing nothing; below 0: worse. There is no upper limit: an edit may beat the
    reconstruction.

    Source: ours, after the counterfactual error of generated data. The error of the whole image would hide the
    effect: a smile is 3 % of the pixels.

    Traps: It is relative to what the model itself can draw: read `r2` beside it. Where reconstructing the truth
    reduces the error of the unedited item by under 5 %, 5 % is used instead: a model that always gives the same
    image scores 0.

    Args:
        plain: reconstructions of the items as they are `(m, *shape)`.
        edited: decoded edited codes, likewise.
        ideal: reconstructions of `truth`.
        truth: the inputs with the attribute changed.
        changed: mask of the pixels that differ by the change, `(m, *shape)`.

    Raises:
        NotApplicableError: no pixel changes.

    >>> from torch import ones, tensor, zeros
    >>> edit_gain(zeros(1, 2), tensor([[0.5, 7.0]]), ones(1, 2), ones(1, 2), tensor([[True, False]]))
    0.75
    """
    return float(_gain_per_item(plain, edited, ideal, truth, changed).mean())


def _gain_per_item(plain: Tensor, edited: Tensor, ideal: Tensor, truth: Tensor, changed: Tensor) -> Tensor:
    if not changed.any():
        raise NotApplicableError("the attribute changes no pixel by over 8/255")
    before, after, best = (masked_error(images, truth, changed) for images in (plain, edited, ideal))
    room = torch.maximum(before.mean() - best.mean(), LEAST_ROOM * before.mean())
    return (before - after) / torch.where(room > 0, room, 1)


def edit_leak(plain: Tensor, edited: Tensor, inputs: Tensor, truth: Tensor, changed: Tensor) -> float:
    """Share of an edit's change that falls where nothing should change; lower is better.

    The squared change of the decoded image outside of `changed`, minus the small change that is correct there,
    divided by that plus the squared change inside; sums over pixels, means over items. In [0, 1]; an edit that
    changes nothing scores 1, because none of it is where it should be.

    Source: ours; StyleSpace (Wu 2021) asks the same of a classifier.

    Traps: The share of pixels outside matters: a faint change of a large background weighs as much as a strong
    change of a small mouth.

    Args:
        plain: reconstructions of the items as they are `(m, *shape)`.
        edited: decoded edited codes, likewise.
        inputs: the items.
        truth: the inputs with the attribute changed.
        changed: mask of the pixels that differ by the change, `(m, *shape)`.

    >>> from torch import tensor, zeros
    >>> edit_leak(zeros(1, 2), tensor([[3.0, 1.0]]), zeros(1, 2), tensor([[3.0, 0.0]]), tensor([[True, False]]))
    0.1
    """
    return float(_leak_per_item(plain, edited, inputs, truth, changed).mean())


def _leak_per_item(plain: Tensor, edited: Tensor, inputs: Tensor, truth: Tensor, changed: Tensor) -> Tensor:
    change, wanted = (edited - plain).double(), (truth - inputs).double()
    outside = ((change - wanted).square() * ~changed).flatten(1).sum(1)
    total = (outside + (change.square() * changed).flatten(1).sum(1)).mean()
    return outside / total if total > 0 else torch.ones_like(outside)


@dataclass(frozen=True)
class Judged:
    """One attribute of test items, edited at the strength chosen on validation; tensors are `(m,)`."""

    direction: Direction
    strength: float
    unedited: Tensor
    error: Tensor
    ideal: Tensor
    gain: Tensor
    leak: Tensor
    gain_random: Tensor


def judged_edits(space: LatentSpace, names: Sequence[str], how: How) -> Iterator[Judged]:
    """Yield every attribute, edited in the test items."""
    attributes = scored_attributes(space, names)
    items = originals(space, space.factors.double())
    tuned = validation_items(space)
    for number, attribute in enumerate(attributes):
        cases = counterfactual(space, tuned, attribute), counterfactual(space, items, attribute)
        direction = attribute_direction(space, attribute, how)
        strength, edited = _at_best(space, *cases, direction)
        _, control = _at_best(space, *cases, control_direction(space, direction, number))
        case = cases[1]
        scene = case.ideal, case.truth, case.changed
        yield Judged(
            direction,
            strength,
            masked_error(items.outputs, *scene[1:]),
            masked_error(edited, *scene[1:]),
            masked_error(case.ideal, *scene[1:]),
            _gain_per_item(items.outputs, edited, *scene),
            _leak_per_item(items.outputs, edited, items.inputs, *scene[1:]),
            _gain_per_item(items.outputs, control, *scene),
        )


def _at_best(
    space: LatentSpace, tuned: Counterfactual, case: Counterfactual, direction: Direction
) -> tuple[float, Tensor]:
    """Return the strength that validation chooses, and what the items become."""
    strength = best_strength(space, tuned, direction)
    return strength, edit(space, case.originals.codes, direction, strength * case.change[:, 0]).outputs


def edit_gains(space: LatentSpace, attributes: Sequence[str] = (), how: How = "balanced_means") -> pd.DataFrame:
    """Return one row per attribute: attribute, how, strength, gain, se, leak, gain_random, error, room.

    As the metric `edit_gain` computes them on 200 test items; se is that of the gain. error is that of edited
    images on the pixels that should change, to compare models whose reconstructions differ; room is the share of
    the unedited images' error that encoding and decoding the truth removes: below 0.05 a gain means little.

    Args:
        space: the test split; its `train` gives directions, its `validation` strengths.
        attributes: names of factors; all binary ones, or else all, at most six, when left out.
        how: directions are found, see `latentbench.latent.edits.directions`.

    Raises:
        NotApplicableError: the space lacks what it takes.
        UnknownNameError: there is no such attribute.
    """
    import pandas as pd

    some = part_of(space, some_rows(len(space), ITEMS))
    rows = [
        {
            "attribute": judged.direction.name,
            "how": how,
            "strength": judged.strength,
            "gain": float(judged.gain.mean()),
            "se": float(judged.gain.std() / len(judged.gain) ** 0.5),
            "leak": float(judged.leak.mean()),
            "gain_random": float(judged.gain_random.mean()),
            "error": float(judged.error.mean()),
            "room": _room(float(judged.unedited.mean()), float(judged.ideal.mean())),
        }
        for judged in judged_edits(some, attributes, how)
    ]
    return pd.DataFrame(rows)


def _room(unedited: float, ideal: float) -> float:
    """Return the share of the unedited images' error that is not in the ideal ones; 0 where there is none."""
    return 1 - ideal / unedited if unedited > 0 else 0.0


class EditGain(Metric):
    """Single factors of 200 test items move to their other value; the true counterfactual is the yardstick.

    Directions come from the training split; one strength per attribute is chosen on 100 items of the validation
    split. At most six factors are edited: the binary ones or, if there are none, all. A factor with more values
    moves to the outer quartile on the other side. The control is a random direction of equal length, drawn with
    the spread of the codes, whose strength is chosen in the same way.
    """

    scores: ClassVar[Mapping[str, Score]] = {
        "edit_gain": Score(
            "up",
            "how close an edit along an attribute's direction comes to the true image",
            purpose="steer",
            headline=True,
            floor=0.0,
            ceiling=1.0,
        ),
        "edit_leak": Score(
            "down",
            "share of an edit's change that falls where nothing should change",
            purpose="steer",
            range=(0, 1),
            floor=1.0,
            ceiling=0.0,
        ),
        "edit_gain_random": Score(
            "none", "the same gain for a random direction of equal length", purpose="steer", floor=0.0, ceiling=0.0
        ),
    }
    needs: ClassVar[tuple[Need, ...]] = ("factors", "train", "validation", "encoder", "decoder", "render")
    tier: ClassVar[Tier] = "full"
    version: ClassVar[int] = 2
    invariances: ClassVar[tuple[Invariance, ...]] = ("shift", "scale", "rotation", "permutation")
    tolerance: ClassVar[float] = 0.002  # strengths are found by search
    min_items: ClassVar[int] = 10
    max_items: ClassVar[int | None] = ITEMS

    Params = EditParams
    params: EditParams

    def compute(self, space: LatentSpace) -> tuple[Mapping[str, Tensor], str]:
        """Return means over attributes for each item; what was edited, and how strongly."""
        edits = list(judged_edits(space, self.params.attributes, self.params.how))
        values = {
            "edit_gain": torch.stack([judged.gain for judged in edits]).mean(0),
            "edit_leak": torch.stack([judged.leak for judged in edits]).mean(0),
            "edit_gain_random": torch.stack([judged.gain_random for judged in edits]).mean(0),
        }
        strengths = [(judged.direction.name, judged.strength) for judged in edits]
        return values, strengths_note(self.params.how, strengths)
