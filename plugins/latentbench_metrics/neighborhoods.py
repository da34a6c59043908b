"""Whether items that are near each other stay near in the codes, and distant ones distant."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from latentbench import (
    Invariance,
    LatentSpace,
    Metric,
    Need,
    NotApplicableError,
    Score,
    Tier,
    computed_once,
)
from latentbench_metrics._shared.blocks import at_once
from latentbench_metrics._shared.distances import extreme, row_blocks
from latentbench_metrics._shared.once import once
from latentbench_metrics._shared.ranks import (
    Table,
    distances_among,
    known_looks,
    looks_at,
    neighbor_table,
    ranks_of,
)
from latentbench_metrics._shared.rounding import attempt, coincide, resolution

__all__ = [
    "Distances",
    "Neighborhoods",
    "continuity",
    "distance_correlation",
    "neighbor_recall",
    "neighborhoods_per_item",
    "triplet_accuracy",
    "trustworthiness",
]

NEIGHBORS = 10
PAIRS = TRIPLETS = 100_000
MOST_IN_TABLE = 8192  # items: the table of ranks has 134 MB
NUMBERS = 2**18  # of the differences of pairs at once on a CPU, whose caches they stay in


def trustworthiness(high: Tensor, low: Tensor, k: int, *, distances: bool = False) -> float:
    """Whether neighbors among the codes are neighbors among the inputs; higher is better.

    1 - 2 / (n k (2n - 3k - 1)) times the sum over items i and their k nearest codes j of max(0, r(i, j) - k),
    where r is the rank of j among the inputs by distance to i. In [0, 1], about 0.5 for random codes. Equal
    distances have equal ranks; which of several equally near codes are neighbors is arbitrary. O(n²) time,
    O(block) memory.

    Source: Venna and Kaski 2001.

    Traps: a code that tears the data apart scores 1; `continuity` notices that. Almost any code that is not random
    exceeds 0.9: read `neighbor_recall`. Compare at equal n and k.

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

    In [0, 1]; higher is better. Arguments and errors as for `trustworthiness`.

    Source: Venna and Kaski 2001.

    Traps: a code that places distant items on top of each other may score 1; `trustworthiness` notices that.

    >>> line = torch.tensor([0.0, 1, 3, 7, 12, 20])[:, None]
    >>> folded = torch.tensor([0.0, 1, 3, 7, 12, 2.2])[:, None]
    >>> round(continuity(line, folded, k=2), 3)
    0.667
    """
    return trustworthiness(low, high, k, distances=distances)


def neighbor_recall(high: Tensor, low: Tensor, k: int, *, distances: bool = False) -> float:
    """Share of the k nearest inputs that are among the k nearest codes; higher is better.

    In [0, 1], k / (n - 1) for random codes. Arguments and errors as for `trustworthiness`.

    Source: the overlap of k-neighborhoods; as a function of k, Q_NX of Lee and Verleysen 2009.

    Traps: it falls as n grows, since more items compete: compare at equal n and k. Pixels are the yardstick: a
    code that ignores noise on purpose loses.

    >>> line = torch.arange(6.0)[:, None]
    >>> neighbor_recall(line, 3 * line, k=2)
    1.0
    """
    return float(neighborhoods_per_item(high, low, k, distances=distances)["neighbor_recall"].mean())


def neighborhoods_per_item(
    high: Tensor, low: Tensor, k: int, *, distances: bool = False, table: Table | None = None
) -> dict[str, Tensor]:
    """Return "trustworthiness", "continuity" and "neighbor_recall" of each item, `(n,)` in float64.

    `table` is `neighbor_table(high, k)`, where it is known.
    """
    _check(high, low, k, distances=distances)
    penalty = 2 / (k * (2 * len(high) - 3 * k - 1))
    scores = torch.empty(3, len(high), dtype=torch.float64, device=high.device)
    blocks = row_blocks(len(high), len(high), high.device)
    looks = looks_at(high, k, given=distances) if table is None else known_looks(table, k, high.device)
    others = distances_among(low, given=distances)
    for rows, (near_high, ranks_high), far_low in zip(blocks, looks, others, strict=True):
        near_low = extreme(far_low, k, largest=False)[1]
        trust, keep = (
            1 - penalty * (ranks - k).clamp_min(0).sum(1)
            for ranks in (ranks_high(near_low), ranks_of(far_low, near_high))
        )
        shared = (near_high[:, :, None] == near_low[:, None]).sum((1, 2)) / k
        scores[:, rows] = torch.stack([trust, keep, shared.double()])
    return dict(zip(("trustworthiness", "continuity", "neighbor_recall"), scores, strict=True))


def distance_correlation(
    high: Tensor, low: Tensor, pairs: int = PAIRS, seed: int = 0, *, lengths: Tensor | None = None
) -> float:
    """Spearman correlation of distances among the inputs and among the codes, over random pairs; higher is better.

    In [-1, 1], 0 for random codes.

    Source: Spearman 1904, applied to distances.

    Traps: it reflects the global layout: random pairs are rarely near neighbors, and a few wide directions
    dominate. Read `neighbor_recall` beside it.

    Args:
        high: inputs `(n, D)`.
        low: codes `(n, d)`.
        pairs: number of pairs of two different items, drawn with replacement.
        seed: of the draw.
        lengths: `pair_lengths(high, pairs, seed)`, where they are known.

    Raises:
        ValueError: unequal n, or fewer than two items.
        NotApplicableError: all inputs or all codes are equally far from each other.

    >>> line = torch.arange(6.0)[:, None]
    >>> round(distance_correlation(line, -3 * line), 6)
    1.0
    """
    if len(high) != len(low) or len(high) < 2:
        raise ValueError(f"high and low must have equally many rows, at least 2, got {len(high)} and {len(low)}")
    both = pair_lengths(high, pairs, seed) if lengths is None else lengths, pair_lengths(low, pairs, seed)
    if any(_all_equal(far, resolution(space)) for far, space in zip(both, (high, low), strict=True)):
        raise NotApplicableError("all items are equally far from each other")
    return float(torch.corrcoef(torch.stack([_average_ranks(far) for far in both]))[0, 1])


def pair_lengths(points: Tensor, pairs: int, seed: int) -> Tensor:
    """Return the squared distances `(pairs,)` of random pairs of different points `(n, d)`, in float64."""
    generator = torch.Generator().manual_seed(seed)
    first = torch.randint(len(points), (pairs,), generator=generator)
    second = (first + torch.randint(1, len(points), (pairs,), generator=generator)) % len(points)
    return _lengths(points, first, second)


def triplet_accuracy(
    high: Tensor, low: Tensor, triplets: int = TRIPLETS, seed: int = 0, *, lengths: Tensor | None = None
) -> float:
    """Share of random triplets i, j, k where the nearer of j and k to i is the same in both; higher is better.

    In [0, 1], 0.5 for random codes. A tie in only one of the spaces counts half, a tie in both counts as
    agreement. The standard error is at most 0.5 / sqrt(triplets), 0.0016 by default.

    Source: the random triplet accuracy of Wang, Huang, Rudin and Shaposhnik 2021.

    Traps: it reflects the global layout, as `distance_correlation` does: read `neighbor_recall` beside it.

    Args:
        high: inputs `(n, D)`.
        low: codes `(n, d)`.
        triplets: number of triplets of three different items, drawn with replacement.
        seed: of the draw.
        lengths: `triplet_lengths(high, triplets, seed)`, where they are known.

    Raises:
        ValueError: unequal n, or fewer than three items.

    >>> line = torch.arange(6.0)[:, None]
    >>> triplet_accuracy(line, -3 * line)
    1.0
    >>> triplet_accuracy(line, torch.zeros(6, 1)) < 0.6
    True
    """
    if len(high) != len(low) or len(high) < 3:
        raise ValueError(f"high and low must have equally many rows, at least 3, got {len(high)} and {len(low)}")
    of_high = triplet_lengths(high, triplets, seed) if lengths is None else lengths
    signs = [(near - far).sign() for near, far in (of_high, triplet_lengths(low, triplets, seed))]
    return 1 - float((signs[0] - signs[1]).abs().mean()) / 2


def triplet_lengths(points: Tensor, triplets: int, seed: int) -> Tensor:
    """Return the squared distances from random points `(n, d)` to two others each, `(2, triplets)` in float64."""
    count, generator = len(points), torch.Generator().manual_seed(seed)
    first = torch.randint(count, (triplets,), generator=generator)
    steps = torch.randint(1, count, (triplets,), generator=generator)
    others = (steps + torch.randint(count - 2, (triplets,), generator=generator)) % (count - 1) + 1
    ends = torch.cat([(first + steps) % count, (first + others) % count])
    return _lengths(points, first.repeat(2), ends).view(2, -1)


def _check(high: Tensor, low: Tensor, k: int, *, distances: bool) -> None:
    if high.ndim != 2 or low.ndim != 2 or len(high) != len(low):
        raise ValueError(f"high and low must be (n, D) and (n, d), got {tuple(high.shape)} and {tuple(low.shape)}")
    if distances and not high.shape == low.shape == (len(high), len(high)):
        raise ValueError(f"distances must be (n, n), got {tuple(high.shape)} and {tuple(low.shape)}")
    if not 0 < k < len(high) / 2:
        raise ValueError(f"k (={k}) must be at least 1 and less than half the number of items (={len(high)})")


def _lengths(space: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Return squared distances `(p,)` of pairs of rows, sums in float64 of squared differences.

    All blocks share memory, because allocating new pages for each takes longer than the arithmetic.
    """
    space, order = space.detach(), first.argsort()  # a row stays at hand for all pairs that begin at it
    count = min(len(order), max(1, at_once(NUMBERS, space.device) // space.shape[1]))
    starts, ends = (space.new_empty(count, space.shape[1]) for _ in range(2))
    differences = torch.empty_like(starts, dtype=torch.float64)
    lengths = differences.new_empty(len(order))
    for pairs in torch.split(order, count):
        begun, ended, apart = (block[: len(pairs)] for block in (starts, ends, differences))
        torch.index_select(space, 0, first[pairs].to(space.device), out=begun)
        torch.index_select(space, 0, second[pairs].to(space.device), out=ended)
        torch.sub(begun, ended, out=apart)
        lengths[pairs.to(space.device)] = apart.square_().sum(1)
    return lengths


def _all_equal(squared: Tensor, rounding: float) -> bool:
    """Return whether squared lengths `(p,)` are those of equal lengths, up to the rounding of points."""
    low, high = squared.amin().sqrt(), squared.amax().sqrt()
    return bool(high - low <= 2 * rounding + 1e-15 * high)


def _average_ranks(values: Tensor) -> Tensor:
    _, inverse, counts = torch.unique(values, return_inverse=True, return_counts=True)
    middles: Tensor = counts.cumsum(0).double() - (counts - 1) / 2
    return middles[inverse]


def _score(description: str, lowest: float, *, headline: bool = False) -> Score:
    return Score(
        "up",
        description,
        purpose="near",
        headline=headline,
        range=(lowest, 1),
        floor="untrained",
        ceiling="pixels",
    )


class Neighborhoods(Metric):
    """Compares neighbors among the codes with those among the inputs, for at most 5000 items."""

    scores: ClassVar[Mapping[str, Score]] = {
        "neighbor_recall": _score("share of the 10 nearest inputs among the 10 nearest codes", 0, headline=True),
        "trustworthiness": _score("whether the 10 nearest codes are also near as inputs", 0),
        "continuity": _score("whether the 10 nearest inputs are also near as codes", 0),
    }
    needs: ClassVar[tuple[Need, ...]] = ("inputs",)
    version: ClassVar[int] = 3
    invariances: ClassVar[tuple[Invariance, ...]] = ("shift", "scale", "rotation")
    tolerance: ClassVar[float] = 1e-3  # the order of all but equal distances
    min_items: ClassVar[int] = 2 * NEIGHBORS + 1
    max_items: ClassVar[int | None] = 5000

    def compute(self, space: LatentSpace) -> Mapping[str, Tensor]:
        """Return all three of each item."""
        inputs, codes = _inputs_and_codes(space)
        return neighborhoods_per_item(inputs, codes, NEIGHBORS, table=_known_table(space, inputs))


class Distances(Metric):
    """Compares distances among codes with those among inputs, over pairs and triplets of at most 5000 items."""

    scores: ClassVar[Mapping[str, Score]] = {
        "distance_correlation": _score("rank correlation of distances among inputs and among codes", -1),
        "triplet_accuracy": _score(
            "share of triplets whose nearer item is the same among inputs and among codes", 0
        ),
    }
    needs: ClassVar[tuple[Need, ...]] = Neighborhoods.needs
    tier: ClassVar[Tier] = "full"
    invariances: ClassVar[tuple[Invariance, ...]] = Neighborhoods.invariances
    version: ClassVar[int] = 2
    tolerance: ClassVar[float] = Neighborhoods.tolerance  # likewise
    min_items: ClassVar[int] = 3
    max_items: ClassVar[int | None] = Neighborhoods.max_items

    def compute(self, space: LatentSpace) -> Mapping[str, float | Tensor | NotApplicableError]:
        """Return both."""
        both = _inputs_and_codes(space)
        of_pairs = _known_lengths(space, both[0], pair_lengths, (PAIRS,))
        of_triplets = _known_lengths(space, both[0], triplet_lengths, (2, TRIPLETS))
        return {
            "distance_correlation": attempt(distance_correlation, *both, PAIRS, lengths=of_pairs),
            "triplet_accuracy": triplet_accuracy(*both, TRIPLETS, lengths=of_triplets),
        }


def _known_table(space: LatentSpace, inputs: Tensor) -> Table | None:
    """Return the table of neighbors among inputs `(n, D)` of a data set, made once; None if it is too large."""
    if space.fingerprint is None or space.device.type != "cpu" or len(inputs) > MOST_IN_TABLE:
        return None
    shape = len(inputs), NEIGHBORS + len(inputs)
    return computed_once(space, neighbor_table, inputs, NEIGHBORS, shape=shape, dtype=np.uint16)


def _known_lengths(
    space: LatentSpace, inputs: Tensor, lengths: Callable[[Tensor, int, int], Tensor], shape: tuple[int, ...]
) -> Tensor:
    """Return distances of random pairs or triplets of inputs, made once for all models."""
    return once(space, lengths, inputs, shape[-1], 0, shape=shape, dtype=np.float64)


def _inputs_and_codes(space: LatentSpace) -> tuple[Tensor, Tensor]:
    inputs, codes = space.inputs.flatten(1), space.codes
    for name, points in (("inputs", inputs), ("codes", codes)):
        if coincide(points):
            raise NotApplicableError(f"all {name} are equal")
    return inputs, codes
