"""Images decoded once: many of them are kept, as the splits hold them, in a file of the cache."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from latentbench import DataError, filled_array, is_large
from latentbench_datasets._arrays.images import is_grey

__all__ = ["Images", "ReadImage", "decoded_images"]

VERSION = 1  # increase it when the same files would give other pixels
MANY = 1000  # images from which decoding takes long enough to be done once
Pixels = npt.NDArray[np.uint8]
ReadImage = Callable[[Path], tuple[Pixels, list[str]]]


@dataclass(frozen=True)
class Images:
    """Images to decode.

    Attributes:
        name: what they are, as "images of photos".
        files: theirs, in the order of the rows.
        parameters: what decides the pixels beside the files, as JSON holds it.
        read: returns an image `(c, h, w)` and what of it is dropped, each in words.
        mixed: ends the message of images of different sizes.
        channels: of all images; None: one if all files are grey, else three.
    """

    name: str
    files: Sequence[Path]
    parameters: Any
    read: ReadImage
    mixed: str = ""
    channels: int | None = None


def decoded_images(images: Images) -> tuple[Pixels, list[str]]:
    """Return images `(n, c, h, w)`, and remarks on what is dropped.

    Raises:
        DataError: an image is damaged, of another size than the first, or changes while images are read.
    """
    first, _ = images.read(images.files[0])
    dropped: list[str] = []
    few = len(images.files) < MANY and not is_large(len(images.files) * first.nbytes)
    pixels = _in_memory(images, first, dropped) if few else _in_file(images, first, dropped)
    return pixels, _remarks(dropped)


def _in_file(images: Images, first: Pixels, dropped: list[str]) -> Pixels:
    states = [_state(file) for file in images.files]
    listing = [[str(file), *state] for file, state in zip(images.files, states, strict=True)]
    key = [VERSION, images.parameters, hashlib.sha256(json.dumps(listing).encode()).hexdigest()]
    shape = len(states), images.channels or _channels(images, key), *first.shape[1:]

    def fill(start: int, stop: int) -> Pixels:
        block = np.empty((stop - start, *shape[1:]), np.uint8)
        for row in range(start, stop):
            image = _read(images, row, first, dropped)
            if _state(images.files[row]) != states[row] or len(image) > shape[1]:
                raise DataError(f"{images.files[row]} changed while images were read; run the same command again")
            block[row - start] = image
        return block

    return filled_array(images.name, ["images", key], shape, np.uint8, fill, unit="images", notes=dropped)


def _channels(images: Images, key: Any) -> int:
    """Return how many channels all images together need, from the heads of their files."""
    colors = filled_array(
        f"headers of {images.name}",
        ["colors of images", key],
        (len(images.files),),
        np.uint8,
        lambda start, stop: np.array([not is_grey(file) for file in images.files[start:stop]], np.uint8),
        unit="images",
    )
    return 3 if colors.any() else 1


def _in_memory(images: Images, first: Pixels, dropped: list[str]) -> Pixels:
    pixels = np.empty((len(images.files), *first.shape), np.uint8)
    for row in range(len(images.files)):
        image = _read(images, row, first, dropped)
        if len(image) > pixels.shape[1]:
            pixels = np.repeat(pixels, 3, axis=1)
        pixels[row] = image
    return pixels


def _read(images: Images, row: int, first: Pixels, dropped: list[str]) -> Pixels:
    """Return one image, as large as the first; note what of it is dropped."""
    file = images.files[row]
    image, losses = images.read(file)
    if image.shape[1:] != first.shape[1:]:
        raise DataError(
            f"images must have one size, {images.files[0]} has {_size(first)} and {file} has {_size(image)}"
            f"{images.mixed}"
        )
    dropped += [json.dumps([loss, file.name]) for loss in losses]
    return image


def _remarks(dropped: Sequence[str]) -> list[str]:
    """Return a sentence for each kind of thing that is dropped."""
    where: dict[str, list[str]] = {}
    for note in dropped:
        loss, file = json.loads(note)
        where.setdefault(loss, []).append(file)
    return [f"{loss} in {len(names)} images, the first {names[0]}" for loss, names in where.items()]


def _state(file: Path) -> tuple[int, int]:
    """Return what tells that a file is as it was."""
    try:
        state = file.stat()
    except OSError as error:
        raise DataError(f"{file} must be an image, it cannot be read ({error.strerror}); check it") from error
    return state.st_size, state.st_mtime_ns


def _size(image: Pixels) -> str:
    return f"{image.shape[2]}x{image.shape[1]}"
