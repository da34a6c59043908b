"""The figures: curves over what was varied, rate and quality, cost and quality."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from latentbench.drawing.panels import (
    axis_scale,
    panel_grid,
    plain,
    round_ticks,
    set_ticks,
    write_at_right,
    write_beside,
)
from latentbench.drawing.style import INK, LineStyle, line_styles, settings
from latentbench.report.charts.tradeoffs import Mark, cost_marks, rate_marks
from latentbench.report.table.number_format import number, row_style
from latentbench.report.table.sweeps import Choice, Curve, Estimate, Line, Point, Sweep
from latentbench.score_rows import grouped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from latentbench.results import Results


__all__ = ["cost_figure", "curve_figure", "rate_figure", "rings", "short", "shown_range"]

MOST_NAMED = 2  # of what lies outside a panel
HOPELESS = 1000  # times as long an axis of rates, before a far one is left out
MOST_LABELS = 24  # beside the marks of a small panel
NOTICE = 46  # letters of a line under a panel
FLOOR = "floor"


def curve_figure(sweep: Sweep, axis: str) -> Figure:
    """Draw each score over one varied number, on the validation split.

    Contenders are lines with a band for their 95 % intervals over seeds; yardsticks are dashed, floors dotted,
    what does not vary is level. A ring marks the setting that is chosen there, a diamond its value on test.

    Raises:
        ValueError: nothing was varied along `axis`.
    """
    curves = [curve for curve in sweep.curves if curve.axis == axis]
    if not curves:
        raise ValueError(f"nothing was varied along {axis!r}, but {sorted({c.axis for c in sweep.curves})}")
    lines = {line.label: line for curve in curves for line in curve.lines}
    chosen = line_styles({name: (line.reference, line.level) for name, line in lines.items()})
    if any(not math.isnan(_floor(curve)) for curve in curves):
        chosen |= {FLOOR: line_styles({FLOOR: (FLOOR, True)})[FLOOR]}
    seeds = max(point.value.seeds for line in lines.values() for point in line.points)
    ringed = any(rings(sweep, curve) for curve in curves)
    key = "; ring: chosen there, diamond: its value on test" if ringed else ""
    items = _counted(sweep.items, "item")
    title = f"{sweep.dataset}, validation split ({items}), {_counted(seeds, 'seed')}{key}"
    with settings():
        figure, panels = panel_grid(len(curves), title, chosen)
        for panel, curve in zip(panels, curves, strict=True):
            _draw_curve(panel, curve, rings(sweep, curve), chosen)
    return figure


def rate_figure(results: Results, dataset: str) -> Figure | None:
    """Draw rate (nats) against r2 on the test split; None where no model has both.

    A mark is the mean over seeds with its 95 % intervals, a dot one seed; yardsticks without a rate are levels.
    """
    marks, levels = rate_marks(results, dataset)
    if not marks:
        return None
    styles, names = _mark_looks(marks)
    joined = {names[mark.line]: styles[mark.line] for mark in marks if mark.axis}
    title = _test_title(results, dataset, ["r2"], ", dots: single seeds")
    with settings():
        figure, (panel,) = panel_grid(1, title, joined, size=(7.2, 4.4))
        _title(panel, "keep", "r2", "up")
        _draw_marks(panel, "rate, nats", marks, styles, [level.y for level in levels])
        low, high = panel.get_ylim()
        shown = [level for level in levels if low <= level.y.mean <= high]
        for level in shown:
            panel.axhline(level.y.mean, color=INK, linestyle=(0, (5, 2)), linewidth=1.0, zorder=1.5)
        write_at_right(panel, [(level.y.mean, f"{level.label} {short(level.y.mean)}") for level in shown])
        figure.draw_without_rendering()
        _write_labels(panel, marks, alone=True)
    return figure


def cost_figure(results: Results, dataset: str) -> Figure | None:
    """Draw training time (seconds, log axis) against each headline quality score on test; None without one."""
    marks = cost_marks(results, dataset)
    if not marks:
        return None
    scores = list(dict.fromkeys(mark.score for mark in marks))
    styles, names = _mark_looks(marks)
    legend = {names[line]: look for line, look in styles.items()}
    title = _test_title(results, dataset, scores)
    firsts = {row.score: row for row in reversed(results.rows)}
    with settings():
        figure, panels = panel_grid(len(scores), title, legend)
        blocks = [[mark for mark in marks if mark.score == score] for score in scores]
        for panel, score, block in zip(panels, scores, blocks, strict=True):
            _title(panel, firsts[score].purpose, score, firsts[score].better, firsts[score].unit)
            panel.set_xscale("log", nonpositive="clip")
            _draw_marks(panel, "training, seconds", block, styles)
            set_ticks(panel, round_ticks(*panel.get_xlim()))
        figure.draw_without_rendering()
        for panel, block in zip(panels, blocks, strict=True):
            _write_labels(panel, block)
    return figure


def _draw_curve(
    panel: Axes, curve: Curve, ringed: Sequence[tuple[Line, Point, Choice]], chosen: Mapping[str, LineStyle]
) -> None:
    points = [(line, point) for line in curve.lines for point in line.points]
    values = sorted({point.x for line, point in points if not line.level})
    floor = _floor(curve)
    panel.set_xscale(axis_scale(values), **_scale_options(values))
    named = [
        (
            line.label if line.level else f"{line.label} at {plain(point.x)}",
            Estimate(point.value.mean) if line.level or line.reference else point.value,  # no band is drawn
        )
        for line, point in points
    ]
    named += [(f"{line.label} on test", Estimate(choice.test.mean)) for line, _, choice in ringed]
    _finish(panel, curve.axis, [*named, (FLOOR, Estimate(floor))])
    for line in curve.lines:
        level = line.level or (line.reference != "" and len(values) == 1)
        _draw_line(panel, line, chosen[line.label], level)
    if not math.isnan(floor):
        look = chosen[FLOOR]
        panel.axhline(floor, color=look.color, linestyle=look.dash, linewidth=look.width, zorder=1.5)
    for line, point, choice in ringed:
        color = chosen[line.label].color
        ring: dict[str, Any] = {"s": 150, "facecolors": "none", "edgecolors": INK, "linewidths": 1.3, "zorder": 4}
        diamond: dict[str, Any] = {
            "s": 38,
            "facecolors": "white",
            "edgecolors": color,
            "linewidths": 1.6,
            "zorder": 5,
        }
        panel.scatter([point.x], [point.value.mean], **ring)
        panel.scatter([point.x], [choice.test.mean], marker="D", **diamond)
    _title(panel, curve.purpose, curve.score, curve.better, curve.unit)
    set_ticks(panel, values)


def _draw_line(panel: Axes, line: Line, look: LineStyle, level: bool) -> None:
    style: dict[str, Any] = {"color": look.color, "linestyle": look.dash, "linewidth": look.width}
    means = [point.value.mean for point in line.points]
    if level:
        panel.axhline(means[0], zorder=1.5, **style)
        return
    x = [point.x for point in line.points]
    panel.plot(x, means, marker=look.marker, markersize=5, zorder=3, **style)
    if line.reference:
        return
    bottom, top = panel.get_ylim()
    shown = [point.value if bottom <= point.value.mean <= top else Estimate(math.nan) for point in line.points]
    lows, highs = [value.low for value in shown], [value.high for value in shown]
    if len(x) > 1:
        panel.fill_between(x, lows, highs, color=look.color, alpha=0.14, linewidth=0, zorder=1)
    else:
        panel.vlines(x, lows, highs, color=look.color, linewidth=1, zorder=2)


def _scale_options(values: Sequence[float]) -> dict[str, Any]:
    scale = axis_scale(values)
    if scale == "symlog":
        return {"base": 2, "linthresh": min(value for value in values if value > 0)}
    return {"base": 2} if scale == "log" else {}


def rings(sweep: Sweep, curve: Curve) -> list[tuple[Line, Point, Choice]]:
    """Return the points of a curve at which a model's chosen setting lies."""
    chosen = {choice.label: choice for choice in sweep.choices if choice.score == curve.score}
    points = [(line, point) for line in curve.lines if not line.level for point in line.points]
    return [(line, point, chosen[point.label]) for line, point in points if point.label in chosen]


