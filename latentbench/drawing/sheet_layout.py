"""The layout of a sheet of images: its contents, and the space that its titles need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from latentbench.drawing.montage import Array
from latentbench.drawing.style import LineStyle
from latentbench.drawing.words import DOTS_PER_INCH, in_lines, text_inches

__all__ = [
    "BAND",
    "CURVE",
    "DOTS_PER_INCH",
    "LINE",
    "MARGIN",
    "POINTS",
    "SCALE_WIDTH",
    "ColorScale",
    "Room",
    "SecondBlock",
    "Sheet",
    "room_of",
]

POINTS = 9  # font size
LINE = 0.2  # inches, height of a line of text
MARGIN = 0.08  # inches around everything
CURVE = 1.3  # inches, height of the curves
NUMBERS = 0.5  # inches left of the curves for the numbers of the axis
TITLE = 6.5  # inches, width from which a title wider than the images is broken into lines
SCALE = 0.42  # inches, height of the scale of colors with its numbers
SCALE_WIDTH = 1.6  # inches, of its bar
BAND = 28  # pixels, height of titles of columns between two rows
KEY = 0.45  # inches beside a name in the legend of the curves
ROUNDING = 1e-4  # inches, added to a sheet so that cutting off fractions loses no pixel


@dataclass(frozen=True)
class Room:
    """Where the parts of a sheet are placed, in inches.

    Attributes:
        left: left edge of the images and of the curves.
        bottom: bottom edge of the images.
        wide: width of the images.
        high: height of the images.
        width: width of the sheet.
        height: height of the sheet.
        columns: titles of the columns, broken into lines.
        upright: whether these titles are rotated because they are too long.
        title: the title of the sheet, broken into lines.
        keys: names of curves per line of the legend.
        key: lines of the legend.
    """

    left: float
    bottom: float
    wide: float
    high: float
    width: float
    height: float
    columns: Sequence[str]
    upright: bool
    title: str
    keys: int
    key: int

    def part(self, left: float, bottom: float, wide: float, high: float) -> tuple[float, float, float, float]:
        """Return a rectangle in fractions of the figure."""
        return left / self.width, bottom / self.height, wide / self.width, high / self.height


def room_of(sheet: Sheet, column: int, picture: Sequence[int]) -> Room:
    """Measure all titles and place the parts so that each has the space it needs."""
    inches = partial(text_inches, points=POINTS)
    wide, high = picture[1] / DOTS_PER_INCH, picture[0] / DOTS_PER_INCH
    rooms = [span * column / DOTS_PER_INCH for span in _spans(sheet.columns)]
    columns = [in_lines(title, room, inches) for title, room in zip(sheet.columns, rooms, strict=True)]
    upright = any(
        inches(line) > room for title, room in zip(columns, rooms, strict=True) for line in title.split("\n")
    )
    above = max(map(inches, sheet.columns), default=0) if upright else _lines(columns) * LINE
    names = max(map(inches, sheet.curves), default=0) + KEY
    beside = [*sheet.rows, sheet.corner, *([sheet.second.corner] if sheet.second else [])]
    left = max(max(map(inches, filter(None, beside)), default=0) + 2 * MARGIN, NUMBERS if sheet.curves else MARGIN)
    keys = max(1, min(len(sheet.curves), int(wide / names)))
    key = -(-len(sheet.curves) // keys)
    bottom = key * LINE + CURVE + 2 * LINE + 2 * MARGIN if sheet.curves else MARGIN
    bottom += SCALE if sheet.scale else 0
    title = in_lines(sheet.title, max(left + wide, TITLE), partial(text_inches, points=POINTS + 2))
    top = ((title.count("\n") + 1.5) * LINE if title else 0) + (above + MARGIN if sheet.columns else 0) + MARGIN
    widest = max(text_inches(line, POINTS + 2) for line in title.split("\n"))
    words = MARGIN + widest, left + names * bool(sheet.curves), left + _scale_width(sheet)
    width, height = max(left + wide, *words) + 2 * MARGIN + ROUNDING, bottom + high + top + ROUNDING
    titles = sheet.columns if upright else columns
    return Room(left, bottom, wide, high, width, height, titles, upright, title, keys, key)


def _scale_width(sheet: Sheet) -> float:
    return SCALE_WIDTH + 4 * MARGIN + text_inches(sheet.scale.words, POINTS) if sheet.scale else 0.0


def _spans(titles: Sequence[str]) -> list[int]:
    """Return how many columns each centered title may span: it shares empty neighbors with the next title.

    >>> _spans(["a", "b", "", "", "c", ""])
    [1, 1, 0, 0, 3, 0]
    """
    named = [place for place, title in enumerate(titles) if title]
    free = [0] * len(titles)
    for before, place, after in zip([None, *named], named, [*named[1:], None], strict=False):
        left = place if before is None else (place - before - 1) / 2
        right = len(titles) - 1 - place if after is None else (after - place - 1) / 2
        free[place] = int(1 + 2 * min(left, right))
    return free


def _lines(titles: Sequence[str]) -> int:
    return max((title.count("\n") + 1 for title in titles), default=0)


@dataclass(frozen=True)
class SecondBlock:
    """Other titles of the columns from a row on.

    Attributes:
        row: the first row below them.
        corner: what stands left of them.
        columns: the titles.
    """

    row: int
    corner: str
    columns: Sequence[str]


@dataclass(frozen=True)
class ColorScale:
    """What the colors of some images mean: `words`, from 0 to `top`, by a colormap of matplotlib."""

    words: str
    top: float
    colormap: str


@dataclass(frozen=True)
class Sheet:
    """A grid of images with titles.

    Attributes:
        images: `(rows, columns, c, h, w)` in [0, 1], c = 1 or 3.
        rows: a title for each row, on its left; empty: no titles.
        columns: a title for each column, above it; empty: no titles.
        title: title of the sheet.
        curves: name -> a number per column, or per step between columns, drawn below the grid.
        curve_title: title of the curves.
        curve_styles: how the curves of these names are drawn; others in the order of their names.
        corner: what stands left of the titles of the columns.
        second: titles of the columns from a later row on.
        scale: what colors mean, drawn below the grid.
    """

    images: Array
    rows: Sequence[str] = ()
    columns: Sequence[str] = ()
    title: str = ""
    curves: Mapping[str, Array] = field(default_factory=dict)
    curve_title: str = ""
    curve_styles: Mapping[str, LineStyle] = field(default_factory=dict)
    corner: str = ""
    second: SecondBlock | None = None
    scale: ColorScale | None = None
