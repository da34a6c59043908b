"""Whether new images look real, and how far a set of images is from another, in features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from latentbench import LatentSpace, Metric, Score
from latentbench.latent.sampling import sample_codes, sampler_name
from latentbench_metrics.distances import centered, row_blocks
from latentbench_metrics.features import in_domain_features
from latentbench_metrics.prdc import (
    expected_coverage,
    precision_recall_density_coverage,
)
from latentbench_metrics.subsets import some_rows

__all__ = ["Samples", "kernel_distance", "out_of_bounds", "precision_recall_density_coverage"]

CHUNK = 1024
BANK = 10_000  # training images that new ones are held against
INSIDE = 0.95  # share of test images that is called in bounds
NEIGHBORS = 5
SEED = 0


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


def out_of_bounds(train: Tensor, test: Tensor, fake: Tensor) -> float:
    """Share of fakes farther from the nearest training point than 95 % of test points are.

    0.05 when fakes are as near as test points, in [0, 1]. It sees nothing of variety: one good image, or a copy of
    the training set, has 0. Read it beside coverage.

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
    train, test, fake = centered(train, test, fake)
    limit = torch.quantile(_nearest(train, test).sqrt(), INSIDE)
    return float((_nearest(train, fake).sqrt() > limit).double().mean())


def _nearest(bank: Tensor, points: Tensor) -> Tensor:
    """Return squared distances `(n,)` of centered points to the nearest of `bank`."""
    half_norms = bank.square().sum(1) / 2
    blocks = row_blocks(len(points), len(bank))
    closest = [torch.addmm(-half_norms, points[rows], bank.T).max(1).values for rows in blocks]
    return (points.square().sum(1) - 2 * torch.cat(closest)).clamp_min(0)


def _mean_within(x: Tensor) -> Tensor:
    diagonal = (x.square().sum(1) / x.shape[1] + 1).pow(3).sum()
    return (_kernel_sum(x, x) - diagonal) / (len(x) * (len(x) - 1))


def _kernel_sum(x: Tensor, y: Tensor) -> Tensor:
    return torch.stack([(rows @ y.T / x.shape[1] + 1).pow(3).sum() for rows in torch.split(x, CHUNK)]).sum()


def _share(better: str, description: str, *, headline: bool = False, ceiling: float | None = None) -> Score:
    floor = 0.0 if headline else None
    return Score(better, description, "make", headline, (0, 1), floor=floor, ceiling=ceiling)


class Samples(Metric):
    """Decoded new codes against as many real test images, in in-domain features.

    Precision, recall and density have no better side: each alone is best for images nobody wants.
    """

    scores: ClassVar[Mapping[str, Score]] = {
        "sample_precision": _share("none", "share of new images where real ones lie"),
        "sample_recall": _share("none", "share of real images where new ones lie"),
        "sample_density": Score(
            "none", "crowding of new images around real ones, 1 = alike", "make", range=(0, float("inf"))
        ),
        "sample_coverage": _share("up", "share of real images with a new one near", headline=True, ceiling=1.0),
        "kernel_distance_samples": Score("down", "kernel distance of new images from real", "make", ceiling=0.0),
        "out_of_bounds": _share("none", "share of new images far from all training images", ceiling=1 - INSIDE),
    }
    needs: ClassVar[tuple[str, ...]] = ("inputs", "labels", "train", "decoder")
    min_items: ClassVar[int] = 100
    max_items: ClassVar[int | None] = 5000

    def compute(self, space: LatentSpace) -> Mapping[str, float]:
        """Return shares and distances; real images share the same new ones, so items would feign a small error."""
        features = in_domain_features(space)
        rows = some_rows(len(space), self.max_items)
        real = features(space.inputs[rows])
        new = features(space.decode(sample_codes(space, len(rows), SEED)))
        bank = space.train.inputs[some_rows(len(space.train.inputs), BANK)]  # type: ignore[union-attr]
        balls = precision_recall_density_coverage(real, new, NEIGHBORS)
        return {
            **{f"sample_{name}": value for name, value in balls.items()},
            "kernel_distance_samples": kernel_distance(real, new),
            "out_of_bounds": out_of_bounds(features(bank), real, new),
        }

    def note(self, space: LatentSpace) -> str:
        """Say where new codes were drawn from, and what real images would cover."""
        count = min(len(space), self.max_items or len(space))
        covered = expected_coverage(count, NEIGHBORS)
        return f"new codes drawn from: {sampler_name(space)}; as many real images would cover {covered:.3f}"
