"""Distances between all pairs of points, a block of rows at a time."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

__all__ = ["centered", "distances_to_others", "row_blocks", "squared_distances"]

BLOCK = 2**19  # distances held at once
ROUNDING = 1e-13  # of a matrix product in float64, relative to the points' squared norms


def centered(*clouds: Tensor) -> list[Tensor]:
    """Return the clouds `(n, d)`, `(m, d)`, ... in float64, moved so that their means surround the origin."""
    exact = [cloud.double() for cloud in clouds]
    center = torch.stack([cloud.mean(0) for cloud in exact]).mean(0)
    return [cloud - center for cloud in exact]


def row_blocks(rows: int, columns: int) -> Iterator[Tensor]:
    """Yield row numbers, ascending, few enough at once for their distances to `columns` points."""
    yield from torch.split(torch.arange(rows), max(1, BLOCK // columns))


def squared_distances(x: Tensor, y: Tensor) -> Tensor:
    """Return squared Euclidean distances `(n, m)` of centered float64 points `(n, d)` and `(m, d)`.

    One matrix product; what its rounding leaves of the distance of two equal points is set to 0.

    >>> squared_distances(torch.tensor([[0.0], [1]]).double(), torch.tensor([[3.0]]).double())
    tensor([[9.],
            [4.]], dtype=torch.float64)
    """
    norms = x.square().sum(1)[:, None] + y.square().sum(1)
    found = torch.addmm(norms, x, y.T, alpha=-2)
    return found.masked_fill_(found <= norms.mul_(ROUNDING), 0)


def distances_to_others(points: Tensor, rows: Tensor) -> Tensor:
    """Return squared distances `(b, n)` of b rows of centered points `(n, d)` to all; infinite to themselves."""
    found = squared_distances(points[rows], points)
    found[torch.arange(len(rows)), rows] = torch.inf
    return found
