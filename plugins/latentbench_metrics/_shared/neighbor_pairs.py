"""Exact nearest neighbors of points among themselves: the likeness of two points is computed once, for both."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from latentbench.latent.arithmetic import full_precision
from latentbench_metrics._shared.distances import extreme, product
from latentbench_metrics._shared.nearest import (
    EXACT,
    SPARE,
    Certainty,
    nearest,
    nearest_of,
    scale_and_center,
)

__all__ = ["nearest_others"]

TILE = 4096  # rows and columns of likeness that are held at once
WIDE = 64  # numbers in a point: products of shorter ones cost less than what is done about each pair
MOST_GROUPS = 16  # each has tiles of its own
MOSTLY = 0.9  # share of points that must be proven by products in float32; else all is sought in float64
MOST_CLOSER = 4  # times as many finds as are looked for are sorted in; more are sought as in a first tile


def nearest_others(points: Tensor, k: int, groups: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Return the k points nearest to each of `points` `(n, d)`: squared distances and rows `(n, k)`.

    Results are those of `nearest`, bit for bit; many wide points on a CPU take half its time.

    Args:
        points: `(n, d)`.
        k: number of neighbors.
        groups: numbers `(n,)`; neighbors are those of other groups. None: all but the point itself.

    Raises:
        ValueError: k is more than a point has others.

    >>> nearest_others(torch.tensor([[0.0], [1], [3]]), 1, groups=torch.tensor([0, 0, 1]))[1]
    tensor([[2],
            [2],
            [1]])
    """
    sizes = torch.tensor([1]) if groups is None else torch.unique(groups, return_counts=True)[1]
    small = len(points) <= TILE or len(points) - int(sizes.max()) < k + SPARE or len(sizes) > MOST_GROUPS
    if small or points.shape[1] < WIDE or points.device.type != "cpu" or not points.is_floating_point():
        return _one_by_one(points, k, groups, torch.arange(len(points), device=points.device))
    points = points.detach()
    squared, rows, sure = _in_pairs(torch.float32, points, k, groups)
    if int(sure.sum()) < MOSTLY * len(points):
        squared, rows, sure = _in_pairs(torch.float64, points, k, groups)
    left = (~sure).nonzero()[:, 0]
    if len(left):
        squared[left], rows[left] = _one_by_one(points, k, groups, left)
    return squared, rows


