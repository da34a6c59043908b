"""Half-lines at any angle, drawn on demand: with one continuous factor, a latent path can be checked."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from pydantic import Field

from latentbench import DataError, Dataset, Split
from latentbench_datasets._shared.fingerprints import drawn_fingerprint

__all__ = ["Lines", "draw_lines"]

SIZE = 32  # pixels, in each direction
WIDTH = 2.0  # pixels across a line, along the row or the column that crosses it more steeply
LENGTH = 15.0  # pixels from the center: never cut by the border
CHUNK = 1000  # images drawn at once


class Lines(Dataset):
    """Half-lines from the center of 32x32 grey images, white on black, at random angles; their only factor.

    Source: Berthelot, Raffel, Roy and Goodfellow 2018, "Understanding and Improving Interpolation in Autoencoders
    via an Adversarial Regularizer" (the lines task of ACAI). As there, a line is 2 pixels thick along rows or
    columns, so thinner on the diagonals, and 15 long; edges are smoothed in our own way. Angles are uniform in
    [0, 2 pi), counterclockwise from the right. There are no labels.
    """

    class Params(Dataset.Params):
        """How many lines."""

        train: int = Field(default=10_000, ge=50, le=1_000_000, description="training lines")
        test: int = Field(default=2_000, ge=10, le=1_000_000, description="test lines")

    params: Params

    def load(self) -> tuple[Split, Split]:
        """Return train and test; fewer lines are the first ones of more, and test has a stream of its own."""
        return self._draw_split(self.params.train, 0), self._draw_split(self.params.test, 1)

    def fingerprint(self) -> str:
        """Return the sha256 of name, version and parameters, which decide the data."""
        return drawn_fingerprint("lines", self.version, self.params)

    def render(self, factors: npt.ArrayLike) -> npt.NDArray[np.uint8]:
        """Draw the images of `factors`, angles in radians `(n, 1)`, as the splits hold them.

        Raises:
            DataError: the factors are no finite numbers of that shape.
        """
        angles = np.asarray(factors, dtype=np.float64)
        if angles.ndim != 2 or angles.shape[1] != 1 or not np.isfinite(angles).all():
            raise DataError(
                f"factors of lines must be finite angles (n, 1), got shape {angles.shape}; give one column"
            )
        return np.rint(draw_lines(angles[:, 0]) * 255).astype(np.uint8)

    def _draw_split(self, count: int, stream: int) -> Split:
        factors = np.random.default_rng([stream, 0]).uniform(0, 2 * np.pi, (count, 1))
        return Split(self.render(factors), None, factors, ("angle",), (0,))


def draw_lines(angles: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Draw a half-line 2 pixels wide from the center of each image, 15 pixels long.

    A pixel is as bright as the part of it that the line covers, where the pixel is taken as a unit square turned
    with the line: brightness and total light then change smoothly with the angle.

    Args:
        angles: radians `(n,)`, counterclockwise from the right; any finite numbers.

    Returns:
        Images `(n, 1, 32, 32)` from 0 (black) to 1 (white).

    Raises:
        ValueError: the angles are no finite numbers `(n,)`.

    >>> image = draw_lines([0.0])[0, 0]
    >>> image.shape, float(image[15, 20]), float(image[15, 10]), round(float(image.sum()))
    ((32, 32), 1.0, 0.0, 30)
    """
    directions = np.asarray(angles, dtype=np.float64)
    if directions.ndim != 1 or not np.isfinite(directions).all():
        raise ValueError(f"angles must be finite numbers (n,), got shape {directions.shape}")
    images = np.empty((len(directions), 1, SIZE, SIZE), np.float32)
    places = np.arange(SIZE) - (SIZE - 1) / 2
    for start in range(0, len(directions), CHUNK):
        rows = slice(start, start + CHUNK)
        x, y = np.cos(directions[rows])[:, None, None], np.sin(directions[rows])[:, None, None]
        along = x * places - y * places[:, None]
        across = (y * places + x * places[:, None]) / np.maximum(abs(x), abs(y))
        images[rows, 0] = _overlap(along, 0, LENGTH) * _overlap(across, -WIDTH / 2, WIDTH / 2)
    return images


def _overlap(centers: npt.NDArray[np.float64], low: float, high: float) -> npt.NDArray[np.float64]:
    """Return how much of the unit interval around each center lies between `low` and `high`."""
    shared = np.minimum(centers + 0.5, high) - np.maximum(centers - 0.5, low)
    return shared.clip(0)
