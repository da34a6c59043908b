"""Precision, recall, density and coverage: whether samples lie where real data lie, and cover all of them."""

from __future__ import annotations

from math import prod

import torch
from torch import Tensor

from latentbench_metrics._shared.distances import ROUNDING, centered, distance_blocks
from latentbench_metrics._shared.nearest import nearest

__all__ = ["expected_coverage", "precision_recall_density_coverage", "squared_reach"]


def precision_recall_density_coverage(
    real: Tensor, fake: Tensor, k: int = 5, *, real_reach: Tensor | None = None
) -> dict[str, float]:
    """Compare two samples of equal size by balls that reach to each point's k-th neighbor; higher is better.

    "precision" (share of fakes in a ball of a real point) and "recall" (share of real points in a ball of a fake),
    in [0, 1]; "density" (number of real balls a fake lies in, over k; from 0, 1 when both have the same
    distribution, more when fakes crowd where real points do) and "coverage" (share of real points with a fake in
    their ball), in [0, 1]. Balls are open and leave out their own center. O(n²) time, O(block) memory, float64.

    Source: Kynkäänniemi 2019 (precision, recall) and Naeem 2020 (density, coverage).

    Traps: only coverage resists outliers: a single plausible image has precision 1, scattered ones have recall 1.
    The coverage of two samples of one distribution is not 1 but `expected_coverage`. Compare at equal n and k.

    Args:
        real: features `(n, f)`.
        fake: features `(n, f)`.
        k: number of neighbors, less than n.
        real_reach: `squared_reach(real, k)`, where it is known.

    Raises:
        ValueError: unequal shapes, or k not in 1..n-1.

    >>> real = torch.arange(10.0)[:, None]
    >>> precision_recall_density_coverage(real, torch.full((10, 1), 4.0), k=3)
    {'precision': 1.0, 'recall': 0.0, 'density': 1.0, 'coverage': 0.3}
    """
    _check(real, fake, k)
    real, fake = centered(real, fake)
    real_reach = squared_reach(real, k) if real_reach is None else real_reach.to(real)
    fake_reach = squared_reach(fake, k)
    balls, recalled, covered = torch.zeros(3, len(fake), dtype=torch.float64, device=fake.device)
    for rows, squared in distance_blocks(real, fake):
        inside = _inside(squared, real[rows], fake, real_reach[rows, None])
        balls += inside.sum(0)
        covered[rows] = inside.amax(1)
        recalled[rows] = _inside(squared, real[rows], fake, fake_reach).amax(1)
    shares = {"precision": (balls > 0).double(), "recall": recalled, "density": balls / k, "coverage": covered}
    return {name: float(values.mean()) for name, values in shares.items()}


def expected_coverage(count: int, k: int = 5) -> float:
    """Expected coverage of two samples of `count` from one continuous distribution, whatever it is.

    1 - (n-1)...(n-k) / ((2n-1)...(2n-k)), about 1 - 2^-k.

    Source: Naeem 2020, section 3.3.

    Traps: samples with fewer distinct points, as from a codebook, cover less.

    >>> round(expected_coverage(5000), 4)
    0.9688
    """
    return 1 - prod((count - i) / (2 * count - i) for i in range(1, k + 1))


def _check(real: Tensor, fake: Tensor, k: int) -> None:
    if real.ndim != 2 or real.shape != fake.shape:
        raise ValueError(
            f"real {tuple(real.shape)} and fake {tuple(fake.shape)} must be (n, f), equal in both: "
            "take equally many of each"
        )
    if not 0 < k < len(real):
        raise ValueError(f"k (={k}) must be at least 1 and less than the number of points (={len(real)})")


def squared_reach(points: Tensor, k: int) -> Tensor:
    """Return the squared distance `(n,)` of each of points `(n, f)` to its k-th neighbor, in float64."""
    return nearest(points, points, k, own=torch.arange(len(points)))[0][:, -1]


def _inside(squared: Tensor, x: Tensor, y: Tensor, reach: Tensor) -> Tensor:
    """Return 1.0 where squared distances `(b, m)` of x and y are less than `reach`, else 0.0: exact near a tie."""
    norms = x.square().sum(1, keepdim=True) if reach.ndim == 2 else y.square().sum(1)
    slack = 4 * ROUNDING * (norms + reach)
    inside, possible = torch.empty_like(squared), torch.empty_like(squared)  # thrice as fast as of type bool
    torch.lt(squared, reach - slack, out=inside)
    torch.lt(squared, torch.where(reach > 0, reach + slack, 0.0), out=possible)
    for row in (inside.sum(1) < possible.sum(1)).nonzero()[:, 0].tolist():
        column = (inside[row] < possible[row]).nonzero()[:, 0]
        exact = (x[row] - y[column]).square().sum(1)
        inside[row, column] = (exact < (1 - ROUNDING) * reach.expand_as(squared)[row, column]).double()
    return inside