def _floor(curve: Curve) -> float:
    """Return the floor to draw level: NaN where floor models have lines of their own, or there is none."""
    if any(line.reference == "floor" for line in curve.lines):
        return math.nan
    floors = [point.floor for line in curve.lines if not line.reference for point in line.points]
    return next(filter(math.isfinite, floors), math.nan)


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
    low, high = _finish(panel, axis, [(mark.label, mark.y) for mark in near], far, others)
    shown = [mark for mark in near if low <= mark.y.mean <= high]
    for line, look in styles.items():
        own = sorted((mark for mark in marks if mark.line == line), key=lambda mark: mark.step)
        color: dict[str, Any] = {"color": look.color, "zorder": 3}
        panel.plot([m.x.mean for m in own], [m.y.mean for m in own], linestyle=look.dash, linewidth=0.9, **color)
        own = [mark for mark in own if mark in shown]
        bars: dict[str, Any] = {"xerr": _bars([mark.x for mark in own]), "yerr": _bars([mark.y for mark in own])}
        x, y = [mark.x.mean for mark in own], [mark.y.mean for mark in own]
        panel.errorbar(x, y, **bars, fmt=look.marker, markersize=6, elinewidth=1.0, **color)
        dots = [(x, y) for mark in own for _, x, y in mark.seeds if not log]
        panel.scatter([x for x, _ in dots], [y for _, y in dots], 14, look.color, alpha=0.55, linewidths=0)


