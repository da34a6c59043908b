"""Distances between all pairs of points, in blocks of rows, and exact nearest neighbors."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from latentbench.latent.arithmetic import exact_arithmetic
from latentbench_metrics._shared.blocks import at_once

__all__ = [
    "centered",
    "distance_blocks",
    "distance_tiles",
    "extreme",
    "nearest",
    "nearest_of",
    "product",
    "row_blocks",
    "scale_and_center",
    "surely_nearest",
]

BLOCK = 2**19  # distances held at once on a CPU,
ROWS = 16  # or those of so many rows
ROUNDING = 1e-13  # of a matrix product in float64, relative to the points' squared norms
TILE = 512, 4096  # points and other points whose distances are held at once where each pair is computed once
ELEMENTS = 2**22  # of one block of likeness in the search for neighbors, on a CPU
ROOMY = 2**25  # or of one of wide points, whose products are faster in large blocks: as many rows as they are wide
WIDEST = 512  # rows
EXACT = 2**18  # differences of candidates at once, on a CPU
SPARE = 16  # neighbors kept beyond k until their distances are exact
UNDERFLOW = 1e-35  # more than what products below float32's range can add up to


def centered(*clouds: Tensor) -> list[Tensor]:
    """Return the clouds `(n, d)`, `(m, d)`, ... in float64, shifted so that their means average to 0."""
    exact = [cloud.detach().to(torch.float64, copy=True) for cloud in clouds]
    center = torch.stack([cloud.mean(0) for cloud in exact]).mean(0)
    return [cloud.sub_(center) for cloud in exact]


def row_blocks(rows: int, columns: int, device: torch.device) -> Iterator[Tensor]:
    """Yield row numbers, ascending, few enough at once for their distances to `columns` points."""
    yield from torch.split(torch.arange(rows, device=device), max(ROWS, at_once(BLOCK, device) // columns))


def distance_blocks(x: Tensor, y: Tensor | None = None, own: float = math.inf) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield row numbers `(b,)` of x `(n, d)`, ascending, and squared distances `(b, m)` to y `(m, d)`, in blocks.

    Points must be float64 and centered. The distances come from one matrix product; where rounding could hide that
    two points are equal, they are set to 0. Without y: distances among the rows of x, `own` from a point to
    itself. All blocks share memory: use or change one before the next is made.

    >>> [(_, squared)] = distance_blocks(torch.tensor([[0.0], [1]]).double(), torch.tensor([[3.0]]).double())
    >>> squared
    tensor([[9.],
            [4.]], dtype=torch.float64)
    """
    x, others = x.detach(), (x if y is None else y).detach()
    ones, norms = x.new_ones(len(x), 1), x.square().sum(1, keepdim=True)
    table = _product_table(others).T
    blocks = list(row_blocks(len(x), len(others), x.device))
    scratch = x.new_empty(len(blocks[0]), len(others))
    for rows in blocks:
        squared = scratch[: len(rows)]
        torch.mm(torch.cat([x[rows], ones[: len(rows)], norms[rows]], 1), table, out=squared)
        diagonal = torch.arange(len(rows), device=x.device), rows
        if y is None:
            squared[diagonal] = math.inf
        limits = 2 * ROUNDING * norms[rows]
        _set_to_zero(squared, limits)
        if y is None:
            squared[diagonal] = own
        yield rows, squared


def product(left: Tensor, right: Tensor, out: Tensor) -> Tensor:
    """Write the matrix product of `(a, d)` and `(d, b)` into `out` `(a, b)`, and return it.

    On a CPU by NumPy: its library takes down to 60 % of the time of torch's on processors by AMD.
    """
    if out.device.type != "cpu":
        return torch.mm(left, right, out=out)
    np.matmul(left.numpy(), right.numpy(), out=out.numpy())
    return out


def distance_tiles(x: Tensor) -> Iterator[tuple[slice, slice, Tensor]]:
    """Yield ranges of rows and columns and the squared distances between those rows of x `(n, d)`, each pair once.

    As `distance_blocks`, at half the cost; a range beside itself holds its pairs twice. All tiles share memory.

    >>> [(rows, columns, squared)] = distance_tiles(torch.tensor([[-1.0], [1]]).double())
    >>> squared
    tensor([[0., 4.],
            [4., 0.]], dtype=torch.float64)
    """
    x = x.detach()
    norms, ones = x.square().sum(1, keepdim=True), x.new_ones(len(x), 1)
    table, points = _product_table(x).T, torch.cat([x, ones, norms], 1)
    height, width = (at_once(size, x.device) for size in TILE)
    scratch = x.new_empty(min(height, len(x)) * min(max(height, width), len(x)))
    for start in range(0, len(x), height):
        rows = slice(start, min(start + height, len(x)))
        ends = [start, *range(rows.stop, len(x), width), len(x)] if rows.stop < len(x) else [start, rows.stop]
        for columns in (slice(*pair) for pair in pairwise(ends)):
            shape = rows.stop - rows.start, columns.stop - columns.start
            squared = scratch[: shape[0] * shape[1]].view(shape)
            product(points[rows], table[:, columns], squared)
            if rows == columns:
                squared.fill_diagonal_(math.inf)
            _set_to_zero(squared, 2 * ROUNDING * norms[rows])
            if rows == columns:
                squared.fill_diagonal_(0)
            yield rows, columns, squared


