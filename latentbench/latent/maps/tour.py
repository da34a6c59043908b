"""A tour of a map of codes: its stops, their order, and the curve through them."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Stops", "round_trip", "tour_path", "tour_stops"]

STARTS = 20  # stops from which round trips are built; the shortest trip wins
LONGEST_MOVE = 3  # most stops that are moved together
GAIN = 1e-10  # of the whole length: smaller gains are rounding
SHORTEST = 1e-3  # of the longest leg: least duration of a leg, for equal stops

Points = NDArray[np.float64]
Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Stops:
    """The stops of a tour.

    Attributes:
        rows: for each of the k clusters the row number of the code at which to stop, `(k,)`.
        classes: the class of each stop, the most frequent one in its cluster; None without labels.
        clusters: the cluster of each code, `(n,)`.
    """

    rows: Numbers
    classes: Numbers | None
    clusters: Numbers


def tour_stops(places: ArrayLike, labels: ArrayLike | None = None, clusters: int = 30, seed: int = 0) -> Stops:
    """Choose a stop in each cluster that k-means finds on a map: the code of its class nearest its center.

    The class of a cluster is the most frequent one; of equally frequent classes, the one with the lowest number.

    Args:
        places: the map, `(n, 2)`.
        labels: class numbers `(n,)`; without them the code nearest the center is the stop.
        clusters: number of clusters, from 1 to the number of different places.
        seed: seed of k-means.

    Raises:
        ValueError: too many clusters or none, places that are not finite, or another number of labels.

    >>> stops = tour_stops([[0, 0], [1, 0], [3, 0], [20, 0], [21, 0], [22, 0]], [7, 7, 5, 5, 5, 5], clusters=2)
    >>> sorted(zip(stops.rows.tolist(), stops.classes.tolist()))
    [(1, 7), (4, 5)]
    """
    from sklearn.cluster import KMeans

    points = _checked("places", places)
    if labels is not None and (label_count := len(np.asarray(labels))) != len(points):
        raise ValueError(f"labels must hold a label for each of the {len(points)} places, got {label_count}")
    different = len(np.unique(points, axis=0))
    if not 1 <= clusters <= different:
        raise ValueError(f"clusters must be from 1 to {different}, the number of different places, got {clusters}")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "KMeans is known to have a memory leak")  # of its own, on Windows
        means = KMeans(clusters, n_init=4, random_state=seed).fit(points)
    classes = None if labels is None else np.asarray(labels, dtype=np.int64)
    members = means.labels_.astype(np.int64)
    rows = [
        _stop(points, classes, np.flatnonzero(members == k), means.cluster_centers_[k]) for k in range(clusters)
    ]
    chosen = np.array(rows, dtype=np.int64)
    return Stops(chosen, None if classes is None else classes[chosen], members)


def round_trip(points: ArrayLike) -> Numbers:
    """Return the order `(k,)` of a short round trip through points `(k, d)`, beginning with point 0.

    Greedy nearest-neighbor tours from up to twenty points are improved until neither exchanging two legs (2-opt,
    Croes 1958) nor moving up to three stops (Or 1976) makes them shorter; the shortest tour is returned. It is a
    local minimum, for a dozen points mostly the global one.

    Raises:
        ValueError: points that are not finite, or not `(k, d)`.

    >>> round_trip([[0, 0], [5, 5], [0, 5], [5, 0]])
    array([0, 2, 1, 3])
    """
    places = _checked("points", points)
    far = np.linalg.norm(places[:, None] - places[None], axis=-1)
    if len(places) < 4:
        return np.arange(len(places), dtype=np.int64)
    tours = [_improved(_greedy(start, far), far) for start in range(min(STARTS, len(places)))]
    best = min(tours, key=lambda order: _length(order, far))
    best = np.roll(best, -int(np.flatnonzero(best == 0)[0]))
    return best if best[1] < best[-1] else np.roll(best[::-1], 1)  # one of the two directions, always the same


def tour_path(stops: ArrayLike, steps: int, rest: int = 0) -> Points:
    """Return a closed smooth curve through stops, slow near each of them.

    A periodic cubic spline in which a leg takes the square root of its length (centripetal, so there are no loops
    where short legs meet long ones). Every `steps` points it is exactly at a stop.

    Args:
        stops: `(k, d)`, in the order in which they are visited.
        steps: points from one stop to the next.
        rest: number of these points that stay at the stop.

    Returns:
        `(k * steps, d)`; the first point follows the last one.

    Raises:
        ValueError: no stop, stops that are not finite, or `rest` not in 0 .. steps - 1.

    >>> tour_path([[0.0], [1.0]], steps=2)[:, 0]
    array([0. , 0.5, 1. , 0.5])
    """
    from scipy.interpolate import CubicSpline

    places = _checked("stops", stops)
    if not len(places) or not 0 <= rest < steps:
        raise ValueError(f"needs stops (k, d) and rest (={rest}) below steps (={steps}), got {places.shape}")
    if len(places) == 1:
        return places.repeat(steps, axis=0)
    closed = np.concatenate([places, places[:1]])
    legs = np.sqrt(np.linalg.norm(np.diff(closed, axis=0), axis=1))
    legs = np.maximum(legs, SHORTEST * legs.max()) if legs.max() > 0 else np.ones(len(places))
    knots = np.concatenate([[0.0], legs.cumsum()])
    share = np.clip((np.arange(steps) - max(rest - 1, 0)) / (steps - max(rest - 1, 0)), 0, 1)
    eased = share**2 * (3 - 2 * share)
    times = knots[:-1, None] + legs[:, None] * eased
    return np.asarray(CubicSpline(knots, closed, bc_type="periodic")(times.reshape(-1)))


def _checked(what: str, values: ArrayLike) -> Points:
    points = np.asarray(values, dtype=np.float64)
    if points.ndim != 2 or not np.isfinite(points).all():
        raise ValueError(f"{what} must be finite, (n, d), got shape {points.shape}")
    return points


def _stop(points: Points, labels: Numbers | None, members: Numbers, center: Points) -> int:
    """Return the member of the most frequent class that is nearest the center."""
    if labels is not None:
        classes, counts = np.unique(labels[members], return_counts=True)
        members = members[labels[members] == classes[counts.argmax()]]
    return int(members[np.linalg.norm(points[members] - center, axis=1).argmin()])


def _greedy(start: int, far: Points) -> Numbers:
    """Return the tour that always goes to the nearest unvisited point."""
    order, left = [start], np.ones(len(far), bool)
    left[start] = False
    while left.any():
        order.append(int(np.where(left, far[order[-1]], np.inf).argmin()))
        left[order[-1]] = False
    return np.array(order, dtype=np.int64)


def _improved(order: Numbers, far: Points) -> Numbers:
    """Exchange legs and move stops as long as the tour gets shorter."""
    least = GAIN * _length(order, far)
    while True:
        shorter = _two_opt(order, far, least)
        shorter = _or_opt(order, far, least) if shorter is None else shorter
        if shorter is None:
            return order
        order = shorter


def _two_opt(order: Numbers, far: Points, least: float) -> Numbers | None:
    """Reverse the part of the tour that saves most, or return None."""
    after = np.roll(order, -1)
    legs = far[order, after]
    saved = legs[:, None] + legs[None] - far[np.ix_(order, order)] - far[np.ix_(after, after)]
    first, last = np.unravel_index(np.triu(saved, 2).argmax(), saved.shape)
    if saved[first, last] <= least or last <= first:
        return None
    turned = order.copy()
    turned[first + 1 : last + 1] = order[first + 1 : last + 1][::-1]
    return turned


def _or_opt(order: Numbers, far: Points, least: float) -> Numbers | None:
    """Move up to three consecutive stops elsewhere, in either direction, or return None."""
    for length in range(1, min(LONGEST_MOVE, len(order) - 2) + 1):
        for start in range(len(order)):
            rolled = np.roll(order, -start)
            part, rest = rolled[:length], rolled[length:]
            after = np.roll(rest, -1)
            saved = far[rest[-1], part[0]] + far[part[-1], rest[0]] - far[rest[-1], rest[0]]
            for piece in (part, part[::-1]):
                cost = far[rest, piece[0]] + far[piece[-1], after] - far[rest, after]
                where = int(cost.argmin())
                if saved - cost[where] > least:
                    return np.concatenate([rest[: where + 1], piece, rest[where + 1 :]])
    return None


def _length(order: Numbers, far: Points) -> float:
    return float(far[order, np.roll(order, -1)].sum())
