"""Small data that plugins are tried on: each input is drawn from two known numbers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from latentbench.dataset import Split

__all__ = ["SPECIMENS", "drawn", "specimens"]

SPECIMENS: Mapping[str, tuple[tuple[int, ...], str]] = {
    "grey 28 x 28": ((1, 28, 28), "uint8"),
    "color 32 x 32": ((3, 32, 32), "uint8"),
    "odd 17 x 23": ((1, 17, 23), "uint8"),
    "vectors of 12": ((12,), "float32"),
    "distances 8 x 8": ((1, 8, 8), "float32"),
}
ROWS = 24
WIDTH = 0.4  # of a spot, where an image reaches from -1 to 1


def specimens() -> dict[str, Split]:
    """Return the data by title: grey and color images, images of odd sides, vectors, grids of signed distances."""
    return {title: drawn(*kind) for title, kind in SPECIMENS.items()}


def drawn(shape: tuple[int, ...], dtype: str, rows: int = ROWS, seed: int = 0) -> Split:
    """Draw inputs `(rows, *shape)` from two factors each, x and y in [-0.6, 0.6], which are kept with them.

    uint8 gives images of a bright spot at (x, y). float32 gives the signed distances to a disk there where the
    shape is `(1, h, w)`, else smooth functions of x and y. The label says in which third x lies.
    """
    rng = np.random.default_rng(seed)
    factors = rng.uniform(-0.6, 0.6, (rows, 2))
    if dtype == "uint8":
        light = np.exp(-np.square(_distances(factors, shape[1:]) / WIDTH))
        tones = np.linspace(1, 0.5, shape[0])[None, :, None, None]
        inputs = np.round(255 * tones * light[:, None]).astype(np.uint8)
    elif len(shape) == 3 and shape[0] == 1:
        inputs = (_distances(factors, shape[1:])[:, None] - WIDTH).astype(np.float32)
    else:
        size = int(np.prod(shape))
        turns, starts = rng.normal(size=(2, size)), rng.uniform(0, 2 * np.pi, size)
        inputs = np.sin(2 * factors @ turns + starts).reshape(rows, *shape).astype(np.float32)
    labels = np.clip((factors[:, 0] + 0.6) / 0.4, 0, 2).astype(np.int64)
    labels[:3] = 0, 1, 2  # so that each class is there
    return Split(inputs, labels, factors, ("x", "y"), (0, 0), ("left", "middle", "right"))


def _distances(factors: npt.NDArray[np.float64], sides: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Return the distance `(rows, h, w)` of each pixel from the row's point."""
    down, across = (np.linspace(-1, 1, side) for side in sides)
    x, y = factors.T[:, :, None, None]
    distances: npt.NDArray[np.float64] = np.hypot(across[None, None, :] - x, down[None, :, None] - y)
    return distances
