"""Texts on figures: how wide they are, and broken into lines."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.backend_bases import RendererBase

__all__ = ["DOTS_PER_INCH", "in_lines", "text_inches"]

DOTS_PER_INCH = 100


def text_inches(text: str, points: float, bold: bool = False) -> float:
    """Return the width of a line of text, rounded up to pixels of 1/100 inch; call it within `settings`."""
    from matplotlib.font_manager import FontProperties

    font = FontProperties(size=points, weight="bold" if bold else "normal")
    pixels = _renderer().get_text_width_height_descent(text, font, False)[0]
    return math.ceil(pixels) / DOTS_PER_INCH


@cache
def _renderer() -> RendererBase:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    renderer: RendererBase = FigureCanvasAgg(Figure(dpi=DOTS_PER_INCH)).get_renderer()  # type: ignore[no-untyped-call]
    return renderer


def in_lines(text: str, room: float, width: Callable[[str], float], *, split: bool = False) -> str:
    r"""Break a text between words into lines that fit the room; with `split`, words that are wider too.

    >>> in_lines("so many words", 7, len)
    'so many\nwords'
    >>> in_lines("a-long-word so", 7, len, split=True)
    'a-long-\nword so'
    """
    lines: list[str] = []
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and width(longer) <= room:
            lines[-1] = longer
        else:
            lines += _parts(word, room, width) if split else [word]
    return "\n".join(lines)


def _parts(word: str, room: float, width: Callable[[str], float]) -> list[str]:
    """Cut a word into parts that fit the room, at least a character each."""
    parts = [""]
    for character in word:
        if parts[-1] and width(parts[-1] + character) > room:
            parts.append("")
        parts[-1] += character
    return parts
