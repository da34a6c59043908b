"""Drawing with numbers: signed distances of plain shapes, and pictures painted from them layer by layer.

Coordinates are arrays that broadcast to `(n, h, w)`, x to the right and y down; a shape's sizes broadcast with
them, one value a picture as `(n, 1, 1)`. A distance is negative inside a shape, in the unit of the coordinates:
`np.minimum` joins shapes, `np.maximum` keeps what they share, `-distance` is the outside and `distance - r` the
shape grown by r.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

__all__ = ["Canvas", "Size", "box", "capsule", "coverage", "disk", "ellipse", "polygon", "under"]

Array = npt.NDArray[np.floating[Any]]
Size = Array | float
TINY = np.float32(1e-12)  # the very middle of an ellipse has a distance, too


def disk(x: Array, y: Array, radius: Size) -> Array:
    """Return the distance from a disk around the origin.

    >>> disk(np.array([3.0]), np.array([4.0]), 2.0).tolist()
    [3.0]
    """
    distance: Array = np.sqrt(x * x + y * y) - radius  # np.hypot takes several times as long
    return distance


def ellipse(x: Array, y: Array, half_width: Size, half_height: Size) -> Array:
    """Return the distance from an ellipse around the origin, to first order: exact for a circle, and on the edge.

    >>> ellipse(np.array([0.0, 3.0, 5.0]), np.zeros(3), 3.0, 2.0).round(2).tolist()
    [-2.0, 0.0, 2.0]
    """
    across, down = (x / half_width) ** 2, (y / half_height) ** 2
    level = np.sqrt(across + down + TINY)
    slope = np.sqrt(
        across / half_width**2 + down / half_height**2 + TINY / np.minimum(half_width, half_height) ** 2
    )
    distance: Array = level * (level - 1) / slope
    return distance


def capsule(x: Array, y: Array, start: tuple[Size, Size], end: tuple[Size, Size], radius: Size) -> Array:
    """Return the distance from all points within `radius` of the straight line from `start` to `end`.

    >>> capsule(np.array([5.0, 2.0]), np.array([0.0, 3.0]), (0.0, 0.0), (4.0, 0.0), 0.5).tolist()
    [0.5, 2.5]
    """
    along_x, along_y = end[0] - start[0], end[1] - start[1]
    from_x, from_y = x - start[0], y - start[1]
    share = (from_x * along_x + from_y * along_y) / (along_x**2 + along_y**2 + TINY)
    share = share.clip(0, 1)
    distance: Array = disk(from_x - share * along_x, from_y - share * along_y, radius)
    return distance


def box(x: Array, y: Array, half_width: Size, half_height: Size, corner: Size = 0.0) -> Array:
    """Return the distance from a rectangle around the origin whose corners are rounded with radius `corner`.

    >>> box(np.array([0.0, 5.0]), np.array([0.0, 6.0]), 2.0, 2.0).tolist()
    [-2.0, 5.0]
    """
    beside, beyond = abs(x) - (half_width - corner), abs(y) - (half_height - corner)
    outside = disk(beside.clip(0), beyond.clip(0), corner)
    distance: Array = outside + np.maximum(beside, beyond).clip(max=0)
    return distance


def polygon(x: Array, y: Array, corners: Sequence[tuple[Size, Size]]) -> Array:
    """Return the distance from a polygon, given its three or more corners in order, either way round.

    >>> square = [(0.0, 0.0), (2.0, 0.0), (2.0, 2.0), (0.0, 2.0)]
    >>> polygon(np.array([1.0, 4.0]), np.array([1.0, 1.0]), square).tolist()
    [-1.0, 2.0]
    """
    nearest: Array | float = math.inf
    inside: npt.NDArray[np.bool_] | bool = False
    for (x0, y0), (x1, y1) in zip(corners, [*corners[1:], corners[0]], strict=True):
        nearest = np.minimum(nearest, capsule(x, y, (x0, y0), (x1, y1), 0.0))
        crosses = (y0 <= y) != (y1 <= y)
        to_right = ((x1 - x0) * (y - y0) - (x - x0) * (y1 - y0)) * np.sign(y1 - y0) > 0
        inside = inside ^ (crosses & to_right)
    distance: Array = np.where(inside, -nearest, nearest)
    return distance


def under(y: Array, curve: Array, slope: Size) -> Array:
    """Return the distance from what lies under a curve, to first order; `curve` is its y and `slope` its dy/dx.

    >>> under(np.array([3.0]), np.array([1.0]), 0.0).tolist()
    [-2.0]
    """
    distance: Array = (curve - y) / np.sqrt(1 + np.square(slope))
    return distance


def coverage(distance: Array) -> Array:
    """Return how much of each pixel a shape covers, 0 to 1, from the distance of its middle in pixels.

    >>> coverage(np.array([-3.0, 0.0, 0.25, 1.0])).tolist()
    [1.0, 0.5, 0.25, 0.0]
    """
    covered: Array = (0.5 - distance).clip(0, 1)
    return covered


@dataclass(frozen=True)
class Canvas:
    """Pictures to be painted on, and where their pixels are in the coordinates of what is drawn.

    Attributes:
        pixels: `(n, c, h, w)`, painted in place.
        x: of the middle of each pixel, in units, `(n, h, w)`.
        y: likewise.
        scale: pixels a unit.
    """

    pixels: Array
    x: Array
    y: Array
    scale: float

    @classmethod
    def place(cls, pixels: Array, scale: float, x: Array, y: Array, turn: Array) -> Self:
        """Put the origin at `x`, `y` of each picture, in units from its left upper corner.

        Args:
            pixels: `(n, c, h, w)`.
            scale: pixels a unit.
            x: `(n, 1, 1)`.
            y: `(n, 1, 1)`.
            turn: what is drawn turns counterclockwise by so many radians around the origin, `(n, 1, 1)`.
        """
        rows, columns = pixels.shape[2:]
        right = (np.arange(columns, dtype=np.float32) + np.float32(0.5)) / np.float32(scale) - x
        down = (np.arange(rows, dtype=np.float32)[:, None] + np.float32(0.5)) / np.float32(scale) - y
        cos, sin = np.cos(turn), np.sin(turn)
        return cls(pixels, cos * right - sin * down, sin * right + cos * down, scale)

    def window(self, left: Size, top: Size, right: Size, bottom: Size) -> Self:
        """Return the smallest part that holds a rectangle, in units, of every picture, with a pixel around it.

        Painting costs what its pixels cost: a small thing is best painted in a window.
        """
        columns, rows = [], []
        for x, y in ((left, top), (right, top), (left, bottom), (right, bottom)):
            column, row = self._pixel(x, y)
            columns.append(column)
            rows.append(row)
        part = (_span(rows, self.x.shape[1]), _span(columns, self.x.shape[2]))
        return type(self)(self.pixels[:, :, *part], self.x[:, *part], self.y[:, *part], self.scale)

    def paint(self, distance: Array, color: npt.ArrayLike, opacity: Size = 1.0) -> None:
        """Lay a shape over the pictures: `distance` in units, `color` `(c,)` or `(n, c)`, opacity 0 to 1."""
        covered = coverage(distance * np.float32(self.scale)) * opacity
        colors = np.broadcast_to(np.asarray(color, self.pixels.dtype), self.pixels.shape[:2])
        for channel, tone in zip(self.pixels.transpose(1, 0, 2, 3), colors.T[:, :, None, None], strict=True):
            change = tone - channel
            change *= covered
            channel += change

    def _pixel(self, x: Size, y: Size) -> tuple[Array, Array]:
        """Return column and row of a point in each picture."""
        first_x, first_y = self.x[:, :1, :1], self.y[:, :1, :1]
        cos, sin = self.x[:, :1, 1:2] - first_x, self.y[:, :1, 1:2] - first_y  # a step to the right, in units
        size = np.float32(self.scale**2)
        right, down = (x - first_x) * size, (y - first_y) * size
        return cos * right + sin * down, cos * down - sin * right


def _span(places: list[Array], count: int) -> slice:
    low = math.floor(min(place.min() for place in places)) - 1
    high = math.ceil(max(place.max() for place in places)) + 2
    start = min(max(low, 0), count - 1)
    return slice(start, max(min(high, count), start + 1))
