"""Exact nearest neighbors: candidates come from matrix products, and are proven to hold them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from latentbench.latent.arithmetic import full_precision
from latentbench_metrics._shared.blocks import at_once
from latentbench_metrics._shared.distances import extreme, product

__all__ = ["Certainty", "nearest", "nearest_of", "scale_and_center"]

ELEMENTS = 2**22  # of one block of likeness in the search for neighbors, on a CPU
ROOMY = 2**25  # or of one of wide points, whose products are faster in large blocks: as many rows as they are wide
WIDEST = 512  # rows
WIDE = 64  # numbers in a point
EXACT = 2**18  # differences of candidates at once, on a CPU
SPARE = 16  # neighbors kept beyond k until their distances are exact
UNDERFLOW = 1e-35  # more than what products below float32's range can add up to


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
            with full_precision():  # TF32 rounds more than is allowed for
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
    table = torch.empty(len(bank), bank.shape[1] + 2, dtype=dtype, device=bank.device)
    rows_each = max(1, at_once(ELEMENTS, bank.device) // max(1, bank.shape[1]))
    for piece, into in zip(torch.split(bank, rows_each), torch.split(table, rows_each), strict=True):
        into[:, :-2] = (piece.to(center.dtype) - center).mul_(scale)
        into[:, -2] = into[:, :-2].square().sum(1).div_(-2)
        into[:, -1] = 1
    columns = table.T.contiguous() if bank.shape[1] < WIDE else table.T  # narrow ones are laid out for each block
    size = min(_rows_at_once(bank, count), len(queries))
    scratch = torch.empty(size, len(bank), dtype=dtype, device=bank.device)  # a new one a time costs as much again
    parts = []
    for chunk in torch.split(torch.arange(len(queries), device=bank.device), size):
        points, own_rows = queries[chunk], None if own is None else own[chunk]
        moved = (points.to(center.dtype) - center).mul_(scale).to(dtype)
        norms = moved.square().sum(1, keepdim=True)
        padded = torch.cat([moved, torch.ones_like(norms), norms / -2], 1)
        likeness, likely = extreme(product(padded, columns, scratch[: len(chunk)]), count)
        certainty = Certainty.of(moved)
        few = certainty.needed(likeness, k + (own is not None))
        squared, rows = nearest_of(bank, points, likely, k, own_rows, few)
        sure = certainty.holds(likeness[:, -1], squared[:, -1].sqrt() * scale)
        parts.append((squared, rows, sure | (count == len(bank))))
    squared, rows, sure = (torch.cat(part) for part in zip(*parts, strict=True))
    return squared, rows, sure


def scale_and_center(bank: Tensor, dtype: torch.dtype) -> tuple[float, Tensor]:
    """Return what to multiply points with, less a center `(d,)`, so that their squares fit `dtype`; both exact."""
    center = bank.mean(0, dtype=torch.float64).to(torch.promote_types(bank.dtype, dtype))
    return _power_of_two(bank, center), center


@dataclass(frozen=True)
class Certainty:
    """What likeness, -d²/2 as a matrix product computes it, says about the distances d from points.

    Attributes:
        lengths: of the points `(n,)`, moved and scaled, in float64.
        rounding: of a product, relative to the squared lengths of both points.
    """

    lengths: Tensor
    rounding: float

    @classmethod
    def of(cls, moved: Tensor) -> Certainty:
        """Take the points `(n, d)`, moved and scaled, in the type of the products."""
        lengths = torch.linalg.vector_norm(moved, dim=1, dtype=torch.float64)
        return cls(lengths, (moved.shape[1] + 8) * torch.finfo(moved.dtype).eps)

    def _slack(self, reach: Tensor) -> Tensor:
        """Return how far off the squared distance to a point no farther than `reach` `(n,)` may be."""
        return self.rounding * (2 * self.lengths + reach).square() + UNDERFLOW

    def needed(self, likeness: Tensor, k: int) -> Tensor:
        """Return how many of the likeliest `(n, c)`, in order, may be among the k nearest, rounding considered."""
        squared = likeness.double() * -2
        if k > squared.shape[1]:
            return torch.full_like(squared[:, 0], squared.shape[1], dtype=torch.int64)
        seen, root = squared[:, k - 1].clamp_min(0), math.sqrt(self.rounding)
        beyond = (seen.sqrt() + 2 * root * self.lengths + math.sqrt(UNDERFLOW)) / (
            1 - root
        )  # r² >= seen + slack(r)
        reach = (seen + self._slack(beyond)).sqrt()
        near = squared <= (reach.square() + self._slack(reach))[:, None]
        return near.sum(1).clamp_min(k)

    def holds(self, least: Tensor, reach: Tensor) -> Tensor:
        """Return for each point whether rounding cannot have hidden a nearer one than those found.

        Args:
            least: `(n,)`; no point left out is likelier.
            reach: distance `(n,)` of the farthest neighbor found, scaled, in float64.
        """
        sure: Tensor = reach.square() < least.double() * -2 - self._slack(reach)
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


def nearest_of(
    bank: Tensor, queries: Tensor, rows: Tensor, k: int, own: Tensor | None = None, few: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return the k nearest of the candidate `rows` `(n, c)` by exact distances, ties in the order of rows.

    Args:
        bank: points `(m, d)`.
        queries: points `(n, d)`.
        rows: numbers of points in the bank.
        k: number of neighbors.
        own: the row `(n,)` that each query is: it is no neighbor of itself.
        few: how many of the first candidates `(n,)` can be the nearest, at least k and one for `own`; None: all.
    """
    if few is None:
        return _nearest_of_all(bank, queries, rows, k, own)
    squared = torch.empty(len(queries), k, dtype=torch.float64, device=bank.device)
    found = torch.empty(len(queries), k, dtype=torch.int64, device=bank.device)
    for count in torch.unique(few).tolist():
        some = (few == count).nonzero()[:, 0]
        own_rows = None if own is None else own[some]
        squared[some], found[some] = _nearest_of_all(bank, queries[some], rows[some, :count], k, own_rows)
    return squared, found


def _nearest_of_all(
    bank: Tensor, queries: Tensor, rows: Tensor, k: int, own: Tensor | None
) -> tuple[Tensor, Tensor]:
    rows = rows.sort(1).values
    size = max(1, at_once(EXACT, bank.device) // max(1, rows.shape[1] * bank.shape[1]))
    squared = torch.empty(rows.shape, dtype=torch.float64, device=bank.device)
    few = min(size, len(rows))
    taken = bank.new_empty(few * rows.shape[1], bank.shape[1])  # new memory a time costs as much again
    room = squared.new_empty(few, rows.shape[1], bank.shape[1])
    for some, points, into in zip(*(torch.split(of, size) for of in (rows, queries, squared)), strict=True):
        apart = room[: len(some)]
        candidates = torch.index_select(bank, 0, some.flatten(), out=taken[: some.numel()])
        torch.sub(candidates.view(apart.shape), points.double()[:, None], out=apart)
        torch.sum(apart.square_(), -1, out=into)
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
