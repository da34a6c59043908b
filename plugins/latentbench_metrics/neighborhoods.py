"""Whether items that are near each other stay near in the codes, and far ones far."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from latentbench import LatentSpace, Metric, NotApplicableError, Score
from latentbench_metrics.distances import centered, distances_to_others, row_blocks
from latentbench_metrics.subsets import some_rows

__all__ = [
    "Neighborhoods",
    "continuity",
    "distance_correlation",
    "neighbor_recall",
    "neighborhoods_per_item",
    "trustworthiness",
]

NEIGHBORS = 10
PAIRS = 100_000
PAIRS_AT_ONCE = 512


def trustworthiness(high: Tensor, low: Tensor, k: int, *, distances: bool = False) -> float:
    """Whether neighbors among the codes are neighbors among the inputs (Venna and Kaski 2001); higher is better.

    1 - 2 / (n k (2n - 3k - 1)) times the sum over items i and their k nearest codes j of max(0, r(i, j) - k),
    where r ranks j among the inputs by nearness to i. In [0, 1], about 0.5 for random codes. Equal distances rank
    alike; which of equally near codes are neighbors is arbitrary. O(n²) time, O(block) memory, no sorting.

    Args:
        high: inputs `(n, D)`.
        low: codes `(n, d)`.
        k: number of neighbors, less than n / 2.
        distances: `high` and `low` are matrices of distances `(n, n)`.

    Raises:
        ValueError: unequal n, k not in 1..n/2, or matrices that are not square.

    >>> line = torch.tensor([0.0, 1, 3, 7, 12, 20])[:, None]
    >>> folded = torch.tensor([0.0, 1, 3, 7, 12, 2.2])[:, None]
    >>> round(trustworthiness(line, folded, k=2), 3)
    0.467
    """
    return float(neighborhoods_per_item(high, low, k, distances=distances)["trustworthiness"].mean())


def continuity(high: Tensor, low: Tensor, k: int, *, distances: bool = False) -> float:
    """Whether neighbors among the inputs are neighbors among the codes: trustworthiness with exchanged spaces.

    >>> line = torch.tensor([0.0, 1, 3, 7, 12, 20])[:, None]
    >>> folded = torch.tensor([0.0, 1, 3, 7, 12, 2.2])[:, None]
    >>> round(continuity(line, folded, k=2), 3)
    0.667
    """
    return trustworthiness(low, high, k, distances=distances)


def neighbor_recall(high: Tensor, low: Tensor, k: int, *, distances: bool = False) -> float:
    """Share of the k nearest inputs that are among the k nearest codes; higher is better.

    In [0, 1], k / (n - 1) for random codes. Arguments and errors as for `trustworthiness`.

    >>> line = torch.arange(6.0)[:, None]
    >>> neighbor_recall(line, 3 * line, k=2)
    1.0
    """
    return float(neighborhoods_per_item(high, low, k, distances=distances)["neighbor_recall"].mean())


def neighborhoods_per_item(high: Tensor, low: Tensor, k: int, *, distances: bool = False) -> dict[str, Tensor]:
    """Return "trustworthiness", "continuity" and "neighbor_recall" of each item, `(n,)` in float64."""
    _check(high, low, k, distances=distances)
    if not distances:
        (high,), (low,) = centered(high), centered(low)
    penalty = 2 / (k * (2 * len(high) - 3 * k - 1))
    parts = []
    for rows in row_blocks(len(high), len(high)):
        far_high, far_low = (_others(space, rows, distances=distances) for space in (high, low))
        near_high, near_low = (far.topk(k, largest=False).indices for far in (far_high, far_low))
        trust, keep = (
            1 - penalty * (_ranks(far, near) - k).clamp_min(0).sum(1)
            for far, near in ((far_high, near_low), (far_low, near_high))
        )
        shared = (near_high[:, :, None] == near_low[:, None]).sum((1, 2)) / k
        parts.append(torch.stack([trust, keep, shared.double()]))
    found = torch.cat(parts, 1)
    return dict(zip(("trustworthiness", "continuity", "neighbor_recall"), found, strict=True))


def distance_correlation(high: Tensor, low: Tensor, pairs: int = PAIRS, seed: int = 0) -> float:
    """Spearman correlation of distances among the inputs and among the codes, over random pairs; higher is better.

    In [-1, 1], 0 for random codes. It is about the large: near neighbors are few among random pairs.

    Args:
        high: inputs `(n, D)`.
        low: codes `(n, d)`.
        pairs: number of pairs of two different items, drawn with replacement.
        seed: of the draw.

    Raises:
        ValueError: unequal n, or fewer than two items.
        NotApplicableError: all inputs or all codes are equally far from each other.

    >>> line = torch.arange(6.0)[:, None]
    >>> round(distance_correlation(line, -3 * line), 6)
    1.0
    """
    if len(high) != len(low) or len(high) < 2:
        raise ValueError(f"high and low must have equally many rows, at least 2, got {len(high)} and {len(low)}")
    generator = torch.Generator().manual_seed(seed)
    first = torch.randint(len(high), (pairs,), generator=generator)
    second = (first + torch.randint(1, len(high), (pairs,), generator=generator)) % len(high)
    ranks = [_average_ranks(_lengths(space, first, second)) for space in (high, low)]
    if any(bool((rank == rank[0]).all()) for rank in ranks):
        raise NotApplicableError("all items are equally far from each other")
    return float(torch.corrcoef(torch.stack(ranks))[0, 1])


def _check(high: Tensor, low: Tensor, k: int, *, distances: bool) -> None:
    if high.ndim != 2 or low.ndim != 2 or len(high) != len(low):
        raise ValueError(f"high and low must be (n, D) and (n, d), got {tuple(high.shape)} and {tuple(low.shape)}")
    if distances and not high.shape == low.shape == (len(high), len(high)):
        raise ValueError(f"distances must be (n, n), got {tuple(high.shape)} and {tuple(low.shape)}")
    if not 0 < k < len(high) / 2:
        raise ValueError(f"k (={k}) must be at least 1 and less than half the number of items (={len(high)})")


def _others(space: Tensor, rows: Tensor, *, distances: bool) -> Tensor:
    if not distances:
        return distances_to_others(space, rows)
    far = space[rows].double()
    far[torch.arange(len(rows)), rows] = torch.inf
    return far


def _ranks(far: Tensor, chosen: Tensor) -> Tensor:
    """Return the rank by nearness, from 1, of the chosen columns `(b, k)` in each row of `far` `(b, n)`."""
    closer = torch.empty_like(far)
    limits = far.gather(1, chosen).unbind(1)
    return torch.stack([torch.lt(far, limit[:, None], out=closer).sum(1) for limit in limits], 1) + 1


def _lengths(space: Tensor, first: Tensor, second: Tensor) -> Tensor:
    both = zip(torch.split(first, PAIRS_AT_ONCE), torch.split(second, PAIRS_AT_ONCE), strict=True)
    return torch.cat([(space[a] - space[b]).double().square().sum(1) for a, b in both])


def _average_ranks(values: Tensor) -> Tensor:
    _, inverse, counts = torch.unique(values, return_inverse=True, return_counts=True)
    middles: Tensor = counts.cumsum(0).double() - (counts - 1) / 2
    return middles[inverse]


def _score(description: str, lowest: float, *, headline: bool = False) -> Score:
    return Score("up", description, "near", headline, (lowest, 1), floor="untrained", ceiling="pixels")


class Neighborhoods(Metric):
    """Neighbors and distances among the codes against those among the inputs, of at most 5000 items."""

    scores: ClassVar[Mapping[str, Score]] = {
        "neighbor_recall": _score("share of the 10 nearest inputs among the 10 nearest codes", 0, headline=True),
        "trustworthiness": _score("whether the 10 nearest codes are near as inputs", 0),
        "continuity": _score("whether the 10 nearest inputs are near as codes", 0),
        "distance_correlation": _score("rank correlation of distances of inputs and codes", -1),
    }
    needs: ClassVar[tuple[str, ...]] = ("inputs",)
    invariances: ClassVar[tuple[str, ...]] = ("shift", "scale", "rotation")
    min_items: ClassVar[int] = 2 * NEIGHBORS + 1
    max_items: ClassVar[int | None] = 5000

    def compute(self, space: LatentSpace) -> Mapping[str, float | Tensor]:
        """Return the first three of each item, and the correlation."""
        rows = some_rows(len(space), self.max_items)
        inputs, codes = space.inputs[rows].flatten(1), space.codes[rows]
        if bool((codes == codes[0]).all()):
            raise NotApplicableError("all codes are equal")
        return {
            **neighborhoods_per_item(inputs, codes, NEIGHBORS),
            "distance_correlation": distance_correlation(inputs, codes),
        }
