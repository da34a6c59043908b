"""Reads one image file."""

from __future__ import annotations

import os
import re
import warnings
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from latentbench import DataError, check_unpacked, open_regular

__all__ = ["as_array", "open_image"]

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "DIB", "GIF", "TIFF", "PPM")  # none that runs another program
TRANSPARENT = "transparency is dropped, what is behind it is seen,"
ANIMATED = "all frames but the first are dropped"
MOST_PIXELS = 89_000_000  # as Pillow's limit


def open_image(path: Path) -> tuple[Image.Image, list[str]]:
    """Return an image, upright, in mode L if it is grey and RGB otherwise, and what of it is dropped.

    Raises:
        DataError: it is missing, damaged, too large or no image.
    """
    with open_regular(path) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd metadata, and of sizes that are refused here
        try:
            return _opened(path, file)
        except DataError:
            raise
        except Exception as error:  # Pillow's readers raise anything: SyntaxError, struct.error, IndexError ...
            reason = re.sub(r" <[^>]*>?", "", str(error)).replace(f" {str(path)!r}", "").rstrip(".")
            reason = reason or type(error).__name__
            raise DataError(
                f"{path} must be an image, it is damaged or none ({reason}); fetch it again or take it out"
            ) from error


def _opened(path: Path, file: BinaryIO) -> tuple[Image.Image, list[str]]:
    with Image.open(file, formats=FORMATS) as image:
        pixels = image.width * image.height
        if pixels > MOST_PIXELS:
            raise ValueError(f"it has {image.width} x {image.height} pixels, more than {MOST_PIXELS:,}")
        check_unpacked(path, os.fstat(file.fileno()).st_size, pixels * len(image.getbands()))
        losses = [ANIMATED] if getattr(image, "n_frames", 1) > 1 else []
        image.load()
        if _has_holes(image):
            losses.append(TRANSPARENT)
        return _plain(ImageOps.exif_transpose(image)), losses


def _has_holes(image: Image.Image) -> bool:
    if not image.has_transparency_data:
        return False
    alpha = image.getchannel("A") if "A" in image.getbands() else image.convert("RGBA").getchannel("A")
    return bool(np.asarray(alpha).min() < 255)


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
