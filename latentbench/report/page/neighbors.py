"""The nearest items of each item, among those on the page."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

__all__ = ["MOST_ITEMS", "NEIGHBORS", "nearest_items"]

NEIGHBORS = 10
MOST_ITEMS = 20_000  # every item is compared with every other: more would take minutes
AT_ONCE = 500  # items


def nearest_items(codes: NDArray[Any], count: int = NEIGHBORS) -> NDArray[np.int64]:
    """Return the places `(n, count)` of the nearest other codes, by Euclidean distance, the nearest first.

    Fewer columns where there are fewer others; among equally near ones the choice is arbitrary.

    Args:
        codes: `(n, d)`.
        count: neighbors of each.

    >>> nearest_items(np.array([[0.0], [1.0], [3.0]]), 2)
    array([[1, 2],
           [0, 2],
           [1, 0]])
    """
    points = torch.from_numpy(np.ascontiguousarray(codes - codes.mean(0), dtype=np.float32))
    squares = (points**2).sum(1)
    count = min(count, len(points) - 1)
    chunks = []
    for start in range(0, len(points), AT_ONCE):
        chunk = points[start : start + AT_ONCE]
        distances = torch.addmm(squares, chunk, points.T, alpha=-2)
        distances[torch.arange(len(chunk)), torch.arange(start, start + len(chunk))] = torch.inf
        chunks.append(distances.topk(count, largest=False).indices)
    return torch.cat(chunks).numpy()
