"""The figures of trade-offs: quality against rate, and quality against training time, on the test split."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from latentbench.drawing.panels import (
    lay_out,
    panel_grid,
    plain,
    round_ticks,
    set_ticks,
    write_at_right,
    write_beside,
)
from latentbench.drawing.style import INK, LineOf, LineStyle, line_styles, settings
from latentbench.report.charts.axes import counted, finish_axes, short, shown_range, title_panel
from latentbench.report.charts.looks import run_places
from latentbench.report.charts.tradeoffs import Mark, legible_marks
from latentbench.score_rows import ScoreRow, grouped
from latentbench.table.number_format import number, row_style
from latentbench.table.sweeps import Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from latentbench.results import Results

__all__ = ["cost_figure", "rate_figure"]

HOPELESS = 1000  # an outlier is left out if it makes the axis of rates this many times as long
MOST_LABELS = 24  # beside the marks of a small panel


def rate_figure(results: Results, dataset: str, marks: Sequence[Mark], levels: Sequence[Mark]) -> Figure | None:
    """Draw rate (nats) against r2 on the test split, of `rate_marks`; None where no model has both.

    A mark is the mean over seeds with its 95 % intervals, a dot one seed; yardsticks without a rate are levels.
    """
    marks, note = legible_marks(results, dataset, marks)
    if not marks:
        return None
    styles, names = _mark_styles(results, marks)
    joined = {names[mark.line]: styles[mark.line] for mark in marks if mark.axis}
    title = _test_title(_rows(results, dataset, marks), ", dots: single seeds") + note
    with settings():
        figure, (panel,) = panel_grid(1, title, joined, size=(7.2, 4.4))
        title_panel(panel, "keep", "r2", "up")
        _draw_marks(panel, "rate, nats", marks, styles, [level.y for level in levels])
        low, high = panel.get_ylim()
        shown = [level for level in levels if low <= level.y.mean <= high]
        for level in shown:
            panel.axhline(level.y.mean, color=INK, linestyle=(0, (5, 2)), linewidth=1.0, zorder=1.5)
        style = row_style([level.y.mean for level in shown], [math.nan] * len(shown))
        named = [(level.y.mean, f"{level.label} {number(level.y.mean, style)}") for level in shown]
        write_at_right(panel, named)
        lay_out(figure)
        _write_labels(panel, marks, alone=True)
    return figure


def cost_figure(results: Results, dataset: str, marks: Sequence[Mark]) -> Figure | None:
    """Draw training time (seconds, log axis) against quality on test, of `cost_marks`; None without one."""
    marks, note = legible_marks(results, dataset, marks)
    if not marks:
        return None
    scores = list(dict.fromkeys(mark.score for mark in marks))
    styles, names = _mark_styles(results, marks)
    legend = {names[line]: style for line, style in styles.items()}
    rows = _rows(results, dataset, marks)
    title = _test_title(rows) + note
    firsts = {row.score: row for row in reversed(rows)}
    with settings():
        figure, panels = panel_grid(len(scores), title, legend)
        blocks = [[mark for mark in marks if mark.score == score] for score in scores]
        for panel, score, block in zip(panels, scores, blocks, strict=True):
            title_panel(panel, firsts[score].purpose, score, firsts[score].better, firsts[score].unit)
            panel.set_xscale("log", nonpositive="clip")
            _draw_marks(panel, "training, seconds", block, styles)
            set_ticks(panel, round_ticks(*panel.get_xlim()))
        lay_out(figure)
        for panel, block in zip(panels, blocks, strict=True):
            _write_labels(panel, block)
    return figure


def _draw_marks(
    panel: Axes,
    axis: str,
    marks: Sequence[Mark],
    styles: Mapping[str, LineStyle],
    levels: Sequence[Estimate] = (),
) -> None:
    log = panel.get_xscale() == "log"
    means = [mark.x.mean for mark in marks]
    seeds = [seed for mark in marks for seed in mark.seeds if not log]
    every = [mark.x for mark in marks] + [Estimate(x) for _, x, _ in seeds]
    left, right = (min(means) / 1.6, max(means) * 1.6) if log else shown_range(every, HOPELESS)
    panel.set_xlim(left, right)
    near = [mark for mark in marks if left <= mark.x.mean <= right]
    far = [(f"{mark.label} at {short(mark.x.mean)}", mark.y) for mark in marks if mark not in near]
    others = [*levels, *(Estimate(y) for _, _, y in seeds)]
    low, high = finish_axes(panel, axis, [(mark.label, mark.y) for mark in near], far, others)
    shown = [mark for mark in near if low <= mark.y.mean <= high]
    for line, style in styles.items():
        joined = sorted((mark for mark in marks if mark.line == line), key=lambda mark: mark.step)
        color: dict[str, Any] = {"color": style.color, "zorder": 3}
        places = [mark.x.mean for mark in joined], [mark.y.mean for mark in joined]
        panel.plot(*places, linestyle=style.dash, linewidth=0.9, **color)
        inside = [mark for mark in joined if mark in shown]
        bars: dict[str, Any] = {
            "xerr": _bars([mark.x for mark in inside]),
            "yerr": _bars([mark.y for mark in inside]),
        }
        x, y = [mark.x.mean for mark in inside], [mark.y.mean for mark in inside]
        panel.errorbar(x, y, **bars, fmt=style.marker, markersize=6, elinewidth=1.0, **color)
        dots = [(x, y) for mark in inside for _, x, y in mark.seeds if not log]
        panel.scatter([x for x, _ in dots], [y for _, y in dots], 14, style.color, alpha=0.55, linewidths=0)


def _bars(estimates: Sequence[Estimate]) -> list[list[float]]:
    """Return how far intervals reach below and above their means; 0 where there is none."""
    below = [value.mean - value.low if math.isfinite(value.low) else 0.0 for value in estimates]
    return [below, [value.high - value.mean if math.isfinite(value.high) else 0.0 for value in estimates]]


def _write_labels(panel: Axes, marks: Sequence[Mark], alone: bool = False) -> None:
    """Write the step of each mark beside it, or its label where no legend names it."""
    (left, right), (low, high) = panel.get_xlim(), panel.get_ylim()
    spots = [
        (mark.x.mean, mark.y.mean, plain(mark.step) if mark.axis else mark.label * alone, INK)
        for mark in marks
        if left <= mark.x.mean <= right and low <= mark.y.mean <= high
    ]
    if alone or len(spots) <= MOST_LABELS:
        write_beside(panel, spots, every=alone)


def _mark_styles(results: Results, marks: Sequence[Mark]) -> tuple[dict[str, LineStyle], dict[str, str]]:
    """Return the style of each line of marks, and its name in the legend."""
    styles = line_styles({mark.line: LineOf(mark.model, mark.reference) for mark in marks}, run_places(results))
    return styles, {mark.line: f"{mark.line}, by {mark.axis}" if mark.axis else mark.line for mark in marks}


def _rows(results: Results, dataset: str, marks: Sequence[Mark]) -> list[ScoreRow]:
    """Return the rows with a value that marks were made of: of a large sweep few of all."""
    labels, scores = {mark.label for mark in marks}, {mark.score for mark in marks}
    return [row for row in results.rows_of(dataset, labels, scores) if row.has_value]


def _test_title(rows: Sequence[ScoreRow], dots: str = "") -> str:
    seeds = max(len({row.seed for row in block}) for block in grouped(rows, lambda row: row.label).values())
    key = f"; bars: 95 % intervals over seeds{dots}" if seeds > 1 else ""
    items = counted(max(row.n_eval for row in rows), "item")
    return f"{rows[0].dataset}, test split ({items}), {counted(seeds, 'seed')}{key}"
