"""Edits in a row, each starting from the image that the previous one produced."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from latentbench import Invariance, LatentSpace, Metric, Need, NotApplicableError, Score, Tier
from latentbench.latent.edits.directions import attribute_direction
from latentbench.latent.edits.editing import best_strength, chain, counterfactual, originals, validation_items
from latentbench_metrics._shared.rounding import resolution
from latentbench_metrics.edits._choices import ITEMS, EditParams, scored_attributes, strengths_note

__all__ = ["EditChain", "chain_error", "order_error"]

UNSEEN = 1e-3  # share of the squared true change that errors are not distinguished below
BARELY = 0.8  # of the error of the unedited item: reconstructing the truth with more is not drawing it


def chain_error(edited: Tensor, ideal: Tensor, truth: Tensor, inputs: Tensor) -> float:
    """Error after a chain of edits over that of reconstructing the true counterfactual; lower is better.

    Mean squared errors over the whole image, because changes elsewhere count as well. 1: as good as encoding and
    decoding the true image. A thousandth of the squared true change is added to both errors, so that a perfect
    model scores 1 instead of 0 / 0.

    Source: ours, the counterfactual error of generated data after several steps.

    Traps: A model that draws nothing well scores 1 easily: the metric is not applicable where reconstructing the
    truth reduces the error of the unedited items by less than a fifth.

    Args:
        edited: images at the end of the chain `(m, *shape)`.
        ideal: reconstructions of `truth`.
        truth: the inputs with all attributes changed.
        inputs: the items as they were.

    >>> from torch import ones, zeros
    >>> round(chain_error(0.8 * ones(1, 4), 0.9 * ones(1, 4), ones(1, 4), zeros(1, 4)), 2)
    3.73
    """
    return float(_chain_error_per_item(edited, ideal, truth, inputs).mean())


def _chain_error_per_item(edited: Tensor, ideal: Tensor, truth: Tensor, inputs: Tensor) -> Tensor:
    unseen = UNSEEN * _error(inputs, truth).mean()
    best = _error(ideal, truth).mean() + unseen
    return (_error(edited, truth) + unseen) / torch.where(best > 0, best, 1)


def order_error(ahead: Tensor, backwards: Tensor, plain: Tensor) -> float:
    """Distance between the ends of a chain and of the reversed chain, relative to the size of its change.

    Mean distances of images; 0: the order of edits does not matter. Also 0 where nothing changes at all.

    Source: ours. Vectors added to a code commute; steps with re-encoding need not.

    Traps: A linear model whose codes survive decoding and encoding scores 0, however poor its edits: no direction
    is better. Read `edit_gain` beside it.

    Args:
        ahead: images at the end of the chain `(m, *shape)`.
        backwards: images at the end of the reversed chain.
        plain: reconstructions of the unedited items.

    >>> from torch import ones, zeros
    >>> order_error(2 * ones(1, 4), ones(1, 4), zeros(1, 4))
    0.5
    """
    return float(_order_error_per_item(ahead, backwards, plain).mean())


def _order_error_per_item(ahead: Tensor, backwards: Tensor, plain: Tensor) -> Tensor:
    size = _error(ahead, plain).sqrt().mean()
    still = resolution(plain.flatten(1)) / plain[0].numel() ** 0.5
    return torch.where(size > still, _error(ahead, backwards).sqrt() / torch.where(size > still, size, 1), 0)


def _error(images: Tensor, others: Tensor) -> Tensor:
    return (images - others).double().square().flatten(1).mean(1)


class EditChain(Metric):
    """All attributes of 200 test items are edited in turn, each step from the code of the previous image.

    Attributes, directions and strengths are those of `edit_gain`; the chain is run in their order and in
    reverse.
    """

    scores: ClassVar[Mapping[str, Score]] = {
        "chain_error": Score(
            "down",
            "error after a chain of edits, relative to the error of reconstructing the true image",
            purpose="steer",
            range=(0, float("inf")),
            floor="untrained",
            ceiling=1.0,
        ),
        "order_error": Score(
            "none",
            "effect of the order of edits, relative to the size of the change",
            purpose="steer",
            range=(0, float("inf")),
            floor="untrained",
            ceiling=0.0,
        ),
    }
    version: ClassVar[int] = 2
    needs: ClassVar[tuple[Need, ...]] = ("factors", "train", "validation", "encoder", "decoder", "render")
    tier: ClassVar[Tier] = "full"
    invariances: ClassVar[tuple[Invariance, ...]] = ("shift", "scale", "rotation", "permutation", "axis_scale")
    tolerance: ClassVar[float] = 0.005  # strengths are found by search
    min_items: ClassVar[int] = 10
    max_items: ClassVar[int | None] = ITEMS

    Params = EditParams
    params: EditParams

    def compute(self, space: LatentSpace) -> tuple[Mapping[str, Tensor], str]:
        """Return both for each item; what was edited, and how strongly."""
        attributes = scored_attributes(space, self.params.attributes)
        if len(attributes) < 2:
            raise NotApplicableError("a chain needs two attributes")
        items = originals(space, space.factors.double())
        case = counterfactual(space, items, *attributes)
        ideal, plain = (_error(images, case.truth).mean() for images in (case.ideal, items.outputs))
        if ideal > BARELY * plain:
            raise NotApplicableError("the model draws the true images hardly better than the unedited ones")
        directions = [attribute_direction(space, attribute, self.params.how) for attribute in attributes]
        tuned = validation_items(space)
        strengths = [
            best_strength(space, counterfactual(space, tuned, attribute), direction)
            for attribute, direction in zip(attributes, directions, strict=True)
        ]
        amounts = [strength * change for strength, change in zip(strengths, case.change.T, strict=True)]
        edits = list(zip(directions, amounts, strict=True))
        ahead, back = (chain(space, items.codes, way, reencode=True)[-1].outputs for way in (edits, edits[::-1]))
        values = {
            "chain_error": _chain_error_per_item(ahead, case.ideal, case.truth, items.inputs),
            "order_error": _order_error_per_item(ahead, back, items.outputs),
        }
        names = [attribute.name for attribute in attributes]
        return values, strengths_note(self.params.how, list(zip(names, strengths, strict=True)))
