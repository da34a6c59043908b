"""Where the panels of a figure of matrices are placed: cells are of one size, and names have their room."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from latentbench.drawing.panels import LETTER, SMALL

__all__ = ["HeatRoom", "heat_room"]

WIDEST = 11.4  # inches, of a figure on the page
MARGIN, GAP = 0.1, 0.28  # inches around everything, and between panels
HEAD = 0.42  # inches above a panel for its title
LINE = 0.19  # inches, height of a line of text
SCALE = 0.45  # inches for the scale of colors
LEAST = 5.2  # inches, width that title and legend need
CELLS = {8: (0.43, 0.31), 12: (0.37, 0.27), 20: (0.33, 0.22)}  # models at most: width and height in inches
SIZES = {8: 7.5, 12: 6.5, 20: 5.5}  # points


@dataclass(frozen=True)
class HeatRoom:
    """The places of all parts of a figure.

    Attributes:
        models: number of rows of each panel.
        columns: panels beside each other.
        panels: number of panels.
        cell: width and height of a cell in inches.
        points: font size of the numbers in cells.
        names: width of the longest name of a model.
        title: in lines.
        legend: lines of the legend, at the bottom.
        scale: whether a scale of colors stands above the legend.
    """

    models: int
    columns: int
    panels: int
    cell: tuple[float, float]
    points: float
    names: float
    title: str
    legend: tuple[str, ...]
    scale: bool

    @property
    def width(self) -> float:
        """Width of the figure."""
        return _width(self.names, self.columns, self.models * self.cell[0])

    @property
    def height(self) -> float:
        """Height of the figure."""
        grid = self.rows * (HEAD + self.models * self.cell[1]) + (self.rows - 1) * GAP / 2
        return self._top + grid + self.names + GAP + self.scale * SCALE + len(self.legend) * LINE + MARGIN

    @property
    def rows(self) -> int:
        """Rows of panels."""
        return math.ceil(self.panels / self.columns)

    @property
    def _top(self) -> float:
        return MARGIN + (self.title.count("\n") + 1) * LINE

    def panel(self, place: int) -> tuple[float, float, float, float]:
        """Return the rectangle of a panel in fractions of the figure."""
        wide, high = (self.models * side for side in self.cell)
        row, column = divmod(place, self.columns)
        left = MARGIN + self.names + GAP / 2 + column * (wide + GAP)
        top = self._top + HEAD + row * (HEAD + high + GAP / 2)
        return self.part(left, self.height - top - high, wide, high)

    def is_first(self, place: int) -> bool:
        """Whether a panel is the first of its row, which has the names of the models beside it."""
        return place % self.columns == 0

    def is_last(self, place: int) -> bool:
        """Whether no panel stands below this one, so that it has the names of the models below it."""
        return place + self.columns >= self.panels

    def colors(self) -> tuple[float, float, float, float]:
        """Return the rectangle of the scale of colors."""
        return self.part(MARGIN, MARGIN + len(self.legend) * LINE + SCALE - 0.16, 2.0, 0.12)

    def legend_line(self, line: int) -> tuple[float, float]:
        """Return where a line of the legend begins."""
        return self.at(MARGIN, MARGIN + (len(self.legend) - line - 0.5) * LINE)

    def at(self, left: float, bottom: float) -> tuple[float, float]:
        """Return a place in fractions of the figure."""
        return left / self.width, bottom / self.height

    def part(self, left: float, bottom: float, wide: float, high: float) -> tuple[float, float, float, float]:
        """Return a rectangle in fractions of the figure."""
        return left / self.width, bottom / self.height, wide / self.width, high / self.height


def heat_room(
    models: Sequence[str], panels: Sequence[Sequence[str]], title: str, legend: Sequence[str], scale: bool
) -> HeatRoom:
    """Place panels, as many beside each other as the widest figure holds, about as many below each other.

    Args:
        models: names of rows and columns.
        panels: lines above each panel.
        title: of the figure; long ones are wrapped.
        legend: parts of the legend; they are joined into lines.
        scale: whether there is a scale of colors.
    """
    size = next((most for most in CELLS if len(models) <= most), max(CELLS))
    names = _inches(max(map(len, models)), SMALL)
    wide = max(len(models) * CELLS[size][0], *(_inches(len(line), SMALL) for lines in panels for line in lines))
    across = max(1, int((WIDEST - MARGIN - names) / (wide + GAP)))
    rows = math.ceil(len(panels) / across)
    columns = math.ceil(len(panels) / rows)
    letters = int((_width(names, columns, wide) - 2 * MARGIN) / _inches(1, SMALL))
    cell = (wide / len(models), CELLS[size][1])
    lines = _in_lines(legend, letters)
    heading = textwrap.fill(title, int(letters * SMALL / 9))
    return HeatRoom(len(models), columns, len(panels), cell, SIZES[size], names, heading, lines, scale)


def _width(names: float, columns: int, wide: float) -> float:
    return max(LEAST, 2 * MARGIN + names + GAP / 2 + columns * wide + (columns - 1) * GAP)


def _inches(letters: int, points: float) -> float:
    return letters * points * LETTER / 72


def _in_lines(parts: Sequence[str], letters: int) -> tuple[str, ...]:
    """Join parts into lines of at most so many letters; a longer part is broken.

    >>> _in_lines(["a: one", "b: two", "c: three and four"], 17)
    ('a: one; b: two', 'c: three and four')
    """
    lines: list[str] = []
    before = letters  # letters that stand before the next part on its line
    for part in parts:
        if before + 2 + len(part) <= letters:
            lines[-1] += f"; {part}"
        else:
            lines += textwrap.wrap(part, letters, subsequent_indent="    ")
        before = letters if len(part) > letters else len(lines[-1])
    return tuple(lines)
