"""Debiased entropic barycenters of masses on a grid, for many weights at once, in the log domain."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["LEAST_REG", "debiased_barycenters"]

LEAST_REG = 0.0015  # exp(-1 / reg), the least entry of a kernel, is still above 0 in float64
DARK = 1e-30  # mass of an empty pixel
INNER = 10  # steps of the debiasing potential per step of the others
CHECK = 10  # steps between two checks of the error


def debiased_barycenters(
    heaps: Tensor, weights: Tensor, reg: float, steps: int, tolerance: float
) -> tuple[Tensor, float]:
    """Return barycenters `(m, h, w)` and the largest violation of their marginal conditions.

    The iteration is that of POT's `convolutional_barycenter2d_debiased` with method "sinkhorn_log" and gives the
    same numbers. POT sums h * h * w exponentials per convolution; here convolutions are products of small
    matrices, scaled by the largest entry of each line, which loses nothing as long as exp(-1 / reg) is above 0.

    Source: Janati 2020 (debiased Sinkhorn barycenters), algorithm 1.

    Args:
        heaps: `(k, h, w)` in float64, each of sum 1.
        weights: `(m, k)` in float64, each row of sum 1.
        reg: entropy in squared units of the longer side, from `LEAST_REG`.
        steps: maximum number of steps.
        tolerance: stop when the sum over pixels of the deviation between the k marginals is below this.
    """
    height, width = heaps.shape[1:]
    kernels = [_kernel(side, max(height, width), reg, heaps) for side in (height, width)]
    logs = (heaps + DARK).log()
    potentials = heaps.new_zeros(len(weights), *heaps.shape)
    bias = heaps.new_zeros(len(weights), height, width)
    error = float("inf")
    for step in range(1, steps + 1):
        reached = _convolved(logs - _convolved(potentials, kernels), kernels)
        logarithms = bias + torch.einsum("mk,mkhw->mhw", weights, reached)
        for _ in range(INNER):
            bias = (bias + logarithms - _convolved(bias, kernels)) / 2
        if step % CHECK == 0:
            error = float((potentials + reached).exp().std(1, correction=0).sum((1, 2)).amax())
            if error < tolerance and step > 2 * CHECK:
                break
        potentials = logarithms[:, None] - reached
    return logarithms.exp(), error


def _kernel(side: int, longer: int, reg: float, like: Tensor) -> Tensor:
    places = torch.arange(side, dtype=like.dtype, device=like.device) / max(longer - 1, 1)
    return (-(places[:, None] - places).square() / reg).exp()


def _convolved(logs: Tensor, kernels: list[Tensor]) -> Tensor:
    """Return the logarithm of exp(logs) convolved with a Gaussian kernel along both axes."""
    most = logs.amax(-1, keepdim=True)
    logs = ((logs - most).exp() @ kernels[1]).log() + most
    most = logs.amax(-2, keepdim=True)
    return (kernels[0] @ (logs - most).exp()).log() + most