def _bars(estimates: Sequence[Estimate]) -> list[list[float]]:
    """Return how far intervals reach below and above their means; 0 where there is none."""
    below = [value.mean - value.low if math.isfinite(value.low) else 0.0 for value in estimates]
    return [below, [value.high - value.mean if math.isfinite(value.high) else 0.0 for value in estimates]]


def _finish(
    panel: Axes,
    axis: str,
    named: Sequence[tuple[str, Estimate]],
    far: Sequence[tuple[str, Estimate]] = (),
    others: Sequence[Estimate] = (),
) -> tuple[float, float]:
    """Set and return the range of y, name what varies along x, and say under it what lies outside the panel."""
    low, high = shown_range([*(value for _, value in named), *others])
    panel.set_ylim(low, high)
    panel.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    panel.tick_params(labelsize=8)
    hidden = [*far, *((name, value) for name, value in named if value.mean < low or value.mean > high)]
    said = [f"{name} ({short(value.mean)})" for name, value in hidden[:MOST_NAMED]]
    said += [f"{len(hidden) - MOST_NAMED} more"] if len(hidden) > MOST_NAMED else []
    notice = textwrap.fill(f"outside: {', '.join(said)}", NOTICE) if said else ""
    panel.set_xlabel("\n".join(filter(None, [axis, notice])), fontsize=8)
    return low, high


def _title(panel: Axes, purpose: str, score: str, better: str, unit: str = "") -> None:
    panel.set_title(f"{purpose}: {score} ({better.replace(':', ' ')})")
    panel.set_ylabel(unit, fontsize=8)


def _write_labels(panel: Axes, marks: Sequence[Mark], alone: bool = False) -> None:
    """Write its step beside each mark, or its label where it stands alone and no legend names it."""
    (left, right), (low, high) = panel.get_xlim(), panel.get_ylim()
    spots = [
        (mark.x.mean, mark.y.mean, plain(mark.step) if mark.axis else mark.label * alone, INK)
        for mark in marks
        if left <= mark.x.mean <= right and low <= mark.y.mean <= high
    ]
    if alone or len(spots) <= MOST_LABELS:
        write_beside(panel, spots)


def _mark_looks(marks: Sequence[Mark]) -> tuple[dict[str, LineStyle], dict[str, str]]:
    """Return the look of each line of marks, and what the legend calls it."""
    styles = line_styles({mark.line: (mark.reference, False) for mark in marks})
    return styles, {mark.line: f"{mark.line}, by {mark.axis}" if mark.axis else mark.line for mark in marks}


def _test_title(results: Results, dataset: str, scores: Sequence[str], dots: str = "") -> str:
    rows = [row for row in results.rows if row.dataset == dataset and row.score in scores and row.has_value]
    seeds = max(len({row.seed for row in block}) for block in grouped(rows, lambda row: row.label).values())
    key = f"; bars: 95 % intervals over seeds{dots}" if seeds > 1 else ""
    items = _counted(max(row.n_eval for row in rows), "item")
    return f"{dataset}, test split ({items}), {_counted(seeds, 'seed')}{key}"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def short(value: float) -> str:
    """Write a number that stands alone."""
    return number(value, row_style([value], [math.nan]))


FAR = 8  # median deviations from the median: beyond, a point may be left out of a panel ...
FLATTENED = 10  # ... where it would make the panel that many times as high ...
FEWEST = 4  # ... and there are that many points


def shown_range(values: Sequence[Estimate], flattened: float = FLATTENED) -> tuple[float, float]:
    """Return the ends of an axis that shows these means: a few far ones are left out where they flatten the rest.

    It holds the shorter half of the intervals; longer ones may reach out of it by more than the means spread.

    Args:
        values: all that is to be shown, in any unit.
        flattened: how many times as long far means must make the axis before they are left out.

    >>> low, high = shown_range([Estimate(mean) for mean in (0.5, 0.6, 0.7, 0.8, -35.0)])
    >>> round(low, 2), round(high, 2)
    (0.48, 0.82)
    """
    means = np.array([value.mean for value in values if math.isfinite(value.mean)])
    if not len(means):
        return 0.0, 1.0
    apart = np.abs(means - np.median(means))
    near = means[apart <= FAR * np.median(apart)]
    shorter = np.ptp(means) > flattened * max(np.ptp(near), np.abs(near).max() / 4) > 0
    kept = near if shorter and len(means) >= FEWEST else means
    low, high = float(kept.min()), float(kept.max())
    span = high - low or abs(high) / 10 or 0.1
    inside = [value for value in values if low <= value.mean <= high]
    halves = sorted(value.half for value in inside if math.isfinite(value.half))
    reach = max([span, *halves[: (len(halves) + 1) // 2]])
    bottom = min([low, *(max(value.low, low - reach) for value in inside if math.isfinite(value.low))])
    top = max([high, *(min(value.high, high + reach) for value in inside if math.isfinite(value.high))])
    pad = 0.06 * (top - bottom or span)
    return bottom - pad, top + pad
