"""Whether two spaces can be laid on top of each other by their distances alone: Gromov-Wasserstein."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from latentbench import Invariance, LatentSpace, NotApplicableError, Score, Tier
from latentbench.latent.transport.pot import pot
from latentbench_metrics.pairs._codes import (
    check,
    check_varies,
    relative_order,
    scaled,
    scaled_resolution,
)
from latentbench_metrics.pairs._ordered import OrderedMetric
from latentbench_metrics.pairs._ties import distance_rows

__all__ = ["OptimalMatching", "gromov_wasserstein_match"]

LEAST, MOST = 3, 1000  # items: each start takes O(n³) time
ITEMS = 300
STARTS = 4
FEATURES = 4  # of a seeded start
BETTER = 1e-9  # by which a loss must be lower to be another

Table = npt.NDArray[np.float64]


def gromov_wasserstein_match(x: Tensor, y: Tensor, starts: int = STARTS) -> float:
    """Share of items that an optimal Gromov-Wasserstein plan sends to their own partner; higher is more alike.

    The plan moves items of x to items of y so that distances change least (squared differences, distances relative
    to their mean), without being told which items belong together. In [0, 1]; 1 / n for spaces that have nothing
    to do with each other. Symmetric; rotating, shifting or scaling either space changes nothing, nor does the
    order of items: equal items have equal shares of each other's partners. The best is taken of several starts:
    the uniform plan, one that matches items by their sorted distances to all others, and seeded ones that match
    them by random sums of these.

    Source: Mémoli 2011; solved by POT's conditional gradient (Vayer et al. 2019).

    Traps: a solver finds local optima; a low share may be its failure. Spaces without shape, as isotropic normal
    ones, lose their partners by little noise: read it beside `mutual_knn`.

    Args:
        x: codes `(n, d)`, 3 to 1,000 items.
        y: codes `(n, e)` of the same items in the same order.
        starts: how many, at least 1.

    Raises:
        ValueError: unequal n, too few or too many items, no start, NaN or infinity.
        NotApplicableError: all items of a space are equally far from each other.

    >>> square = torch.tensor([[0.0, 0], [1, 0], [1, 3], [0, 5], [2, 9]])
    >>> round(gromov_wasserstein_match(square, 7 - 2 * square.flip(1)), 12)
    1.0
    """
    check(LEAST, x=x, y=y)
    if len(x) > MOST or starts < 1:
        raise ValueError(
            f"needs at most {MOST:,} items and at least 1 start, got {len(x):,} items and {starts} starts"
        )
    check_varies(x, y)
    return _share(_Arranged(_Cloud.of(x)), _Arranged(_Cloud.of(y)), starts)


@dataclass(frozen=True, eq=False)
class _Plan:
    """What moves where, of places in two clouds: numbers of pairs of places, ascending `(t,)`, and their mass."""

    pairs: npt.NDArray[np.int64]
    mass: Table

    def between(self, places: npt.NDArray[np.int64], others: npt.NDArray[np.int64]) -> float:
        """Return the share of mass that moves from each place to the other, of as many `(n,)`."""
        wanted = places * len(places) + others
        found = np.searchsorted(self.pairs, wanted).clip(max=len(self.pairs) - 1)
        return float(self.mass[found][self.pairs[found] == wanted].sum())


@dataclass(frozen=True, eq=False)
class _Cloud:
    """Distances of items, which stand in an order that nothing but these distances decides.

    Attributes:
        places: where each item stands `(n,)`.
        far: distances `(n, n)`, whose mean is 1, between places.
        equals: the mean over equal items `(n, n)`, as a matrix; None where no two are equal.
        plans: those to other clouds.
    """

    places: npt.NDArray[np.int64]
    far: Table
    equals: Table | None
    plans: WeakKeyDictionary[_Cloud, dict[int, _Plan]] = field(default_factory=WeakKeyDictionary)

    @classmethod
    def of(cls, codes: Tensor) -> _Cloud:
        points, slack = scaled(codes), 2 * scaled_resolution(codes)
        far = torch.cat([rows for _, rows in distance_rows(points)]).numpy()
        others = far[~np.eye(len(far), dtype=bool)]
        if others.max() - others.min() <= slack:
            raise NotApplicableError("all items of a space are equally far from each other")
        order = np.argsort(np.sort(far, 1).sum(1), kind="stable")
        far = far[np.ix_(order, order)]
        same = (far <= slack).astype(np.float64)
        equals = same / same.sum(1, keepdims=True) if same.sum() > len(same) else None
        return cls(np.argsort(order), far / far.mean(), equals)

    @property
    def profiles(self) -> Table:
        """The distances to all others of each place, in order `(n, n)`."""
        return np.sort(self.far, 1)

    def plan_to(self, other: _Cloud, starts: int) -> _Plan:
        """Return the best plan of several starts; it is made once."""
        plans = self.plans.setdefault(other, {})
        if starts not in plans:
            plans[starts] = _best_plan(self, other, starts)
        return plans[starts]


def _best_plan(cloud: _Cloud, other: _Cloud, starts: int) -> _Plan:
    weights, least, best = np.full(len(cloud.far), 1 / len(cloud.far)), np.inf, np.empty(0)
    for start in _starts(cloud, other, weights, starts):
        plan, log = pot().gromov.gromov_wasserstein(
            cloud.far, other.far, weights, weights, "square_loss", G0=start, log=True
        )
        if log["gw_dist"] < least - BETTER:
            least, best = log["gw_dist"], plan
    if cloud.equals is not None:
        best = cloud.equals @ best
    if other.equals is not None:
        best = best @ other.equals
    pairs = np.flatnonzero(best)
    return _Plan(pairs, best.ravel()[pairs])


def _starts(cloud: _Cloud, other: _Cloud, weights: Table, count: int) -> Iterator[Table]:
    """Yield plans to start from; those of other orders of items are the same in these orders."""
    yield np.outer(weights, weights)
    profiles = cloud.profiles, other.profiles
    for seed in range(count - 1):
        left, right = profiles
        if seed:
            sums = np.random.default_rng(seed).standard_normal((len(weights), FEATURES))
            left, right = left @ sums, right @ sums
            spread = np.concatenate([left, right]).std(0)
            left, right = left / spread, right / spread
        ot = pot()
        yield ot.emd(weights, weights, ot.dist(left, right))


@dataclass(frozen=True, eq=False)
class _Arranged:
    """A cloud whose items are in an order `(n,)`; None: as they are."""

    cloud: _Cloud
    order: Tensor | None = None


def _share(a: _Arranged, b: _Arranged, starts: int) -> float:
    first, second = a.cloud, b.cloud
    partner = relative_order(a.order, b.order, len(first.places)).numpy()
    left, right = first.places, second.places[partner]
    if np.square(first.far).sum() > np.square(second.far).sum():  # the same plan both ways round
        first, second, left, right = second, first, right, left
    return min(1.0, max(0.0, first.plan_to(second, starts).between(left, right)))


class OptimalMatching(OrderedMetric):
    """At most 300 items, the best of 4 starts; two unrelated spaces of n items match by 1 / n."""

    score: ClassVar[Score] = Score("up", purpose="near", range=(0, 1))
    invariances: ClassVar[tuple[Invariance, ...]] = ("shift", "scale", "rotation")
    tier: ClassVar[Tier] = "full"
    tolerance: ClassVar[float] = 0.05  # rounding may lead to another of several plans that are as good
    min_items: ClassVar[int] = 10
    max_items: ClassVar[int | None] = ITEMS

    def prepare(self, space: LatentSpace) -> _Arranged:
        """Compute the distances."""
        check_varies(space.codes)
        return _Arranged(_Cloud.of(space.codes))

    def compute(self, a: _Arranged, b: _Arranged) -> float:
        """Return the share of items that are sent to their partner; the plan of two spaces is made once."""
        return _share(a, b, STARTS)
