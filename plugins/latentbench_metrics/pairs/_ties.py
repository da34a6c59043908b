"""Ranks of distances and sets of nearest neighbors where some are equal: nothing depends on the order of items."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from latentbench import NotApplicableError
from latentbench_metrics._shared.nearest import nearest
from latentbench_metrics._shared.neighbor_pairs import nearest_others
from latentbench_metrics.pairs._codes import scaled, scaled_resolution

__all__ = ["NeighborSets", "average_ranks", "distance_rows", "neighbor_sets"]

BLOCK = 2**21  # distances at once
FOUND = 2**22  # neighbors at once of those that have many equally near
MOST_TIES = 2**25  # pairs of items that may be equally near

Numbers = npt.NDArray[np.int64]


def distance_rows(codes: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield row numbers `(b,)` of codes `(n, d)`, ascending, and the distances `(b, n)` of these from all.

    Codes must be `scaled`. Distances come from differences, so that equal items are 0 apart.
    """
    for rows in torch.split(torch.arange(len(codes)), max(1, BLOCK // len(codes))):
        yield rows, torch.cdist(codes[rows], codes, compute_mode="donot_use_mm_for_euclid_dist")


def average_ranks(values: Tensor, slack: float) -> Tensor:
    """Return the ranks of each row of values `(b, n)`, from 1; values up to `slack` apart share their mean rank.

    >>> average_ranks(torch.tensor([[5.0, 1.0, 5.0]]), 0.0)
    tensor([[2.5000, 1.0000, 2.5000]], dtype=torch.float64)
    """
    ordered, places = values.sort(1)
    below = torch.searchsorted(ordered, ordered - slack)  # in order, as that takes a fifth of the time
    up_to = torch.searchsorted(ordered, ordered + slack, right=True)
    ranks = (below + up_to + 1).double() / 2
    return torch.empty_like(ranks).scatter_(1, places, ranks)


@dataclass(frozen=True, eq=False)
class NeighborSets:
    """The k nearest neighbors of n items; items equally far as the k-th share the places that are left.

    Attributes:
        sure: the neighbors `(k, n)` that have a place of their own, filled up with -1.
        items: whose neighbors the others are `(t,)`.
        others: the neighbors `(t,)` that share places.
        shares: of a place `(t,)`, less than 1.
    """

    sure: npt.NDArray[np.int32]
    items: Numbers
    others: Numbers
    shares: npt.NDArray[np.float64]

    def reordered(self, order: Tensor) -> NeighborSets:
        """Return the sets with the items in another order `(n,)`."""
        rows = order.cpu().numpy()
        place = np.full(len(rows) + 1, -1, dtype=np.int32)  # its last element is what -1 finds
        place[rows] = np.arange(len(rows), dtype=np.int32)
        sure = place.take(self.sure.take(rows, axis=1), mode="wrap")
        return NeighborSets(
            sure, place[self.items].astype(np.int64), place[self.others].astype(np.int64), self.shares
        )

    def overlap(self, other: NeighborSets) -> float:
        """Return the mean share of places that both sets give to the same neighbors.

        A place that is shared in one of them or both counts by the smaller share, so that a space agrees with
        itself by 1.
        """
        padded = other._padded()
        count = float(sum(np.count_nonzero(neighbors == padded) for neighbors in self.sure))
        count += other._shares_held_by(self.sure) + self._shares_held_by(other.sure) + self._common_shares(other)
        return min(1.0, count / self.sure.size)

    def _padded(self) -> npt.NDArray[np.int32]:
        """Return the sure neighbors, filled up with another number, as no gap is equal to a gap."""
        return np.where(self.sure < 0, -2, self.sure).astype(np.int32) if len(self.items) else self.sure

    def _shares_held_by(self, sure: npt.NDArray[np.int32]) -> float:
        pieces = np.array_split(np.arange(len(self.items)), len(self.items) * len(sure) // BLOCK + 1)
        held = (self.shares[piece] * (sure[:, self.items[piece]] == self.others[piece]).any(0) for piece in pieces)
        return float(sum(part.sum() for part in held))

    def _common_shares(self, other: NeighborSets) -> float:
        if not len(self.items) or not len(other.items):
            return 0.0
        n = self.sure.shape[1]
        keys = self.items * n + self.others, other.items * n + other.others
        _, left, right = np.intersect1d(*keys, assume_unique=True, return_indices=True)
        return float(np.minimum(self.shares[left], other.shares[right]).sum())


def neighbor_sets(codes: Tensor, k: int) -> NeighborSets:
    """Return the k nearest neighbors of each item of codes `(n, d)`, n more than k.

    Distances that rounding of the codes could make are equal.

    Raises:
        NotApplicableError: more than 2^25 pairs of items share places.
    """
    points, slack = scaled(codes), 2 * scaled_resolution(codes)
    distinct, group = torch.unique(points, dim=0, return_inverse=True)
    groups = _Groups.of(group) if len(distinct) < len(points) else _Groups.of(torch.arange(len(points)))
    points = distinct if len(distinct) < len(points) else points
    search = _Search(points, groups, k, slack)
    count = min(k + 1, len(points) - 1)
    squared, near = nearest_others(points, count)
    found = search.shared(torch.arange(len(points)), squared.sqrt(), near)
    if len(points) == len(codes) and search.is_plain(found):
        return NeighborSets(np.ascontiguousarray(near[:, :k].T.numpy().astype(np.int32)), *_no_ties())
    return groups.spread(search.completed(found, count), k)


def _no_ties() -> tuple[Numbers, Numbers, npt.NDArray[np.float64]]:
    return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)


@dataclass(frozen=True, eq=False)
class _Places:
    """Places among the neighbors of points.

    Attributes:
        points: whose neighbors the others are `(t,)`.
        others: the points `(t,)` that have places.
        shares: of a place `(t,)` that each item at such a point has.
        unfinished: points `(u,)` that may have more neighbors equally near than were looked at.
    """

    points: Numbers
    others: Numbers
    shares: npt.NDArray[np.float64]
    unfinished: Tensor


@dataclass(frozen=True, eq=False)
class _Groups:
    """Items `(n,)` sorted by the distinct point that they are at; where each point's begin, and how many."""

    items: Numbers
    starts: Numbers
    sizes: Numbers

    @classmethod
    def of(cls, group: Tensor) -> _Groups:
        sizes = np.bincount(group.numpy())
        return cls(group.argsort(stable=True).numpy(), np.cumsum(sizes) - sizes, sizes)

    def spread(self, found: _Places, k: int) -> NeighborSets:
        """Return the neighbors of items from those of points."""
        counts = self.sizes[found.points] * self.sizes[found.others]
        if (many := int(counts[found.shares < 1].sum())) > MOST_TIES:
            raise NotApplicableError(
                f"too many items are equally far from each other: {many:,} pairs share places"
            )
        which = np.repeat(np.arange(len(counts)), counts)
        number = np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts)
        first, second = np.divmod(number, self.sizes[found.others[which]])
        items = self.items[self.starts[found.points[which]] + first]
        others = self.items[self.starts[found.others[which]] + second]
        shares = found.shares[which]
        kept = items != others
        return _sets(items[kept], others[kept], shares[kept], k, len(self.items))


def _sets(items: Numbers, others: Numbers, shares: npt.NDArray[np.float64], k: int, count: int) -> NeighborSets:
    whole = shares == 1
    order = np.argsort(items[whole], kind="stable")
    rows, neighbors = items[whole][order], others[whole][order]
    sizes = np.bincount(rows, minlength=count)
    sure = np.full((k, count), -1, dtype=np.int32)
    sure[np.arange(len(rows)) - np.repeat(np.cumsum(sizes) - sizes, sizes), rows] = neighbors
    return NeighborSets(sure, items[~whole], others[~whole], shares[~whole])


@dataclass(frozen=True, eq=False)
class _Search:
    """Looks for the k nearest items of items at distinct points `(m, d)`."""

    points: Tensor
    groups: _Groups
    k: int
    slack: float

    def shared(self, rows: Tensor, far: Tensor, near: Tensor) -> _Places:
        """Return the places among neighbors of the points `(b,)`, given the nearest others `(b, c)`, in order."""
        sizes = torch.from_numpy(self.groups.sizes)
        far = torch.cat([far.new_zeros(len(rows), 1), far], 1)  # a point's other items come first
        near = torch.cat([rows[:, None], near], 1)
        held = torch.cat([sizes[rows][:, None] - 1, sizes[near[:, 1:]]], 1)
        limit = far.gather(1, (held.cumsum(1) >= self.k).int().argmax(1, keepdim=True))
        before = (far < limit - self.slack) & (held > 0)
        tied = ((far - limit).abs() <= self.slack) & (held > 0)
        share = (self.k - (held * before).sum(1)).double() / (held * tied).sum(1)
        shares = torch.where(before, torch.ones_like(share[:, None]), share[:, None])
        places, columns = (before | tied).nonzero().T
        all_seen = near.shape[1] == len(self.points)
        open_end = torch.zeros(0, dtype=torch.int64) if all_seen else rows[far[:, -1] <= limit[:, 0] + self.slack]
        return _Places(
            rows[places].numpy(), near[places, columns].numpy(), shares[places, columns].numpy(), open_end
        )

    def is_plain(self, found: _Places) -> bool:
        """Return whether every point has k neighbors and none of them shares its place."""
        return not len(found.unfinished) and bool((found.shares == 1).all())

    def completed(self, found: _Places, count: int) -> _Places:
        """Return all places, looking at more and more others than `count` where some may be equally near."""
        parts, left = [found], found.unfinished
        while len(left):
            count = min(4 * count, len(self.points) - 1)
            again = [self._seen(rows, count) for rows in torch.split(left, max(1, FOUND // count))]
            parts += again
            left = torch.cat([part.unfinished for part in again])
        kept = [~np.isin(part.points, part.unfinished.numpy()) for part in parts]
        points, others, shares = (
            np.concatenate([getattr(part, name)[some] for part, some in zip(parts, kept, strict=True)])
            for name in ("points", "others", "shares")
        )
        return _Places(points, others, shares, left)

    def _seen(self, rows: Tensor, count: int) -> _Places:
        squared, near = nearest(self.points, self.points[rows], count, own=rows)
        return self.shared(rows, squared.sqrt(), near)
