"""Reads the images of a folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from latentbench import DataError
from latentbench_datasets._arrays.images import as_array, open_image

__all__ = ["image_files", "read_images"]

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
OTHER_IMAGES = (
    ".avif",
    ".gif",
    ".heic",
    ".heif",
    ".jfif",
    ".jp2",
    ".jxl",
    ".pgm",
    ".ppm",
    ".tga",
    ".tif",
    ".tiff",
)


def image_files(folder: Path) -> list[Path]:
    """Return the images in a folder and its sub-folders, by name; hidden ones are passed over.

    Raises:
        DataError: there is none, or one of a format that is not read.
    """
    paths = [path for path in sorted(folder.rglob("*")) if not _hidden(folder, path) and not path.is_dir()]
    files = [path for path in paths if path.suffix.lower() in SUFFIXES]
    others = [path for path in paths if path.suffix.lower() in OTHER_IMAGES]
    if others:
        raise DataError(
            f"images must be {' '.join(SUFFIXES)} files, {len(others)} of {len(others) + len(files)} are not, the "
            f"first is {others[0]}; save them as PNG or take them out"
        )
    if not files:
        raise DataError(f"{folder} must hold images ({' '.join(SUFFIXES)}), none is there; check the path")
    return files


def _hidden(folder: Path, path: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def read_images(files: Sequence[Path], size: int | None) -> npt.NDArray[np.uint8]:
    """Return images as `(n, c, h, w)`: one channel if all are grey, else three.

    Args:
        files: the images.
        size: make each `size` x `size`, stretched where it is no square; None: they must have one size.

    Raises:
        DataError: an image is damaged, or sizes are mixed where no `size` is given.
    """
    first = _read(files[0], size)
    images = np.empty((len(files), *first.shape), np.uint8)
    for row, file in enumerate(files):
        image = _read(file, size)
        if image.shape[1:] != images.shape[2:]:
            raise DataError(
                f"images must have one size, {files[0]} has {_size(first)} and {file} has {_size(image)}; "
                "give a size to make all alike, as `-p arrays.size=64`"
            )
        if len(image) > images.shape[1]:
            images = np.repeat(images, 3, axis=1)
        images[row] = image
    return images


def _read(file: Path, size: int | None) -> npt.NDArray[np.uint8]:
    image = open_image(file)
    return as_array(image if size is None else image.resize((size, size), Image.Resampling.BILINEAR))


def _size(image: npt.NDArray[np.uint8]) -> str:
    return f"{image.shape[2]}x{image.shape[1]}"
