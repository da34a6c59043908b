"""Debiased entropic barycenters of masses on a grid, for many weights at once, in the log domain."""

from __future__ import annotations

import torch
from torch import Tensor

from latentbench.latent.transport.kernels import GridKernel

__all__ = ["LEAST_REG", "debiased_barycenters"]

LEAST_REG = 0.0015  # exp(-1 / reg), the least entry of a kernel, is still above 0 in float64
DARK = 1e-30  # mass of an empty pixel
INNER = 2  # steps of the debiasing potential per step of the others
CHECK = 5  # steps between two checks of the error
FIRST_REG, LEVEL_STEPS = 0.3, 10  # entropy is halved from here down to what is asked for, after so many steps
RELAXATION = 1.5  # times the step that the iteration proposes


def debiased_barycenters(
    heaps: Tensor, weights: Tensor, reg: float, steps: int, tolerance: float
) -> tuple[Tensor, float]:
    """Return barycenters `(m, h, w)` and the largest violation of their marginal conditions.

    Has the fixed point of POT's `convolutional_barycenter2d_debiased` with method "sinkhorn_log", and gets there
    in fewer steps: with more entropy first, then less and less (Schmitzer 2019), and with steps longer than
    proposed (Thibault 2021, overrelaxed Sinkhorn).

    Source: Janati 2020 (debiased Sinkhorn barycenters), algorithm 1.

    Args:
        heaps: `(k, h, w)` in float64, each of sum 1.
        weights: `(m, k)` in float64, each row of sum 1.
        reg: entropy in squared units of the longer side, from `LEAST_REG`.
        steps: maximum number of steps with this entropy.
        tolerance: stop when the sum over pixels of the deviation between the k marginals is below this.
    """
    height, width = heaps.shape[1:]
    unit = 1 / max(height - 1, width - 1, 1)
    potentials = heaps.new_zeros(len(weights), *heaps.shape)
    bias = heaps.new_zeros(len(weights), height, width)
    level = max(reg, FIRST_REG)
    while True:
        iteration = _Iteration(heaps, weights, GridKernel.within(height, width, unit, level, heaps))
        if level == reg:
            return iteration.run(potentials, bias, steps, tolerance)
        iteration.run(potentials, bias, LEVEL_STEPS, 0.0)
        lower = max(level / 2, reg)
        potentials *= level / lower  # in units of entropy
        bias *= level / lower
        level = lower


class _Iteration:
    """Steps towards barycenters with one entropy."""

    def __init__(self, heaps: Tensor, weights: Tensor, kernel: GridKernel) -> None:
        self.logs, self.weights, self.kernel = (heaps + DARK).log(), weights, kernel

    def run(self, potentials: Tensor, bias: Tensor, steps: int, tolerance: float) -> tuple[Tensor, float]:
        """Move potentials `(m, k, h, w)` and bias `(m, h, w)` in place; return barycenters and their error."""
        error, barycenters = float("inf"), bias
        for step in range(1, steps + 1):
            reached = self.kernel.summed(self.logs - self.kernel.summed(potentials))
            barycenters = bias + torch.einsum("mk,mkhw->mhw", self.weights, reached)
            for _ in range(INNER):
                bias.add_(barycenters - self.kernel.summed(bias)).div_(2)
            if tolerance and step % CHECK == 0:
                error = float((potentials + reached).exp().std(1, correction=0).sum((1, 2)).amax())
                if error < tolerance and step > 2 * CHECK:
                    break
            longer = RELAXATION if step > 2 else 1.0
            potentials += longer * (barycenters[:, None] - reached - potentials)
        return barycenters.exp(), error
