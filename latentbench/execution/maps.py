"""Maps of a trial's codes: made once, judged by the metrics, and stored with the trial."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from latentbench.errors import RunFolderError
from latentbench.execution.scoring import measure
from latentbench.files.json_files import short_hash
from latentbench.files.shapes import Count, checked
from latentbench.latent.maps.projection import MAP_VERSION, METHODS, Map, make_map, map_settings, shown_rows
from latentbench.latent.space import LatentSpace
from latentbench.machine import limited_threads
from latentbench.planning.metrics import metric_requests
from latentbench.planning.score_owners import ScoreOwners
from latentbench.records import Record
from latentbench.trial import ScoreRequest

if TYPE_CHECKING:
    from latentbench.plugins import Plugins

__all__ = ["COUNT", "JUDGES", "SMALL", "stored_maps", "trial_map"]

COUNT = 2000
SMALL = 1000  # codes; t-SNE of 360 takes 2.4 times the processor time on two threads, and is no sooner done
JUDGES = {  # score -> how it is called under a map
    "trustworthiness": "trustworthiness",
    "continuity": "continuity",
    "neighbor_recall": "neighbor recall",
    "knn10": "10-NN accuracy",
    "distance_correlation": "distance correlation",
}


def trial_map(
    record: Record,
    space: LatentSpace,
    method: str,
    plugins: Plugins,
    *,
    seed: int = 0,
    count: int = COUNT,
    start: NDArray[np.float64] | None = None,
) -> Map:
    """Return the map of a trial's codes, with its trust scores, from the trial's folder or made and put there.

    The file `maps/METHOD-vVERSION-HASH.npz` is named by all that decides the places: method, seed, items, settings
    and version. A damaged map is computed anew, with a warning; trust scores are computed anew where a metric
    has changed.

    Args:
        record: the trial's folder.
        space: its latent space, codes in the order of the test split.
        method: pca, tsne or umap.
        plugins: where the metrics come from.
        seed: of the method.
        count: how many codes at most; see `latentbench.latent.maps.projection.shown_rows`.
        start: see `latentbench.latent.maps.projection.make_map`.

    Raises:
        UnknownNameError: there is no such method.
        NotApplicableError: too few codes.
    """
    seed = 0 if method == "pca" else seed
    rows = shown_rows(len(space), count)
    decides = {"seed": seed, "items": [len(space), len(rows)], "settings": map_settings(method, len(rows), start)}
    name = f"maps/{method}-v{MAP_VERSION}-{short_hash(decides)}.npz"
    requests = _judges(plugins)
    judges = [request.stem for request in requests]
    stored, judged = _read(record, name, rows)
    if stored is not None and judged == judges:
        return stored
    with _suitable_threads(len(rows)):
        unscored = stored or make_map(space.codes.cpu().numpy(), method, seed, count, start)
        scored = replace(unscored, trust=_trust(unscored, space, requests, plugins))
    _write(record, name, scored, judges)
    return scored


def _suitable_threads(count: int) -> AbstractContextManager[None]:
    """Compute a small map on one thread: several would wait for each other longer than they compute."""
    return limited_threads(1) if count < SMALL else nullcontext()


def _judges(plugins: Plugins) -> list[ScoreRequest]:
    """Return the metrics that judge maps, of those that are there."""
    known = ScoreOwners.among(plugins).by_score
    scores = tuple(score for score in JUDGES if score in known)
    return metric_requests(scores, plugins) if scores else []  # no name would mean all


def _trust(map_: Map, space: LatentSpace, requests: Sequence[ScoreRequest], plugins: Plugins) -> dict[str, float]:
    """Return what metrics say of a map: how well places show the codes, and in 10-NN accuracy the classes.

    Places are judged as any codes are, the codes as their inputs. A score that does not apply here (no labels,
    collapsed codes) is left out.
    """
    codes = space.codes.cpu().numpy()[map_.rows]
    labels = space.labels.cpu().numpy()[map_.rows] if "labels" in space.supplies else None
    space_of_map = LatentSpace.from_arrays(
        codes=map_.places, inputs=codes, labels=labels, name=f"{map_.method} map"
    )
    trust: dict[str, float] = {}
    for request in requests:
        stored, _ = measure(request, plugins, space_of_map)
        rows: Mapping[str, Any] = stored["scores"]
        trust |= {name: row["value"] for name, row in rows.items() if name in JUDGES and row["status"] == "ok"}
        for row in (row for row in rows.values() if row["status"] == "failed"):
            warnings.warn(f"{request.metric} cannot judge the map by {map_.method}: {row['reason']}", stacklevel=4)
            break
    return {name: trust[name] for name in JUDGES if name in trust}


def stored_maps(record: Record) -> list[Map]:
    """Return the maps that are stored with a trial: of each method that of the lowest seed and the most codes.

    Damaged ones, and those of another version, are passed over.
    """
    best: dict[str, Map] = {}
    for path in sorted((record.folder / "maps").glob(f"*-v{MAP_VERSION}-*.npz")):
        try:
            candidate, _ = _load(record, f"maps/{path.name}")
        except RunFolderError:
            continue
        current = best.get(candidate.method)
        if current is None or (candidate.seed, -len(candidate.rows)) < (current.seed, -len(current.rows)):
            best[candidate.method] = candidate
    return [best[method] for method in METHODS if method in best]


@dataclass(frozen=True)
class _About:
    """What a stored map says of itself; the rest is arrays."""

    method: str
    seed: Count
    settings: dict[str, Any]
    seconds: float
    library: str
    trust: dict[str, float]
    judges: list[str]


def _load(record: Record, name: str) -> tuple[Map, list[str]]:
    """Read a stored map and who judged it.

    Raises:
        RunFolderError: it is damaged.
    """
    arrays = record.read_arrays(name)
    try:
        about = vars(checked(_About, json.loads(str(arrays["about"]))))
        judged = about.pop("judges")
        stored = Map(rows=arrays["rows"], places=arrays["places"], **about)
        _check_map(stored)
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise RunFolderError(f"{record.folder / name} is damaged ({error})") from error
    return stored, judged


def _check_map(stored: Map) -> None:
    """Raise ValueError unless it is a map that can be drawn."""
    rows, places = stored.rows, stored.places
    if rows.ndim != 1 or rows.dtype.kind != "i" or places.shape != (len(rows), 2) or places.dtype.kind != "f":
        raise ValueError("it shows other items")
    if len(rows) and not (rows.min() >= 0 and np.isfinite(places).all()):
        raise ValueError("it holds NaN, infinity or items before the first")
    if stored.method not in METHODS or not set(stored.trust) <= set(JUDGES):
        raise ValueError(f"it is by {stored.method}, judged by {', '.join(stored.trust)}")


def _read(record: Record, name: str, rows: NDArray[np.int64]) -> tuple[Map | None, list[str]]:
    """Read a stored map of these items and who judged it; (None, []) where there is none or it is damaged."""
    if not (record.folder / name).is_file():
        return None, []
    try:
        stored, judged = _load(record, name)
    except RunFolderError as error:
        warnings.warn(
            f"{record.folder / name} is damaged and made again ({error.__cause__ or error})", stacklevel=3
        )
        return None, []
    if not np.array_equal(stored.rows, rows):
        warnings.warn(f"{record.folder / name} is damaged and made again (it shows other items)", stacklevel=3)
        return None, []
    return stored, judged


def _write(record: Record, name: str, map_: Map, judges: Sequence[str]) -> None:
    """Store a map; a folder that cannot be written costs time the next time, nothing else."""
    about = {
        "method": map_.method,
        "seed": map_.seed,
        "settings": dict(map_.settings),
        "seconds": map_.seconds,
        "library": map_.library,
        "trust": dict(map_.trust),
        "judges": list(judges),
    }
    try:
        (record.folder / "maps").mkdir(exist_ok=True)
        record.write_arrays(name, {"rows": map_.rows, "places": map_.places, "about": np.array(json.dumps(about))})
    except OSError as error:
        warnings.warn(
            f"the map by {map_.method} cannot be stored ({error}) and is made again next time", stacklevel=3
        )
