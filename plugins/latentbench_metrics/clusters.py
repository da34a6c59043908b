"""Whether codes of one class lie together: k-means, silhouette and related indices."""

from __future__ import annotations

import warnings
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor

from latentbench import Invariance, LatentSpace, Metric, Need, NotApplicableError, Score, Tier
from latentbench_metrics._shared.distances import distance_tiles
from latentbench_metrics._shared.rounding import attempt, coincide, resolution, rounding_of

__all__ = [
    "FisherRatio",
    "KMeansAgreement",
    "Separation",
    "calinski_harabasz",
    "davies_bouldin",
    "fisher_ratio",
    "kmeans_agreement",
    "partition_agreement",
    "silhouette",
    "silhouette_per_item",
]

RIDGE = 1e-6  # of the mean variance within classes


def silhouette(codes: Tensor, labels: Tensor) -> float:
    """Mean silhouette, (b - a) / max(a, b), in [-1, 1]; higher is better.

    a is the mean distance to the other codes of the class, b to those of the nearest other class; the only
    code of a class counts 0. Over all pairs, O(block) memory. Right to 1e-9; on a CPU, from 2,048 codes of 64
    numbers on, to 1e-6.

    Source: Rousseeuw 1987.

    Traps: it shrinks as d grows, about 1 - sqrt(2d / (2d + D²)) for two unit Gaussians D apart: compare at equal
    d. Scaling single dimensions reorders models.

    Args:
        codes: `(n, d)`.
        labels: class numbers `(n,)`.

    Raises:
        ValueError: there are fewer than two classes.

    >>> round(silhouette(torch.tensor([[0.0], [1], [10], [11]]), torch.tensor([0, 0, 1, 1])), 6)
    0.899749
    """
    return float(silhouette_per_item(codes, labels).mean())


def silhouette_per_item(codes: Tensor, labels: Tensor) -> Tensor:
    """Silhouette of each code, `(n,)` in float64; arguments and errors as for `silhouette`."""
    classes, sizes = _classes(labels)
    order = classes.argsort(stable=True)
    ends = sizes.long().cumsum(0).tolist()
    sums = torch.zeros(len(sizes), len(codes), dtype=torch.float64, device=codes.device)
    for rows, columns, squared in distance_tiles(_centered(codes)[order]):
        far = squared.sqrt_()
        for number, part in _class_parts(columns, ends):
            sums[number, rows] += far[:, part].sum(1)
        if columns != rows:
            for number, part in _class_parts(rows, ends):
                sums[number, columns] += far[part].sum(0)
    own, numbers = sizes[classes[order]], classes[order][None]
    within = sums.gather(0, numbers)[0] / (own - 1).clamp_min(1)
    between = sums.div_(sizes[:, None]).scatter_(0, numbers, float("inf")).amin(0)
    value = (between - within) / torch.maximum(between, within).clamp_min(1e-300)
    silhouettes = torch.empty_like(value)
    silhouettes[order] = torch.where(own > 1, value, 0.0)
    return silhouettes


def _class_parts(rows: slice, ends: Sequence[int]) -> Iterator[tuple[int, slice]]:
    """Yield each class that has some of these rows, and where among them; classes end before rows `ends`."""
    start = rows.start
    while start < rows.stop:
        number = bisect_right(ends, start)
        stop = min(ends[number], rows.stop)
        yield number, slice(start - rows.start, stop - rows.start)
        start = stop


def davies_bouldin(codes: Tensor, labels: Tensor) -> float:
    """Davies-Bouldin index, mean over classes of max_j (S_i + S_j) / |c_i - c_j|, from 0; lower is better.

    S is the mean distance of a class to its center c. Arguments and errors as for `silhouette`.

    Source: Davies and Bouldin 1979.

    Traps: it grows with d, and it only sees centers: a class of two distant clusters counts as one wide class.

    Raises:
        NotApplicableError: two classes have one center, up to rounding.

    >>> round(davies_bouldin(torch.tensor([[0.0], [1], [10], [11]]), torch.tensor([0, 0, 1, 1])), 6)
    0.1
    """
    points, (classes, sizes) = _centered(codes), _classes(labels)
    centers = _class_means(points, classes, sizes)
    reach = (points - centers[classes]).norm(dim=1)
    spread = torch.zeros_like(sizes).index_add_(0, classes, reach) / sizes
    apart = torch.cdist(centers, centers, compute_mode="donot_use_mm_for_euclid_dist").fill_diagonal_(torch.inf)
    if bool((apart <= resolution(codes) / sizes.min().sqrt()).any()):  # a mean of n is known better than a code
        raise NotApplicableError("two classes have one center: their distance, 0, is divided by")
    return float(((spread[:, None] + spread) / apart).max(1).values.mean())


