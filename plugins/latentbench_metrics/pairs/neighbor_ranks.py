"""How much the neighbors in one space tell about distances in another: information imbalance."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from latentbench import Invariance, LatentSpace, Score, Tier
from latentbench_metrics.pairs._codes import (
    check,
    check_varies,
    relative_order,
    scaled,
    scaled_resolution,
)
from latentbench_metrics.pairs._ordered import OrderedMetric
from latentbench_metrics.pairs._ties import average_ranks, distance_rows

__all__ = ["InformationImbalance", "information_imbalance"]

LEAST = 3  # items
ITEMS = 2000


def information_imbalance(x: Tensor, y: Tensor) -> float:
    """2 / n times the mean rank in y of the nearest neighbor in x; lower: x tells more about y.

    Ranks are those by distance from the item, from 1. In (0, 2): 2 / n where every nearest neighbor in x is the
    nearest in y, 1 in the mean where x says nothing about y. Not symmetric: a space with more in it tells about
    one with less, and not the other way round. Rotating, shifting or scaling either space changes nothing. Of
    several equally near neighbors in x the mean is taken, and items equally far in y share the mean of their
    ranks, both up to the rounding of the codes: so x says nothing about a y of few values by chance. O(n² log n)
    time, O(n) memory.

    Source: Glielmo et al. 2022, "Ranking the information content of distance measures".

    Traps: only nearest neighbors in x are looked at. With duplicates in y, 2 / n cannot be reached.

    Args:
        x: codes `(n, d)`.
        y: codes `(n, e)` of the same items in the same order.

    Raises:
        ValueError: unequal n, fewer than 3 items, NaN or infinity.
        NotApplicableError: all codes of a space are equal.

    >>> line = torch.tensor([0.0, 1, 3, 7])[:, None]
    >>> information_imbalance(line, -2 * line), information_imbalance(line, line.roll(1, 0))
    (0.5, 1.0)
    """
    check(LEAST, x=x, y=y)
    check_varies(x, y)
    nearest, ranks = _Nearest.of(x), 0.0
    for rows, block in _rank_rows(y):
        some = slice(*np.searchsorted(nearest.items, [int(rows[0]), int(rows[-1]) + 1]))
        places = nearest.items[some] - int(rows[0]), nearest.others[some]
        ranks += float((block.numpy()[places] * nearest.shares[some]).sum())
    return 2 * ranks / len(x) ** 2


def _rank_rows(codes: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield row numbers `(b,)` and the ranks of all items by distance from each `(b, n)`; its own is 0."""
    points, slack = scaled(codes), 2 * scaled_resolution(codes)
    for rows, far in distance_rows(points):
        far[torch.arange(len(rows)), rows] = -torch.inf
        yield rows, average_ranks(far, slack) - 1


@dataclass(frozen=True, eq=False)
class _Nearest:
    """Nearest neighbors: whose they are `(t,)`, in order, which they are `(t,)`, and 1 / how many the item has."""

    items: npt.NDArray[np.int64]
    others: npt.NDArray[np.int64]
    shares: npt.NDArray[np.float64]

    @classmethod
    def of(cls, codes: Tensor) -> _Nearest:
        points, slack, pairs = scaled(codes), 2 * scaled_resolution(codes), []
        for rows, far in distance_rows(points):
            far[torch.arange(len(rows)), rows] = torch.inf
            places, others = (far <= far.amin(1, keepdim=True) + slack).nonzero().T
            pairs.append(torch.stack([rows[places], others]))
        items, others = torch.cat(pairs, 1).numpy()
        return cls(items, others, 1 / np.bincount(items)[items])


@dataclass(frozen=True, eq=False)
class _Ranked:
    """A space as the one that tells and as the one that is told about.

    Attributes:
        nearest: the nearest neighbors of its items.
        ranks: twice the ranks of all others by distance from each item `(n, n)`: whole numbers.
        order: the items are in, `(n,)`; None: as they are.
    """

    nearest: _Nearest
    ranks: npt.NDArray[np.int16]
    order: Tensor | None = None

    @classmethod
    def of(cls, codes: Tensor) -> _Ranked:
        ranks = np.concatenate([(2 * block).numpy().astype(np.int16) for _, block in _rank_rows(codes)])
        return cls(_Nearest.of(codes), ranks)

    def places(self, other: _Ranked) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return where the nearest neighbors stand among the ranks of another space."""
        there = relative_order(self.order, other.order, len(self.ranks)).numpy()
        return there[self.nearest.items], there[self.nearest.others]


def _imbalance(a: _Ranked, b: _Ranked) -> float:
    ranks = b.ranks[a.places(b)].astype(np.float64)
    return float((ranks * a.nearest.shares).sum()) / len(b.ranks) ** 2


class InformationImbalance(OrderedMetric):
    """At most 2,000 items; 0 where the first space tells everything about the second, 1 where it tells nothing."""

    score: ClassVar[Score] = Score("down", purpose="near", range=(0, 2), floor=1.0)
    symmetric: ClassVar[bool] = False
    invariances: ClassVar[tuple[Invariance, ...]] = ("shift", "scale", "rotation")
    tier: ClassVar[Tier] = "full"
    tolerance: ClassVar[float] = 1e-3  # the order of all but equal distances
    min_items: ClassVar[int] = 10
    max_items: ClassVar[int | None] = ITEMS

    def prepare(self, space: LatentSpace) -> _Ranked:
        """Rank all items by distance from each."""
        check_varies(space.codes)
        return _Ranked.of(space.codes)

    def compute(self, a: _Ranked, b: _Ranked) -> float:
        """Return how much less than everything the first space tells about the second."""
        return _imbalance(a, b)
