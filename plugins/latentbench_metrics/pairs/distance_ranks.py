"""Whether pairs of items that are far apart in one space are far apart in another: similarity analysis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from latentbench import Invariance, LatentSpace, NotApplicableError, Score, Tier
from latentbench_metrics.pairs._codes import (
    check,
    check_varies,
    relative_order,
    scaled,
    scaled_resolution,
)
from latentbench_metrics.pairs._ordered import OrderedMetric
from latentbench_metrics.pairs._ties import average_ranks, distance_rows

__all__ = ["DistanceRanks", "rsa"]

LEAST, MOST = 3, 5000  # items: of all pairs there is one number
ITEMS = 2000
ROWS = 64  # of ranks that are multiplied at once, in float64


def rsa(x: Tensor, y: Tensor) -> float:
    """Spearman's correlation of the distances of all pairs of items in both spaces; higher is more alike.

    Representational similarity analysis. In [-1, 1]; 0 in the mean for spaces that have nothing to do with each
    other. Symmetric; rotating, shifting or scaling either space changes nothing. Distances that are equal, up to
    the rounding of the codes, share the mean of their ranks. O(n² log n) time, O(n²) memory.

    Source: Kriegeskorte et al. 2008, with Euclidean distances.

    Traps: distances within clusters and between them have equal weight: two spaces with the same clusters score
    high whatever goes on within.

    Args:
        x: codes `(n, d)`, 3 to 5,000 items.
        y: codes `(n, e)` of the same items in the same order.

    Raises:
        ValueError: unequal n, too few or too many items, NaN or infinity.
        NotApplicableError: all items of a space are equally far from each other.

    >>> line = torch.tensor([0.0, 1, 3, 7])[:, None]
    >>> round(rsa(line, -2 * line), 12), round(rsa(line, line.roll(1, 0)), 3)
    (1.0, -0.2)
    """
    check(LEAST, x=x, y=y)
    if len(x) > MOST:
        raise ValueError(f"x and y must hold at most {MOST:,} items, as all pairs are compared, got {len(x):,}")
    check_varies(x, y)
    return _correlation(_PairRanks.of(x), _PairRanks.of(y))


@dataclass(frozen=True, eq=False)
class _PairRanks:
    """Ranks of the distances of all pairs, less their mean.

    Attributes:
        ranks: of the distances between items `(n, n)`, 0 on the diagonal; float32 holds such numbers exactly.
        size: root of the sum of their squares.
        order: the items are in, `(n,)`; None: as they are.
    """

    ranks: npt.NDArray[np.float32]
    size: float
    order: Tensor | None = None

    @classmethod
    def of(cls, codes: Tensor) -> _PairRanks:
        n = len(codes)
        first, second = np.triu_indices(n, 1)
        far = torch.cat([rows for _, rows in distance_rows(scaled(codes))]).numpy()[first, second]
        ranks = average_ranks(torch.from_numpy(far)[None], 2 * scaled_resolution(codes))[0].numpy()
        ranks = 2 * ranks - (n * (n - 1) // 2 + 1)  # twice as large, so that all are whole numbers
        size = float(np.sqrt(2 * np.square(ranks).sum()))
        if not size:
            raise NotApplicableError("all items of a space are equally far from each other")
        table = np.zeros((n, n), dtype=np.float32)
        table[first, second] = table[second, first] = ranks
        return cls(table, size)


def _correlation(a: _PairRanks, b: _PairRanks) -> float:
    ranks = b.ranks
    if a.order is not None or b.order is not None:
        order = relative_order(a.order, b.order, len(ranks)).numpy()
        ranks = ranks.take(order, 0).take(order, 1)
    blocks = (slice(start, start + ROWS) for start in range(0, len(ranks), ROWS))
    exact = ([table[rows].astype(np.float64) for table in (a.ranks, ranks)] for rows in blocks)
    products = sum(float(np.vdot(*both)) for both in exact)
    return min(1.0, max(-1.0, products / (a.size * b.size)))


class DistanceRanks(OrderedMetric):
    """At most 2,000 items."""

    score: ClassVar[Score] = Score("up", purpose="near", range=(-1, 1), floor=0.0)
    invariances: ClassVar[tuple[Invariance, ...]] = ("shift", "scale", "rotation")
    tier: ClassVar[Tier] = "full"
    min_items: ClassVar[int] = 10
    max_items: ClassVar[int | None] = ITEMS

    def prepare(self, space: LatentSpace) -> _PairRanks:
        """Rank the distances."""
        check_varies(space.codes)
        return _PairRanks.of(space.codes)

    def compute(self, a: _PairRanks, b: _PairRanks) -> float:
        """Return the correlation."""
        return _correlation(a, b)
