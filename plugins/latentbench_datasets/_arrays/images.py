"""Reads one image file."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from latentbench import DataError, check_unpacked, open_regular

__all__ = ["as_array", "is_grey", "open_image"]

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "DIB", "GIF", "TIFF", "PPM")  # none that runs another program
GREY = ("1", "L", "LA")  # modes
TRANSPARENT = "transparency is dropped, what is behind it is seen,"
ANIMATED = "all frames but the first are dropped"
T = TypeVar("T")
MOST_PIXELS = 89_000_000  # as Pillow's limit


def open_image(path: Path) -> tuple[Image.Image, list[str]]:
    """Return an image, upright, in mode L if it is grey and RGB otherwise, and what of it is dropped.

    Raises:
        DataError: it is missing, damaged, too large or no image.
    """
    return _read(path, _opened)


def is_grey(path: Path) -> bool:
    """Return whether `open_image` would give an image in mode L, from the head of its file alone.

    Raises:
        DataError: it is missing, damaged or no image.
    """
    return _read(path, _opened_grey)


def _opened_grey(_: Path, file: BinaryIO) -> bool:
    with Image.open(file, formats=FORMATS) as image:
        return image.mode.startswith("I") or image.mode in GREY


def _read(path: Path, take: Callable[[Path, BinaryIO], T]) -> T:
    """Return what is taken of an image file; whatever Pillow raises becomes one sentence."""
    with open_regular(path) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd metadata, and of sizes that are refused here
        try:
            return take(path, file)
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
    if image.mode in GREY:
        return image.convert("L")
    return image.convert("RGBA").convert("RGB")  # straight to RGB, palettes with transparency warn


def as_array(image: Image.Image) -> npt.NDArray[np.uint8]:
    """Return an image of mode L or RGB as uint8 `(c, h, w)`."""
    pixels = np.asarray(image)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
