"""Optimal-transport distances between clouds of points: exact, debiased, sliced and Gaussian.

Exact W2 between two samples is far from 0 even when both come from one distribution (9.3 for 2000 points of
N(0, I_16)): it measures sample size first. Scores here use the other three, at equal n, null distance subtracted.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from latentbench import LatentSpace, Metric, NotApplicableError, Score
from latentbench.latent.sampling import sample_codes, sampler_name
from latentbench_metrics.features import in_domain_features
from latentbench_metrics.subsets import pairs, some_rows

__all__ = [
    "PriorMatch",
    "ReconstructionMatch",
    "SampleMatch",
    "SampleTransport",
    "bures_w2_squared",
    "gaussian_w2_squared",
    "orthonormal_directions",
    "sliced_w2_squared",
    "w2_squared",
    "w2_squared_split",
]

ITEMS = 2000
SPLITS = 5
SEED = 0
SLICED_BLOCK = 2**22  # projected numbers held at once


def w2_squared(x: Tensor, y: Tensor) -> float:
    """Squared 2-Wasserstein distance of two samples, in squared units; exact, O(n³), on the CPU in float64.

    Biased upwards by roughly n^(-2/d): see the head of this file.

    Args:
        x: `(n, d)`.
        y: `(m, d)`.

    Raises:
        ValueError: unequal d.

    >>> round(w2_squared(torch.zeros(3, 2), torch.full((4, 2), 2.0)), 9)
    8.0
    """
    x, y = _centered(x, y)
    ot = _pot()
    return float(ot.emd2([], [], ot.dist(x.cpu().numpy(), y.cpu().numpy()), numItermax=1_000_000))


def w2_squared_split(x: Tensor, y: Tensor, seed: int) -> float:
    """Squared 2-Wasserstein distance without most of its sampling bias; may be below 0. Mean of 5 random splits.

    ½ [W(x1, y1) + W(x2, y2) - W(x1, x2) - W(y1, y2)] with random halves of both samples.

    Args:
        x: `(n, d)`.
        y: `(m, d)`.
        seed: of the splits.

    >>> x = torch.randn(40, 1, generator=torch.Generator().manual_seed(0))
    >>> round(w2_squared_split(x, x + 10, seed=0))
    100
    """
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(SPLITS):
        (x1, x2), (y1, y2) = _halves(x, rng), _halves(y, rng)
        within = w2_squared(x1, x2) + w2_squared(y1, y2)
        values.append((w2_squared(x1, y1) + w2_squared(x2, y2) - within) / 2)
    return float(np.mean(values))


def sliced_w2_squared(x: Tensor, y: Tensor, projections: int = 1024, seed: int = 0) -> float:
    """Sliced squared 2-Wasserstein distance (Bonneel 2015): the mean over directions of the one-dimensional one.

    Directions come in whole orthonormal bases, drawn by numpy from `seed` on every device, so that a shift by m
    adds |m|²/d exactly. Bias of order 1/n whatever d is.

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
    """Return at least `count` unit vectors `(rows, dim)`: whole random orthonormal bases, one below another.

    >>> orthonormal_directions(3, 4, seed=0).shape
    torch.Size([6, 3])
    """
    normal = np.random.default_rng(seed).standard_normal((-(-count // dim), dim, dim))
    bases: Tensor = torch.linalg.qr(torch.from_numpy(normal)).Q
    return bases.reshape(-1, dim)


def bures_w2_squared(x: Tensor, y: Tensor) -> float:
    """Squared 2-Wasserstein distance of the normals with the samples' means and covariances (Fréchet distance).

    Bias for equal N(0, I_d) samples of n: 2d/n + d(d+1)/(2n). Dimensions without spread are no trouble.

    Args:
        x: `(n, d)`.
        y: `(m, d)`.

    >>> x = torch.tensor([[0.0], [2.0]])
    >>> round(bures_w2_squared(x, x + 3), 6)
    9.0
    """
    x, y = _centered(x, y)
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


def _sorted_rows(values: Tensor) -> Tensor:
    if values.is_cuda:
        return values.sort(dim=1).values
    return torch.from_numpy(np.sort(values.cpu().numpy(), axis=1)).to(values.device)  # 12 times faster than torch


def _pot() -> ModuleType:
    """Import POT without the back ends it would otherwise import too."""
    for backend in ("JAX", "CUPY", "TENSORFLOW"):
        os.environ.setdefault(f"POT_BACKEND_DISABLE_{backend}", "1")
    import ot

    module: ModuleType = ot
    return module


def _centered(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    if x.ndim != 2 or x.shape[1:] != y.shape[1:]:
        raise ValueError(f"x and y must be (n, d) and (m, d), got {tuple(x.shape)} and {tuple(y.shape)}")
    x, y = x.double(), y.double()
    center = (x.mean(0) + y.mean(0)) / 2
    return x - center, y - center


def _halves(x: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    order = torch.from_numpy(rng.permutation(len(x)))
    return x[order[: len(x) // 2]], x[order[len(x) // 2 :]]


def _covariance(x: Tensor) -> Tensor:
    centered = x - x.mean(0)
    return centered.T @ centered / (len(x) - 1)


DISTANCES: Mapping[str, Callable[[Tensor, Tensor], float]] = {
    "sliced_w2_squared": sliced_w2_squared,
    "bures_w2_squared": bures_w2_squared,
}


def _above_null(fake: Tensor, real: Tensor, other: Tensor, suffix: str) -> dict[str, float]:
    """Distances of `fake` from `real`, less those of `other`, which is as real as `real`."""
    return {f"{name}_{suffix}": far(fake, real) - far(other, real) for name, far in DISTANCES.items()}


def _prior_scores() -> dict[str, Score]:
    words = "{} distance of posterior samples from the prior, null subtracted"
    return {
        "sliced_w2_squared_prior": Score("none", words.format("sliced"), "make", codes="sample", ceiling=0.0),
        "bures_w2_squared_prior": Score("none", words.format("Gaussian"), "make", codes="sample", ceiling=0.0),
    }


class PriorMatch(Metric):
    """Posterior samples against as many prior samples; a collapsed posterior is nearest: read it beside `rate`."""

    scores: ClassVar[Mapping[str, Score]] = _prior_scores()
    needs: ClassVar[tuple[str, ...]] = ("posterior", "prior")
    min_items: ClassVar[int] = 100
    max_items: ClassVar[int | None] = ITEMS

    def compute(self, space: LatentSpace) -> Mapping[str, float]:
        """Return both distances."""
        samples = space.code_samples[some_rows(len(space), self.max_items)]
        prior, other = (sample_codes(space, len(samples), SEED + i) for i in (1, 2))
        return _above_null(samples, prior, other, "prior")


class SampleMatch(Metric):
    """Decoded new codes against real test images, in in-domain features; null: other test images."""

    scores: ClassVar[Mapping[str, Score]] = {
        "sliced_w2_squared_samples": Score("down", "sliced distance of new images from real", "make", ceiling=0.0),
        "bures_w2_squared_samples": Score(
            "down", "Gaussian distance of new images from real", "make", ceiling=0.0
        ),
    }
    needs: ClassVar[tuple[str, ...]] = ("inputs", "labels", "train", "decoder")
    min_items: ClassVar[int] = 200
    max_items: ClassVar[int | None] = 2 * ITEMS

    def compute(self, space: LatentSpace) -> Mapping[str, float]:
        """Return both distances."""
        features = in_domain_features(space)
        first, second = pairs(len(space), ITEMS)
        new = space.decode(sample_codes(space, len(first), SEED))
        real, other = features(space.inputs[first]), features(space.inputs[second])
        return _above_null(features(new), real, other, "samples")

    def note(self, space: LatentSpace) -> str:
        """Say where new codes were drawn from."""
        return f"new codes drawn from: {sampler_name(space)}"


class SampleTransport(Metric):
    """Decoded new codes against at most 2000 real test images by exact transport, debiased by splitting."""

    scores: ClassVar[Mapping[str, Score]] = {
        "w2_squared_split_samples": Score("down", "exact distance of new images from real", "make", ceiling=0.0),
    }
    needs: ClassVar[tuple[str, ...]] = SampleMatch.needs
    tier: ClassVar = "full"
    min_items: ClassVar[int] = 1000
    max_items: ClassVar[int | None] = ITEMS

    def compute(self, space: LatentSpace) -> Mapping[str, float]:
        """Return the distance; splitting subtracts the null already."""
        if len(space) < self.min_items:
            raise NotApplicableError(f"exact transport needs {self.min_items} items, has {len(space)}")
        features = in_domain_features(space)
        real = space.inputs[some_rows(len(space), self.max_items)]
        new = space.decode(sample_codes(space, len(real), SEED))
        return {"w2_squared_split_samples": w2_squared_split(features(new), features(real), SEED)}

    note = SampleMatch.note


class ReconstructionMatch(Metric):
    """Reconstructions against the inputs of other items, in in-domain features; null: their own inputs."""

    scores: ClassVar[Mapping[str, Score]] = {
        "sliced_w2_squared_reconstructions": Score(
            "down", "sliced distance of reconstructions from real images", "keep", ceiling="pixels"
        ),
        "bures_w2_squared_reconstructions": Score(
            "down", "Gaussian distance of reconstructions from real images", "keep", ceiling="pixels"
        ),
    }
    needs: ClassVar[tuple[str, ...]] = SampleMatch.needs
    invariances: ClassVar[tuple[str, ...]] = ("shift", "scale", "rotation")
    min_items: ClassVar[int] = SampleMatch.min_items
    max_items: ClassVar[int | None] = SampleMatch.max_items

    def compute(self, space: LatentSpace) -> Mapping[str, float]:
        """Return both distances."""
        features = in_domain_features(space)
        first, second = pairs(len(space), ITEMS)
        real, own = features(space.inputs[first]), features(space.inputs[second])
        return _above_null(features(space.reconstructions[second]), real, own, "reconstructions")
