"""Optimal-transport distances between clouds of points: exact, debiased, sliced and Gaussian.

Exact W2 between two samples is far from 0 even when both come from one distribution (9.3 for 2000 points of N(0,
I_16)): it mostly measures sample size. The scores use the other three, at equal n, with the null distance
subtracted.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from latentbench.latent.transport.pot import pot

__all__ = [
    "bures_w2_squared",
    "class_transport",
    "gaussian_w2_squared",
    "orthonormal_directions",
    "sliced_w2_squared",
    "w2_squared",
    "w2_squared_split",
    "w2_squared_within",
]

CLASS_SPLITS = 2
PER_CLASS = 400  # codes of a class that are looked at
SPLITS = 5
SLICED_BLOCK = 2**22  # projected numbers held at once


def w2_squared(x: Tensor, y: Tensor) -> float:
    """Squared 2-Wasserstein distance of two samples, in squared units; exact, lower is better, from 0.

    O(n³) time and n x m numbers, by POT on the CPU in float64.

    Source: Kantorovich's problem with cost |x - y|²; network simplex of Bonneel 2011.

    Traps: biased upwards by roughly n^(-2/d): 9.3 for two samples of 2000 from N(0, I_16), whose distance is 0.
    Compare only at equal n and d, and beside the value of two real samples.

    Args:
        x: `(n, d)`.
        y: `(m, d)`.

    Raises:
        ValueError: unequal d, or an empty sample.

    >>> round(w2_squared(torch.zeros(3, 2), torch.full((4, 2), 2.0)), 9)
    8.0
    """
    x, y = _checked(x, y)
    shift = (x.mean(0) - y.mean(0)).square().sum()  # apart from the rest: the plan is the same, and found faster
    ot = pot()
    costs = ot.dist((x - x.mean(0)).cpu().numpy(), (y - y.mean(0)).cpu().numpy())
    return float(shift) + float(ot.emd2([], [], costs, numItermax=1_000_000))


def w2_squared_split(
    x: Tensor, y: Tensor, seed: int, splits: int = SPLITS, within: Sequence[float] | None = None
) -> float:
    """Squared 2-Wasserstein distance minus its null at equal n, in squared units; lower is better, 0 when alike.

    The mean over random halves of ½ [W(x1, y1) + W(x2, y2) - W(x1, x2) - W(y1, y2)]; may be below 0.

    Source: the cross-term estimator of POT's `debias="split"`.

    Traps: unbiased for equal distributions and for shifts, but not for different widths: for N(0, I_d) against
    N(0, s² I_d) its expectation is (1 - s)² (d - B / 2), with B the value of `w2_squared` for two samples of n / 2
    from N(0, I_d): two thirds of the truth at d = 16, n = 2000. Samples must be independent: where x and y share
    items it is below 0.

    Args:
        x: `(n, d)`, at least two rows.
        y: `(m, d)`, likewise.
        seed: of the splits.
        splits: how many.
        within: `w2_squared_within(y, len(x), seed, splits)`, where it is known.

    Raises:
        ValueError: unequal d, fewer than two rows, or splits below 1.

    >>> x = torch.randn(40, 1, generator=torch.Generator().manual_seed(0))
    >>> round(w2_squared_split(x, x + 10, seed=0))
    100
    """
    x, y = _checked(x, y, least=2)
    if splits < 1:
        raise ValueError(f"splits must be at least 1, got {splits}")
    rng = np.random.default_rng(seed)
    values = []
    for split in range(splits):
        (x1, x2), (y1, y2) = _halves(x, rng), _halves(y, rng)
        apart = w2_squared(x1, x2) + (w2_squared(y1, y2) if within is None else within[split])
        values.append((w2_squared(x1, y1) + w2_squared(x2, y2) - apart) / 2)
    return float(np.mean(values))


def w2_squared_within(y: Tensor, others: int, seed: int, splits: int = SPLITS) -> list[float]:
    """Return the distances W(y1, y2) that `w2_squared_split(x, y, seed, splits)` subtracts, whatever x is.

    Args:
        y: `(m, d)`, at least two rows.
        others: number of rows of x.
        seed: of the splits.
        splits: how many.

    >>> points = torch.tensor([[0.0], [1.0]])
    >>> w2_squared_within(points, others=2, seed=0, splits=1)
    [1.0]
    """
    rng, points = np.random.default_rng(seed), y.double()
    values = []
    for _ in range(splits):
        rng.permutation(others)
        values.append(w2_squared(*_halves(points, rng)))
    return values


def sliced_w2_squared(x: Tensor, y: Tensor, projections: int = 1024, seed: int = 0) -> float:
    """Mean over directions of the one-dimensional squared 2-Wasserstein distance; lower is better, from 0.

    In squared units, per dimension: directions come in whole orthonormal bases, drawn by numpy from `seed` on any
    device, so that a shift by m gives |m|²/d exactly.

    Source: Bonneel 2015.

    Traps: unlike other distances it shrinks with d: a difference in one of d dimensions counts 1/d. Biased upwards
    by order 1/n for any d: subtract the value of two real samples.

    Args:
        x: `(n, d)`.
        y: likewise, equally many rows.
        projections: fewest directions; rounded up to a multiple of d.
        seed: of the directions.

    Raises:
        ValueError: unequal shapes.

    >>> round(sliced_w2_squared(torch.zeros(3, 2), torch.full((3, 2), 2.0)), 9)
    4.0
    """
    if x.shape != y.shape:
        raise ValueError(
            f"x {tuple(x.shape)} and y {tuple(y.shape)} must have equal shapes: take equally many rows"
        )
    x, y = _centered(x, y)
    directions = orthonormal_directions(x.shape[1], projections, seed).to(x.device)
    total = 0.0
    for block in torch.split(directions, max(1, SLICED_BLOCK // len(x))):
        gaps = _sorted_rows(block @ x.T) - _sorted_rows(block @ y.T)
        total += float(gaps.square().mean(1).sum())
    return total / len(directions)


def orthonormal_directions(dim: int, count: int, seed: int) -> Tensor:
    """Return at least `count` unit vectors `(rows, dim)`: complete random orthonormal bases, one after another.

    >>> orthonormal_directions(3, 4, seed=0).shape
    torch.Size([6, 3])
    """
    normal = np.random.default_rng(seed).standard_normal((-(-count // dim), dim, dim))
    bases: Tensor = torch.linalg.qr(torch.from_numpy(normal)).Q
    return bases.reshape(-1, dim)


def bures_w2_squared(x: Tensor, y: Tensor) -> float:
    """Squared 2-Wasserstein distance of the normals with the samples' means and covariances; lower is better.

    In squared units, from 0: the Fréchet distance, whatever the samples are. Dimensions without spread are
    allowed.

    Source: Dowson 1982; Heusel 2017 for features of images.

    Traps: it only sees means and covariances: on linear features a Gaussian fake is perfect. Two samples of n from
    N(0, I_d) are 2d/n + d(d+1)/(2n) apart: compare at equal n and d, minus the value of two real samples.

    Args:
        x: `(n, d)`, at least two rows.
        y: `(m, d)`, likewise.

    Raises:
        ValueError: unequal d, or fewer than two rows.

    >>> x = torch.tensor([[0.0], [2.0]])
    >>> round(bures_w2_squared(x, x + 3), 6)
    9.0
    """
    x, y = _centered(x, y, least=2)
    return gaussian_w2_squared(x.mean(0), _covariance(x), y.mean(0), _covariance(y))


def gaussian_w2_squared(mean_x: Tensor, cov_x: Tensor, mean_y: Tensor, cov_y: Tensor) -> float:
    """|m_x - m_y|² + tr(A + B - 2 (A^½ B A^½)^½) of two normals, means `(d,)`, covariances A and B `(d, d)`.

    >>> zero, a, b = torch.zeros(2), torch.diag(torch.tensor([1.0, 4])), torch.diag(torch.tensor([9.0, 1]))
    >>> round(gaussian_w2_squared(zero, a, zero, b), 9)
    5.0
    """
    a, b = cov_x.double(), cov_y.double()
    values, vectors = torch.linalg.eigh(a)
    root = (vectors * values.clamp_min(0).sqrt()) @ vectors.T
    cross = torch.linalg.eigvalsh(root @ b @ root).clamp_min(0).sqrt().sum()
    shift = (mean_x.double() - mean_y.double()).square().sum()
    return max(0.0, float(shift + a.trace() + b.trace() - 2 * cross))  # rounding may end just below


def class_transport(codes: Tensor, labels: Tensor, seed: int = 0) -> Tensor:
    """Squared 2-Wasserstein distances `(k, k)` between the classes' codes, as normals, in squared units.

    No better direction by themselves. Row i is the i-th smallest label. Symmetric, 0 on the diagonal, float64;
    halves remove the bias as in `w2_squared_split` (mean of 2 random splits), so entries may fall just below 0. At
    most 400 codes of a class, drawn by `seed`; sizes may differ.

    Source: Bures distance (Dowson 1982), halves as above.

    Traps: it grows with the square of the codes' scale and only sees means and covariances (5 to 25 % less than
    exact transport on Fashion-MNIST); exact transport by halves loses more to its bias (23 % against 3 % for
    normals of d = 16 with 200 codes each) and takes 20 times as long.

    Args:
        codes: `(n, d)`.
        labels: class numbers `(n,)`; two classes or more, of four codes or more.
        seed: of the codes taken and the halves.

    Raises:
        ValueError: fewer than two classes, a class of fewer than four codes, or labels of another length.

    >>> codes = torch.randn(100, 2, generator=torch.Generator().manual_seed(0)).repeat(2, 1)
    >>> codes[100:] += 3
    >>> class_transport(codes, torch.arange(2).repeat_interleave(100)).round().abs()
    tensor([[ 0., 18.],
            [18.,  0.]], dtype=torch.float64)
    """
    members = _members(codes, labels)
    rng = np.random.default_rng(seed)
    total = torch.zeros(len(members), len(members), dtype=torch.float64, device=codes.device)
    for _ in range(CLASS_SPLITS):
        taken = [points[torch.from_numpy(rng.permutation(len(points))[:PER_CLASS])] for points in members]
        first, second = ([_moments(half) for half in halves] for halves in zip(*map(_cut, taken), strict=True))
        within = [_between(one, other) for one, other in zip(first, second, strict=True)]
        for i in range(len(members)):
            for j in range(i):
                across = _between(first[i], first[j]) + _between(second[i], second[j])
                total[i, j] += (across - within[i] - within[j]) / 2
    return (total + total.T) / CLASS_SPLITS


def _members(codes: Tensor, labels: Tensor) -> list[Tensor]:
    """Return the centered codes of each class."""
    if codes.ndim != 2 or labels.shape != codes.shape[:1]:
        raise ValueError(
            f"codes and labels must be (n, d) and (n,), got {tuple(codes.shape)} and {tuple(labels.shape)}"
        )
    classes, sizes = torch.unique(labels, return_counts=True)
    if len(classes) < 2 or int(sizes.min()) < 4:
        raise ValueError(
            f"needs two classes of four codes or more, got {len(classes)}, the smallest of {int(sizes.min())}"
        )
    points = codes.double() - codes.double().mean(0)
    return [points[labels == label] for label in classes]


def _moments(points: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean `(d,)` and a factor R `(r, d)` of the covariance RᵀR, r at most n and at most d."""
    factor = torch.linalg.qr(points - points.mean(0), mode="r").R
    return points.mean(0), factor / (len(points) - 1) ** 0.5