def calinski_harabasz(codes: Tensor, labels: Tensor) -> float:
    """Calinski-Harabasz index, [tr B / (k - 1)] / [tr W / (n - k)], from 0, 1 by chance; higher is better.

    Arguments and errors as for `silhouette`, and NotApplicableError where no class has two different codes.

    Source: Calinski and Harabasz 1974.

    Traps: it grows with n, and is best for few dimensions (1909 for two principal components of Fashion-MNIST,
    907 for 64): compare at equal n and d.

    >>> calinski_harabasz(torch.tensor([[0.0], [1], [10], [11]]), torch.tensor([0, 0, 1, 1]))
    200.0
    """
    points, (classes, sizes) = _centered(codes), _classes(labels)
    centers = _class_means(points, classes, sizes)
    between = (sizes * centers.square().sum(1)).sum() / (len(sizes) - 1)
    within = _scatter_within(codes, points - centers[classes]) / (len(points) - len(sizes))
    return float(between / within)


def fisher_ratio(codes: Tensor, labels: Tensor) -> float:
    """Fisher's ratio tr(S_W⁻¹ S_B) of scatter between and within classes, from 0; higher is better.

    S_W and S_B are the covariances within classes and of class means, with equal weight for every code, after
    scaling each dimension to unit variance; 1e-6 of its mean diagonal is added to S_W. Invertible linear maps of
    the codes leave the ratio unchanged (apart from that ridge). About d (k - 1) / n by chance.

    Source: Fisher 1936; for several dimensions Rao 1948.

    Traps: it grows with d, and when d is close to n it is meaningless, since any class can then be separated from
    the rest. One distant class is enough for a large value: read `linear_probe_accuracy` beside it.

    Args:
        codes: `(n, d)`.
        labels: class numbers `(n,)`.

    Raises:
        ValueError: there are fewer than two classes.
        NotApplicableError: no class has two different codes.

    >>> round(fisher_ratio(torch.tensor([[0.0], [1], [10], [11]]), torch.tensor([0, 0, 1, 1])), 2)
    100.0
    """
    points, (classes, sizes) = _centered(codes), _classes(labels)
    _scatter_within(codes, points - _class_means(points, classes, sizes)[classes])
    spread = points.square().mean(0).sqrt()
    varies = spread > rounding_of(codes) / 2  # what a column of equal numbers can have by rounding
    points = _in_own_span(torch.where(varies, points / torch.where(varies, spread, 1.0), 0.0))
    centers = _class_means(points, classes, sizes)
    inside = points - centers[classes]
    within = inside.T @ inside / len(points)
    within.diagonal().add_(RIDGE * within.trace() / codes.shape[1])
    moved = torch.linalg.solve(within, centers.T * sizes / len(points))
    return float((moved * centers.T).sum())


def kmeans_agreement(codes: Tensor, labels: Tensor, seed: int) -> dict[str, float]:
    """Cluster codes by k-means, k = number of classes, best of 10 starts, and compare with the labels.

    Returns "nmi" (normalized mutual information, in [0, 1], not corrected for chance) and "ari" (adjusted Rand
    index, from -0.5 to 1, 0 by chance); higher is better.

    Source: k-means of Lloyd 1982 and Arthur and Vassilvitskii 2007 as in scikit-learn; Hubert and Arabie 1985.

    Traps: k-means only finds round clusters of similar size, and wide dimensions dominate. Another local optimum,
    reached through rounding alone, moves either score by up to 0.02.

    Args:
        codes: `(n, d)`.
        labels: class numbers `(n,)`.
        seed: of the starts.

    Raises:
        NotApplicableError: there are fewer than two classes.

    >>> kmeans_agreement(torch.tensor([[0.0], [1], [10], [11]]), torch.tensor([0, 0, 1, 1]), seed=0)
    {'nmi': 1.0, 'ari': 1.0}
    """
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    classes = len(torch.unique(labels))
    if classes < 2:
        raise NotApplicableError("1 class: needs 2")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # collapsed codes: fewer distinct points than classes
        clusters = KMeans(classes, n_init=10, random_state=seed).fit_predict(_centered(codes).cpu().numpy())
    return partition_agreement(labels, torch.from_numpy(clusters))


def partition_agreement(labels: Tensor, clusters: Tensor) -> dict[str, float]:
    """Compare two partitions `(n,)` by "nmi" (over the mean of entropies) and "ari"; higher is better.

    Source: Hubert and Arabie 1985 for the adjusted Rand index.

    Traps: only "ari" is corrected for chance: "nmi" of random partitions grows with the number of clusters.

    >>> partition_agreement(torch.tensor([0, 0, 1, 1]), torch.tensor([0, 0, 1, 2]))["ari"]
    0.5714285714285714
    """
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    both = labels.cpu().numpy(), clusters.cpu().numpy()
    return {"nmi": float(normalized_mutual_info_score(*both)), "ari": float(adjusted_rand_score(*both))}


def _centered(codes: Tensor) -> Tensor:
    points = codes.double()
    return points - points.mean(0)


