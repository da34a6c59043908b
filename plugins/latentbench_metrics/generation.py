"""Whether new images look real, and how far two sets of images are from each other, in features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from latentbench import Better, LatentSpace, Metric, Need, Score, Tier
from latentbench.latent.sampling import sampler_name
from latentbench_metrics._shared.blocks import at_once
from latentbench_metrics._shared.features import known_features, new_features
from latentbench_metrics._shared.nearest import nearest
from latentbench_metrics._shared.once import once
from latentbench_metrics._shared.prdc import (
    expected_coverage,
    precision_recall_density_coverage,
    squared_reach,
)
from latentbench_metrics._shared.subsets import at_most
from latentbench_metrics._shared.wasserstein import bures_w2_squared

__all__ = ["OutOfBounds", "Samples", "frechet_distance", "kernel_distance", "out_of_bounds"]

CHUNK = 1024  # rows of products held at once on a CPU
BANK = 10_000  # training images that new ones are held against
INSIDE = 0.95  # share of test images that is called in bounds
NEIGHBORS = 5
SEED = 0


def frechet_distance(real: Tensor, fake: Tensor) -> float:
    """Fréchet distance (FID) of two sets of features, |m - m'|² + tr(A + B - 2 (AB)^½); lower is better, from 0.

    In squared units of the features: `bures_w2_squared` under the name it has for images. The score
    `bures_w2_squared_samples` is this distance minus that of real images, so it needs no second score.

    Source: Heusel 2017.

    Traps: biased upwards by 2d/n + d(d+1)/(2n) for white features: never compare across n or across features. It
    only sees means and covariances: on linear features such as PCA, a Gaussian fake is perfect.

    Args:
        real: features `(n, d)`, at least two rows.
        fake: features `(m, d)`, likewise.

    Raises:
        ValueError: unequal d, or fewer than two rows.

    >>> real = torch.tensor([[0.0], [2.0]])
    >>> round(frechet_distance(real, 2 * real + 1), 6)  # means 1 and 3, deviations 1.414 and 2.828
    6.0
    """
    return bures_w2_squared(real, fake)


def kernel_distance(real: Tensor, fake: Tensor) -> float:
    """Kernel distance (KID): unbiased squared MMD for k(x, y) = (x·y / d + 1)³; lower is better.

    About 0 when both have the same distribution, and then below 0 in half of the cases; the unit is that of k.

    Source: Binkowski 2018.

    Traps: k grows with the sixth power of the features' scale, so distances in different features cannot be
    compared; it only sees moments up to the third.

    Args:
        real: features `(n, d)`.
        fake: features `(m, d)`.

    Raises:
        ValueError: fewer than two rows, or unequal d.

    >>> round(kernel_distance(torch.zeros(3, 2), torch.ones(3, 2)), 12)
    7.0
    """
    if min(len(real), len(fake)) < 2 or real.shape[1] != fake.shape[1]:
        raise ValueError(f"needs (n, d) and (m, d) with n, m > 1, got {tuple(real.shape)} and {tuple(fake.shape)}")
    x, y = _lifted(real), _lifted(fake)
    moments = x.shape[1] ** 2 <= 2 * (len(x) + len(y))
    within_x, within_y, across = _sums_by_moments(x, y) if moments else _sums_by_pairs(x, y)
    mean_x, mean_y = (
        (total - points.square().sum(1).pow(3).sum()) / (len(points) * (len(points) - 1))
        for total, points in ((within_x, x), (within_y, y))
    )
    return float(mean_x + mean_y - 2 * across / (len(x) * len(y)))


def out_of_bounds(train: Tensor, test: Tensor, fake: Tensor) -> float:
    """Share of fakes farther from the nearest training point than 95 % of test points; no better direction.

    In [0, 1], 0.05 when fakes are as near as test points. Exact, in float64.

    Source: novelty detection by nearest neighbors, at the 95 % quantile of test data.

    Traps: blind to variety: one good image, or a copy of the training set, scores 0. Read it beside coverage.

    Args:
        train: features `(m, f)`.
        test: features `(n, f)`.
        fake: features `(l, f)`.

    Raises:
        ValueError: unequal f, or an empty set.

    >>> train, test = torch.zeros(1, 1), torch.linspace(0, 1, 21)[:, None]
    >>> out_of_bounds(train, test, torch.tensor([[0.5], [0.9], [2.0], [-3.0]]))
    0.5
    """
    if len({points.shape[1:] for points in (train, test, fake)}) > 1 or not all(map(len, (train, test, fake))):
        shapes = ", ".join(str(tuple(points.shape)) for points in (train, test, fake))
        raise ValueError(f"train, test and fake must be (m, f), (n, f) and (l, f), none empty, got {shapes}")
    return _share_beyond(_reach(train, test), _reach(train, fake))


def _share_beyond(test: Tensor, fake: Tensor) -> float:
    """Return the share of distances `(l,)` of fakes that exceed 95 % of those of test points `(n,)`."""
    return float((fake > torch.quantile(test, INSIDE)).double().mean())


def _reach(bank: Tensor, points: Tensor) -> Tensor:
    """Return distances `(n,)` of points to the nearest of `bank`."""
    return nearest(bank, points, 1)[0][:, 0].sqrt()


def _lifted(points: Tensor) -> Tensor:
    """Return points `(n, d + 1)` whose products are x·y / d + 1."""
    scaled = points.double() / points.shape[1] ** 0.5
    return torch.cat([scaled, torch.ones_like(scaled[:, :1])], 1)


def _sums_by_pairs(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the sums of (a·b)³ over all pairs within x, within y, and across."""

    def total(points: Tensor, others: Tensor) -> Tensor:
        blocks = torch.split(points, at_once(CHUNK, points.device))
        return torch.stack([(rows @ others.T).pow(3).sum() for rows in blocks]).sum()

    return total(x, x), total(y, y), total(x, y)


