"""Maps of codes to two dimensions by PCA, t-SNE and UMAP, and how to lay one map on another."""

from __future__ import annotations

import hashlib
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentbench.errors import NotApplicableError, UnknownNameError, near_matches

__all__ = [
    "MAP_VERSION",
    "METHODS",
    "Map",
    "align",
    "check_method",
    "disparity",
    "make_map",
    "map_settings",
    "pca_map",
    "shown_rows",
]

METHODS = {"pca": "numpy", "tsne": "scikit-learn", "umap": "umap-learn"}  # and the distribution that makes each
MAP_VERSION = 1  # of what is written here: another one makes stored maps again
FEWEST = 10  # codes, for t-SNE and UMAP
ROWS_SEED = 0  # of the subset: the same items whatever a map's seed, so that maps can be compared
PERPLEXITY, ITERATIONS = 30, 1000  # of t-SNE
NEIGHBORS, SPACING = 15, 0.1  # of UMAP
JITTER = 1e-4  # of the spread of a map's start: codes in one place are told apart

Places = NDArray[np.float64]


@dataclass(frozen=True)
class Map:
    """Codes laid out in the plane.

    Attributes:
        method: pca, tsne or umap.
        seed: of the method; PCA draws nothing.
        rows: which items, `(m,)`, ascending.
        places: where each lies, `(m, 2)`; axes have no unit.
        settings: what else decides the places.
        seconds: how long it took.
        library: distribution and version that made it.
        trust: score -> how well the map shows the codes; empty until somebody has looked.
    """

    method: str
    seed: int
    rows: NDArray[np.int64]
    places: Places
    settings: Mapping[str, Any]
    seconds: float
    library: str = ""
    trust: Mapping[str, float] = field(default_factory=dict)


def make_map(
    codes: ArrayLike, method: str = "pca", seed: int = 0, count: int | None = None, start: ArrayLike | None = None
) -> Map:
    """Lay codes out in the plane.

    PCA keeps the widest directions. t-SNE (van der Maaten and Hinton 2008) and UMAP (McInnes, Healy and Melville
    2018) keep neighbors; how far their islands lie apart and how large they are says little. Both begin at the PCA
    map, which keeps more of the large than a random start (Kobak and Linderman 2021). Equal arguments give equal
    maps on the same machine. Codes that are all equal stay in one place.

    Args:
        codes: `(n, d)`.
        method: pca, tsne or umap.
        seed: of t-SNE and UMAP.
        count: how many codes at most; see `shown_rows`.
        start: places `(m, 2)` from which t-SNE and UMAP begin instead, as those of a map to compare with.

    Raises:
        ValueError: codes are not a finite, non-empty `(n, d)` array, or `start` has another shape.
        UnknownNameError: there is no such method.
        NotApplicableError: fewer than ten codes for t-SNE or UMAP.

    >>> made = make_map(np.arange(40.0).reshape(20, 2), "tsne", count=15)
    >>> made.places.shape, made.rows[:5], made.settings["perplexity"]
    ((15, 2), array([0, 2, 3, 4, 5]), 4.666666666666667)
    """
    points = _checked(codes)
    rows = shown_rows(len(points), count)
    settings = map_settings(method, len(rows), start)
    begun = time.perf_counter()
    places = _places(points[rows], method, seed, settings, start)
    library = f"{METHODS[method]} {version(METHODS[method])}"
    return Map(method, seed, rows, places, settings, time.perf_counter() - begun, library)


def shown_rows(n: int, count: int | None = None) -> NDArray[np.int64]:
    """Return which of n items a map shows, ascending: a random subset, the same for every model, method and seed.

    All where `count` is None or not less than n. A smaller subset is part of a larger one.

    >>> shown_rows(10, 3), len(shown_rows(10, 99))
    (array([2, 4, 6]), 10)
    """
    chosen = np.random.default_rng(ROWS_SEED).permutation(n)[:count]
    return np.sort(chosen).astype(np.int64)


def check_method(method: str) -> str:
    """Return the name of a method.

    Raises:
        UnknownNameError: there is no such method.
    """
    if method not in METHODS:
        raise UnknownNameError(
            f"there is no map {method!r}{near_matches(method, METHODS)} (maps: {', '.join(METHODS)})"
        )
    return method


def map_settings(method: str, m: int, start: ArrayLike | None = None) -> dict[str, Any]:
    """Return what decides a map of m codes beside the codes and the seed.

    Raises:
        UnknownNameError: there is no such method.
        NotApplicableError: m is too small.

    >>> map_settings("umap", 12)
    {'neighbors': 11, 'spacing': 0.1, 'start': 'pca'}
    """
    if check_method(method) == "pca":
        return {}
    if m < FEWEST:
        raise NotApplicableError(f"a map by {method} needs at least {FEWEST} codes, there are {m}; take pca")
    begins = {"start": "pca" if start is None else hashlib.sha256(_bytes(start)).hexdigest()[:16]}
    if method == "tsne":
        return {"perplexity": min(PERPLEXITY, (m - 1) / 3), "iterations": ITERATIONS, **begins}
    return {"neighbors": min(NEIGHBORS, m - 1), "spacing": SPACING, **begins}


