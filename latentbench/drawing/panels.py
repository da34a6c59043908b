"""Parts of plots: panels, legends, axes, ticks and texts. No pyplot."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, cast

from latentbench.drawing.style import INK, LineStyle, settings

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "axis_scale",
    "keep_layout",
    "lay_out",
    "legible",
    "panel_grid",
    "round_ticks",
    "set_ticks",
    "spread_out",
    "write_at_right",
    "write_beside",
]

PANEL_WIDTHS = (5.4, 4.0, 3.5, 2.85)  # inches, by panels a row
PANEL_HEIGHT = 2.5
LINE_HEIGHT = 0.19  # inches, of a line of the legend or the title
LETTER = 0.58  # mean width of a letter, in font sizes
SMALL = 8  # points
LOG_FACTOR = 4
CROWDED = 0.2  # of the area of a letter that a text may cover of others
SIDES = ((6, 0), (-6, 0), (0, 8), (0, -8), (6, 7), (6, -7), (-6, 7), (-6, -7), (0, 16), (0, -16))  # points

Box = tuple[float, float, float, float]


def panel_grid(
    count: int, title: str, legend: Mapping[str, LineStyle], size: tuple[float, float] | None = None
) -> tuple[Figure, list[Axes]]:
    """Return a figure with `count` empty panels, up to four per row, a title above and one legend below.

    Args:
        count: number of panels.
        title: title of the figure; long ones are wrapped.
        legend: text -> style of its line.
        size: width and height of a panel in inches; default: by the number of panels.
    """
    from matplotlib.figure import Figure

    rows = math.ceil(count / len(PANEL_WIDTHS))
    columns = math.ceil(count / rows)
    width, height = size or (PANEL_WIDTHS[columns - 1], PANEL_HEIGHT + 0.4 * (columns == 1))
    text = textwrap.fill(title, int(columns * width * 72 / (9 * LETTER)))
    entries = _legend_columns(columns * width, legend)
    extra = (text.count("\n") + 1 + math.ceil(len(legend) / entries)) * LINE_HEIGHT
    figure = Figure(figsize=(columns * width, rows * height + extra + 0.1), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.08, h_pad=0.06)  # type: ignore[union-attr, call-arg]
    figure.suptitle(text, fontsize=9, color=INK, x=0.01, ha="left")
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for empty in axes[count:]:
        empty.remove()
    if legend:
        _add_legend(figure, legend, entries)
    return figure, axes[:count]


def lay_out(figure: Figure) -> None:
    """Give the panels of `panel_grid` their final places, without drawing what is in them."""
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
    keep_layout(figure)


def keep_layout(figure: Figure) -> None:
    """Leave everything at its place when the figure is drawn again."""
    with settings():
        figure.set_layout_engine(None)


def _legend_columns(width: float, legend: Mapping[str, LineStyle]) -> int:
    longest = max(map(len, legend), default=1)
    return max(1, min(len(legend), int(width * 72 / (SMALL * LETTER * longest + 45))))


def _add_legend(figure: Figure, legend: Mapping[str, LineStyle], columns: int) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D(
            [],
            [],
            color=style.color,
            marker=style.marker,
            linestyle=style.dash,
            linewidth=style.width,
            markersize=5,
        )
        for style in legend.values()
    ]
    names = [f" {name}" for name in legend]  # matplotlib leaves out names that begin with _
    figure.legend(
        handles, names, loc="outside lower left", ncols=columns, frameon=False, fontsize=SMALL, handlelength=3.2
    )


def axis_scale(values: Sequence[float]) -> Literal["linear", "log", "symlog"]:
    """Return the scale that keeps the values of an axis apart: symlog if zero is among them.

    >>> axis_scale([2, 4, 8]), axis_scale([1, 4, 16]), axis_scale([0, 1, 16]), axis_scale([-1, 16])
    ('linear', 'log', 'symlog', 'linear')
    """
    positive = [value for value in values if value > 0]
    if min(values, default=-1) < 0 or not positive or max(positive) <= LOG_FACTOR * min(positive):
        return "linear"
    return "log" if len(positive) == len(values) else "symlog"


def round_ticks(low: float, high: float) -> list[float]:
    """Return up to five round numbers on a log axis.

    >>> round_ticks(0.8, 6), round_ticks(0.004, 900)
    ([1.0, 2.0, 5.0], [0.01, 0.1, 1.0, 10.0, 100.0])
    """
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for digits in ((1, 2, 5), (1, 3), (1,)):
        ticks = [float(f"{digit}e{power}") for power in powers for digit in digits]
        ticks = [tick for tick in ticks if low <= tick <= high]
        if len(ticks) <= 5:
            break
    return ticks


def set_ticks(panel: Axes, values: Sequence[float]) -> None:
    """Put ticks at exactly these ascending values of x; numbers that would overlap are left out."""
    texts = [plain(value) for value in values]
    places = [float(panel.transData.transform((value, 0))[0]) for value in values]
    letter = _root(panel).dpi / 72 * SMALL * LETTER
    shown = legible(places, [letter * (len(text) + 1.2) for text in texts])
    panel.set_xticks(values, [text if place in shown else "" for place, text in enumerate(texts)], fontsize=SMALL)
    panel.set_xticks([], minor=True)


def legible(places: Sequence[float], widths: Sequence[float]) -> set[int]:
    """Return which texts, centered at ascending places, fit without overlap: both ends, then from the left.

    >>> sorted(legible([0, 10, 12, 20], [4, 4, 4, 4]))
    [0, 1, 3]
    """
    shown = {0, len(places) - 1} if places else set()
    free = -math.inf
    for place, (center, width) in enumerate(zip(places, widths, strict=True)):
        last = places[-1] - widths[-1] / 2 if place < len(places) - 1 else math.inf
        if place in shown or (free <= center - width / 2 and center + width / 2 <= last):
            shown.add(place)
            free = center + width / 2
    return shown


def plain(value: float) -> str:
    """Format a number of an axis.

    >>> plain(16.0), plain(0.5), plain(60_000), plain(1500)
    ('16', '0.5', '60k', '1500')
    """
    return f"{value / 1000:g}k" if value >= 10_000 and value % 100 == 0 else f"{value:g}"


def spread_out(places: Sequence[float], gap: float) -> list[float]:
    """Return places in the same order at least `gap` apart, each moved as little as a single pass allows.

    >>> spread_out([1.0, 5.0, 5.5], 2.0)
    [1.0, 4.25, 6.25]
    """
    order = sorted(range(len(places)), key=lambda index: places[index])
    groups: list[tuple[float, list[int]]] = []  # center, members from low to high
    for index in order:
        groups.append((places[index], [index]))
        while len(groups) > 1 and _too_near(groups[-2], groups[-1], gap):
            members = groups[-2][1] + groups[-1][1]
            groups[-2:] = [(sum(places[member] for member in members) / len(members), members)]
    moved = dict.fromkeys(order, 0.0)
    for center, members in groups:
        for step, member in enumerate(members):
            moved[member] = center + gap * (step - (len(members) - 1) / 2)
    return [moved[index] for index in range(len(places))]


def _too_near(lower: tuple[float, list[int]], upper: tuple[float, list[int]], gap: float) -> bool:
    return upper[0] - lower[0] < gap * (len(lower[1]) + len(upper[1])) / 2


def write_at_right(panel: Axes, entries: Sequence[tuple[float, str]]) -> None:
    """Write texts beside the right edge, each at its y or as near to it as the others allow."""
    low, high = panel.get_ylim()
    inches = _root(panel).get_figheight() * 0.7  # roughly what titles and legend leave
    places = spread_out([(y - low) / (high - low) for y, _ in entries], 1.25 * SMALL / 72 / inches)
    for place, (_, text) in zip(places, entries, strict=True):
        panel.text(1.01, place, text, transform=panel.transAxes, fontsize=SMALL, color=INK, va="center")


def write_beside(panel: Axes, spots: Sequence[tuple[float, float, str, str]], every: bool = True) -> None:
    """Write a text beside each (x, y, text, color), on the side where it covers the others least.

    Call this last, after `lay_out`: it needs the final layout. Without `every`, texts that have no free side are
    left out: nobody can read one text over another.
    """
    figure = _root(panel)
    points = panel.transData.transform([(x, y) for x, y, _, _ in spots]) * 72 / figure.dpi
    frame = panel.get_window_extent()
    left, bottom, right, top = (float(end) * 72 / figure.dpi for end in frame.extents)
    taken: list[Box] = [(x - 4, y - 4, x + 4, y + 4) for x, y in points]
    for (px, py), (x, y, text, color) in zip(points, spots, strict=True):
        boxes = [_box(px, py, side, text) for side in SIDES]
        best = min(range(len(SIDES)), key=lambda place: _cost(boxes[place], taken, (left, bottom, right, top)))
        crowded = _cost(boxes[best], taken, (left, bottom, right, top)) > CROWDED * SMALL * SMALL
        if not text or (crowded and not every):
            continue
        taken.append(boxes[best])
        across, up = SIDES[best]
        panel.annotate(
            text,
            (x, y),
            (across, up),
            textcoords="offset points",
            ha="center" if not across else "left" if across > 0 else "right",
            va="center",
            fontsize=SMALL,
            color=color,
            zorder=5,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.3},
        ).set_in_layout(False)


def _root(panel: Axes) -> Figure:
    return cast("Figure", panel.figure)


def _box(x: float, y: float, side: tuple[float, float], text: str) -> Box:
    """Return the approximate box of a text beside (x, y), in points."""
    width, height = SMALL * LETTER * len(text), 1.2 * SMALL
    across, up = side
    left = x + across - width / 2 if not across else x + across if across > 0 else x + across - width
    return left, y + up - height / 2, left + width, y + up + height / 2


def _cost(box: Box, taken: Sequence[Box], frame: Box) -> float:
    """Return the area that a box covers of other boxes, plus twice its area outside the frame."""
    area = (box[2] - box[0]) * (box[3] - box[1])
    return sum(_shared(box, other) for other in taken) + 2 * (area - _shared(box, frame))


def _shared(a: Box, b: Box) -> float:
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