def _product_table(points: Tensor) -> Tensor:
    """Return (-2 y, |y|², 1) of each point y: its product with (x, 1, |x|²) is their squared distance."""
    norms = points.square().sum(1)
    table = points.new_ones(len(points), points.shape[1] + 2)
    torch.mul(points, -2, out=table[:, :-2])
    table[:, -2] = norms
    return table


def _set_to_zero(squared: Tensor, limits: Tensor) -> None:
    """Set values up to the row's limit `(b, 1)` to 0; on a CPU only rows that have such values are visited."""
    if squared.device.type != "cpu":
        squared.masked_fill_(squared <= limits, 0)
        return
    for row in (squared.amin(1, keepdim=True) <= limits).nonzero()[:, 0].tolist():
        squared[row].masked_fill_(squared[row] <= limits[row], 0)


def extreme(values: Tensor, k: int, *, largest: bool = True) -> tuple[Tensor, Tensor]:
    """Return the k largest (or smallest) of each row of `(b, m)` in order, and their columns, as `topk` does.

    Ten times as fast as `topk` on long rows: the k largest lie in the k groups with the largest maxima.

    >>> extreme(torch.tensor([[5.0, 1.0, 7.0]]), 2)
    (tensor([[7., 5.]]), tensor([[2, 0]]))
    """
    count = values.shape[1]
    size = math.isqrt(count // k)  # makes as many groups as there are members in the k best
    if size < 4:
        top = values.topk(k, largest=largest)
        return top.values, top.indices
    width = count // size
    groups = values[:, : size * width].view(-1, size, width)
    best = (groups.amax(1) if largest else groups.amin(1)).topk(k, largest=largest, sorted=False).indices
    offsets = torch.arange(0, size * width, width, device=values.device)
    rest = torch.arange(size * width, count, device=values.device).expand(len(values), -1)
    columns = torch.cat([(best[:, None] + offsets[:, None]).flatten(1), rest], 1)
    top = values.gather(1, columns).topk(k, largest=largest)
    return top.values, columns.gather(1, top.indices)


def nearest(bank: Tensor, queries: Tensor, k: int, own: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Return the k points of `bank` `(m, d)` nearest to each query `(n, d)`: squared distances and rows `(n, k)`.

    Nearest first, ties in the order of rows. Distances are float64, sums of squared differences. Candidates come
    from a matrix product in float32; where its rounding might hide a nearer point, from one in float64; and where
    that might as well, every distance is computed.

    Args:
        bank: points `(m, d)`.
        queries: points `(n, d)`.
        k: number of neighbors.
        own: the row of `bank` `(n,)` that each query is: it is no neighbor of itself.

    Raises:
        ValueError: k is more than there are points, less the query's own.

    >>> line = torch.tensor([[0.0], [1], [3]])
    >>> nearest(line, line, 1, own=torch.arange(3))
    (tensor([[1.],
            [1.],
            [4.]], dtype=torch.float64), tensor([[1],
            [0],
            [1]]))
    """
    if not 0 < k <= len(bank) - (own is not None):
        raise ValueError(f"k (={k}) must be at most the number of bank codes (={len(bank)})")
    if not bank.is_floating_point() or bank.dtype != queries.dtype:
        bank, queries = bank.double(), queries.double()
    bank, queries = bank.detach(), queries.detach()
    squared = torch.empty(len(queries), k, dtype=torch.float64, device=bank.device)
    rows = torch.empty(len(queries), k, dtype=torch.int64, device=bank.device)
    left = torch.arange(len(queries), device=bank.device)
    own = None if own is None else own.to(bank.device)
    for search in (_search_in_float32, _search_in_float64, _search_all):
        if len(left):
            with exact_arithmetic():  # TF32 rounds more than is allowed for
                found = search(bank, queries[left], k, None if own is None else own[left])
            squared[left], rows[left], sure = found
            left = left[~sure]
    return squared, rows


def _search(
    dtype: torch.dtype, bank: Tensor, queries: Tensor, k: int, own: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Return distances and rows as `nearest` does, and for which queries they are proven to be right."""
    count = min(k + SPARE + (own is not None), len(bank))
    scale, center = scale_and_center(bank, dtype)
    table = torch.empty(len(bank), bank.shape[1] + 1, dtype=dtype, device=bank.device)
    rows_each = max(1, at_once(ELEMENTS, bank.device) // max(1, bank.shape[1]))
    for piece, into in zip(torch.split(bank, rows_each), torch.split(table, rows_each), strict=True):
        into[:, :-1] = (piece.to(center.dtype) - center).mul_(scale)
        into[:, -1] = into[:, :-1].square().sum(1).div_(-2)
    size = min(_rows_at_once(bank, count), len(queries))
    scratch = torch.empty(size, len(bank), dtype=dtype, device=bank.device)  # a new one a time costs as much again
    parts = []
    for chunk in torch.split(torch.arange(len(queries), device=bank.device), size):
        points = queries[chunk]
        moved = (points.to(center.dtype) - center).mul_(scale).to(dtype)
        padded = torch.cat([moved, moved.new_ones(len(chunk), 1)], 1)
        scores, likely = extreme(product(padded, table.T, scratch[: len(chunk)]), count)
        squared, rows = nearest_of(bank, points, likely, k, None if own is None else own[chunk])
        sure = surely_nearest(moved, scores[:, -1], squared[:, -1].sqrt() * scale)
        parts.append((squared, rows, sure | (count == len(bank))))
    squared, rows, sure = (torch.cat(part) for part in zip(*parts, strict=True))
    return squared, rows, sure


def scale_and_center(bank: Tensor, dtype: torch.dtype) -> tuple[float, Tensor]:
    """Return what to multiply points with, less a center `(d,)`, so that their squares fit `dtype`; both exact."""
    center = bank.mean(0, dtype=torch.float64).to(torch.promote_types(bank.dtype, dtype))
    return _power_of_two(bank, center), center


def surely_nearest(moved: Tensor, least: Tensor, reach: Tensor) -> Tensor:
    """Return for each point `(n, d)` whether rounding cannot have hidden a nearer one than those found.

    Args:
        moved: the points, moved and scaled, in the type of the products.
        least: `(n,)`; no point left out has a higher x·y - |y|² / 2, as computed.
        reach: distance `(n,)` of the farthest neighbor found, scaled, in float64.
    """
    length = moved.double().norm(dim=1)
    beyond = length.square() - 2 * least.double()  # no other point is nearer, but for rounding:
    rounding = (moved.shape[1] + 8) * torch.finfo(moved.dtype).eps
    slack = rounding * (length + reach) * (3 * length + reach) + UNDERFLOW
    sure: Tensor = reach.square() < beyond - slack
    return sure


_search_in_float32, _search_in_float64 = partial(_search, torch.float32), partial(_search, torch.float64)


def _search_all(bank: Tensor, queries: Tensor, k: int, own: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Return the same from all distances, computing those to equal points once."""
    distinct, inverse = torch.unique(bank, dim=0, return_inverse=True)
    pieces = torch.split(distinct.double(), max(1, at_once(ELEMENTS, bank.device) // max(1, bank.shape[1])))
    candidates = []
    for number, query in enumerate(queries.double()):
        far = torch.cat([(piece - query).square_().sum(1) for piece in pieces])[inverse]
        if own is not None:
            far[own[number]] = torch.inf
        limit = far.kthvalue(k).values
        closer = (far < limit).nonzero()[:, 0]
        candidates.append(torch.cat([closer, (far == limit).nonzero()[: k - len(closer), 0]]))
    squared, rows = nearest_of(bank, queries, torch.stack(candidates), k, own)
    return squared, rows, torch.ones(len(queries), dtype=torch.bool, device=bank.device)


def nearest_of(bank: Tensor, queries: Tensor, rows: Tensor, k: int, own: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return the k nearest of the candidate `rows` `(n, c)` by exact distances, ties in the order of rows."""
    rows = rows.sort(1).values
    size = max(1, at_once(EXACT, bank.device) // max(1, rows.shape[1] * bank.shape[1]))
    parts = zip(torch.split(rows, size), torch.split(queries, size), strict=True)
    exact = [bank[some].double().sub_(query[:, None]).square_().sum(-1) for some, query in parts]
    squared = torch.cat(exact) if exact else torch.empty(rows.shape, dtype=torch.float64, device=bank.device)
    if own is not None:
        squared.masked_fill_(rows == own[:, None], torch.inf)
    squared, order = squared.sort(dim=1, stable=True)
    return squared[:, :k], rows.gather(1, order[:, :k])


def _power_of_two(bank: Tensor, center: Tensor) -> float:
    """Return the power of two that scales the largest coordinate to about 1, so that squares fit float32."""
    low, high = (bank.amin(0) - center).min(), (bank.amax(0) - center).max()
    return 2.0 ** -math.frexp(max(-float(low), float(high)))[1]


def _rows_at_once(bank: Tensor, candidates: int) -> int:
    few = at_once(ELEMENTS, bank.device) // max(len(bank), bank.shape[1] * candidates)
    return max(1, few, min(bank.shape[1], WIDEST, ROOMY // len(bank)))
