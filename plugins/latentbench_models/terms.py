"""Terms of losses that several models share: distances between a batch of codes and samples of a prior."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from latentbench import Posterior

__all__ = ["Kernel", "maximum_mean_discrepancy", "squared_distances", "standard_normal"]

Kernel = Literal["imq", "gaussian"]
SCALES = 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0  # of Tolstikhin et al.'s sum of kernels


def standard_normal(dim: int, device: torch.device) -> Posterior:
    """Return the standard normal over codes `(dim,)`."""
    zeros = torch.zeros(dim, device=device)
    return Posterior(zeros, torch.ones_like(zeros))


def squared_distances(one: Tensor, other: Tensor) -> Tensor:
    """Return |x - y|^2 for all rows x of `(n, d)` and y of `(m, d)`, `(n, m)`, in single precision at least."""
    precision = torch.promote_types(one.dtype, torch.float32)
    return (one.to(precision)[:, None] - other.to(precision)[None]).square().sum(-1)


def maximum_mean_discrepancy(codes: Tensor, samples: Tensor, kernel: Kernel) -> Tensor:
    """Return the unbiased estimate of the squared MMD between two batches `(n, d)`, 0-dim; may be below 0.

    Gretton et al. 2012, equation 3. Kernels are made for a prior of variance 1: "imq" is the sum of C / (C + r^2)
    over C = 2 d s, s in `SCALES`; "gaussian" is exp(-r^2 / (2 d)), where r is the distance of two codes. Of a
    single row, the parts within a batch are left out.
    """
    count = len(codes)
    pairs = max(count * (count - 1), 1)
    at_zero = len(SCALES) if kernel == "imq" else 1
    within = [_kernel(squared_distances(one, one), one.shape[1], kernel).sum() for one in (codes, samples)]
    across = _kernel(squared_distances(codes, samples), codes.shape[1], kernel).mean()
    return (within[0] + within[1] - 2 * at_zero * count) / pairs - 2 * across


def _kernel(squared: Tensor, dim: int, kernel: Kernel) -> Tensor:
    if kernel == "gaussian":
        return torch.exp(-squared / (2 * dim))
    widths = [2 * dim * scale for scale in SCALES]
    return torch.stack([width / (width + squared) for width in widths]).sum(0)