def _between(one: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor]) -> Tensor:
    """Bures distance; tr (A^½ B A^½)^½ is the sum of the singular values of R_A R_Bᵀ."""
    (mean, factor), (other_mean, other_factor) = one, other
    cross = torch.linalg.svdvals(factor @ other_factor.T).sum()
    spread = factor.square().sum() + other_factor.square().sum()
    distance: Tensor = (mean - other_mean).square().sum() + spread - 2 * cross
    return distance


def _cut(points: Tensor) -> tuple[Tensor, Tensor]:
    return points[: len(points) // 2], points[len(points) // 2 :]


def _sorted_rows(values: Tensor) -> Tensor:
    if values.device.type != "cpu":
        return values.sort(dim=1).values
    return torch.from_numpy(np.sort(values.numpy(), axis=1))  # 12 times as fast as torch


def _checked(x: Tensor, y: Tensor, least: int = 1) -> tuple[Tensor, Tensor]:
    if x.ndim != 2 or x.shape[1:] != y.shape[1:]:
        raise ValueError(f"x and y must be (n, d) and (m, d), got {tuple(x.shape)} and {tuple(y.shape)}")
    if min(len(x), len(y)) < least:
        raise ValueError(f"x and y must have at least {least} rows, got {len(x)} and {len(y)}")
    return x.double(), y.double()


def _centered(x: Tensor, y: Tensor, least: int = 1) -> tuple[Tensor, Tensor]:
    x, y = _checked(x, y, least)
    center = (x.mean(0) + y.mean(0)) / 2
    return x - center, y - center


def _halves(x: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    return _cut(x[torch.from_numpy(rng.permutation(len(x)))])


def _covariance(x: Tensor) -> Tensor:
    centered = x - x.mean(0)
    return centered.T @ centered / (len(x) - 1)
