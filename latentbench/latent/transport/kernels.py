"""Gaussian kernels on grids, applied to logarithms: what entropic transport between images consists of."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["GridKernel"]

SAFE = 690.0  # exp(-SAFE) is a normal number in float64
DIM = -1e300  # instead of the logarithm of 0, which cannot be subtracted from itself


class GridKernel:
    """exp(-|x - y|² / reg) between the places x of one grid and the places y of another, an axis at a time.

    Sums over an axis are products of small matrices, scaled by the largest entry of each line, which loses nothing
    as long as the least entry of the kernel is above 0. Where it is not, exponentials are added up one by one.

    Args:
        costs: squared distances along rows `(h, h')` and along columns `(w, w')`, in float64.
        reg: in the unit of the costs.
    """

    def __init__(self, costs: tuple[Tensor, Tensor], reg: float) -> None:
        self.logs = [-cost / reg for cost in costs]
        self.kernels = [None if float(log.min()) < -SAFE else log.exp() for log in self.logs]

    @classmethod
    def within(cls, height: int, width: int, unit: float, reg: float, like: Tensor) -> GridKernel:
        """Return the kernel within one grid of pixels `unit` apart."""
        places = [torch.arange(side, dtype=like.dtype, device=like.device) * unit for side in (height, width)]
        rows, columns = ((line[:, None] - line).square() for line in places)
        return cls((rows, columns), reg)

    def summed(self, logs: Tensor) -> Tensor:
        """Return log Σ_x exp(logs(x)) k(x, y): of `(..., h, w)`, which may hold -inf, `(..., h', w')`."""
        return self._down(self._across(logs))

    def back(self, logs: Tensor) -> Tensor:
        """Return log Σ_y k(x, y) exp(logs(y)): of `(..., h', w')` `(..., h, w)`."""
        other = object.__new__(GridKernel)
        other.logs = [log.T for log in self.logs]
        other.kernels = [None if kernel is None else kernel.T for kernel in self.kernels]
        return other.summed(logs)

    def _across(self, logs: Tensor) -> Tensor:
        kernel = self.kernels[1]
        if kernel is None:
            return (logs[..., None] + self.logs[1]).logsumexp(-2)
        most = logs.amax(-1, keepdim=True).clamp_min_(DIM)
        return ((logs - most).exp_() @ kernel).log_().add_(most)

    def _down(self, logs: Tensor) -> Tensor:
        kernel = self.kernels[0]
        if kernel is None:
            return (logs[..., None, :] + self.logs[0][:, :, None]).logsumexp(-3)
        most = logs.amax(-2, keepdim=True).clamp_min_(DIM)
        return (kernel.T @ (logs - most).exp_()).log_().add_(most)
