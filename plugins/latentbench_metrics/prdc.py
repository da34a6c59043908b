"""Precision, recall, density and coverage: whether samples lie where real data lie, and reach all of it."""

from __future__ import annotations

from math import prod

import torch
from torch import Tensor

from latentbench_metrics.distances import centered, distances_to_others, row_blocks, squared_distances

__all__ = ["expected_coverage", "precision_recall_density_coverage"]


def precision_recall_density_coverage(real: Tensor, fake: Tensor, k: int = 5) -> dict[str, float]:
    """Compare two equally large samples by balls that reach to each point's k-th neighbor; higher is better.

    "precision" (share of fakes in a ball of a real point) and "recall" (share of real points in a ball of a fake;
    Kynkäänniemi 2019), in [0, 1]; "density" (real balls a fake lies in, over k; from 0, 1 when drawn alike, more
    when fakes crowd where real points do) and "coverage" (share of real points with a fake in their ball; Naeem
    2020), in [0, 1]. Only coverage resists a few odd points: a single plausible image has precision 1, scattered
    ones have recall 1. Balls are open and leave out their own center. O(n²) time, O(block) memory, float64.

    Args:
        real: features `(n, f)`.
        fake: features `(n, f)`.
        k: number of neighbors, less than n.

    Raises:
        ValueError: unequal shapes, or k not in 1..n-1.

    >>> real = torch.arange(10.0)[:, None]
    >>> precision_recall_density_coverage(real, torch.full((10, 1), 4.0), k=3)
    {'precision': 1.0, 'recall': 0.0, 'density': 1.0, 'coverage': 0.3}
    """
    _check(real, fake, k)
    real, fake = centered(real, fake)
    real_reach, fake_reach = _reach(real, k), _reach(fake, k)
    balls = torch.zeros(len(fake), dtype=torch.float64, device=fake.device)
    recalled, covered = [], []
    for rows in row_blocks(len(real), len(fake)):
        found = squared_distances(real[rows], fake)
        inside = found < real_reach[rows, None]
        balls += inside.sum(0)
        covered.append(inside.any(1))
        recalled.append((found < fake_reach).any(1))
    shares = {
        "precision": balls > 0,
        "recall": torch.cat(recalled),
        "density": balls / k,
        "coverage": torch.cat(covered),
    }
    return {name: float(values.double().mean()) for name, values in shares.items()}


def expected_coverage(count: int, k: int = 5) -> float:
    """Coverage to be expected of two samples of `count` from one continuous distribution, whatever it is.

    1 - (n-1)...(n-k) / ((2n-1)...(2n-k)) (Naeem 2020, section 3.3), about 1 - 2^-k.

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


def _reach(points: Tensor, k: int) -> Tensor:
    """Squared distance `(n,)` of each point to its k-th neighbor."""
    blocks = row_blocks(len(points), len(points))
    return torch.cat([distances_to_others(points, rows).topk(k, largest=False).values[:, -1] for rows in blocks])
