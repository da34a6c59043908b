"""How many dimensions the cloud of codes has, estimated from the distances of nearest neighbors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from latentbench import Invariance, LatentSpace, Metric, NotApplicableError, Score, Tier
from latentbench_metrics._shared.distances import extreme, row_blocks
from latentbench_metrics._shared.neighbor_pairs import nearest_others
from latentbench_metrics._shared.rounding import attempt, resolution

__all__ = ["IntrinsicDimension", "levina_bickel", "two_nn", "two_nn_from_ratios"]

NEIGHBORS = 20


def two_nn(codes: Tensor, *, distances: bool = False) -> float:
    """Intrinsic dimension from mu = r2 / r1, distances to the two nearest neighbors; no better direction.

    (N - 1) / sum ln mu over the N codes that differ, in dimensions, above 0: of codes that coincide up to rounding
    (a step of their number format in each dimension) only one counts. Exact neighbors, O(n²) time.

    Source: Facco, d'Errico, Rodriguez and Laio 2017, with the maximum-likelihood estimate instead of their fit.

    Traps: noise smaller than the distance between neighbors is invisible, larger noise adds all d dimensions. In
    many dimensions the estimate is too low, as points near the border lack neighbors: 8.6 for a cube of 10
    dimensions, n = 2000. Compare at equal n, and with the dimension of the inputs.

    Args:
        codes: `(n, d)`, n at least 3.
        distances: `codes` is a matrix of distances `(n, n)`.

    Raises:
        ValueError: fewer than 3 codes, or a matrix that is not square.
        NotApplicableError: fewer than three codes lie apart, or all have r1 = r2 up to rounding.

    >>> round(two_nn(torch.tensor([[0.0], [1], [3], [9]])), 3)
    1.207
    """
    return _from_two(*_distances_to_neighbors(codes, 2, distances=distances))


def two_nn_from_ratios(ratios: Tensor) -> float:
    """Intrinsic dimension from the ratios mu = r2 / r1 themselves, (N - 1) / sum ln mu; no better direction.

    mu follows a Pareto distribution whose exponent is the dimension; the estimate is unbiased, with a standard
    deviation of the dimension over sqrt(N - 2).

    Source: Facco, d'Errico, Rodriguez and Laio 2017.

    Traps: as for `two_nn`.

    Args:
        ratios: `(N,)`, N at least 2, none below 1.

    Raises:
        ValueError: fewer than two ratios, or one below 1 or infinite.
        NotApplicableError: all ratios are 1, up to rounding.

    >>> round(two_nn_from_ratios(torch.tensor([2.0, 2.0, 2.0])), 4)
    0.9618
    """
    if ratios.ndim != 1 or len(ratios) < 2 or not bool(((ratios >= 1) & ratios.isfinite()).all()):
        raise ValueError(f"ratios must be (N,) with N > 1, none below 1 or infinite, got {tuple(ratios.shape)}")
    total = float(ratios.double().log().sum())
    if total <= len(ratios) * torch.finfo(ratios.dtype).eps:
        raise NotApplicableError("each code has two neighbors equally far away")
    return (len(ratios) - 1) / total


def levina_bickel(codes: Tensor, k: int = NEIGHBORS, *, distances: bool = False) -> float:
    """Intrinsic dimension from distances T_1 ... T_k to k neighbors, by maximum likelihood; no better direction.

    The inverse of the mean over codes of 1 / (k - 1) sum over j < k of ln(T_k / T_j), in dimensions, above 0.
    Of codes that coincide up to rounding only one counts. Exact neighbors, O(n²) time.

    Source: Levina and Bickel 2005; inverses are averaged, as MacKay and Ghahramani 2005 recommend.

    Traps: it looks farther than `two_nn`: less affected by noise, more by curvature and borders, so it is lower in
    many dimensions. Compare at equal k and n.

    Args:
        codes: `(n, d)`.
        k: number of neighbors, from 2 to n - 1.
        distances: `codes` is a matrix of distances `(n, n)`.

    Raises:
        ValueError: k not in 2..n-1, or a matrix that is not square.
        NotApplicableError: no more than k codes lie apart, or all neighbors are equally far up to rounding.

    >>> round(levina_bickel(torch.tensor([[0.0], [1], [3], [9]]), k=2), 3)
    1.61
    """
    return _from_many(*_distances_to_neighbors(codes, k, distances=distances))


def _distances_to_neighbors(codes: Tensor, k: int, *, distances: bool) -> tuple[Tensor, float]:
    """Return distances `(m, k)` of codes to their k nearest others, ascending, in float64, and their rounding.

    Of codes that coincide up to rounding only the first is kept; where others are kept only for want of room among
    k neighbors, the search is repeated.
    """
    if codes.ndim != 2 or (distances and codes.shape[0] != codes.shape[1]):
        raise ValueError(f"codes must be (n, d), or distances (n, n), got {tuple(codes.shape)}")
    if not 1 < k < len(codes):
        raise ValueError(f"k (={k}) must be at least 2 and less than the number of codes (={len(codes)})")
    apart = resolution(codes.flatten()[:, None] if distances else codes)
    while True:
        near, rows = _from_matrix(codes, k) if distances else _from_points(codes, k)
        again = ((near <= apart) & (rows < torch.arange(len(rows), device=rows.device)[:, None])).any(1)
        if not again.any():
            return near, apart
        codes = codes[~again][:, ~again] if distances else codes[~again]
        if len(codes) <= k:
            raise NotApplicableError(f"needs more than {k} codes that lie apart, has {len(codes)}")


def _from_points(codes: Tensor, k: int) -> tuple[Tensor, Tensor]:
    squared, rows = nearest_others(codes, k)
    return squared.sqrt(), rows


def _from_matrix(distances: Tensor, k: int) -> tuple[Tensor, Tensor]:
    parts = []
    for rows in row_blocks(len(distances), len(distances), distances.device):
        far = distances[rows].double()
        far[torch.arange(len(rows), device=distances.device), rows] = torch.inf
        parts.append(extreme(far, k, largest=False))
    near, neighbors = zip(*parts, strict=True)
    return torch.cat(near), torch.cat(neighbors)


def _from_two(near: Tensor, rounding: float) -> float:
    ratios = near[:, 1] / near[:, 0]
    if float(ratios.log().mean()) <= float((rounding / near[:, 0]).mean()):
        raise NotApplicableError("each code has two neighbors equally far away")
    return two_nn_from_ratios(ratios)


def _from_many(near: Tensor, rounding: float) -> float:
    logarithms = near.log()
    inverse = float((logarithms[:, -1:] - logarithms[:, :-1]).mean())
    if inverse <= float((rounding / near[:, 0]).mean()):
        raise NotApplicableError("all neighbors of a code are equally far away")
    return 1 / inverse


def _score(description: str) -> Score:
    return Score("none", description, purpose="use", range=(0, float("inf")), floor="untrained", ceiling="pixels")


class IntrinsicDimension(Metric):
    """Estimated from the distances of nearest neighbors, however the cloud of codes is curved."""

    scores: ClassVar[Mapping[str, Score]] = {
        "two_nn": _score("intrinsic dimension from two neighbors"),
        f"levina_bickel_k{NEIGHBORS}": _score(f"intrinsic dimension from {NEIGHBORS} neighbors"),
    }
    tier: ClassVar[Tier] = "full"
    version: ClassVar[int] = 2
    invariances: ClassVar[tuple[Invariance, ...]] = ("shift", "scale", "rotation")
    min_items: ClassVar[int] = NEIGHBORS + 1
    max_items: ClassVar[int | None] = 10_000

    def compute(self, space: LatentSpace) -> Mapping[str, float | Tensor | NotApplicableError]:
        """Return both dimensions."""
        codes = space.codes
        if len(codes) <= NEIGHBORS:
            raise NotApplicableError(f"needs more than {NEIGHBORS} codes, has {len(codes)}")
        near = _distances_to_neighbors(codes, NEIGHBORS, distances=False)
        return {
            "two_nn": attempt(_from_two, *near),
            f"levina_bickel_k{NEIGHBORS}": attempt(_from_many, *near),
        }
