"""Distances between all pairs of points, in blocks of rows."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from latentbench_metrics._shared.blocks import at_once

__all__ = [
    "centered",
    "distance_blocks",
    "distance_tiles",
    "extreme",
    "product",
    "row_blocks",
]

BLOCK = 2**19  # distances held at once on a CPU,
ROWS = 16  # or those of so many rows
ROUNDING = 1e-13  # of a matrix product in float64, relative to the points' squared norms
TILE = 1024, 4096  # points and other points whose distances are held at once where each pair is computed once:
MANY, WIDE = 2048, 64  # by products in float32 from so many points of so many numbers on,
SQUARES = 1e-20, 1e20  # whose largest squared norm is between these;
NEAR = 1 / 16  # of the sum of two points' squared norms: smaller squared distances are computed in float64,
MOST_NEAR = 0.01  # or the whole tile, where there are more of them
PAIRS = 512  # of near points at once


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

    Points must be float64 and centered. A range beside itself holds its pairs twice. All tiles share memory. Many
    wide points on a CPU: products in float32, which are right to 6e-7 of the sum of both points' squared norms
    (0.6e-7 in the mean); where that is more than a hundred-thousandth of a squared distance, it is computed in
    float64. Otherwise as in `distance_blocks`.

    >>> [(rows, columns, squared)] = distance_tiles(torch.tensor([[-1.0], [1]]).double())
    >>> squared
    tensor([[0., 4.],
            [4., 0.]], dtype=torch.float64)
    """
    x = x.detach()
    norms = x.square().sum(1)
    height, width = (min(at_once(size, x.device), len(x)) for size in TILE)
    room = x.new_empty(height * max(height, width))
    quick, few_digits = _in_float32(x, norms), norms.float()
    for rows, columns in _tile_ranges(len(x), height, width):
        shape = rows.stop - rows.start, columns.stop - columns.start
        squared = None
        if quick is not None:
            into = room.view(torch.float32)[: math.prod(shape)].view(shape)
            squared = _quick_tile(x, quick, few_digits, rows, columns, into)
        if squared is None:
            squared = room[: math.prod(shape)].view(shape)
            _squared_distances(x, norms, rows, columns, squared)
            if rows == columns:
                squared.fill_diagonal_(math.inf)
            _set_to_zero(squared, 2 * ROUNDING * norms[rows, None])
        if rows == columns:
            squared.fill_diagonal_(0)
        yield rows, columns, squared


def _tile_ranges(count: int, height: int, width: int) -> Iterator[tuple[slice, slice]]:
    for start in range(0, count, height):
        rows = slice(start, min(start + height, count))
        yield rows, rows
        for first in range(rows.stop, count, width):
            yield rows, slice(first, min(first + width, count))


def _squared_distances(points: Tensor, norms: Tensor, rows: slice, columns: slice, out: Tensor) -> None:
    product(points[rows], points[columns].T, out)
    torch.add(norms[rows, None], out, alpha=-2, out=out).add_(norms[columns])


def _in_float32(x: Tensor, norms: Tensor) -> Tensor | None:
    """Return the points in float32, or None where that is not worth it, or where squares do not fit."""
    worth_it = x.device.type == "cpu" and x.shape[1] >= WIDE and len(x) >= MANY
    fits = worth_it and SQUARES[0] < float(norms.max()) < SQUARES[1]
    return x.float() if fits else None


def _quick_tile(
    x: Tensor, quick: Tensor, norms: Tensor, rows: slice, columns: slice, squared: Tensor
) -> Tensor | None:
    """Fill `squared` in float32, near pairs from their differences; None where these are too many."""
    _squared_distances(quick, norms, rows, columns, squared)
    if rows == columns:
        squared.fill_diagonal_(math.inf)
    limits = NEAR * (norms[rows] + norms[columns].max())
    some = (squared.amin(1) < limits).nonzero()[:, 0]
    near = squared[some] < NEAR * (norms[rows][some, None] + norms[columns])
    left, right = near.nonzero().T
    if len(left) > MOST_NEAR * squared.numel():
        return None
    left = some[left]
    for these, those in zip(torch.split(left, PAIRS), torch.split(right, PAIRS), strict=True):
        apart = x[rows][these] - x[columns][those]
        squared[these, those] = apart.square_().sum(1).float()
    return squared


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
    if values.is_contiguous():
        groups = _most(values[:, : size * width].view(-1, size, width), 1, largest=largest)
    else:  # of a transposed table, along its rows
        groups = _most(values.T[: size * width].view(size, width, -1), 0, largest=largest).T.contiguous()
    best = groups.topk(k, largest=largest, sorted=False).indices
    offsets = torch.arange(0, size * width, width, device=values.device)
    rest = torch.arange(size * width, count, device=values.device).expand(len(values), -1)
    columns = torch.cat([(best[:, None] + offsets[:, None]).flatten(1), rest], 1)
    top = values.gather(1, columns).topk(k, largest=largest)
    return top.values, columns.gather(1, top.indices)


def _most(values: Tensor, axis: int, *, largest: bool) -> Tensor:
    """Return the largest (or smallest) along an axis: on a CPU by numpy, in less than half the time of torch."""
    if values.device.type != "cpu":
        return torch.amax(values, axis) if largest else torch.amin(values, axis)
    array = values.numpy()
    return torch.from_numpy(array.max(axis) if largest else array.min(axis))
