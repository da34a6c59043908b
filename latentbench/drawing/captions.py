"""Words on frames of films: a title above, a legend below, captions; in the letters of the figures."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from latentbench.drawing.words import in_lines
from latentbench.text import shortened

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont

__all__ = ["LETTERS", "LINE_HEIGHT", "MARGIN", "caption_lines", "film_font", "framed", "written"]

LETTERS, LINE_HEIGHT = 15, 19  # pixels
MARGIN = 12
SMALL, ENTRY_HEIGHT, SIGN = 12, 17, 18  # pixels, of the legend; its signs beside the names
RADIUS = 4.0  # of a sign
INK = (30, 30, 34)
CORNERS = {"s": 4, "D": 4, "^": 3}
TURNED = {"s": 0, "D": 45, "^": 0}  # degrees

Picture = NDArray[np.uint8]


@cache
def film_font(size: int = LETTERS) -> FreeTypeFont:
    """Return the font of the figures, in pixels."""
    from matplotlib import get_data_path
    from PIL import ImageFont

    return ImageFont.truetype(str(Path(get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"), size)


def caption_lines(words: str, wide: int) -> str:
    """Break a caption between words into lines of this many pixels; a longer word is cut in the middle."""
    width = film_font().getlength

    def cut(word: str) -> str:
        most = len(word)
        while most > 4 and width(shortened(word, most)) > wide:
            most -= 1
        return shortened(word, most)

    return in_lines(" ".join(map(cut, words.split(" "))), wide, width)


def written(page: Picture, words: str, place: tuple[int, int]) -> Picture:
    """Write lines on a picture, from this pixel (left, top)."""
    from PIL import Image, ImageDraw

    canvas = Image.fromarray(page)
    ImageDraw.Draw(canvas).text(place, words, fill=INK, font=film_font(), spacing=LINE_HEIGHT - LETTERS)
    return np.asarray(canvas)


def framed(frames: Sequence[Picture], title: str, legend: Sequence[tuple[str, str, str]] = ()) -> list[Picture]:
    """Return frames `(h, w, 3)` of one size with a title above all of them and a legend below.

    Args:
        frames: the frames.
        title: what they show; long ones are broken into lines.
        legend: (name, color, marker) of each class.
    """
    if not len(frames):
        return []
    wide = frames[0].shape[1]
    above, below = _title(title, wide), _legend(legend, wide)
    return [np.concatenate([above, frame, below]) for frame in frames]


def _title(title: str, wide: int) -> Picture:
    lines = caption_lines(title, wide - 2 * MARGIN)
    strip = np.full((MARGIN + LINE_HEIGHT * (lines.count("\n") + 1), wide, 3), 255, np.uint8)
    return written(strip, lines, (MARGIN, MARGIN // 2))


def _legend(entries: Sequence[tuple[str, str, str]], wide: int) -> Picture:
    from PIL import Image, ImageDraw

    font = film_font(SMALL)
    entry = SIGN + MARGIN + int(max((font.getlength(name) for name, _, _ in entries), default=0))
    across = max(1, (wide - 2 * MARGIN) // entry)
    rows = -(-len(entries) // across)
    strip = Image.new("RGB", (wide, ENTRY_HEIGHT * rows + MARGIN * bool(rows)), "white")
    draw = ImageDraw.Draw(strip)
    for place, (name, color, marker) in enumerate(entries):
        left, top = MARGIN + place % across * entry, ENTRY_HEIGHT * (place // across) + MARGIN // 2
        _sign(draw, (left + RADIUS, top + ENTRY_HEIGHT / 2), color, marker)
        draw.text((left + SIGN, top + ENTRY_HEIGHT / 2), name, fill=INK, font=font, anchor="lm")
    return np.asarray(strip).reshape(strip.height, wide, 3)


def _sign(draw: ImageDraw, middle: tuple[float, float], color: str, marker: str) -> None:
    if marker in CORNERS:
        draw.regular_polygon((middle, RADIUS + 1), CORNERS[marker], TURNED[marker], fill=color)
    else:
        left, top = middle[0] - RADIUS, middle[1] - RADIUS
        draw.ellipse((left, top, left + 2 * RADIUS, top + 2 * RADIUS), color)
