"""Shared by the scores of reconstructions: errors of each item, in chunks, and what counts as an image."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from latentbench_metrics._shared.blocks import at_once

__all__ = ["absolute_errors", "clipped", "in_unit_range", "item_mean", "per_item", "squared_errors", "unit_images"]

CHUNK = 2**20  # input elements looked at at once on a CPU
SQUARABLE = 1e-15, 1e15  # size of differences whose squares fit float32


def squared_errors(inputs: Tensor, reconstructions: Tensor) -> Tensor:
    """Mean squared error of each item, `(n,)`; in float64 where the squares would not fit float32.

    >>> squared_errors(torch.zeros(2, 3), torch.tensor([[1.0, 1.0, 1.0], [2.0, 2.0, 2.0]]))
    tensor([1., 4.])
    """
    return per_item(lambda x, y: _squares(x - y).flatten(1).mean(1), inputs, reconstructions)


def _squares(differences: Tensor) -> Tensor:
    size = float(differences.abs().max())
    fits = size == 0 or SQUARABLE[0] < size < SQUARABLE[1]
    return (differences if fits else differences.double()).square()


def absolute_errors(inputs: Tensor, reconstructions: Tensor) -> Tensor:
    """Mean absolute error of each item, `(n,)`.

    >>> absolute_errors(torch.zeros(2, 3), torch.tensor([[1.0, 1.0, 1.0], [2.0, 2.0, -2.0]]))
    tensor([1., 2.])
    """
    return per_item(lambda x, y: (x - y).abs().flatten(1).mean(1), inputs, reconstructions)


def per_item(
    score: Callable[[Tensor, Tensor], Tensor], inputs: Tensor, reconstructions: Tensor, chunk: int | None = None
) -> Tensor:
    """Return `score` `(n,)` of each item, in chunks of at most `chunk` input elements (or one item) on a CPU.

    Raises:
        ValueError: unequal shapes, or no items.
    """
    if inputs.shape != reconstructions.shape:
        raise ValueError(f"inputs {tuple(inputs.shape)} and reconstructions {tuple(reconstructions.shape)} differ")
    if inputs.ndim == 0 or not inputs.numel():
        raise ValueError(f"inputs must be (n, *shape) with at least one item, got {tuple(inputs.shape)}")
    rows = max(1, at_once(chunk or CHUNK, inputs.device) * len(inputs) // inputs.numel())
    both = zip(torch.split(inputs, rows), torch.split(reconstructions, rows), strict=True)
    return torch.cat([score(x, y) for x, y in both])


def item_mean(values: Tensor) -> float:
    """Return the mean, accumulated in float64."""
    return float(values.double().mean())


def clipped(inputs: Tensor, reconstructions: Tensor) -> Tensor:
    """Return the reconstructions, clipped to [0, 1] when the inputs are images in that range."""
    return reconstructions.clamp(0, 1) if unit_images(inputs) else reconstructions


def unit_images(inputs: Tensor) -> bool:
    """Return whether the inputs are images `(n, c, h, w)` in [0, 1]."""
    return inputs.ndim == 4 and in_unit_range(inputs)


def in_unit_range(values: Tensor) -> bool:
    """Return whether all values lie in [0, 1]; NaN does not."""
    return bool(values.min() >= 0) and bool(values.max() <= 1)
