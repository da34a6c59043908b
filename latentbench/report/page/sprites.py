"""Thumbnails of many images in few files: sheets of tiles, as WebP."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentbench.drawing.montage import data_uri

__all__ = ["SpriteSheets", "sprite_sheets"]

Array = NDArray[Any]
MOST_PIXELS = 4096  # on a side of a sheet: larger ones some browsers do not decode
LARGEST = 48  # pixels on the longer side of a thumbnail
SMALL = 16  # pixels up to which an image is kept without loss: WebP works on blocks of 16
QUALITY, METHOD = 50, 2


@dataclass(frozen=True)
class SpriteSheets:
    """Thumbnails, row by row on sheets.

    Attributes:
        width: of a thumbnail, in pixels; `height` likewise.
        across: thumbnails side by side.
        down: rows of a full sheet.
        sheets: data URIs.
    """

    width: int
    height: int
    across: int
    down: int
    sheets: tuple[str, ...]


def sprite_sheets(images: Array) -> SpriteSheets:
    """Put images `(n, 1 or 3, h, w)` in [0, 1] on sheets; larger ones than 48 pixels are reduced to that."""
    tiles = _tiles(images)
    count, height, width = tiles.shape[:3]
    across = min(MOST_PIXELS // width, int(np.ceil(count**0.5)))
    down = MOST_PIXELS // height
    cuts = range(0, count, across * down)
    sheets = tuple(
        _webp(_sheet(tiles[cut : cut + across * down], across), max(height, width) <= SMALL) for cut in cuts
    )
    return SpriteSheets(width, height, across, down, sheets)


def _tiles(images: Array) -> Array:
    """Return bytes `(n, h, w, 1 or 3)` of reduced images."""
    pixels = (images * 255).round().astype(np.uint8).transpose(0, 2, 3, 1)
    longest = max(pixels.shape[1:3])
    return pixels if longest <= LARGEST else np.stack([_reduced(image, LARGEST / longest) for image in pixels])


def _reduced(image: Array, factor: float) -> Array:
    from PIL import Image

    height, width, channels = image.shape
    size = max(1, round(width * factor)), max(1, round(height * factor))
    small = Image.fromarray(image[..., 0] if channels == 1 else image).resize(size, Image.Resampling.BOX)
    return np.asarray(small).reshape(size[1], size[0], channels)


def _sheet(tiles: Array, across: int) -> Array:
    count, height, width, channels = tiles.shape
    rows = -(-count // across)
    filled = np.zeros((rows * across, height, width, channels), np.uint8)
    filled[:count] = tiles
    grid = filled.reshape(rows, across, height, width, channels).transpose(0, 2, 1, 3, 4)
    return grid.reshape(rows * height, across * width, channels)


def _webp(sheet: Array, lossless: bool) -> str:
    from PIL import Image

    out = io.BytesIO()
    image = Image.fromarray(sheet[..., 0] if sheet.shape[2] == 1 else sheet)
    image.save(out, format="WEBP", quality=QUALITY, method=METHOD, lossless=lossless)
    return data_uri(out.getvalue(), "image/webp")
