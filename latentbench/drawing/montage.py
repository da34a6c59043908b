"""Grids of images as one picture, and pictures as bytes."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Array", "data_uri", "montage", "patchwork", "png_bytes", "zoomed"]

Array = NDArray[Any]


def montage(images: ArrayLike, gap: int = 1) -> NDArray[np.uint8]:
    """Lay out a grid of images as one RGBA picture, transparent between them.

    Args:
        images: `(rows, columns, c, h, w)`, in [0, 1] (values outside are clipped), c = 1 (gray) or 3.
        gap: pixels between neighbors.

    Returns:
        `(rows * (h + gap) - gap, columns * (w + gap) - gap, 4)`.

    Raises:
        ValueError: another shape.

    >>> montage(np.ones((2, 3, 1, 8, 8))).shape
    (17, 26, 4)
    """
    grid = np.asarray(images, dtype=np.float32)
    if grid.ndim != 5 or grid.shape[2] not in (1, 3) or not grid.size:
        raise ValueError(f"images must be (rows, columns, 1 or 3, h, w), got shape {grid.shape}")
    rows, columns, _, height, width = grid.shape
    pixels = (np.nan_to_num(grid).clip(0, 1) * 255).round().astype(np.uint8)
    sheet = np.zeros((rows, height + gap, columns, width + gap, 4), np.uint8)
    sheet[:, :height, :, :width, :3] = pixels.transpose(0, 3, 1, 4, 2)
    sheet[:, :height, :, :width, 3] = 255
    flat = sheet.reshape(rows * (height + gap), columns * (width + gap), 4)
    return flat[: flat.shape[0] - gap, : flat.shape[1] - gap]


def png_bytes(picture: NDArray[np.uint8]) -> bytes:
    """Encode `(h, w)` gray, `(h, w, 3)` or `(h, w, 4)` as PNG."""
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(out, format="PNG", optimize=True)
    return out.getvalue()


def data_uri(content: bytes, media_type: str = "image/png") -> str:
    """Return content as a data URI, to embed it in a page.

    >>> data_uri(b"<svg/>", "image/svg+xml")
    'data:image/svg+xml;base64,PHN2Zy8+'
    """
    return f"data:{media_type};base64,{base64.b64encode(content).decode('ascii')}"


READABLE = 56  # pixels, least shorter side of an image
GAP = 2  # pixels between images


def patchwork(images: Array, lengths: Sequence[int]) -> Array:
    """Lay out images `(m, c, h, w)` in [0, 1] in rows of these lengths, centered on white: one image `(c, H, W)`.

    >>> patchwork(np.zeros((3, 1, 56, 56)), [1, 2]).shape
    (1, 114, 114)
    """
    tiles = zoomed(images)
    channels, high, wide = tiles.shape[1:]
    size = len(lengths) * (high + GAP) - GAP, max(lengths) * (wide + GAP) - GAP
    picture, remaining = np.ones((channels, *size), np.float32), iter(tiles)
    for row, length in enumerate(lengths):
        top, first = row * (high + GAP), (max(lengths) - length) * (wide + GAP) // 2
        for column in range(length):
            left = first + column * (wide + GAP)
            picture[:, top : top + high, left : left + wide] = next(remaining)
    return picture


def zoomed(images: Array, smallest: int = READABLE) -> Array:
    """Enlarge images `(..., h, w)` by repeating pixels until the shorter side has at least `smallest`."""
    times = max(1, -(-smallest // min(images.shape[-2:])))
    return np.asarray(images, np.float32).clip(0, 1).repeat(times, -2).repeat(times, -1)
