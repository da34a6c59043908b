"""Whether a classifier of images, which never sees codes, notices an edit."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor

from latentbench import Invariance, LatentSpace, Metric, Need, Score, Tier
from latentbench.latent.edits.attributes import Attribute
from latentbench.latent.edits.directions import attribute_direction
from latentbench.latent.edits.editing import edit
from latentbench_metrics._shared.features import in_domain_classes
from latentbench_metrics.edits._choices import (
    ITEMS,
    EditParams,
    control_direction,
    scored_attributes,
)

__all__ = ["FlipRate", "attribute_judge", "flip_rate"]


def flip_rate(before: Tensor, after: Tensor, target: Tensor) -> float:
    """Share of edited items that a judge sees on the target side only after the edit; higher is better.

    In [0, 1].

    Source: the attribute accuracy of InterFaceGAN (Shen 2020), with a judge that did not define the direction.

    Traps: It says whether an attribute changes, not what else changes with it: read `edit_leak` beside it. The
    judge can be wrong about images unlike those it learned from. An item whose reconstruction is already on the
    target side counts as not flipped.

    Args:
        before: the judge's view of decoded unedited codes `(m, ...)`, bool.
        after: of decoded edited codes.
        target: the side that was wanted.

    >>> from torch import tensor
    >>> flip_rate(tensor([False, True]), tensor([True, True]), tensor([True, True]))
    0.5
    """
    return float(_flipped(before, after, target).mean())


def _flipped(before: Tensor, after: Tensor, target: Tensor) -> Tensor:
    return ((before != target) & (after == target)).double()


def attribute_judge(space: LatentSpace, attributes: Sequence[Attribute]) -> Callable[[Tensor], Tensor]:
    """Return a function from images `(n, *shape)` to the sides of all attributes `(n, attributes)`, bool.

    The classifier of `latentbench_metrics._shared.features`, trained on the training images: its classes are the
    combinations of sides, where each side is high or low.

    Raises:
        NotApplicableError: no training split with factors and inputs.
    """
    train = space.train
    bits = 2 ** torch.arange(len(attributes), device=space.device)
    labels = (_sides(attributes, train.factors) * bits).sum(1)
    learned = train.replaced(labels=labels, inputs=train.inputs)
    words = " ".join([space.fingerprint or "", *(attribute.name for attribute in attributes)])
    named = hashlib.sha256(words.encode()).hexdigest() if space.fingerprint else None
    classes = in_domain_classes(space.replaced(train=learned, fingerprint=named))
    return lambda images: classes(images)[:, None] // bits % 2 == 1


def _sides(attributes: Sequence[Attribute], factors: Tensor) -> Tensor:
    return torch.stack([attribute.is_high(factors[:, attribute.column]) for attribute in attributes], 1)


class FlipRate(Metric):
    """Attributes of 200 test items are edited at strength 1, the gap between the means of the two sides.

    Attributes and directions are those of `edit_gain`. The classifier learns the factors of the training
    images and never sees a code; the row states its accuracy on the test images.
    """

    scores: ClassVar[Mapping[str, Score]] = {
        "flip_rate": Score(
            "up",
            "share of edits at strength 1 that an image classifier sees",
            purpose="steer",
            range=(0, 1),
            floor=0.0,
            ceiling=1.0,
        ),
        "flip_rate_random": Score(
            "none",
            "the same share for a random direction of equal length",
            purpose="steer",
            range=(0, 1),
            floor=0.0,
            ceiling=0.0,
        ),
    }
    needs: ClassVar[tuple[Need, ...]] = ("inputs", "factors", "train", "decoder")
    tier: ClassVar[Tier] = "full"
    version: ClassVar[int] = 3
    invariances: ClassVar[tuple[Invariance, ...]] = ("shift", "scale", "rotation", "permutation")
    tolerance: ClassVar[float] = 0.01  # an image on the border may change sides
    min_items: ClassVar[int] = 10
    max_items: ClassVar[int | None] = ITEMS

    Params = EditParams
    params: EditParams

    def compute(self, space: LatentSpace) -> Mapping[str, Tensor]:
        """Return the share of attributes that flip, for each item."""
        attributes = scored_attributes(space, self.params.attributes)
        judge = attribute_judge(space, attributes)
        codes, factors = space.codes, space.factors.double()
        before, wanted = judge(space.decode(codes)), ~_sides(attributes, factors)
        flips: dict[str, list[Tensor]] = {"flip_rate": [], "flip_rate_random": []}
        for number, attribute in enumerate(attributes):
            values = factors[:, attribute.column]
            change = attribute.opposite(values) - values
            direction = attribute_direction(space, attribute, self.params.how)
            for name, way in zip(flips, (direction, control_direction(space, direction, number)), strict=True):
                after = judge(edit(space, codes, way, change).outputs)
                flips[name].append(_flipped(before[:, number], after[:, number], wanted[:, number]))
        return {name: torch.stack(rates).mean(0) for name, rates in flips.items()}

    def note(self, space: LatentSpace) -> str:
        """Say how good the judge is."""
        attributes = scored_attributes(space, self.params.attributes)
        right = attribute_judge(space, attributes)(space.inputs) == _sides(attributes, space.factors)
        shares = zip(attributes, right.double().mean(0).tolist(), strict=True)
        accuracies = ", ".join(f"{attribute.name} {share:.2f}" for attribute, share in shares)
        return f"directions by {self.params.how}; the judge is right of real images: {accuracies}"