def _scatter_within(codes: Tensor, inside: Tensor) -> Tensor:
    """Return the sum of squares of `inside` `(n, d)`, the codes less their class's center.

    Raises:
        NotApplicableError: it is 0, or what rounding leaves of 0.
    """
    scatter = inside.square().sum()
    if not bool(scatter > len(codes) * (resolution(codes) / 2) ** 2):
        raise NotApplicableError("no class has two different codes")
    return scatter


def _in_own_span(points: Tensor) -> Tensor:
    """Return points `(n, d)` rotated into n coordinates where d exceeds n; the others would all be zero."""
    return torch.linalg.qr(points.T, mode="r").R.T if points.shape[1] > len(points) else points


def _classes(labels: Tensor) -> tuple[Tensor, Tensor]:
    _, classes, sizes = torch.unique(labels, return_inverse=True, return_counts=True)
    if len(sizes) < 2:
        raise ValueError(f"labels must hold at least two classes, got {len(sizes)}")
    return classes, sizes.double()


def _class_means(points: Tensor, classes: Tensor, sizes: Tensor) -> Tensor:
    sums = torch.zeros(len(sizes), points.shape[1], dtype=points.dtype, device=points.device)
    return sums.index_add_(0, classes, points) / sizes[:, None]


class Separation(Metric):
    """All three depend on the scale of dimensions and on their number."""

    scores: ClassVar[Mapping[str, Score]] = {
        "silhouette": Score(
            "up", "silhouette of the classes", purpose="group", range=(-1, 1), floor=0.0, ceiling="pixels"
        ),
        "davies_bouldin": Score(
            "down",
            "Davies-Bouldin index",
            purpose="group",
            range=(0, float("inf")),
            floor="untrained",
            ceiling="pixels",
        ),
        "calinski_harabasz": Score(
            "up", "Calinski-Harabasz index", purpose="group", range=(0, float("inf")), floor=1.0, ceiling="pixels"
        ),
    }
    needs: ClassVar[tuple[Need, ...]] = ("labels",)
    tier: ClassVar[Tier] = "full"
    invariances: ClassVar[tuple[Invariance, ...]] = ("shift", "scale", "rotation")
    version: ClassVar[int] = 2
    max_items: ClassVar[int | None] = 10_000

    def compute(self, space: LatentSpace) -> Mapping[str, float | Tensor | NotApplicableError]:
        """Return the silhouette of each item and both indices."""
        codes, labels = space.codes, space.labels
        classes = len(torch.unique(labels))
        if not 1 < classes < len(labels):
            raise NotApplicableError(f"{classes} classes in {len(labels)} items: needs 2 and fewer than items")
        if coincide(codes):
            raise NotApplicableError("all codes are equal")
        return {
            "silhouette": silhouette_per_item(codes, labels),
            "davies_bouldin": attempt(davies_bouldin, codes, labels),
            "calinski_harabasz": attempt(calinski_harabasz, codes, labels),
        }


class FisherRatio(Metric):
    """Each direction is measured in units of its own spread, so the scale of single dimensions does not matter."""

    scores: ClassVar[Mapping[str, Score]] = {
        "fisher_ratio": Score(
            "up",
            purpose="group",
            range=(0, float("inf")),
            floor="untrained",
            ceiling="pixels",
        ),
    }
    version: ClassVar[int] = 2
    needs: ClassVar[tuple[Need, ...]] = ("labels",)
    invariances: ClassVar[tuple[Invariance, ...]] = ("shift", "scale", "rotation", "axis_scale")
    tolerance: ClassVar[float] = 1e-3  # the ridge is seen where directions differ much in width
    max_items: ClassVar[int | None] = 10_000

    def compute(self, space: LatentSpace) -> Mapping[str, float]:
        """Return the ratio."""
        if len(torch.unique(space.labels)) < 2:
            raise NotApplicableError("1 class: needs 2")
        return {"fisher_ratio": fisher_ratio(space.codes, space.labels)}


class KMeansAgreement(Metric):
    """Shifting, scaling or rotating the codes only leads to another local optimum, 0.02 either way."""

    scores: ClassVar[Mapping[str, Score]] = {
        "nmi": Score(
            "up",
            "normalized mutual information of clusters and labels",
            purpose="group",
            range=(0, 1),
            floor="untrained",
            ceiling="pixels",
        ),
        "ari": Score(
            "up",
            "adjusted Rand index of clusters and labels",
            purpose="group",
            headline=True,
            range=(-0.5, 1),
            floor=0.0,
            ceiling="pixels",
        ),
    }
    needs: ClassVar[tuple[Need, ...]] = ("labels",)
    version: ClassVar[int] = 3
    tolerance: ClassVar[float] = 0.02  # another local optimum
    min_items: ClassVar[int] = 20
    max_items: ClassVar[int | None] = 10_000
    on_host: ClassVar[bool] = True

    def compute(self, space: LatentSpace) -> Mapping[str, float]:
        """Return both agreements."""
        return kmeans_agreement(space.codes, space.labels, seed=0)
