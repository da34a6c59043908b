"""Two-dimensional grids of codes and of places on a map."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from latentbench.errors import NotApplicableError
from latentbench.latent.sampling import training_codes
from latentbench.latent.space import LatentSpace

__all__ = ["active_dimensions", "corner_items", "four_corner_grid", "manifold_grid"]

CORNERS = 4
MOST_CANDIDATES = 20  # classes considered for corners: those farthest from the middle

Array = NDArray[np.float64]


def active_dimensions(space: LatentSpace) -> Tensor:
    """Return the numbers `(d,)` of all dimensions by the variance of their codes, largest first.

    The variance of posterior means measures how much a dimension says about the data (Burda 2016); with a standard
    normal prior, the variance of samples would be 1 in every dimension.
    """
    return training_codes(space).double().var(0, correction=0).argsort(descending=True, stable=True)


def manifold_grid(space: LatentSpace, side: int, dims: tuple[int, int] | None = None) -> Tensor:
    """Return codes `(side, side, d)` that span two dimensions, like the manifolds of Kingma and Welling 2014.

    The first dimension grows from left to right, the second upwards, at the quantiles (i + 1/2) / side of the
    prior, or of the training codes where there is no prior. All other dimensions stay at the mean of the prior or
    of the codes.

    Args:
        space: a latent space of two dimensions or more.
        side: rows and columns, at least 1.
        dims: two dimensions; by default those whose codes vary most.

    Raises:
        NotApplicableError: codes of one dimension.
        ValueError: dimensions that are not there, or twice the same; no rows.
    """
    if space.dim < 2:
        raise NotApplicableError("a grid needs codes of two dimensions or more, these have one")
    if side < 1:
        raise ValueError(f"side must be at least 1, got {side}")
    first, second = active_dimensions(space)[:2].tolist() if dims is None else dims
    if first == second or not (0 <= first < space.dim and 0 <= second < space.dim):
        raise ValueError(f"dims must be two different ones from 0 to {space.dim - 1}, got {first} and {second}")
    levels = (torch.arange(side, dtype=torch.float64, device=space.device) + 0.5) / side
    if "prior" in space.supplies:
        normal = torch.special.ndtri(levels)
        noise = _crossed(normal, normal, torch.zeros(space.dim), first, second)
        return space.prior.sample(noise.float().flatten(0, 1)).reshape(side, side, space.dim)
    codes = training_codes(space).double()
    columns, rows = torch.quantile(codes[:, first], levels), torch.quantile(codes[:, second], levels)
    return _crossed(columns, rows, codes.mean(0), first, second).float()


def four_corner_grid(corners: ArrayLike, side: int) -> Array:
    """Return points `(side, side, k)` between four corners `(4, k)`, bilinear, corners included.

    Corners come in reading order: upper left, upper right, lower left, lower right.

    Raises:
        ValueError: no four corners, or a side of less than 2.

    >>> four_corner_grid([[0, 2], [2, 2], [0, 0], [2, 0]], 3)[1]
    array([[0., 1.],
           [1., 1.],
           [2., 1.]])
    """
    ends = np.asarray(corners, dtype=np.float64)
    if ends.ndim != 2 or len(ends) != CORNERS or side < 2:
        raise ValueError(f"needs corners (4, k) and a side of at least 2, got {ends.shape} and {side}")
    t = np.linspace(0, 1, side)[:, None]
    upper, lower = ((1 - t) * left + t * right for left, right in ((ends[0], ends[1]), (ends[2], ends[3])))
    down = t[:, :, None]
    return np.asarray((1 - down) * upper + down * lower)


def corner_items(places: ArrayLike, labels: ArrayLike | None = None) -> NDArray[np.int64]:
    """Choose four items of a map `(n, 2)` as corners of a grid, in the reading order of `four_corner_grid`.

    Each class is represented by the item nearest the medians of its places; the four of them that enclose the
    largest area are chosen. Without labels, or with fewer than four classes, they are four different items: those
    with the least total distance to the corners of the box that holds the middle 90 % of places.

    Args:
        places: `(n, 2)`, n at least 4.
        labels: class numbers `(n,)`.

    Raises:
        ValueError: fewer than four items, places that are not finite, or not one label for each.
    """
    points = np.asarray(places, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < CORNERS:
        raise ValueError(f"places must be (n, 2) with at least 4 rows, got {points.shape}")
    if not np.isfinite(points).all():
        raise ValueError("places must be finite, got NaN or infinity")
    if labels is not None and (label_count := len(np.asarray(labels))) != len(points):
        raise ValueError(f"labels must hold a label for each of the {len(points)} places, got {label_count}")
    numbers = np.unique([] if labels is None else labels)
    if len(numbers) < CORNERS:
        return _box_items(points)
    classes = [np.flatnonzero(np.asarray(labels) == number) for number in numbers]
    middles = np.array([rows[_nearest_item(points[rows], np.median(points[rows], axis=0))] for rows in classes])
    away = np.linalg.norm(points[middles] - points.mean(axis=0), axis=1)
    candidates = middles[np.argsort(-away, kind="stable")[:MOST_CANDIDATES]]
    best = max(combinations(candidates, CORNERS), key=lambda four: _area(points[list(four)]))
    return _in_reading_order(points, np.array(best))


def _crossed(columns: Tensor, rows: Tensor, rest: Tensor, first: int, second: int) -> Tensor:
    grid = rest.to(columns).repeat(len(rows), len(columns), 1)
    grid[:, :, first] = columns
    grid[:, :, second] = rows.flip(0)[:, None]
    return grid


def _box_items(points: Array) -> NDArray[np.int64]:
    """Return four different items, nearest the corners of the box of the middle 90 % of places."""
    from scipy.optimize import linear_sum_assignment

    low, high = np.quantile(points, (0.05, 0.95), axis=0)
    box = np.array([(low[0], high[1]), (high[0], high[1]), (low[0], low[1]), (high[0], low[1])])
    far = np.linalg.norm(box[:, None] - points, axis=2)
    return np.asarray(linear_sum_assignment(far)[1], dtype=np.int64)


def _nearest_item(points: Array, place: Array) -> int:
    return int(np.linalg.norm(points - place, axis=1).argmin())


def _around(points: Array) -> NDArray[np.int64]:
    """Return the order of points around their middle, counterclockwise from the left."""
    x, y = (points - points.mean(axis=0)).T
    return np.argsort(np.arctan2(y, x), kind="stable")


def _area(points: Array) -> float:
    x, y = points[_around(points)].T
    return float(np.abs(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2


def _in_reading_order(points: Array, items: NDArray[np.int64]) -> NDArray[np.int64]:
    """Turn the ring of four until it lies best in the corners of a page, upper left first."""
    ring = items[_around(points[items])]
    page = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])  # as the ring goes: lower left, lower right, ...
    centered = points[ring] - points[ring].mean(axis=0)
    turn = max(range(CORNERS), key=lambda step: float((np.roll(centered, -step, axis=0) * page).sum()))
    lower_left, lower_right, upper_right, upper_left = np.roll(ring, -turn)
    return np.array([upper_left, upper_right, lower_left, lower_right])
