"""Reads a folder of images: their pixels, and the classes that sub-folders name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from latentbench import DataError
from latentbench_datasets.images import as_array, open_image

__all__ = ["folder_labels", "image_files", "read_images"]

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")


def image_files(folder: Path) -> list[Path]:
    """Return the images in a folder and its sub-folders, by name; hidden ones are passed over.

    Raises:
        DataError: there is none.
    """
    files = [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in SUFFIXES
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
    if not files:
        raise DataError(f"{folder} must hold images ({' '.join(SUFFIXES)}), none is there; check the path")
    return files


def folder_labels(folder: Path, files: Sequence[Path]) -> npt.NDArray[Any] | None:
    """Return the name of the sub-folder that each file is in; None where there are no sub-folders.

    Raises:
        DataError: some files are in sub-folders and some are not.
    """
    parts = [file.relative_to(folder).parts for file in files]
    loose = [file for file, names in zip(files, parts, strict=True) if len(names) == 1]
    if len(loose) == len(files):
        return None
    if loose:
        raise DataError(
            f"{loose[0]} has no label: the other images are in sub-folders named by their class; move it into "
            "one, or write labels.csv with the columns file,label"
        )
    return np.array([names[0] for names in parts])


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
