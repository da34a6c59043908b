"""The map of codes by their two principal axes."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["centered_places", "checked_codes", "pca_axes", "pca_map"]

Array = NDArray[np.float64]


def pca_map(codes: ArrayLike) -> tuple[Array, Array]:
    """Project codes on their two principal axes.

    The sign of an axis is chosen so that its largest loading is positive: the same codes give the same map.

    Args:
        codes: `(n, d)`, n and d at least 1. With d = 1 the second coordinate is zero.

    Returns:
        The map `(n, 2)`, centered, and the shares `(2,)` of the total variance that its axes explain (zeros where
        nothing varies).

    Raises:
        ValueError: codes are not a finite, non-empty `(n, d)` array.

    >>> places, shares = pca_map([[0.0, 0.0], [2.0, 0.0], [0.0, 1.0], [2.0, 1.0]])
    >>> places[:, 0], shares
    (array([-1.,  1., -1.,  1.]), array([0.8, 0.2]))
    """
    centered = centered_places(checked_codes(codes))
    variances, axes = _signed_axes(centered)
    total = float(centered.var(axis=0).sum())
    shares = variances / total if total > 0 else np.zeros_like(variances)
    return _two_columns(centered @ axes), _two_columns(shares[None, :])[0]


def pca_axes(codes: ArrayLike) -> tuple[Array, Array]:
    """Return the middle `(d,)` and the axes `(d, 2)` of a map: other codes lie at `(codes - middle) @ axes` on it.

    Raises:
        ValueError: codes are not a finite, non-empty `(n, d)` array.

    >>> middle, axes = pca_axes([[0.0, 0.0], [2.0, 0.0], [0.0, 1.0], [2.0, 1.0]])
    >>> ([3.0, 0.5] - middle) @ axes
    array([2., 0.])
    """
    points = checked_codes(codes)
    axes = _signed_axes(centered_places(points))[1]
    return points.mean(axis=0), _two_columns(axes)


def _signed_axes(centered: Array) -> tuple[Array, Array]:
    """Return the principal axes with their signs chosen, and their variances."""
    variances, axes = _principal_axes(centered)
    largest = np.abs(axes).argmax(axis=0)
    return variances, axes * np.where(axes[largest, np.arange(axes.shape[1])] < 0, -1.0, 1.0)


def _principal_axes(centered: Array) -> tuple[Array, Array]:
    """Return the two largest variances and their axes `(d, 2)`; through the n x n matrix where that is smaller."""
    n, d = centered.shape
    product = centered @ centered.T if d > n else centered.T @ centered
    values, vectors = np.linalg.eigh(product / n)
    variances, axes = values.clip(min=0)[::-1][:2], vectors[:, ::-1][:, :2]
    if d > n:
        axes = centered.T @ axes
        axes = axes / np.maximum(np.linalg.norm(axes, axis=0), np.finfo(np.float64).tiny)
    return variances, axes


def centered_places(points: Array) -> Array:
    """Return points `(n, d)` less their mean; columns of equal numbers become exactly 0."""
    return np.where(np.ptp(points, axis=0) > 0, points - points.mean(axis=0), 0.0)


def _two_columns(values: Array) -> Array:
    return np.pad(values, ((0, 0), (0, 2 - values.shape[1])))


def checked_codes(codes: ArrayLike) -> Array:
    """Return codes `(n, d)` in float64; ValueError where they are not finite, or none."""
    points = np.asarray(codes, dtype=np.float64)
    if points.ndim != 2 or not points.size or not np.isfinite(points).all():
        raise ValueError(f"codes must be a finite, non-empty (n, d) array, got shape {points.shape}")
    return points