def _in_pairs(dtype: torch.dtype, points: Tensor, k: int, groups: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Return distances and rows as `nearest_others` does, and for which points `(n,)` they are proven."""
    with full_precision():
        order, moved, scale, best = _likely(dtype, points, k + SPARE, groups)
        likeness, places = best.likeness.sort(1, descending=True)
        candidates, certainty = order[best.columns.gather(1, places)], Certainty.of(moved)
        few = certainty.needed(likeness, k)
        squared = torch.empty(len(points), k, dtype=torch.float64)
        rows = torch.empty(len(points), k, dtype=torch.int64)
        sure = torch.empty(len(points), dtype=torch.bool)
        squared[order], rows[order] = nearest_of(points, points[order], candidates, k, few=few)
        sure[order] = certainty.holds(likeness[:, -1], squared[order, -1].sqrt() * scale)
    return squared, rows, sure


def _one_by_one(points: Tensor, k: int, groups: Tensor | None, which: Tensor) -> tuple[Tensor, Tensor]:
    """Return the same for the points in rows `which` `(m,)` alone."""
    if groups is None:
        return nearest(points, points[which], k, own=which)
    squared = torch.empty(len(which), k, dtype=torch.float64, device=points.device)
    rows = torch.empty(len(which), k, dtype=torch.int64, device=points.device)
    for group in torch.unique(groups[which]):
        others, held = (groups != group).nonzero()[:, 0], groups[which] == group
        squared[held], found = nearest(points[others], points[which[held]], k)
        rows[held] = others[found]
    return squared, rows


@dataclass(frozen=True)
class _Best:
    """The likeliest neighbors by now: likeness `(n, count)`, and the columns that have it."""

    likeness: Tensor
    columns: Tensor

    def take_in(self, tile: Tensor, rows: slice, columns: slice) -> None:
        """Take in the likeness `(rows, columns)` of points in a range to those in another, or the same."""
        self._take_in(tile, rows, columns)
        if rows != columns:
            self._take_in(tile.T, columns, rows)

    def _take_in(self, tile: Tensor, rows: slice, columns: slice) -> None:
        least, count = self.likeness[rows].amin(1), self.likeness.shape[1]
        found = None
        if bool((least > -torch.inf).all()):
            found = _above(tile, least, MOST_CLOSER * count)
        if found is None:
            found = extreme(tile, min(count, tile.shape[1]))
        both = torch.cat([self.likeness[rows], found[0]], 1)
        top, places = both.topk(count, sorted=False)
        self.columns[rows] = torch.cat([self.columns[rows], found[1] + columns.start], 1).gather(1, places)
        self.likeness[rows] = top


def _above(tile: Tensor, least: Tensor, most: int) -> tuple[Tensor, Tensor] | None:
    """Return what is above its row's least `(n,)` in each row, filled up with -inf, and the columns.

    None where a row has more than `most`.
    """
    across = not tile.is_contiguous()  # rows lie across memory
    stored, bounds = (tile.T.numpy(), least.numpy()) if across else (tile.numpy(), least[:, None].numpy())
    places = np.flatnonzero(stored > bounds)
    if len(places) > most * len(least):
        return None
    rows, columns = np.divmod(places, stored.shape[1])
    if across:
        order = np.argsort(columns, kind="stable")
        places, rows, columns = places[order], columns[order], rows[order]
    counts = np.bincount(rows, minlength=len(least))
    widest = int(counts.max())
    if widest > most:
        return None
    slots = np.arange(len(rows)) - (np.cumsum(counts) - counts)[rows]
    found = np.full((len(least), widest), -np.inf, dtype=stored.dtype)
    which = np.zeros((len(least), widest), dtype=np.int64)
    found[rows, slots], which[rows, slots] = stored.reshape(-1)[places], columns
    return torch.from_numpy(found), torch.from_numpy(which)


def _likely(
    dtype: torch.dtype, points: Tensor, count: int, groups: Tensor | None
) -> tuple[Tensor, Tensor, float, _Best]:
    """Look for candidates by products in `dtype`.

    Returns:
        an order of points `(n,)`, drawn so that no tile has more neighbors than others; the points in it, moved
        and scaled; the scale; and for each the `count` others of the greatest likeness, -d² / 2.
    """
    order = torch.randperm(len(points), generator=torch.Generator().manual_seed(0))
    if groups is not None:
        order = order[groups[order].argsort(stable=True)]
    scale, center = scale_and_center(points, dtype)
    both = torch.ones(2, len(points), points.shape[1] + 2, dtype=dtype)
    left, right = both  # of x: (x, 1, -|x|²/2) and (x, -|x|²/2, 1)
    for piece in torch.split(torch.arange(len(points)), max(1, EXACT // points.shape[1])):
        moved = (points[order[piece]].to(center.dtype) - center).mul_(scale).to(dtype)
        left[piece, :-2] = right[piece, :-2] = moved
        left[piece, -1] = right[piece, -2] = moved.square().sum(1).div_(-2)
    likeness = torch.full((len(points), count), -torch.inf, dtype=dtype)
    best = _Best(likeness, torch.zeros_like(likeness, dtype=torch.int64))
    room = torch.empty(TILE * TILE, dtype=dtype)
    for rows, columns in _tiles(len(points), None if groups is None else groups[order]):
        shape = rows.stop - rows.start, columns.stop - columns.start
        tile = product(left[rows], right[columns].T, room[: shape[0] * shape[1]].view(shape))
        if rows == columns:
            tile.fill_diagonal_(-torch.inf)
        best.take_in(tile, rows, columns)
    return order, left[:, :-2], scale, best


def _tiles(count: int, groups: Tensor | None) -> Iterator[tuple[slice, slice]]:
    """Yield pairs of ranges that hold each pair of points once: of other groups, or all and each with itself."""
    sizes = [count] if groups is None else torch.unique_consecutive(groups, return_counts=True)[1].tolist()
    ranges, start = [], 0
    for group, size in enumerate(sizes):
        ends = [*range(start, start + size, TILE), start + size]
        ranges += [(slice(*pair), group) for pair in pairwise(ends)]
        start += size
    for place, (rows, group) in enumerate(ranges):
        yield from ((rows, columns) for columns, other in ranges[place:] if groups is None or other != group)
