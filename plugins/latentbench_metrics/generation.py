"""How far a set of images is from another, in features."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["kernel_distance"]

CHUNK = 1024


def kernel_distance(real: Tensor, fake: Tensor) -> float:
    """Kernel distance (KID, Binkowski 2018): unbiased squared MMD for k(x, y) = (x·y / d + 1)³; lower is better.

    About 0 when both are drawn alike, below 0 in half of such cases.

    Args:
        real: features `(n, d)`.
        fake: features `(m, d)`.

    Raises:
        ValueError: fewer than two rows, or unequal d.

    >>> kernel_distance(torch.zeros(3, 2), torch.ones(3, 2))
    7.0
    """
    if min(len(real), len(fake)) < 2 or real.shape[1] != fake.shape[1]:
        raise ValueError(f"needs (n, d) and (m, d) with n, m > 1, got {tuple(real.shape)} and {tuple(fake.shape)}")
    real, fake = real.double(), fake.double()
    across = _kernel_sum(real, fake) / (len(real) * len(fake))
    return float(_mean_within(real) + _mean_within(fake) - 2 * across)


def _mean_within(x: Tensor) -> Tensor:
    diagonal = (x.square().sum(1) / x.shape[1] + 1).pow(3).sum()
    return (_kernel_sum(x, x) - diagonal) / (len(x) * (len(x) - 1))


def _kernel_sum(x: Tensor, y: Tensor) -> Tensor:
    return torch.stack([(rows @ y.T / x.shape[1] + 1).pow(3).sum() for rows in torch.split(x, CHUNK)]).sum()
