"""Seeded choices of rows: all trials on a dataset are scored on the same items, so comparisons are paired."""

from __future__ import annotations

import torch
from torch import Tensor

from latentbench import LatentSpace
from latentbench.latent.part import some_rows

__all__ = ["at_most", "folds", "pairs", "some_rows", "train_with"]


def train_with(space: LatentSpace, need: str) -> LatentSpace | None:
    """Return the training split's space where it has `need` ("labels" or "factors"), else None."""
    return space.train if "train" in space.supplies and need in space.train.supplies else None


def pairs(total: int, count: int, seed: int = 0, labels: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Return the row numbers of at most `count` starts and ends, no row used twice.

    With `labels` `(total,)` only pairs of two different classes are kept.
    """
    order = _shuffled(total, seed)
    half = total // 2
    starts, ends = order[:half], order[half : 2 * half]
    if labels is not None:
        crossing = (labels[starts] != labels[ends]).cpu()
        starts, ends = starts[crossing], ends[crossing]
    return starts[:count], ends[:count]


def folds(labels: Tensor, count: int, seed: int = 0) -> Tensor:
    """Return the fold `(n,)` of each row, with classes spread as evenly as possible over the `count` folds.

    >>> folds(torch.tensor([0, 0, 1, 1]), 2).bincount()
    tensor([2, 2])
    """
    order = _shuffled(len(labels), seed).to(labels.device)
    by_class = order[labels[order].argsort(stable=True)]
    fold = torch.empty_like(by_class)
    fold[by_class] = torch.arange(len(labels), device=labels.device) % count
    return fold


def at_most(values: Tensor, count: int) -> Tensor:
    """Return the rows of `values` that `some_rows` names; `values` itself where that is all of them.

    >>> at_most(torch.tensor([3, 1, 4, 1, 5]), 9)
    tensor([3, 1, 4, 1, 5])
    """
    return values if len(values) <= count else values[some_rows(len(values), count)]


def _shuffled(total: int, seed: int) -> Tensor:
    return torch.randperm(total, generator=torch.Generator().manual_seed(seed))
