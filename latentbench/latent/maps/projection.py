"""Maps of codes to two dimensions by PCA, t-SNE and UMAP."""

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
from latentbench.latent.maps.pca import checked_codes, pca_map

__all__ = [
    "MAP_VERSION",
    "METHODS",
    "Map",
    "check_method",
    "make_map",
    "map_settings",
    "shown_rows",
]

METHODS = {"pca": "numpy", "tsne": "scikit-learn", "umap": "umap-learn"}  # method -> distribution that computes it
MAP_VERSION = 1  # of this file's results: a change makes stored maps again
FEWEST = 10  # codes, for t-SNE and UMAP
ROWS_SEED = 0  # of the subset: all maps show the same items and can be compared
PERPLEXITY, ITERATIONS = 30, 1000  # of t-SNE
FEW, ITERATIONS_OF_FEW = 1000, 500  # codes; of 360, trust scores are the same within .004 after half as many
NEIGHBORS, SPACING = 15, 0.1  # of UMAP
JITTER = 1e-4  # of the spread of the start, to separate equal codes

Places = NDArray[np.float64]


@dataclass(frozen=True)
class Map:
    """Codes laid out in the plane.

    Attributes:
        method: pca, tsne or umap.
        seed: seed of the method; PCA has none.
        rows: row numbers of the items `(m,)`, ascending.
        places: their places `(m, 2)`; axes have no unit.
        settings: what else determines the places.
        seconds: computing time.
        library: distribution and version that computed it.
        trust: score -> how well the map shows the codes; empty until scored.
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
    """Lay out codes in the plane.

    PCA keeps the directions of largest variance. t-SNE (van der Maaten and Hinton 2008) and UMAP (McInnes, Healy
    and Melville 2018) keep neighbors; sizes of their clusters and distances between them mean little. Both start
    from the PCA map, which keeps more of the global structure than a random start (Kobak and Linderman 2021).
    Equal arguments give equal maps on the same machine. Codes that are all equal get one place.

    Args:
        codes: `(n, d)`.
        method: pca, tsne or umap.
        seed: seed of t-SNE and UMAP.
        count: maximum number of codes; see `shown_rows`.
        start: places `(m, 2)` from which t-SNE and UMAP start instead, for example those of a map to compare with.

    Raises:
        ValueError: codes are not a finite, non-empty `(n, d)` array, `start` is not finite or has another shape,
            or a count below 1.
        UnknownNameError: there is no such method.
        NotApplicableError: fewer than ten codes for t-SNE or UMAP.

    >>> made = make_map(np.arange(40.0).reshape(20, 2), "tsne", count=15)
    >>> made.places.shape, made.rows[:5], made.settings["perplexity"]
    ((15, 2), array([0, 2, 3, 4, 5]), 4.666666666666667)
    """
    points = checked_codes(codes)
    rows = shown_rows(len(points), count)
    start = None if start is None else _checked_start(start, len(rows))
    settings = map_settings(method, len(rows), start)
    begun = time.perf_counter()
    places = _places(points[rows], method, seed, settings, start)
    library = f"{METHODS[method]} {version(METHODS[method])}"
    return Map(method, seed, rows, places, settings, time.perf_counter() - begun, library)


def shown_rows(n: int, count: int | None = None) -> NDArray[np.int64]:
    """Return the row numbers of the items on a map, ascending: a random subset, equal for all models and seeds.

    All of n if `count` is None or at least n. A smaller subset is part of a larger one.

    Raises:
        ValueError: a count below 1.

    >>> shown_rows(10, 3), len(shown_rows(10, 99))
    (array([2, 4, 6]), 10)
    """
    if count is not None and count < 1:
        raise ValueError(f"count must be at least 1, got {count}")
    chosen = np.random.default_rng(ROWS_SEED).permutation(n)[:count]
    return np.sort(chosen).astype(np.int64)


def check_method(method: str) -> str:
    """Return the name of a method, checked.

    Raises:
        UnknownNameError: there is no such method.
    """
    if method not in METHODS:
        raise UnknownNameError(
            f"there is no map {method!r}{near_matches(method, METHODS)} (maps: {', '.join(METHODS)})"
        )
    return method


def map_settings(method: str, m: int, start: ArrayLike | None = None) -> dict[str, Any]:
    """Return what determines a map of m codes besides the codes and the seed.

    Raises:
        UnknownNameError: there is no such method.
        NotApplicableError: m is too small.

    >>> map_settings("umap", 12)
    {'neighbors': 11, 'spacing': 0.1, 'start': 'pca'}
    """
    if check_method(method) == "pca":
        return {}
    if m < FEWEST:
        raise NotApplicableError(
            f"a map by {method} needs at least {FEWEST} codes, got {m} (a map by pca needs two)"
        )
    begins = {"start": "pca" if start is None else hashlib.sha256(_bytes(start)).hexdigest()[:16]}
    if method == "tsne":
        iterations = ITERATIONS_OF_FEW if m < FEW else ITERATIONS
        return {"perplexity": min(PERPLEXITY, (m - 1) / 3), "iterations": iterations, **begins}
    return {"neighbors": min(NEIGHBORS, m - 1), "spacing": SPACING, **begins}


def _places(points: Places, method: str, seed: int, settings: Mapping[str, Any], start: Places | None) -> Places:
    """Compute the places of codes; equal codes get one place."""
    flat = pca_map(points)[0]
    if method == "pca" or bool((points == points[0]).all()):
        return flat
    begin = flat if start is None else start
    spread = float(begin.std(axis=0).max()) or 1.0
    noise = np.random.default_rng(seed).normal(scale=JITTER, size=flat.shape)
    laid = {"tsne": _tsne, "umap": _umap}[method](points, seed, settings, begin / spread + noise)
    return np.asarray(laid, dtype=np.float64)


def _checked_start(start: ArrayLike, count: int) -> Places:
    places = np.asarray(start, dtype=np.float64)
    if places.shape != (count, 2):
        raise ValueError(f"start must hold a place for each of the {count} codes, got shape {places.shape}")
    if not np.isfinite(places).all():  # t-SNE would end the whole process without a message
        raise ValueError("start must be finite, got NaN or infinity")
    return places


def _tsne(points: Places, seed: int, settings: Mapping[str, Any], begin: Places) -> NDArray[Any]:
    from sklearn.manifold import TSNE

    tsne = TSNE(
        perplexity=settings["perplexity"],
        max_iter=settings["iterations"],
        init=1e-4 * begin,  # small, as t-SNE needs its start
        learning_rate="auto",
        random_state=seed,
    )
    laid: NDArray[Any] = tsne.fit_transform(points.astype(np.float32))
    return laid


def _umap(points: Places, seed: int, settings: Mapping[str, Any], begin: Places) -> NDArray[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about its dependencies TensorFlow, which is optional, and numba
        from umap import UMAP

    umap = UMAP(
        n_neighbors=settings["neighbors"],
        min_dist=settings["spacing"],
        init=begin.astype(np.float32),
        random_state=seed,
        n_jobs=1,  # implied by a seed; given explicitly, it does not warn
    )
    laid: NDArray[Any] = umap.fit_transform(points.astype(np.float32))
    return laid


def _bytes(places: ArrayLike) -> bytes:
    return np.ascontiguousarray(places, dtype=np.float64).tobytes()
