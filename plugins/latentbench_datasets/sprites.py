"""Simple shapes drawn on a full grid of their factors, in the manner of dSprites but without a download."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from latentbench import DataError, Dataset, Split
from latentbench_datasets._shared.fingerprints import drawn_fingerprint

__all__ = ["Sprites"]

Array = npt.NDArray[np.float32]
NAMES = ("shape", "scale", "orientation", "x", "y")
SHAPES = ("square", "ellipse", "heart")
RADIUS = 0.22  # of the circle around the largest sprite, as a share of the image
SMALLEST = 0.5  # the smallest sprite, as a share of the largest one
FLATNESS = 0.5  # short by long axis of the ellipse
HEART_SIDE = 1.12  # of the square in the heart, in radii of the circle around it
HEART_SHIFT = 0.1456  # from that square's middle to that of the circle, in radii along each side
MARGIN = 1.25  # pixels between that circle and the border: one stays black, even beside a corner
MOST_PIXELS = 4_000_000_000
CHUNK = 256  # images drawn at once


class Sprites(Dataset):
    """White squares, ellipses and hearts on black: every combination of shape, scale, orientation, x and y once.

    In the manner of dSprites (Matthey, Higgins, Hassabis and Lerchner 2017), with anti-aliased edges and fewer
    values. Factors are the numbers 0, 1, ... of their values; shape, which is also the label, is 0 for square, 1
    for ellipse, 2 for heart; x counts from the left, y from the top. Orientation runs counterclockwise over the
    first 90 degrees only: a square looks the same every 90 and an ellipse every 180, so over a full turn, as in
    dSprites, no model could read it from the image. A fixed random fifth of the grid is the test split, so neither
    split is a full grid, but in both the factors are all but independent.
    """

    class Params(Dataset.Params):
        """The size of the images and of the grid."""

        size: int = Field(default=32, ge=16, le=128, description="height and width of the images")
        scales: int = Field(default=4, ge=2, le=32, description="how many sizes of a sprite, evenly spaced")
        orientations: int = Field(default=8, ge=2, le=90, description="how many angles, evenly spaced in [0, 90)")
        positions: int = Field(default=16, ge=2, le=64, description="how many places along x, and along y")

        @model_validator(mode="after")
        def _fits_memory(self) -> Sprites.Params:
            pixels = len(SHAPES) * self.scales * self.orientations * (self.positions * self.size) ** 2
            if pixels > MOST_PIXELS:
                raise ValueError(
                    f"size, scales, orientations and positions must make at most {MOST_PIXELS:,} pixels together, "
                    f"they make {pixels:,}"
                )
            return self

    params: Params

    def load(self) -> tuple[Split, Split]:
        """Return train and test; each holds its part of the grid in the grid's order."""
        count = math.prod(self.factor_sizes)
        chosen = np.zeros(count, dtype=bool)
        chosen[np.random.default_rng(0).permutation(count)[: count // 5]] = True
        return self._draw_split(np.flatnonzero(~chosen)), self._draw_split(np.flatnonzero(chosen))

    def fingerprint(self) -> str:
        """Return the sha256 of name, version and parameters, which decide the data."""
        return drawn_fingerprint("sprites", self.version, self.params)

    @property
    def factor_sizes(self) -> tuple[int, ...]:
        """How many values shape, scale, orientation, x and y have."""
        params = self.params
        return len(SHAPES), params.scales, params.orientations, params.positions, params.positions

    def render(self, factors: npt.ArrayLike) -> npt.NDArray[np.uint8]:
        """Draw the images `(n, 1, size, size)` of `factors` `(n, 5)`.

        Values of the grid give the very images of the splits; scale, orientation, x and y may also lie between.

        Raises:
            DataError: the factors have another shape, or values that no grid holds.
        """
        values = self._check(factors)
        images = np.empty((len(values), 1, self.params.size, self.params.size), np.uint8)
        for shape in range(len(SHAPES)):
            rows = np.flatnonzero(values[:, 0] == shape)
            for start in range(0, len(rows), CHUNK):
                part = rows[start : start + CHUNK]
                distances = (_square, _ellipse, _heart)[shape](*self._places(values[part]))
                images[part, 0] = np.rint((0.5 - distances).clip(0, 1) * 255)
        return images

    def _draw_split(self, rows: npt.NDArray[np.intp]) -> Split:
        factors = np.stack(np.unravel_index(rows, self.factor_sizes), axis=1).astype(np.float64)
        return Split(
            self.render(factors), factors[:, 0].astype(np.int64), factors, NAMES, self.factor_sizes, SHAPES
        )

    def _check(self, factors: npt.ArrayLike) -> npt.NDArray[np.float64]:
        values = np.asarray(factors, dtype=np.float64)
        if values.ndim != 2 or values.shape[1] != len(NAMES):
            raise DataError(
                f"factors of sprites must be numbers (n, {len(NAMES)}), got shape {values.shape}; give the "
                f"columns {', '.join(NAMES)}"
            )
        for name, size, column in zip(NAMES, self.factor_sizes, values.T, strict=True):
            wrong = ~((column >= 0) & (column <= size - 1))
            if wrong.any():
                raise DataError(f"{name} must be from 0 to {size - 1}, got {column[wrong][0]:g}; keep to the grid")
        if (values[:, 0] % 1 != 0).any():
            raise DataError("shape must be a whole number, got a value between two shapes; round it")
        return values

    def _places(self, values: npt.NDArray[np.float64]) -> tuple[Array, Array, Array]:
        """Return where each pixel is, right and up as the sprite sees it, and the radii `(n, 1, 1)`; in pixels."""
        size, largest = self.params.size, self.params.size * RADIUS
        _, scales, orientations, positions, _ = self.factor_sizes
        _, scale, orientation, x, y = values.T[:, :, None, None]
        radii = largest * (SMALLEST + (1 - SMALLEST) * scale / (scales - 1))
        angles = orientation / orientations * (np.pi / 2)
        first = largest + MARGIN
        step = (size - 2 * first) / (positions - 1)
        pixels = np.arange(size) + 0.5
        right, up = pixels - (first + step * x), (first + step * y) - pixels[:, None]
        cos, sin = np.cos(angles), np.sin(angles)
        along = (cos * right).astype(np.float32) + (sin * up).astype(np.float32)
        above = (cos * up).astype(np.float32) - (sin * right).astype(np.float32)
        return along, above, radii.astype(np.float32)


def _square(right: Array, up: Array, radii: Array) -> Array:
    """Return how far each pixel is outside the square whose corners are `radii` from its middle; inside < 0."""
    distances: Array = np.maximum(abs(right), abs(up)) - radii * np.float32(math.sqrt(0.5))
    return distances


def _ellipse(right: Array, up: Array, radii: Array) -> Array:
    """Return the distance to first order, exact enough where it is less than a pixel."""
    tiny = np.float32(1e-12)  # the very middle has a distance, too
    right, up = right / radii, up / (radii * np.float32(FLATNESS))
    level = np.sqrt(right**2 + up**2 + tiny)
    slope = np.sqrt(right**2 + (up / np.float32(FLATNESS)) ** 2 + tiny)
    distances: Array = radii * level * (level - 1) / slope
    return distances


def _heart(right: Array, up: Array, radii: Array) -> Array:
    """Return the distance from a square that stands on a corner, with half a disk on each of its upper sides."""
    half = radii * np.float32(HEART_SIDE / 2)
    shift = radii * np.float32(HEART_SHIFT)
    diagonal = np.float32(math.sqrt(0.5))
    along, across = (up + right) * diagonal + shift, (up - right) * diagonal + shift
    square = np.maximum(abs(along), abs(across)) - half
    disks = np.minimum(np.hypot(along - half, across), np.hypot(along, across - half)) - half
    distances: Array = np.minimum(square, disks)
    return distances
