"""Datasets of pictures that are painted from a table of known factors."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from latentbench_datasets._drawn.factor_dataset import FactorDataset

__all__ = ["Columns", "FactorPictures"]

Columns = dict[str, npt.NDArray[np.float32]]
CHUNK = 32  # pictures drawn at once: their layers stay in the processor's cache


class FactorPictures(FactorDataset):
    """Square pictures `(n, c, side, side)` in uint8, painted layer by layer.

    Attributes:
        channels: 1 for grey, 3 for color.
    """

    channels: ClassVar[int]

    def _render(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
        side = self._side()
        pictures = np.empty((len(values), self.channels, side, side), np.uint8)
        for start in range(0, len(values), CHUNK):
            rows = values[start : start + CHUNK].astype(np.float32)
            columns = {name: column[:, None, None] for name, column in zip(self.factor_names, rows.T, strict=True)}
            pixels = np.zeros((len(rows), *pictures.shape[1:]), np.float32)
            self._paint(pixels, columns)
            pictures[start : start + CHUNK] = np.rint(pixels)
        return pictures

    @abstractmethod
    def _side(self) -> int:
        """Return height and width of the pictures."""

    @abstractmethod
    def _paint(self, pixels: npt.NDArray[np.float32], columns: Columns) -> None:
        """Paint over `pixels` `(n, c, side, side)`, black, with values from 0 to 255; a column is `(n, 1, 1)`."""
