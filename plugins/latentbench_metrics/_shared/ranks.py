"""Ranks of points by nearness to each other, and tables of them that are made once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from latentbench_metrics._shared.distances import centered, distance_blocks, extreme, row_blocks

__all__ = ["Look", "Table", "distances_among", "known_looks", "looks_at", "neighbor_table", "ranks_of"]

FEW = 40  # ranks are counted one by one: ten take a seventh of the time of sorting 5000 distances

Table = npt.NDArray[Any]
Look = tuple[Tensor, Callable[[Tensor], Tensor]]  # neighbors, and what returns the ranks of chosen columns


def neighbor_table(points: Tensor, k: int) -> Tensor:
    """Return the k nearest of n points of each, and then the rank of each by nearness: `(n, k + n)` in uint16.

    The ranks are those of `trustworthiness`: from 1, equal distances have equal ones. n is at most 65,535.
    """
    table = np.empty((len(points), k + len(points)), np.uint16)
    blocks = row_blocks(len(points), len(points), points.device)
    for rows, far in zip(blocks, distances_among(points, given=False), strict=True):
        near = extreme(far, k, largest=False)[1]
        table[rows.cpu().numpy()] = torch.cat([near, _all_ranks(far)], 1).cpu().numpy()
    return torch.from_numpy(table)


def looks_at(points: Tensor, k: int, *, given: bool) -> Iterator[Look]:
    """Yield for each block of rows their neighbors, and what returns the ranks of chosen columns."""
    for far in distances_among(points, given=given):
        yield extreme(far, k, largest=False)[1], partial(ranks_of, far)


def known_looks(table: Table, k: int, device: torch.device) -> Iterator[Look]:
    """Yield the same from a table, which may lie in a file."""
    for rows in row_blocks(len(table), len(table), device):
        block = table[rows.cpu().numpy()]
        yield _counts(block[:, :k], device), partial(_ranks_in, block[:, k:])


def _ranks_in(ranks: Table, chosen: Tensor) -> Tensor:
    return _counts(np.take_along_axis(ranks, chosen.cpu().numpy(), axis=1), chosen.device)


def _counts(numbers: Table, device: torch.device) -> Tensor:
    return torch.from_numpy(numbers.astype(np.int64)).to(device)


def distances_among(space: Tensor, *, given: bool) -> Iterator[Tensor]:
    """Yield distances `(b, n)` of each block of rows to all others; infinite from an item to itself."""
    if not given:
        yield from (far for _, far in distance_blocks(centered(space)[0]))
        return
    for rows in row_blocks(len(space), len(space), space.device):
        far = space[rows].detach().double()
        far[torch.arange(len(rows), device=space.device), rows] = torch.inf
        yield far


def ranks_of(far: Tensor, chosen: Tensor) -> Tensor:
    """Return the rank by nearness, from 1, of the chosen columns `(b, k)` in each row of `far` `(b, n)`."""
    values = far.gather(1, chosen)
    if values.shape[1] > FEW:
        return torch.searchsorted(_sorted(far), values) + 1
    nearer = torch.empty_like(far)  # thrice as fast as of type bool
    counts = [torch.lt(far, value[:, None], out=nearer).sum(1) for value in values.T]
    return torch.stack(counts, 1).long() + 1


def _sorted(rows: Tensor) -> Tensor:
    """Sort each row: on a CPU by numpy, ten times as fast as torch."""
    on_cpu = rows.device.type == "cpu"
    return torch.from_numpy(np.sort(rows.numpy(), axis=1)) if on_cpu else rows.sort(1).values


def _all_ranks(far: Tensor) -> Tensor:
    """Return the rank by nearness, from 1, of each column of rows `(b, n)`; equal ones have the lowest."""
    if far.device.type == "cpu":
        order = torch.from_numpy(np.argsort(far.numpy(), axis=1))
        ordered = far.gather(1, order)
    else:
        ordered, order = far.sort(1)
    places = torch.arange(far.shape[1], device=far.device).expand_as(far)
    firsts = torch.where(ordered[:, 1:] > ordered[:, :-1], places[:, 1:], 0).cummax(1).values
    return torch.ones_like(order).scatter_(1, order[:, 1:], firsts + 1)