def _sums_by_moments(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The same from third moments, which are fewer than pairs: sums of a_i a_j a_k, each i <= j, k once."""
    sums = []
    for i in range(x.shape[1]):
        moments_x, moments_y = ((points[:, i:] * points[:, i : i + 1]).T @ points[:, i:] for points in (x, y))
        times = torch.full_like(moments_x, 3.0)
        times[0], times[:, 0] = 1.5, 1.5
        times[0, 0] = 1.0
        sums.append(
            torch.stack(
                [
                    (times * a * b).sum()
                    for a, b in ((moments_x, moments_x), (moments_y, moments_y), (moments_x, moments_y))
                ]
            )
        )
    within_x, within_y, across = torch.stack(sums).sum(0)
    return within_x, within_y, across


def _share(better: Better, description: str, *, headline: bool = False) -> Score:
    return Score(better, description, purpose="make", headline=headline, range=(0, 1), floor=0.0, ceiling=1.0)


class Samples(Metric):
    """Decoded new codes against as many real test images, in in-domain features.

    Precision, recall and density have no better direction: useless images can win each of them.
    """

    scores: ClassVar[Mapping[str, Score]] = {
        "sample_precision": _share("none", "share of new images that lie where real ones do"),
        "sample_recall": _share("none", "share of real images that lie where new ones do"),
        "sample_density": Score(
            "none",
            "crowding of new images around real ones; 1 when both are distributed alike",
            purpose="make",
            range=(0, float("inf")),
            floor=0.0,
            ceiling=1.0,
        ),
        "sample_coverage": _share("up", "share of real images with a new one nearby", headline=True),
        "kernel_distance_samples": Score(
            "down",
            "kernel distance of new images from real ones, in features of an in-domain classifier (64)",
            purpose="make",
            floor="random_projection",
            ceiling=0.0,
        ),
    }
    needs: ClassVar[tuple[Need, ...]] = ("inputs", "labels", "train", "decoder")
    version: ClassVar[int] = 3
    tolerance: ClassVar[float] = 0.01  # features are float32, and a point may lie on the border of a ball
    min_items: ClassVar[int] = 100
    max_items: ClassVar[int | None] = 5000

    def compute(self, space: LatentSpace) -> Mapping[str, float]:
        """Return shares and distances, without per-item errors: all items share one set of new images."""
        real = known_features(space, space.inputs)
        new = new_features(space, len(space), SEED)
        reach = once(space, squared_reach, real, NEIGHBORS, shape=(len(real),), dtype=np.float64)
        balls = precision_recall_density_coverage(real, new, NEIGHBORS, real_reach=reach)
        return {
            **{f"sample_{name}": value for name, value in balls.items()},
            "kernel_distance_samples": kernel_distance(real, new),
        }

    def note(self, space: LatentSpace) -> str:
        """Say where new codes were drawn from, and how much as many real images would cover."""
        covered = expected_coverage(len(space), NEIGHBORS)
        return f"new codes drawn from: {sampler_name(space)}; as many real images would cover {covered:.3f}"


class OutOfBounds(Metric):
    """Decoded new codes against 10,000 training images, in in-domain features; it says nothing about variety."""

    scores: ClassVar[Mapping[str, Score]] = {
        "out_of_bounds": Score(
            "none",
            purpose="make",
            range=(0, 1),
            floor="random_projection",
            ceiling=1 - INSIDE,
        ),
    }
    version: ClassVar[int] = 2
    needs: ClassVar[tuple[Need, ...]] = Samples.needs
    tier: ClassVar[Tier] = "full"
    tolerance: ClassVar[float] = Samples.tolerance  # likewise
    min_items: ClassVar[int] = Samples.min_items
    max_items: ClassVar[int | None] = Samples.max_items

    def compute(self, space: LatentSpace) -> Mapping[str, float]:
        """Return the share."""
        new = new_features(space, len(space), SEED)
        bank = known_features(space, at_most(space.train.inputs, BANK))
        test = known_features(space, space.inputs)
        reach = once(space, _reach, bank, test, shape=(len(test),), dtype=np.float64)
        beyond = _share_beyond(reach, _reach(bank, new))
        return {"out_of_bounds": beyond}

    def note(self, space: LatentSpace) -> str:
        """Say where new codes were drawn from."""
        return f"new codes drawn from: {sampler_name(space)}"
