"""Procrustes alignment of one map with another, and the disparity that is left."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentbench.latent.maps.pca import centered_places

__all__ = ["align", "disparity"]

Places = NDArray[np.float64]


def align(places: ArrayLike, reference: ArrayLike) -> Places:
    """Shift, rotate, mirror and scale a map so that it is as near to another as possible (Procrustes).

    Args:
        places: `(m, 2)`, or any number of columns.
        reference: the places of the same items on the other map, of the same shape.

    Returns:
        The transformed places, with the least sum of squared distances to `reference`.

    Raises:
        ValueError: unequal shapes, or places that are not finite.

    >>> align([[0, 0], [0, 2]], [[5, 5], [6, 5]])
    array([[5., 5.],
           [6., 5.]])
    """
    source, goal = _pair(places, reference)
    moved, target = centered_places(source), centered_places(goal)
    size = float((moved**2).sum())
    left, strengths, right = np.linalg.svd(moved.T @ target)
    scale = float(strengths.sum()) / size if size > 0 else 0.0
    return np.asarray(scale * moved @ (left @ right) + goal.mean(0))


def disparity(places: ArrayLike, reference: ArrayLike) -> float:
    """Return the share of a map's squared spread that is left after `align`; 0 means equal maps.

    In [0, 1] and symmetric; 1 if all places of one map coincide. Lower is better.

    >>> disparity([[0, 0], [0, 2], [2, 0]], [[1, 1], [5, 1], [1, 5]])
    0.0
    """
    source, goal = _pair(places, reference)
    moved, target = centered_places(source), centered_places(goal)
    sizes = float((moved**2).sum() * (target**2).sum())
    strengths = float(np.linalg.svd(moved.T @ target, compute_uv=False).sum())
    return max(0.0, 1 - strengths**2 / sizes) if sizes > 0 else 1.0


def _pair(places: ArrayLike, reference: ArrayLike) -> tuple[Places, Places]:
    source, goal = np.asarray(places, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    if source.ndim != 2 or source.shape != goal.shape or not source.size:
        raise ValueError(f"both maps must be (m, 2) with the same items, got {source.shape} and {goal.shape}")
    if not (np.isfinite(source).all() and np.isfinite(goal).all()):
        raise ValueError("both maps must be finite, got NaN or infinity")
    return source, goal
