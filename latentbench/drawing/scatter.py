"""Maps of codes: dots with the color and the marker of their class. No pyplot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from latentbench.drawing.encoding import encoded
from latentbench.drawing.style import COLORS, settings

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Text

__all__ = ["MOST_CLASSES", "ClassMark", "class_looks", "code_map", "draw_classes", "mark_anchors", "settle_marks"]


CLASS_MARKERS = ("o", "^", "s", "D")  # one for each round of colors
MOST_CLASSES = 20  # more numbers could not be read: all dots get one color
INCHES = 3.4
DOTS_PER_INCH = 144
DOT_AREA = 9000  # square points, total of all dots: fewer are drawn larger
ROUNDS = 100  # in which marks move apart
APART = 7  # pixels between marks, so that 2 and 4 are not read as 24
NEAR = 0.06  # of the map: how far around a dot its neighbors are counted
MOST_SPOTS = 400  # dots of a class that are tried


@dataclass(frozen=True, eq=False)
class ClassMark:
    """What is written on the dots of a class, and the dots `(k, 2)` on which it may stand, the best first."""

    text: Text
    spots: NDArray[np.float64]


def code_map(
    places: NDArray[np.float64], labels: NDArray[np.int64] | None = None, marks: Mapping[int, str] | None = None
) -> bytes:
    """Draw a two-dimensional map of codes as a transparent PNG, with a color, a marker and a mark per class.

    Args:
        places: `(n, 2)`.
        labels: class numbers `(n,)`.
        marks: what is written on the dots of each class; by default its number.
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
    anchors: Mapping[int, int] | None = None,
) -> list[ClassMark]:
    """Draw a dot for each code, with the color and the marker of its class.

    Args:
        axes: axes to draw on.
        places: `(n, 2)`.
        labels: class numbers `(n,)`.
        size: area of a dot in square points.
        marks: what is written on the dots of each class; by default its number.
        anchors: class -> the row on which its mark stands, so that it follows a dot that moves; default: the dot
            that most dots of its class surround.

    Returns:
        The marks, for `settle_marks`.
    """
    written = []
    for number, rows, color, marker in _classes(places, labels):
        x, y = places[rows].T
        axes.scatter(x, y, s=size, c=color, marker=marker, alpha=0.75, linewidths=0, rasterized=True)
        if number is not None and (marks is None or number in marks):
            text = str(number) if marks is None else marks[number]
            spots = mark_spots(places, rows) if anchors is None else places[[anchors[number]]]
            written.append(ClassMark(_write(axes, text, spots[0]), spots))
    return written


def mark_spots(places: NDArray[np.float64], rows: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return dots of a class `(k, 2)` on which its mark may stand, the best first.

    Best is a dot with many of its class and few others around it: a median may lie where there is nothing.
    """
    return places[_spots(places, rows)]


def mark_anchors(places: NDArray[np.float64], labels: NDArray[np.int64] | None) -> dict[int, int]:
    """Return class -> row of the dot on which its mark stands best."""
    return {
        number: int(_spots(places, rows)[0]) for number, rows, *_ in _classes(places, labels) if number is not None
    }


def _spots(places: NDArray[np.float64], rows: NDArray[np.bool_]) -> NDArray[np.int64]:
    from scipy.spatial import cKDTree

    own = np.flatnonzero(rows)
    own = own[:: -(-len(own) // MOST_SPOTS)]
    reach = NEAR * max(float(np.ptp(places, axis=0).max()), 1e-12)
    near = cKDTree(places[rows]).query_ball_point(places[own], reach, return_length=True)
    every = cKDTree(places).query_ball_point(places[own], reach, return_length=True)
    kept: NDArray[np.int64] = own[np.argsort(-(near**2) / every, kind="stable")]
    return kept


def settle_marks(axes: Axes, marks: Sequence[ClassMark]) -> None:
    """Put each mark on a dot of its class, away from the other marks and inside, and give all a white rim.

    Call this last: it needs the final layout.
    """
    if marks:
        _move(axes, marks)
    for mark in marks:
        _add_rim(axes, mark.text)


def _move(axes: Axes, marks: Sequence[ClassMark]) -> None:
    axes.apply_aspect()
    boxes = [mark.text.get_window_extent() for mark in marks]
    sizes = np.array([[box.width + APART, box.height + APART / 2] for box in boxes])
    left, bottom, right, top = axes.bbox.extents
    low, high = sizes / 2 + (left, bottom), (right, top) - sizes / 2
    middles: list[NDArray[np.float64]] = []
    for number, mark in enumerate(marks):
        spots = axes.transData.transform(mark.spots).clip(low[number], np.maximum(low, high)[number])
        taken = np.array(middles).reshape(-1, 1, 2)
        room = np.abs(spots - taken) - (sizes[: len(middles), None] + sizes[number]) / 2
        free = (room > 0).any(2).all(0)
        middles.append(spots[int(free.argmax())])  # the first one where none is free
    places = _apart(np.array(middles), sizes, low, np.maximum(low, high))
    for mark, place in zip(marks, axes.transData.inverted().transform(places), strict=True):
        mark.text.set_position((float(place[0]), float(place[1])))


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


def class_looks(numbers: Sequence[int]) -> dict[int, tuple[str, str]]:
    """Return the color and the marker of each class; small numbers have theirs whatever other classes there are.

    >>> class_looks([0, 3])[3] == class_looks([3, 12])[3]
    True
    """
    small = all(0 <= number < MOST_CLASSES for number in numbers)
    turns = [divmod(number if small else place, len(COLORS)) for place, number in enumerate(numbers)]
    return {
        number: (COLORS[color], CLASS_MARKERS[turn % len(CLASS_MARKERS)])
        for number, (turn, color) in zip(numbers, turns, strict=True)
    }


def _classes(
    places: NDArray[np.float64], labels: NDArray[np.int64] | None
) -> Iterator[tuple[int | None, NDArray[np.bool_], str, str]]:
    numbers = np.unique(labels).tolist() if labels is not None else []
    if labels is None or len(numbers) > MOST_CLASSES:
        yield None, np.ones(len(places), bool), COLORS[0], CLASS_MARKERS[0]
        return
    for number, (color, marker) in class_looks(numbers).items():
        yield number, labels == number, color, marker


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
