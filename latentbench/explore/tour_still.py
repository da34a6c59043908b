"""The still of a tour: its map with numbered stops, beside the image at each stop."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from latentbench.drawing.animation import frame
from latentbench.drawing.style import INK, settings
from latentbench.drawing.words import in_lines, text_inches
from latentbench.explore.coloring import Coloring
from latentbench.explore.map import NAMES
from latentbench.explore.map_panels import GAP, HEAD, MapPanel, map_figure
from latentbench.latent.maps.projection import Map

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["tour_still"]

HIGH = 3.5  # inches, of the map
CAPTION = 0.3  # inches above an image
SMALL = 7  # points


def tour_still(
    layout: Map,
    path: NDArray[np.float64],
    images: NDArray[Any],
    words: Sequence[str],
    coloring: Coloring,
    title: str,
) -> Figure:
    """Draw the map with the path and numbered stops, and beside it the image at each stop, in their order.

    Args:
        layout: the map.
        path: the places of the path `(frames, 2)`, equally many from each stop to the next.
        images: `(stops, c, h, w)` in [0, 1].
        words: what each stop is.
        coloring: of the items of the map.
        title: above all.
    """
    rows = math.ceil(math.sqrt(0.75 * len(images)))
    columns = math.ceil(len(images) / rows)
    cell = (HIGH + HEAD) / rows
    wide = max(cell - CAPTION, 0.7)
    panel = MapPanel(NAMES[layout.method], layout.places, (), path)
    figure = map_figure([panel], coloring, title, columns * (wide + GAP))
    with settings():
        (axes,) = figure.axes
        _number(axes, path[:: len(path) // len(images)])
        width, height = figure.get_size_inches()
        box = axes.get_position(original=True)
        left, top = box.x1 * width + GAP, box.y1 * height + HEAD
        for place, (image, word) in enumerate(zip(images, words, strict=True)):
            row, column = divmod(place, columns)
            corner = left + column * (wide + GAP), top - (row + 1) * cell
            parts = (corner[0] / width, corner[1] / height, wide / width, min(wide, cell - CAPTION) / height)
            _show(figure.add_axes(parts), image, f"{place + 1} {word}", wide)
    return figure


def _number(axes: Axes, stops: NDArray[np.float64]) -> None:
    """Number the stops on the map, in white circles."""
    circle = {"boxstyle": "circle,pad=0.15", "facecolor": "white", "edgecolor": INK, "linewidth": 0.6}
    for number, (x, y) in enumerate(stops):
        axes.text(x, y, str(number + 1), ha="center", va="center", fontsize=6, color=INK, bbox=circle, zorder=4)


def _show(axes: Axes, image: NDArray[Any], words: str, wide: float) -> None:
    axes.imshow(frame(image), interpolation="nearest")
    axes.set_axis_off()
    lines = in_lines(words, wide + GAP / 2, partial(text_inches, points=SMALL), split=True)
    axes.set_title(lines, fontsize=SMALL, fontweight="normal", loc="left", pad=2)
