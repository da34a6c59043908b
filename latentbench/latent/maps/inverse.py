"""From a two-dimensional map back to codes: exactly for PCA, by UMAP itself, or by nearest neighbors."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from latentbench.latent.maps.pca import pca_map
from latentbench.latent.space import LatentSpace

if TYPE_CHECKING:
    from scipy.spatial import cKDTree

__all__ = [
    "Inverse",
    "InverseErrors",
    "NeighborInverse",
    "PlaneInverse",
    "UmapInverse",
    "inverse_error",
]

NEIGHBORS = 10
UMAP_NEIGHBORS, UMAP_DISTANCE = 15, 0.1  # McInnes 2018, and umap-learn's own

Array = NDArray[np.float64]


class Inverse(Protocol):
    """A map of codes with a way back to codes.

    Attributes:
        places: the map `(n, 2)`.
        codes: the codes `(n, d)` that it shows, in the same order.
    """

    places: Array
    codes: Array

    def invert(self, points: ArrayLike) -> Array:
        """Return codes `(m, d)` for points `(m, 2)` of the map."""

    def support(self, points: ArrayLike) -> Array:
        """Return the distance `(m,)` of points `(m, 2)` to the nearest place, in units of the map."""


class _Mapped:
    """A map and its codes, and the distance of points from the map."""

    def __init__(self, places: ArrayLike, codes: ArrayLike) -> None:
        self.places, self.codes = (np.asarray(part, dtype=np.float64).copy() for part in (places, codes))
        if self.places.ndim != 2 or self.codes.ndim != 2 or self.places.shape != (len(self.codes), 2):
            shapes = f"{self.places.shape} and {self.codes.shape}"
            raise ValueError(f"places must be (n, 2) and codes (n, d) with equally many rows, got {shapes}")
        if not self.codes.size or not (np.isfinite(self.places).all() and np.isfinite(self.codes).all()):
            raise ValueError(f"places and codes must be finite and not empty, got {len(self.codes)} rows")

    @cached_property
    def _tree(self) -> cKDTree[None]:
        from scipy.spatial import cKDTree

        return cKDTree(self.places)

    def support(self, points: ArrayLike) -> Array:
        """Return the distance `(m,)` of points `(m, 2)` to the nearest place, in units of the map."""
        return np.asarray(self._tree.query(_points(points))[0], dtype=np.float64)


class NeighborInverse(_Mapped):
    """Regression on the nearest neighbors on any map: fast, and never far from the data.

    The code of a point is the mean of the codes of its k nearest places, weighted by 1 / distance; at a place it
    is the code there (the mean code where places coincide).

    Source: Shepard 1968.

    Args:
        places: the map `(n, 2)`.
        codes: `(n, d)`.
        k: number of neighbors, from 1 to n.

    Raises:
        ValueError: shapes that do not fit together, values that are not finite, or k out of range.

    >>> line = NeighborInverse([[0.0, 0.0], [1.0, 0.0]], [[0.0], [4.0]], k=2)
    >>> line.invert([[0.25, 0.0], [1.0, 0.0]])
    array([[1.],
           [4.]])
    """

    def __init__(self, places: ArrayLike, codes: ArrayLike, k: int = NEIGHBORS) -> None:
        super().__init__(places, codes)
        if not 1 <= k <= len(self.codes):
            raise ValueError(f"k must be from 1 to the number of places (={len(self.codes)}), got {k}")
        self.k = k

    def invert(self, points: ArrayLike) -> Array:
        """Return codes `(m, d)` for points `(m, 2)`."""
        apart, rows = (np.reshape(part, (-1, self.k)) for part in self._tree.query(_points(points), self.k))
        nearest = apart[:, :1]  # weights are nearest / distance: they do not overflow
        near = np.where(apart > 0, nearest / np.where(apart > 0, apart, 1), 1.0)
        weights = near / near.sum(axis=1, keepdims=True)
        return np.asarray(np.einsum("mk,mkd->md", weights, self.codes[rows]))


class PlaneInverse(_Mapped):
    """The map by the two principal axes, and its exact inverse: a point becomes the code in their plane.

    Codes in that plane are recovered exactly, any other becomes the nearest code in the plane; `unexplained` is
    the share of the variance lost in this way.

    Source: Pearson 1901.

    Args:
        codes: `(n, d)`.

    Raises:
        ValueError: codes are not a finite, non-empty `(n, d)` array.

    >>> plane = PlaneInverse([[0.0, 0.0, 1.0], [2.0, 0.0, 1.0], [0.0, 1.0, 1.0], [2.0, 1.0, 1.0]])
    >>> plane.invert(plane.places).round(9).tolist() == plane.codes.tolist(), plane.unexplained
    (True, 0.0)
    """

    def __init__(self, codes: ArrayLike) -> None:
        places, shares = pca_map(codes)
        super().__init__(places, codes)
        self.center = self.codes.mean(axis=0)
        moments = (places**2).sum(axis=0)  # coordinates are uncorrelated: each axis is found by itself
        axes = places.T @ (self.codes - self.center)
        self.axes = axes / np.where(moments > 0, moments, 1)[:, None]
        varies = bool(np.ptp(self.codes, axis=0).any())
        self.unexplained = max(0.0, 1 - float(shares.sum())) if varies else 0.0

    def place(self, codes: ArrayLike) -> Array:
        """Return where codes `(m, d)` lie on the map, `(m, 2)`."""
        return np.asarray((np.asarray(codes, dtype=np.float64) - self.center) @ self.axes.T)

    def invert(self, points: ArrayLike) -> Array:
        """Return codes `(m, d)` for points `(m, 2)`."""
        return np.asarray(self.center + _points(points) @ self.axes)


class UmapInverse(_Mapped):
    """A UMAP map (McInnes 2018) and its own inverse, by umap-learn.

    Slow: 0.02 s per point for codes of 16 numbers, 0.12 s for 784, after about 20 s of compilation by numba. The
    code of a point outside the triangulation of places means nothing. A seeded UMAP uses one thread.

    Args:
        codes: `(n, d)`, more than 15 of them.
        seed: seed of the map and of its inverse.

    Raises:
        ValueError: too few codes, or codes that are not finite.
    """

    def __init__(self, codes: ArrayLike, seed: int = 0) -> None:
        array = np.asarray(codes, dtype=np.float32)
        if array.ndim != 2 or len(array) <= UMAP_NEIGHBORS or not np.isfinite(array).all():
            raise ValueError(
                f"codes must be finite, (n, d) with more than {UMAP_NEIGHBORS} rows, got shape {array.shape}"
            )
        self._reducer = _fitted_umap(array, seed)
        super().__init__(self._reducer.embedding_, codes)

    def place(self, codes: ArrayLike) -> Array:
        """Return where other codes `(m, d)` lie on the map, `(m, 2)`."""
        with _quiet():
            places = self._reducer.transform(np.asarray(codes, dtype=np.float32))
        return np.asarray(places, dtype=np.float64)

    def invert(self, points: ArrayLike) -> Array:
        """Return codes `(m, d)` for points `(m, 2)`."""
        with _quiet():
            return np.asarray(self._reducer.inverse_transform(_points(points)), dtype=np.float64)


class InverseErrors(NamedTuple):
    """Mean squared errors per pixel of images decoded from a map.

    Attributes:
        image: against the items' images.
        reconstruction: against the items' reconstructions; 0 if the inverse is perfect.
    """

    image: float
    reconstruction: float


def inverse_error(inverse: Inverse, space: LatentSpace, items: Tensor, points: ArrayLike) -> InverseErrors:
    """Return the errors of images decoded from a map against the items at these points; lower is better.

    Args:
        inverse: an inverse built without these items.
        space: the latent space.
        items: row numbers `(m,)`.
        points: the places of the items on the map, `(m, 2)`.

    Raises:
        NotApplicableError: no inputs or no decoder.
        ValueError: points and items differ in number.
    """
    if len(items) != len(_points(points)):
        raise ValueError(f"points must be one for each of {len(items)} items, got {len(_points(points))}")
    codes = torch.as_tensor(inverse.invert(points), dtype=torch.float32)
    images = space.decode(codes.to(space.device)).double()
    targets = space.inputs[items], space.decode(space.codes[items])
    return InverseErrors(*(float((images - target).square().mean()) for target in targets))


def _points(points: ArrayLike) -> Array:
    places = np.asarray(points, dtype=np.float64)
    if places.ndim != 2 or places.shape[1] != 2 or not np.isfinite(places).all():
        raise ValueError(f"points must be finite, (m, 2), got shape {places.shape}")
    return places


def _fitted_umap(codes: NDArray[np.float32], seed: int) -> Any:
    with _quiet():
        from umap import UMAP

        return UMAP(n_neighbors=UMAP_NEIGHBORS, min_dist=UMAP_DISTANCE, random_state=seed, n_jobs=1).fit(codes)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence umap-learn's warnings about TensorFlow, seeds and its dependencies: a user cannot act on them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
