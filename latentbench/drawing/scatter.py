"""Maps of codes: dots with the color and the marker of their class. No pyplot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from latentbench.drawing.encoding import encoded
from latentbench.drawing.style import COLORS, settings

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Text

__all__ = ["MOST_CLASSES", "code_map", "draw_classes", "settle_marks"]


CLASS_MARKERS = ("o", "^", "s", "D")  # one for each round of colors
MOST_CLASSES = 20  # more numbers could not be read: all dots get one color
INCHES = 3.4
DOTS_PER_INCH = 144
DOT_AREA = 9000  # square points, total of all dots: fewer are drawn larger
ROUNDS = 100  # in which marks move apart


def code_map(
    places: NDArray[np.float64], labels: NDArray[np.int64] | None = None, marks: Mapping[int, str] | None = None
) -> bytes:
    """Draw a two-dimensional map of codes as a transparent PNG, with a color, a marker and a mark per class.

    Args:
        places: `(n, 2)`.
        labels: class numbers `(n,)`.
        marks: what is written at the median of each class; by default its number.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with settings():
        figure = Figure(figsize=(INCHES, INCHES), dpi=DOTS_PER_INCH)
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
        axes.set_axis_off()
        axes.set_aspect("equal", adjustable="datalim")
        axes.margins(0.04)
        settle_marks(axes, draw_classes(axes, places, labels, min(max(DOT_AREA / len(places), 6), 24), marks))
        return encoded(figure, "png", {"Software": None}, dpi=DOTS_PER_INCH, transparent=True)


def draw_classes(
    axes: Axes,
    places: NDArray[np.float64],
    labels: NDArray[np.int64] | None,
    size: float,
    marks: Mapping[int, str] | None = None,
) -> list[Text]:
    """Draw a dot for each code, with the color and the marker of its class.

    Args:
        axes: axes to draw on.
        places: `(n, 2)`.
        labels: class numbers `(n,)`.
        size: area of a dot in square points.
        marks: what is written at the median of each class; by default its number.

    Returns:
        The marks, for `settle_marks`.
    """
    written = []
    for number, rows, color, marker in _classes(places, labels):
        x, y = places[rows].T
        axes.scatter(x, y, s=size, c=color, marker=marker, alpha=0.75, linewidths=0, rasterized=True)
        if number is not None:
            text = str(number) if marks is None else marks[number]
            written.append(_write(axes, text, np.median(places[rows], axis=0)))
    return written


def settle_marks(axes: Axes, marks: Sequence[Text]) -> None:
    """Move marks that are words apart and into the picture, bare numbers nowhere, and give all a white rim.

    Call this last: it needs the final layout.
    """
    if not all(mark.get_text().removeprefix("-").isdecimal() for mark in marks):
        _move(axes, marks)
    for mark in marks:
        _add_rim(axes, mark)


def _move(axes: Axes, marks: Sequence[Text]) -> None:
    axes.apply_aspect()
    boxes = [mark.get_window_extent().padded(1) for mark in marks]
    sizes = np.array([[box.width, box.height] for box in boxes])
    left, bottom, right, top = axes.bbox.extents
    low, high = sizes / 2 + (left, bottom), (right, top) - sizes / 2
    middles = _apart(
        np.array([[box.x0 + box.x1, box.y0 + box.y1] for box in boxes]) / 2, sizes, low, np.maximum(low, high)
    )
    for mark, place in zip(marks, axes.transData.inverted().transform(middles), strict=True):
        mark.set_position((float(place[0]), float(place[1])))


def _apart(
    middles: NDArray[np.float64], sizes: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Push boxes that overlap up and down until none do, or for some rounds; all stay between `low` and `high`."""
    middles = middles.clip(low, high)
    for _ in range(ROUNDS):
        before = middles.copy()
        for one, other in combinations(range(len(middles)), 2):
            room = (sizes[one] + sizes[other]) / 2 - abs(middles[one] - middles[other])
            if (room > 0).all():
                push = room[1] / 2 * (1 if middles[one, 1] >= middles[other, 1] else -1)
                middles[one, 1], middles[other, 1] = middles[one, 1] + push, middles[other, 1] - push
        middles = middles.clip(low, high)
        if np.abs(middles - before).max() < 0.1:
            break
    return middles


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


def _write(axes: Axes, mark: str, place: NDArray[np.float64]) -> Text:
    text = axes.text(float(place[0]), float(place[1]), mark, color="#111", ha="center", va="center", zorder=3)
    text.set_fontsize(11 if mark.removeprefix("-").isdecimal() else 8)
    text.set_fontweight("bold")
    return text


def _add_rim(axes: Axes, mark: Text) -> None:
    """Draw a white rim below a mark, as a text of its own: what has effects is no text in SVG and PDF any more."""
    from matplotlib.patheffects import Stroke

    x, y = mark.get_position()
    rim = axes.text(x, y, mark.get_text(), color="white", ha="center", va="center", zorder=2.9)
    rim.set_fontsize(mark.get_fontsize())
    rim.set_fontweight("bold")
    rim.set_path_effects([Stroke(linewidth=3, foreground="white")])
