"""Maps of codes: dots with the color and the marker of their class. No pyplot."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from latentbench.drawing.encoding import encoded
from latentbench.drawing.style import COLORS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["MOST_CLASSES", "code_map", "draw_classes"]


CLASS_MARKERS = ("o", "^", "s", "D")  # one for each round of colors
MOST_CLASSES = 20  # more numbers could not be read: all dots get one color
INCHES = 3.4
DOTS_PER_INCH = 144
DOT_AREA = 9000  # square points, total of all dots: fewer are drawn larger


def code_map(places: NDArray[np.float64], labels: NDArray[np.int64] | None = None) -> bytes:
    """Draw a two-dimensional map of codes as a transparent PNG, with a color, a marker and a number per class.

    Args:
        places: `(n, 2)`.
        labels: class numbers `(n,)`.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(INCHES, INCHES), dpi=DOTS_PER_INCH)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_axis_off()
    axes.set_aspect("equal", adjustable="datalim")
    axes.margins(0.04)
    draw_classes(axes, places, labels, min(max(DOT_AREA / len(places), 6), 24))
    return encoded(figure, "png", {"Software": None}, dpi=DOTS_PER_INCH, transparent=True)


def draw_classes(
    axes: Axes, places: NDArray[np.float64], labels: NDArray[np.int64] | None, size: float, numbers: bool = True
) -> None:
    """Draw a dot for each code, with the color and the marker of its class.

    Args:
        axes: axes to draw on.
        places: `(n, 2)`.
        labels: class numbers `(n,)`.
        size: area of a dot in square points.
        numbers: whether to write each class's number at the median of its places.
    """
    for number, rows, color, marker in _classes(places, labels):
        x, y = places[rows].T
        axes.scatter(x, y, s=size, c=color, marker=marker, alpha=0.75, linewidths=0, rasterized=True)
        if numbers and number is not None:
            _write(axes, number, np.median(places[rows], axis=0))


def _classes(
    places: NDArray[np.float64], labels: NDArray[np.int64] | None
) -> Iterator[tuple[int | None, NDArray[np.bool_], str, str]]:
    numbers = np.unique(labels) if labels is not None else np.empty(0, np.int64)
    if labels is None or len(numbers) > MOST_CLASSES:
        yield None, np.ones(len(places), bool), COLORS[0], CLASS_MARKERS[0]
        return
    for place, number in enumerate(numbers):
        turn, color = divmod(place, len(COLORS))
        yield int(number), labels == number, COLORS[color], CLASS_MARKERS[turn % len(CLASS_MARKERS)]


def _write(axes: Axes, number: int, place: NDArray[np.float64]) -> None:
    from matplotlib.patheffects import withStroke

    text = axes.text(
        float(place[0]), float(place[1]), str(number), color="#111", ha="center", va="center", zorder=3
    )
    text.set_fontsize(11)
    text.set_fontweight("bold")
    text.set_path_effects([withStroke(linewidth=3, foreground="white")])
