"""Finds and reads the images of a folder, and remembers what of it is left out."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from latentbench import DataError
from latentbench_datasets._arrays.images import as_array, open_image
from latentbench_datasets._arrays.prepared_images import Images, decoded_images

__all__ = ["image_files", "is_hidden", "left_out", "read_images"]

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
SYSTEM = {  # folders that systems and devices put among the user's
    "__macosx",
    "@eadir",
    "@recycle",
    "@recently-snapshot",
    "#recycle",
    "#snapshot",
    "$recycle.bin",
    "recycler",
    "system volume information",
    "lost+found",
    "__pycache__",
}


def is_hidden(name: str) -> bool:
    """Return whether a file or folder of this name is the system's, or hidden from people."""
    return name.startswith(".") or name.lower() in SYSTEM


def image_files(folder: Path) -> list[Path]:
    """Return the images in a folder and its sub-folders, linked ones too, by name; hidden ones are passed over.

    Raises:
        DataError: there is none, or one of a format that is not read, a folder cannot be read or is linked twice.
    """
    paths = sorted(path for path in _walk(folder) if path.name and not is_hidden(path.name))
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


def left_out(folder: Path, read: Sequence[Path]) -> list[str]:
    """Return remarks on what in a folder is not read.

    Args:
        folder: the folder.
        read: files in it that are read.
    """
    hidden: list[Path] = []
    loops: list[Path] = []
    others = sorted({*_walk(folder, hidden, loops)} - {*read})
    remarks = [f"{_short(loop, folder)} is a link to a folder above it" for loop in loops]
    kinds = ((others, "no images"), (hidden, "hidden or the system's"))
    for paths, kind in kinds:
        if paths:
            what = f"{len(paths)} entries, the first" if len(paths) > 1 else "one entry,"
            remarks.append(f"{what} {_short(min(paths), folder)}, left out: {kind}")
    return remarks


def _walk(folder: Path, hidden: list[Path] | None = None, loops: list[Path] | None = None) -> Iterator[Path]:
    """Yield all files in a folder and its sub-folders, which may be links; each is read once."""
    hidden, loops = [] if hidden is None else hidden, [] if loops is None else loops
    seen: dict[tuple[int, int], Path] = {}
    waiting = [folder]
    while waiting:
        place = waiting.pop()
        status = place.stat()
        first = seen.setdefault((status.st_dev, status.st_ino), place)
        if first in place.parents:
            loops.append(place)
            continue
        if first != place:
            raise DataError(f"{first} and {place} must be two folders, they are one by a link; take one out")
        for path in _entries(place):
            if is_hidden(path.name):
                hidden.append(path)
            elif path.is_dir():
                waiting.append(path)
            else:
                yield path


def _entries(place: Path) -> list[Path]:
    try:
        return sorted((Path(entry.path) for entry in os.scandir(place)), reverse=True)
    except OSError as error:
        raise DataError(f"{place} must be a folder that can be read ({error.strerror}); check it") from error


def read_images(folder: Path, files: Sequence[Path], size: int | None) -> tuple[npt.NDArray[np.uint8], list[str]]:
    """Return images as `(n, c, h, w)`: one channel if all are grey, else three; and remarks on what is dropped.

    Args:
        folder: where they are, for messages.
        files: the images.
        size: make each `size` x `size`, stretched where it is no square; None: they must have one size.

    Raises:
        DataError: an image is damaged, or sizes are mixed where no `size` is given.
    """

    def read(file: Path) -> tuple[npt.NDArray[np.uint8], list[str]]:
        image, losses = open_image(file)
        return as_array(image if size is None else image.resize((size, size), Image.Resampling.BILINEAR)), losses

    mixed = "; give a size to make all alike, as `-p arrays.size=64`"
    return decoded_images(Images(f"images of {folder.name}", files, ["folder", size], read, mixed))


def _short(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()
