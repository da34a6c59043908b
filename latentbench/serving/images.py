"""An image of the user as an item of a data set, and what was done to it, in words."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from latentbench.errors import DataError

__all__ = ["KINDS", "ItemForm", "as_item"]

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")  # as Pillow calls them
KINDS = "PNG, JPEG, WebP, GIF, BMP and TIFF"
MOST_PIXELS = 50_000_000
ORIENTATION = 0x0112  # where a camera notes how it was held
GRAY, DEEP = ("1", "L", "LA", "La"), ("I", "F")  # modes; the deep ones have over 8 bits, whatever follows


@dataclass(frozen=True)
class ItemForm:
    """What an image is turned into.

    Attributes:
        channels: 1 or 3.
        height: in pixels; `width` likewise.
        invert: whether light becomes dark.
    """

    channels: int
    height: int
    width: int
    invert: bool = False


def as_item(content: bytes, form: ItemForm) -> tuple[NDArray[Any], str]:
    """Return a file of an image as an item `(channels, height, width)` of uint8, and a sentence on what was done.

    Raises:
        DataError: it is no image that can be read.
    """
    opened = _opened(content)
    image, done = _plain(_upright(opened)), [*_read(opened)]
    kind = "gray" if image.mode in GRAY else "color"
    start = f"Your image has {image.width} x {image.height} pixels in {kind}; it was "
    for step in _STEPS:
        image, words = step(image, form)
        done += words
    pixels = np.asarray(image, np.uint8).reshape(form.height, form.width, form.channels).transpose(2, 0, 1)
    return pixels, f"{start}{_in_words(done)}."


def _in_words(done: Sequence[str]) -> str:
    """Join what was done.

    >>> _in_words([]), _in_words(["turned"]), _in_words(["turned", "cut", "inverted"])
    ('taken as it is', 'turned', 'turned, cut and inverted')
    """
    return " and ".join(filter(None, [", ".join(done[:-1]), *done[-1:]])) or "taken as it is"


def _opened(content: bytes) -> Image.Image:
    """Read an image; what a file claims is looked at before its pixels are unpacked."""
    try:
        image = Image.open(io.BytesIO(content), formats=FORMATS)
        if image.width * image.height > MOST_PIXELS:
            raise DataError(
                f"the image has {image.width} x {image.height} pixels; at most {MOST_PIXELS / 1e6:.0f} million "
                "are read, so make it smaller"
            )
        image.load()
    except DataError:
        raise
    except Exception as error:  # Pillow raises many kinds for a damaged file
        raise DataError(f"the file is no image that can be read; whole files of {KINDS} are") from error
    if image.mode.startswith(DEEP):
        raise DataError("the image has more than 8 bits for each color of a pixel; save it with 8 bits")
    return image


def _plain(image: Image.Image) -> Image.Image:
    """Return an image in gray (where all colors are equal, too) or in three colors; it may keep transparency."""
    alpha = "A" * image.has_transparency_data
    if image.mode in GRAY:
        return image.convert(f"L{alpha}")
    colored = image.convert(f"RGB{alpha}")
    red, green, blue = np.asarray(colored.convert("RGB")).transpose(2, 0, 1)
    return colored.convert(f"L{alpha}") if (red == green).all() and (red == blue).all() else colored


def _upright(image: Image.Image) -> Image.Image:
    return ImageOps.exif_transpose(image)


def _read(image: Image.Image) -> Iterator[str]:
    """Say how the pixels were read from the file."""
    frames = getattr(image, "n_frames", 1)
    if frames > 1:
        yield f"cut to the first of its {frames} frames"
    if image.getexif().get(ORIENTATION, 1) not in (0, 1):
        yield "turned as its camera noted"


Step = tuple[Image.Image, list[str]]


def _opaque(image: Image.Image, form: ItemForm) -> Step:  # noqa: ARG001 - all steps take both
    if not image.has_transparency_data:
        return image, []
    layers = image.convert("RGBA")
    ground = Image.new("RGBA", layers.size, (0, 0, 0, 255))
    seen = bool(layers.getchannel("A").getextrema()[0] != 255)
    laid = Image.alpha_composite(ground, layers).convert(image.mode.removesuffix("A"))
    return laid, ["laid on black where it is transparent"] * seen


def _colored(image: Image.Image, form: ItemForm) -> Step:
    gray = image.mode in GRAY
    made = image.convert("L" if form.channels == 1 else "RGB")
    words = {(False, 1): ["made gray"], (True, 3): ["given its gray in all three colors"]}
    return made, words.get((gray, form.channels), [])


def _cut(image: Image.Image, form: ItemForm) -> Step:
    """Cut the middle that has the proportions of an item."""
    share = min(image.width / form.width, image.height / form.height)
    size = max(1, round(form.width * share)), max(1, round(form.height * share))
    if size == image.size:
        return image, []
    left, top = (image.width - size[0]) // 2, (image.height - size[1]) // 2
    cut = image.crop((left, top, left + size[0], top + size[1]))
    return cut, [f"cut to its middle {size[0]} x {size[1]} pixels"]


def _sized(image: Image.Image, form: ItemForm) -> Step:
    if image.size == (form.width, form.height):
        return image, []
    made = image.resize((form.width, form.height), Image.Resampling.BILINEAR)
    verb = "reduced" if form.width < image.width else "enlarged"
    return made, [f"{verb} to {form.width} x {form.height}"]


def _inverted(image: Image.Image, form: ItemForm) -> Step:
    return (ImageOps.invert(image), ["inverted, light for dark"]) if form.invert else (image, [])


_STEPS = (_opaque, _colored, _cut, _sized, _inverted)
