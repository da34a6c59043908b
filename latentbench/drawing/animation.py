"""Frames and animations."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from latentbench.drawing.captions import film_font
from latentbench.drawing.formats import MovingForm
from latentbench.drawing.montage import READABLE, Array, zoomed
from latentbench.drawing.style import INK

__all__ = ["animation", "frame", "moving_ways", "side_by_side"]

LETTERS, HEAD, APART = 13, 22, 8  # pixels: font size of titles, their height, and the gap between frames


def animation(frames: Sequence[Array], milliseconds: int = 80, form: MovingForm = "webp") -> bytes:
    """Encode frames `(h, w, 3)` uint8 of one size as an animation that loops forever."""
    from PIL import Image

    shapes = {np.shape(picture) for picture in frames}
    if len(shapes) != 1:
        raise ValueError(f"frames must be at least one, all of one size, got sizes {sorted(shapes)}")
    first, *others = [Image.fromarray(np.ascontiguousarray(picture)) for picture in frames]
    out = io.BytesIO()
    options: dict[str, Any] = (
        {"quality": 80, "method": 4, "minimize_size": True} if form == "webp" else {"optimize": True}
    )
    first.save(
        out, format=form.upper(), save_all=True, append_images=others, duration=milliseconds, loop=0, **options
    )
    return out.getvalue()


def frame(image: Array, smallest: int = READABLE) -> Array:
    """Turn an image `(1 or 3, h, w)` in [0, 1] into a frame `(h, w, 3)` uint8 that is large enough to see.

    Args:
        image: the image.
        smallest: least shorter side of the frame in pixels, reached by repeating whole pixels.
    """
    pixels = (zoomed(image, smallest) * 255).round().astype(np.uint8).transpose(1, 2, 0)
    return np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)))


def side_by_side(frames: Sequence[Array], titles: Sequence[str]) -> Array:
    """Lay out frames `(h, w, 3)` uint8 side by side on white, each under its title, as one frame."""
    from PIL import Image, ImageDraw

    font = film_font(LETTERS)
    widths = [
        max(picture.shape[1], int(np.ceil(font.getlength(title))))
        for picture, title in zip(frames, titles, strict=True)
    ]
    size = sum(widths) + APART * (len(widths) + 1), HEAD + max(picture.shape[0] for picture in frames) + APART
    sheet = Image.new("RGB", size, "white")
    draw, left = ImageDraw.Draw(sheet), APART
    for picture, title, width in zip(frames, titles, widths, strict=True):
        draw.text((left + width / 2, HEAD / 2), title, fill=INK, font=font, anchor="mm")
        sheet.paste(Image.fromarray(picture), (left + (width - picture.shape[1]) // 2, HEAD))
        left += width + APART
    return np.asarray(sheet)


def moving_ways(ways: Sequence[Sequence[Array]], titles: Sequence[str]) -> list[Array]:
    """Return frames that show several ways side by side, each under its title, forward and back.

    Args:
        ways: the frames `(h, w, 3)` uint8 of each way, equally many.
        titles: one per way.
    """
    forward = [side_by_side(now, titles) for now in zip(*ways, strict=True)]
    return forward + forward[-2:0:-1]
