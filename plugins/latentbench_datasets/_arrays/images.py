"""Reads one image file."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from latentbench import DataError

__all__ = ["as_array", "open_image"]

DAMAGE = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, Image.DecompressionBombError)


def open_image(path: Path) -> Image.Image:
    """Return an image, upright, in mode L if it is grey and RGB otherwise; transparency is dropped.

    Raises:
        DataError: it is missing, damaged or no image.
    """
    try:
        with Image.open(path) as image:
            image.load()
            upright = ImageOps.exif_transpose(image)
    except FileNotFoundError:
        raise DataError(f"{path} must be an image, nothing is there; check the path") from None
    except DAMAGE as error:
        reason = str(error).replace(f" {str(path)!r}", "").rstrip(".")
        raise DataError(
            f"{path} must be an image, it is damaged or none ({reason}); fetch it again or take it out"
        ) from error
    return _plain(upright)


def _plain(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits of grey, which convert() would clip, not scale
        return Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8))
    if image.mode in ("1", "L", "LA"):
        return image.convert("L")
    return image.convert("RGBA").convert("RGB")  # straight to RGB, palettes with transparency warn


def as_array(image: Image.Image) -> npt.NDArray[np.uint8]:
    """Return an image of mode L or RGB as uint8 `(c, h, w)`."""
    pixels = np.asarray(image)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
