"""Whether each ground-truth factor has a code dimension of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from torch import Tensor

from latentbench import Better, Invariance, LatentSpace, Metric, Need, NotApplicableError, Score, Tier
from latentbench_metrics.disentanglement._information import (
    BINS,
    Array,
    adjusted_information,
    as_arrays,
    check_width,
    entropy,
    equal_frequency,
    equal_width,
    expected_information,
    factor_classes,
    is_continuous,
    mutual_information,
    standardized,
)

__all__ = [
    "FactorVae",
    "Mig",
    "Modularity",
    "Sap",
    "factor_vae_score",
    "mig",
    "mig_ceilings",
    "mig_equal_width",
    "modularity",
    "sap",
]

ACTIVE = 0.05  # share of the largest standard deviation, below which factor_vae_score ignores a dimension
BATCH = 64
ELEMENTS = 2**22  # of one block of batches
INFORMED = 0.05  # share of a factor's entropy above chance, below which modularity ignores a dimension
TRAIN_VOTES, TEST_VOTES = 10_000, 5000


def mig(codes: Tensor, factors: Tensor) -> float:
    """Mutual information gap: mean over factors of the best less the second-best dimension; higher is better.

    For each dimension (I - E) / (H - E), at least 0: I is its mutual information with the factor, H the factor's
    entropy, E the value expected by chance at these sizes. Bins have equal frequency, min(20, number of distinct
    values) for each dimension; a continuous factor is binned in the same way. In [0, 1].

    Source: Chen 2018; the bins and the correction for chance are ours, to limit the effect of outliers and of the
    number of items.

    Traps: A factor spread over two dimensions, or a rotation, scores 0 although no information is lost; read it
    beside `dci` informativeness. Factors with more than 20 values keep a perfect code below 1, see `mig_ceilings`.

    Args:
        codes: `(n, d)`.
        factors: `(n, K)`; those with a single value are left out.

    Raises:
        ValueError: shapes do not fit, or NaN or infinity.
        NotApplicableError: no factor varies.

    >>> import torch
    >>> grid = torch.cartesian_prod(torch.arange(4.0), torch.arange(3.0))
    >>> round(mig(grid, grid), 9)
    1.0
    >>> mig(grid[:, [0, 1, 1]], grid)  # a copy
    0.5
    """
    points, values = as_arrays(codes, factors)
    binned = [equal_frequency(column) for column in points.T]
    return _mean_gap(adjusted_information(binned, factor_classes(values)))


def mig_equal_width(codes: Tensor, factors: Tensor, bins: int = BINS) -> float:
    """Mutual information gap as published: equal-width bins, I / H, no correction for chance; higher is better.

    In [0, 1]. A continuous factor is cut into equal-width bins as well.

    Source: Chen 2018, with the bins of Locatello 2019.

    Traps: One outlier in every dimension drops a perfect code to about 0, since all others then share a bin. About
    (bins - 1)(V - 1) / 2n nats of I are due to chance. A perfect dSprites code scores 0.902, see `mig_ceilings`.

    Args:
        codes: `(n, d)`.
        factors: `(n, K)`; those with a single value are left out.
        bins: number of equal parts of each dimension's range, at least 2.

    Raises:
        ValueError: shapes do not fit, NaN or infinity, or fewer than two bins.
        NotApplicableError: no factor varies.

    >>> import torch
    >>> grid = torch.cartesian_prod(torch.arange(4.0), torch.arange(3.0))
    >>> round(mig_equal_width(grid, grid), 9)
    1.0
    """
    if bins < 2:
        raise ValueError(f"bins must be at least 2, got {bins}")
    points, values = as_arrays(codes, factors)
    binned = [equal_width(column, bins) for column in points.T]
    classes = _equal_width_classes(values, bins)
    shares = [[mutual_information(each, factor) / entropy(factor) for factor in classes] for each in binned]
    return _mean_gap(np.array(shares))


def mig_ceilings(factors: Tensor, bins: int = BINS) -> dict[str, float]:
    """Return what a code equal to independent factors scores in "mig" and "mig_equal_width"; no better direction.

    Both are 1 unless a factor has more values than there are bins.

    Source: ours.

    Traps: Correlated factors lower a perfect code further.

    Args:
        factors: `(n, K)`; those with a single value are left out.
        bins: of codes.

    Raises:
        ValueError: not a matrix, or NaN or infinity.
        NotApplicableError: no factor varies.

    >>> import torch
    >>> {name: round(value, 3) for name, value in mig_ceilings(torch.arange(40.0).repeat(50)[:, None]).items()}
    {'mig': 0.801, 'mig_equal_width': 0.812}
    """
    _, values = as_arrays(factors, factors)
    robust = [
        adjusted_information([equal_frequency(column, bins)], factor_classes(column[:, None]))[0, 0]
        for column in values.T
    ]
    published = [
        entropy(equal_width(column, bins)) / entropy(classes)
        for column, classes in zip(values.T, _equal_width_classes(values, bins), strict=True)
    ]
    return {"mig": float(np.mean(robust)), "mig_equal_width": float(np.mean(published))}


def _equal_width_classes(values: Array, bins: int) -> list[Array]:
    return [
        equal_width(column, bins) if is_continuous(column) else equal_frequency(column, len(column))
        for column in values.T
    ]


def _mean_gap(shares: Array) -> float:
    """Return the mean over columns of the largest less the second-largest value; one row has 0 for its second."""
    largest = np.sort(np.vstack([shares, np.zeros((1, shares.shape[1]))]), axis=0)[::-1]
    return float((largest[0] - largest[1]).mean())


def sap(codes: Tensor, factors: Tensor) -> float:
    """Separated attribute predictability: mean gap of R² between a factor's two best dimensions; higher is better.

    R² is the squared correlation of one dimension with the factor's values; a constant dimension has 0. In [0, 1].

    Source: Kumar 2018, the version for factors that are numbers.

    Traps: It treats factors as ordinal: numbers that merely name a shape, and angles that wrap around, cannot
    reach 1. It only sees linear relations.

    Args:
        codes: `(n, d)`.
        factors: numbers in a meaningful order, `(n, K)`; those with a single value are left out.

    Raises:
        ValueError: shapes do not fit, or NaN or infinity.
        NotApplicableError: no factor varies.

    >>> import torch
    >>> grid = torch.cartesian_prod(torch.arange(4.0), torch.arange(3.0))
    >>> round(sap(-5 * grid, grid), 9)
    1.0
    """
    points, values = as_arrays(codes, factors)
    correlations = standardized(points).T @ standardized(values) / len(points)
    return _mean_gap((correlations**2).clip(max=1))


def factor_vae_score(codes: Tensor, factors: Tensor, seed: int = 0) -> float:
    """Share of batches with one factor fixed whose least varying dimension identifies it; higher is better.

    A batch is 64 of the given rows, drawn with replacement from those that share one value of one factor. It votes
    for the dimension with the least variance relative to its global variance; 10,000 batches decide which factor
    each dimension stands for, 5000 others are judged. In [0, 1]; 1 / K by chance.

    Source: Kim and Mnih 2018. There, dimensions with a standard deviation below 0.05 are ignored; here those below
    0.05 of the largest, so that the unit of the codes does not matter.

    Traps: Several dimensions may stand for one factor at no cost, and rotated codes still score high. With few
    items per value, noise scores above 1 / K. Small but good dimensions are ignored.

    Args:
        codes: `(n, d)`.
        factors: `(n, K)`; those with a single value are left out, continuous ones cut into 20.
        seed: of the batches.

    Raises:
        ValueError: shapes do not fit, or NaN or infinity.
        NotApplicableError: fewer than two factors vary, or no two items share a value.

    >>> import torch
    >>> grid = torch.cartesian_prod(torch.arange(4.0), torch.arange(3.0))
    >>> factor_vae_score(grid, grid)
    1.0
    """
    points, values = as_arrays(codes, factors, least=2)
    factor_count = values.shape[1]
    spread = points.std(0)
    active = (points != points[0]).any(0) & (spread >= ACTIVE * spread.max())
    if not active.any():
        return 1.0 / int(factor_count)  # nothing moves: a guess
    rng = np.random.default_rng(seed)
    points, total = standardized(points[:, active]), TRAIN_VOTES + TEST_VOTES
    fixed = rng.integers(factor_count, size=total)
    stillest = np.empty(total, int)
    for number, classes in enumerate(factor_classes(values)):
        batches = np.flatnonzero(fixed == number)
        stillest[batches] = _stillest(points, classes, len(batches), rng)
    votes = np.zeros((points.shape[1], factor_count), int)
    np.add.at(votes, (stillest[:TRAIN_VOTES], fixed[:TRAIN_VOTES]), 1)
    return float((votes.argmax(1)[stillest[TRAIN_VOTES:]] == fixed[TRAIN_VOTES:]).mean())


def _stillest(points: Array, classes: Array, batches: int, rng: np.random.Generator) -> Array:
    """Return the column with the least variance in each of `batches` batches that share a class."""
    sizes = np.bincount(classes)
    order, starts = classes.argsort(kind="stable"), sizes.cumsum() - sizes
    shared = np.flatnonzero(sizes > 1)
    if not len(shared):
        raise NotApplicableError("no two items share a value of a factor")
    chosen = rng.choice(shared, batches)
    places = (rng.random((batches, BATCH)) * sizes[chosen][:, None]).astype(int)
    rows = order[starts[chosen][:, None] + places]
    at_once = max(1, ELEMENTS // (BATCH * points.shape[1]))
    blocks = [points[rows[i : i + at_once]].var(1).argmin(1) for i in range(0, batches, at_once)]
    return np.concatenate([np.empty(0, int), *blocks])


def modularity(codes: Tensor, factors: Tensor) -> float:
    """Mean over dimensions of 1 - sum of I² / (best I² (K - 1)) over all factors but the best; higher is better.

    I is the mutual information in equal-frequency bins, as for `mig` but without correction. A dimension counts
    when its information about some factor exceeds chance by over 0.05 of the factor's entropy (chance is taken to
    be at most half the entropy, since otherwise nothing would count where each bin holds a single item). In [0,
    1].

    Source: Ridgeway and Mozer 2018. Leaving out uninformative dimensions is ours: there, dead ones count as 0 and
    noisy ones as the modularity of noise.

    Traps: It does not require that factors are captured: one dimension about one factor, with all others lost,
    scores 1. Copies cost nothing. Read it beside `mig` or `dci` informativeness.

    Args:
        codes: `(n, d)`.
        factors: `(n, K)`; those with a single value are left out.

    Raises:
        ValueError: shapes do not fit, or NaN or infinity.
        NotApplicableError: fewer than two factors vary, or no dimension is informative.

    >>> import torch
    >>> grid = torch.cartesian_prod(torch.arange(4.0), torch.arange(4.0))
    >>> round(modularity(grid, grid), 9)
    1.0
    >>> round(modularity(grid[:, :1] + 4 * grid[:, 1:], grid), 9)  # one dimension about both
    0.0
    """
    points, values = as_arrays(codes, factors, least=2)
    binned, classes = [equal_frequency(column) for column in points.T], factor_classes(values)
    information = np.array([[mutual_information(column, factor) for factor in classes] for column in binned])
    chance = np.stack([expected_information(binned, factor) for factor in classes], 1)
    whole = np.array([entropy(factor) for factor in classes])
    informed = (information - np.minimum(chance, whole / 2) > INFORMED * whole).any(1)
    if not informed.any():
        raise NotApplicableError(f"no dimension tells over {INFORMED} of a factor more than chance does")
    shares = (information[informed] / information[informed].max(1, keepdims=True)) ** 2
    return float(1 - ((shares.sum(1) - 1) / (len(classes) - 1)).mean())


def _score(description: str = "", *, floor: float | str | None = 0.0, better: Better = "up") -> Score:
    return Score(better, description, purpose="factors", range=(0, 1), floor=floor, ceiling=1.0)


class Mig(Metric):
    """Computed twice: with bins that resist outliers, and as published."""

    scores: ClassVar[Mapping[str, Score]] = {
        "mig": _score("information gap, with bins that resist outliers"),
        "mig_equal_width": _score("information gap as published; one outlier ruins it"),
    }
    needs: ClassVar[tuple[Need, ...]] = ("factors",)
    invariances: ClassVar[tuple[Invariance, ...]] = ("shift", "scale", "axis_scale", "permutation")
    tolerance: ClassVar[float] = 0.01  # a flip, or rounding, moves items on the border of two bins
    min_items: ClassVar[int] = 20
    max_items: ClassVar[int | None] = 10_000
    on_host: ClassVar[bool] = True

    def compute(self, space: LatentSpace) -> Mapping[str, float]:
        """Return both."""
        codes, factors = space.codes, space.factors
        return {"mig": mig(codes, factors), "mig_equal_width": mig_equal_width(codes, factors)}

    def note(self, space: LatentSpace) -> str:
        """Say what a perfect code scores where that is below 1."""
        ceilings = mig_ceilings(space.factors)
        low = " and ".join(f"{value:.3f} in {name}" for name, value in ceilings.items() if value < 0.9995)
        return f"a code equal to the factors scores {low}" if low else ""


class Sap(Metric):
    """Factors are taken to be ordinal."""

    scores: ClassVar[Mapping[str, Score]] = {"sap": _score()}
    needs: ClassVar[tuple[Need, ...]] = ("factors",)
    invariances: ClassVar[tuple[Invariance, ...]] = ("shift", "scale", "axis_scale", "permutation")
    min_items: ClassVar[int] = 20
    max_items: ClassVar[int | None] = 10_000
    on_host: ClassVar[bool] = True

    def compute(self, space: LatentSpace) -> Mapping[str, float]:
        """Return the mean gap."""
        return {"sap": sap(space.codes, space.factors)}


class FactorVae(Metric):
    """10,000 batches decide which factor each dimension stands for; 5000 others are judged."""

    scores: ClassVar[Mapping[str, Score]] = {
        "factor_vae_score": _score(floor="untrained"),
    }
    needs: ClassVar[tuple[Need, ...]] = ("factors",)
    tier: ClassVar[Tier] = "full"
    invariances: ClassVar[tuple[Invariance, ...]] = ("shift", "scale", "permutation")
    tolerance: ClassVar[float] = 0.01  # a vote may go to a neighbor
    min_items: ClassVar[int] = 50
    max_items: ClassVar[int | None] = 10_000
    on_host: ClassVar[bool] = True

    def compute(self, space: LatentSpace) -> Mapping[str, float]:
        """Return the share of right votes."""
        check_width(space.dim)
        return {"factor_vae_score": factor_vae_score(space.codes, space.factors, seed=0)}

    def note(self, space: LatentSpace) -> str:
        """State what a guess scores."""
        varied = as_arrays(space.factors, space.factors)[1].shape[1]
        return f"a guess scores {1 / varied:.3f}"


class Modularity(Metric):
    """No direction is better: a space that keeps a single factor scores best."""

    scores: ClassVar[Mapping[str, Score]] = {
        "modularity": _score(better="none")  # one factor kept wins it
    }
    needs: ClassVar[tuple[Need, ...]] = ("factors",)
    invariances: ClassVar[tuple[Invariance, ...]] = ("shift", "scale", "axis_scale", "permutation")
    tolerance: ClassVar[float] = 0.01  # as for Mig
    min_items: ClassVar[int] = 20
    max_items: ClassVar[int | None] = 10_000
    on_host: ClassVar[bool] = True

    def compute(self, space: LatentSpace) -> Mapping[str, float]:
        """Return the mean over informed dimensions."""
        return {"modularity": modularity(space.codes, space.factors)}
