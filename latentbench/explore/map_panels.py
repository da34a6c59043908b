"""Panels of maps beside each other, with a title above and one legend below all of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from latentbench.drawing.scatter import class_looks, draw_classes, settle_marks
from latentbench.drawing.style import INK, SOFT, settings
from latentbench.drawing.words import in_lines, text_inches
from latentbench.explore.coloring import Coloring

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["MapPanel", "map_figure"]

PANEL = 3.5  # inches, of a map
GAP = 0.12
HEAD, LINE = 0.3, 0.19  # inches: of the heading of a panel; of a line of words
TITLE, SMALL = 10, 8  # points
BAR = 0.8  # inches beside the last map, for the scale of a factor
SIGN = 0.42  # inches of an entry of the legend beside its words
COLUMNS = 4  # panels in a row
DOT_AREA = 6000  # square points, of all dots together
DOTS_PER_INCH = 144


@dataclass(frozen=True, eq=False)
class MapPanel:
    """One map: its heading, the places `(n, 2)`, the lines below it, and a closed line `(m, 2)` on it.

    A map with a line has no marks of classes, which would hide it; the legend names them.
    """

    heading: str
    places: NDArray[np.float64]
    lines: Sequence[str] = ()
    path: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class MapRoom:
    """The sizes of a figure in inches, and its title in lines."""

    columns: int
    rows: int
    below: float
    title: str
    legend: int
    entry: float
    beside: float

    @property
    def width(self) -> float:
        """Of the figure."""
        return self.columns * (PANEL + GAP) + GAP + self.beside

    @property
    def height(self) -> float:
        """Of the figure."""
        return self._top + self.rows * self._row + LINE * self.legend + GAP

    @property
    def _top(self) -> float:
        return GAP + LINE * (self.title.count("\n") + 1)

    @property
    def _row(self) -> float:
        return HEAD + PANEL + self.below

    def panel(self, place: int) -> tuple[float, float, float, float]:
        """Return the rectangle of a panel in fractions of the figure."""
        row, column = divmod(place, self.columns)
        left = GAP + column * (PANEL + GAP)
        bottom = self.height - self._top - row * self._row - HEAD - PANEL
        return left / self.width, bottom / self.height, PANEL / self.width, PANEL / self.height


def map_figure(panels: Sequence[MapPanel], coloring: Coloring, title: str, beside: float = 0.0) -> Figure:
    """Draw maps of the same items; where something stands to the right of them, `beside` is its room in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with settings():
        room = _room(panels, coloring, title, beside)
        figure = Figure(figsize=(room.width, room.height), dpi=DOTS_PER_INCH)
        FigureCanvasAgg(figure)
        for place, panel in enumerate(panels):
            _draw(figure.add_axes(room.panel(place)), panel, coloring)
        figure.text(GAP / room.width, 1 - 0.08 / room.height, room.title, va="top", fontsize=TITLE, color=INK)
        if coloring.values is not None:
            _draw_scale(figure, coloring, room)
        elif coloring.legend:
            _draw_legend(figure, coloring, room)
    return figure


def _room(panels: Sequence[MapPanel], coloring: Coloring, title: str, beside: float) -> MapRoom:
    columns = min(COLUMNS, len(panels))
    scale = BAR if coloring.values is not None else 0.0
    wide = columns * (PANEL + GAP) - GAP + scale + beside
    names = coloring.legend.values()
    entry = max((text_inches(name, SMALL) for name in names), default=0) + SIGN
    below = LINE * max(len(panel.lines) for panel in panels) + 0.1
    return MapRoom(
        columns,
        math.ceil(len(panels) / columns),
        below,
        in_lines(title, wide, partial(text_inches, points=TITLE), split=True),
        math.ceil(len(names) / max(1, int(wide / entry))) + bool(names),
        entry,
        scale + beside,
    )


def _draw(axes: Axes, panel: MapPanel, coloring: Coloring) -> None:
    axes.set_aspect("equal", adjustable="datalim")
    axes.margins(0.04)
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(visible=True, color="#ddd")
    area = min(max(DOT_AREA / len(panel.places), 1.5), 20)
    if panel.path is not None:
        axes.plot(*np.concatenate([panel.path, panel.path[:1]]).T, color=SOFT, linewidth=0.8, zorder=2.5)
    if coloring.values is None:
        marks = draw_classes(
            axes, panel.places, coloring.classes, area, coloring.marks if panel.path is None else {}
        )
        settle_marks(axes, marks)
    else:
        x, y = panel.places.T
        axes.scatter(x, y, s=area, c=coloring.values, cmap="viridis", linewidths=0, rasterized=True)
    axes.set_title(panel.heading)
    place: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points"}
    axes.annotate(
        "\n".join(panel.lines), (0, 0), (0, -6), va="top", fontsize=SMALL, color=SOFT, linespacing=1.35, **place
    )


def _draw_scale(figure: Figure, coloring: Coloring, room: MapRoom) -> None:
    """Draw the color scale at the right of the first row, its name above it."""
    left, bottom, _, high = room.panel(room.columns - 1)
    left += (PANEL + GAP) / room.width
    bar = figure.colorbar(
        figure.axes[0].collections[0],
        cax=figure.add_axes((left, bottom + high / 6, 0.13 / room.width, high * 2 / 3)),
    )
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=SMALL)
    name = in_lines(coloring.name, BAR - 0.05, partial(text_inches, points=SMALL), split=True)
    bar.ax.set_title(name, fontsize=SMALL, loc="left", fontweight="normal")


def _draw_legend(figure: Figure, coloring: Coloring, room: MapRoom) -> None:
    """Draw the color, the marker and the name of each class, in rows from left to right."""
    from matplotlib.lines import Line2D

    across = max(1, int((room.width - GAP) / room.entry))
    looks = class_looks(coloring.numbers)
    for place, (number, name) in enumerate(coloring.legend.items()):
        row, column = divmod(place, across)
        left = GAP + column * room.entry
        middle = GAP / 2 + LINE * (room.legend - 1 - row) - LINE / 2
        color, marker = looks[number]
        spot = Line2D(
            [(left + 0.07) / room.width], [middle / room.height], color=color, marker=marker, markersize=5
        )
        figure.add_artist(spot)
        at = (left + 0.17) / room.width, middle / room.height
        figure.text(*at, name, va="center", fontsize=SMALL, color=INK)
