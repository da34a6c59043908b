"""Whether two spaces have the same nearest neighbors."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from latentbench import Invariance, LatentSpace, PairMetric, Score
from latentbench_metrics.pairs._codes import check, check_varies
from latentbench_metrics.pairs._ties import NeighborSets, neighbor_sets

__all__ = ["MutualNeighbors", "mutual_knn"]

NEIGHBORS = 10


def mutual_knn(x: Tensor, y: Tensor, k: int = NEIGHBORS) -> float:
    """Mean share of the k nearest neighbors in x that are among the k nearest in y; higher is more alike.

    In [0, 1]; k / (n - 1) for spaces that have nothing to do with each other. Symmetric; rotating, shifting or
    scaling either space changes nothing. Items equally far as the k-th neighbor, up to the rounding of the codes,
    share the places that are left: each counts by its share, and where both spaces share a place, by the smaller
    share. So the order of items does not matter, and a space with duplicates agrees with itself by 1. O(n²) time,
    O(n k) memory.

    Source: Huh et al. 2024, "The Platonic Representation Hypothesis".

    Traps: it only sees neighborhoods: clusters may lie anywhere. It falls as n grows, since more items compete:
    compare at equal n and k.

    Args:
        x: codes `(n, d)`.
        y: codes `(n, e)` of the same items in the same order.
        k: number of neighbors, less than n.

    Raises:
        ValueError: unequal n, k not in 1..n-1, NaN or infinity.
        NotApplicableError: all codes of a space are equal, or too many items are equally far from each other.

    >>> import torch
    >>> line = torch.tensor([0.0, 1, 3, 7, 12, 20])[:, None]
    >>> mutual_knn(line, -2 * line, k=2), mutual_knn(line, line.roll(2, 0), k=2)
    (1.0, 0.5)
    """
    check(x=x, y=y)
    if not 0 < k < len(x):
        raise ValueError(f"k (={k}) must be at least 1 and less than the number of items (={len(x)})")
    check_varies(x, y)
    return neighbor_sets(x, k).overlap(neighbor_sets(y, k))


class MutualNeighbors(PairMetric):
    """10 neighbors; two unrelated spaces of n items share 10 / (n - 1) of them."""

    score: ClassVar[Score] = Score("up", purpose="near", range=(0, 1))
    invariances: ClassVar[tuple[Invariance, ...]] = ("shift", "scale", "rotation")
    tolerance: ClassVar[float] = 1e-3  # the order of all but equal distances
    min_items: ClassVar[int] = 2 * NEIGHBORS + 1

    def prepare(self, space: LatentSpace) -> NeighborSets:
        """Find the neighbors."""
        check_varies(space.codes)
        return neighbor_sets(space.codes, NEIGHBORS)

    def compute(self, a: NeighborSets, b: NeighborSets) -> float:
        """Return the share of neighbors that are the same."""
        return a.overlap(b)

    def reordered(
        self,
        prepared: NeighborSets,
        order: Tensor,
        train_order: Tensor | None,  # noqa: ARG002 - nothing is fitted
    ) -> NeighborSets:
        """Number the neighbors anew."""
        return prepared.reordered(order)