def align(places: ArrayLike, reference: ArrayLike) -> Places:
    """Shift, turn, mirror and scale a map so that it lies as near to another as it can (Procrustes).

    Args:
        places: `(m, 2)`, or any number of columns.
        reference: the same items elsewhere, of the same shape.

    Returns:
        The places that have the least sum of squared distances to `reference`.

    Raises:
        ValueError: unequal shapes.

    >>> align([[0, 0], [0, 2]], [[5, 5], [6, 5]])
    array([[5., 5.],
           [6., 5.]])
    """
    own, other = _pair(places, reference)
    moved, target = own - own.mean(0), other - other.mean(0)
    size = float((moved**2).sum())
    left, strengths, right = np.linalg.svd(moved.T @ target)
    scale = float(strengths.sum()) / size if size > 0 else 0.0
    return np.asarray(scale * moved @ (left @ right) + other.mean(0))


def disparity(places: ArrayLike, reference: ArrayLike) -> float:
    """Return the share of a map's squared spread that is left when another is laid on it by `align`; 0 is equal.

    In [0, 1], and the same from either side; 1 where one of them lies in one place. Lower is better.

    >>> disparity([[0, 0], [0, 2], [2, 0]], [[1, 1], [5, 1], [1, 5]])
    0.0
    """
    own, other = _pair(places, reference)
    moved, target = own - own.mean(0), other - other.mean(0)
    sizes = float((moved**2).sum() * (target**2).sum())
    strengths = float(np.linalg.svd(moved.T @ target, compute_uv=False).sum())
    return max(0.0, 1 - strengths**2 / sizes) if sizes > 0 else 1.0


def pca_map(codes: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
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
    points = _checked(codes)
    centered = points - points.mean(axis=0)
    variances, axes = _principal_axes(centered)
    largest = np.abs(axes).argmax(axis=0)
    axes = axes * np.where(axes[largest, np.arange(axes.shape[1])] < 0, -1.0, 1.0)
    total = float(centered.var(axis=0).sum())
    shares = variances / total if total > 0 else np.zeros_like(variances)
    return _two_columns(centered @ axes), _two_columns(shares[None, :])[0]


def _principal_axes(centered: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the two largest variances and their axes `(d, 2)`; through the n x n matrix where that is smaller."""
    n, d = centered.shape
    product = centered @ centered.T if d > n else centered.T @ centered
    values, vectors = np.linalg.eigh(product / n)
    variances, axes = values.clip(min=0)[::-1][:2], vectors[:, ::-1][:, :2]
    if d > n:
        axes = centered.T @ axes
        axes = axes / np.maximum(np.linalg.norm(axes, axis=0), np.finfo(np.float64).tiny)
    return variances, axes


def _two_columns(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.pad(values, ((0, 0), (0, 2 - values.shape[1])))


def _places(
    points: Places, method: str, seed: int, settings: Mapping[str, Any], start: ArrayLike | None
) -> Places:
    """Make the map, of codes that are not all equal."""
    flat = pca_map(points)[0]
    if method == "pca" or bool((points == points[0]).all()):
        return flat
    begin = flat if start is None else np.asarray(start, dtype=np.float64)
    if begin.shape != flat.shape:
        raise ValueError(f"start must hold a place for each of the {len(flat)} codes, got shape {begin.shape}")
    spread = float(begin.std(axis=0).max()) or 1.0
    noise = np.random.default_rng(seed).normal(scale=JITTER, size=flat.shape)
    laid = {"tsne": _tsne, "umap": _umap}[method](points, seed, settings, begin / spread + noise)
    return np.asarray(laid, dtype=np.float64)


def _tsne(points: Places, seed: int, settings: Mapping[str, Any], begin: Places) -> NDArray[Any]:
    from sklearn.manifold import TSNE

    tsne = TSNE(
        perplexity=settings["perplexity"],
        max_iter=settings["iterations"],
        init=1e-4 * begin,  # so small that no pair of points attracts another at first
        learning_rate="auto",
        random_state=seed,
    )
    laid: NDArray[Any] = tsne.fit_transform(points.astype(np.float32))
    return laid


def _umap(points: Places, seed: int, settings: Mapping[str, Any], begin: Places) -> NDArray[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own dependencies: TensorFlow, which it can do without, and numba
        from umap import UMAP

    umap = UMAP(
        n_neighbors=settings["neighbors"],
        min_dist=settings["spacing"],
        init=begin.astype(np.float32),
        random_state=seed,
        n_jobs=1,  # what a seed means to it; said here, it does not warn
    )
    laid: NDArray[Any] = umap.fit_transform(points.astype(np.float32))
    return laid


def _checked(codes: ArrayLike) -> Places:
    points = np.asarray(codes, dtype=np.float64)
    if points.ndim != 2 or not points.size or not np.isfinite(points).all():
        raise ValueError(f"codes must be a finite, non-empty (n, d) array, got shape {points.shape}")
    return points


def _pair(places: ArrayLike, reference: ArrayLike) -> tuple[Places, Places]:
    own, other = np.asarray(places, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    if own.ndim != 2 or own.shape != other.shape or not own.size:
        raise ValueError(f"both maps must be (m, 2) with the same items, got {own.shape} and {other.shape}")
    return own, other


def _bytes(places: ArrayLike) -> bytes:
    return np.ascontiguousarray(places, dtype=np.float64).tobytes()
