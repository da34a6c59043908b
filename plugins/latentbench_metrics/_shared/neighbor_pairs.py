"""Exact nearest neighbors among points themselves: the likeness of two points is computed once, for both."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from latentbench.latent.arithmetic import exact_arithmetic
from latentbench_metrics._shared.distances import (
    ELEMENTS,
    SPARE,
    extreme,
    nearest,
    nearest_of,
    product,
    scale_and_center,
    surely_nearest,
)

__all__ = ["nearest_others"]

TILE = 4096  # rows and columns of likeness that are held at once
WIDE = 64  # numbers in a point: products of shorter ones cost less than what is done about each pair
MOST_GROUPS = 16  # each has tiles of its own
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
    with exact_arithmetic():
        order, moved, scale, likely = _likely(points, k + SPARE, groups)
        squared = torch.empty(len(points), k, dtype=torch.float64)
        rows = torch.empty(len(points), k, dtype=torch.int64)
        sure = torch.empty(len(points), dtype=torch.bool)
        squared[order], rows[order] = nearest_of(points, points[order], order[likely.columns], k, None)
        sure[order] = surely_nearest(moved, likely.scores.amin(1), squared[order, -1].sqrt() * scale)
    left = (~sure).nonzero()[:, 0]
    if len(left):
        squared[left], rows[left] = _one_by_one(points, k, groups, left)
    return squared, rows


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
    """The likeliest neighbors by now: scores `(n, count)`, and the columns that have them."""

    scores: Tensor
    columns: Tensor

    def take_in(self, scores: Tensor, rows: slice, columns: slice, *, across: bool = False) -> None:
        """Take in the scores `(rows, columns)` of a tile; `across`: they are `(columns, rows)`."""
        least = self.scores[rows].amin(1)
        found = None
        if bool((least > -torch.inf).all()):
            found = _above(scores, least, MOST_CLOSER * self.scores.shape[1], across=across)
        if found is None:
            table = scores.T.contiguous() if across else scores
            found = extreme(table, min(self.scores.shape[1], table.shape[1]))
        both = torch.cat([self.scores[rows], found[0]], 1)
        top, places = both.topk(self.scores.shape[1], sorted=False)
        self.columns[rows] = torch.cat([self.columns[rows], found[1] + columns.start], 1).gather(1, places)
        self.scores[rows] = top


def _above(scores: Tensor, least: Tensor, most: int, *, across: bool) -> tuple[Tensor, Tensor] | None:
    """Return the scores of each row that are above its least `(n,)`, filled up with -inf, and their columns.

    None where a row has more than `most`. `across`: rows are columns.
    """
    flat = np.flatnonzero((scores > (least if across else least[:, None])).numpy())
    if len(flat) > most * len(least):
        return None
    places = torch.from_numpy(flat)
    rows, columns = places // scores.shape[1], places % scores.shape[1]
    values = scores.reshape(-1)[places]
    if across:
        order = columns.argsort(stable=True)
        rows, columns, values = columns[order], rows[order], values[order]
    counts = rows.bincount(minlength=len(least))
    widest = int(counts.max())
    if widest > most:
        return None
    slots = torch.arange(len(rows)) - (counts.cumsum(0) - counts)[rows]
    found = values.new_full((len(least), widest), -torch.inf)
    which = torch.zeros(len(least), widest, dtype=torch.int64)
    found[rows, slots], which[rows, slots] = values, columns
    return found, which


def _likely(points: Tensor, count: int, groups: Tensor | None) -> tuple[Tensor, Tensor, float, _Best]:
    """Look for candidates by products in float32.

    Returns:
        an order of points `(n,)`, drawn so that no tile has more neighbors than others; the points in it, moved
        and scaled, in float32; the scale; and for each the `count` others with the highest x·y - |y|² / 2.
    """
    order = torch.randperm(len(points), generator=torch.Generator().manual_seed(0))
    if groups is not None:
        order = order[groups[order].argsort(stable=True)]
    scale, center = scale_and_center(points, torch.float32)
    moved = torch.empty(points.shape, dtype=torch.float32)
    half = torch.empty(len(points), dtype=torch.float32)
    for piece in torch.split(torch.arange(len(points)), max(1, ELEMENTS // points.shape[1])):
        moved[piece] = (points[order[piece]].to(center.dtype) - center).mul_(scale).float()
        half[piece] = moved[piece].square().sum(1).div_(2)
    best = _Best(torch.full((len(points), count), -torch.inf), torch.zeros(len(points), count, dtype=torch.int64))
    room, spare = torch.empty(TILE * TILE), torch.empty(TILE * TILE)
    for rows, columns in _tiles(len(points), None if groups is None else groups[order]):
        shape = rows.stop - rows.start, columns.stop - columns.start
        likeness, tile = (part[: shape[0] * shape[1]].view(shape) for part in (room, spare))
        product(moved[rows], moved[columns].T, likeness)
        torch.sub(likeness, half[columns], out=tile)
        if rows == columns:
            tile.fill_diagonal_(-torch.inf)
        best.take_in(tile, rows, columns)
        if rows != columns:
            torch.sub(likeness, half[rows, None], out=tile)
            best.take_in(tile, columns, rows, across=True)
    return order, moved, scale, best


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
