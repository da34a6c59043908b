"""The figure of a sweep: each score over one axis, on the validation split."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from latentbench.drawing.panels import axis_scale, panel_grid, plain, set_ticks
from latentbench.drawing.style import INK, LineOf, LineStyle, line_styles, settings
from latentbench.report.charts.axes import counted, finish_axes, title_panel
from latentbench.table.sweeps import Choice, Curve, Estimate, Line, Point, Sweep

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["curve_figure", "draw_line", "rings"]

FLOOR = "floor"


def curve_figure(sweep: Sweep, axis: str, places: Mapping[str, int] | None = None) -> Figure:
    """Draw each score over one number that varied, on the validation split.

    Contenders are lines with a band for their 95 % intervals over seeds; yardsticks are dashed, floors dotted,
    what does not vary is level. A ring marks the setting that is chosen there, a diamond its value on test.
    `places` are those of the models of the run, which give them their colors.

    Raises:
        ValueError: nothing was varied along `axis`.
    """
    curves, left_out = sweep.legible(axis)
    if not curves:
        raise ValueError(f"nothing was varied along {axis!r}, but {sorted({c.axis for c in sweep.curves})}")
    lines = {line.label: line for curve in curves for line in curve.lines}
    chosen = line_styles(
        {name: LineOf(line.model, line.reference, line.level) for name, line in lines.items()}, places
    )
    if any(not math.isnan(_floor(curve)) for curve in curves):
        chosen |= {FLOOR: line_styles({FLOOR: LineOf(FLOOR, FLOOR, True)})[FLOOR]}
    seeds = max(point.value.seeds for line in lines.values() for point in line.points)
    ringed = any(rings(sweep, curve) for curve in curves)
    key = "; ring: chosen there, diamond: its value on test" if ringed else ""
    items = counted(sweep.items, "item")
    title = f"{sweep.dataset}, validation split ({items}), {counted(seeds, 'seed')}{key}"
    title += f"; {left_out} lines without a chosen setting are left out" if left_out else ""
    with settings():
        figure, panels = panel_grid(len(curves), title, chosen)
        for panel, curve in zip(panels, curves, strict=True):
            _draw_curve(panel, curve, rings(sweep, curve), chosen)
    return figure


def rings(sweep: Sweep, curve: Curve) -> list[tuple[Line, Point, Choice]]:
    """Return the points of a curve that are chosen settings."""
    chosen = {choice.label: choice for choice in sweep.choices if choice.line == curve.of}
    points = [(line, point) for line in curve.lines if not line.level for point in line.points]
    return [(line, point, chosen[point.label]) for line, point in points if point.label in chosen]


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
    finish_axes(panel, curve.axis, [*named, (FLOOR, Estimate(floor))])
    for line in curve.lines:
        level = line.level or (line.reference != "" and len(values) == 1)
        draw_line(panel, line, chosen[line.label], level)
    if not math.isnan(floor):
        style = chosen[FLOOR]
        panel.axhline(floor, color=style.color, linestyle=style.dash, linewidth=style.width, zorder=1.5)
    x = [point.x for _, point, _ in ringed]
    colors = [chosen[line.label].color for line, _, _ in ringed]
    ring: dict[str, Any] = {"s": 150, "facecolors": "none", "edgecolors": INK, "linewidths": 1.3, "zorder": 4}
    diamond: dict[str, Any] = {
        "s": 38,
        "facecolors": "white",
        "edgecolors": colors,
        "linewidths": 1.6,
        "zorder": 5,
    }
    if ringed:
        panel.scatter(x, [point.value.mean for _, point, _ in ringed], **ring)
        panel.scatter(x, [choice.test.mean for _, _, choice in ringed], marker="D", **diamond)
    title_panel(panel, curve.purpose, curve.of.name, curve.better, curve.unit)
    set_ticks(panel, values)


def draw_line(panel: Axes, line: Line, style: LineStyle, level: bool = False) -> None:
    """Draw one line, with a band for its intervals unless it is a reference; a level one across the panel."""
    options: dict[str, Any] = {"color": style.color, "linestyle": style.dash, "linewidth": style.width}
    means = [point.value.mean for point in line.points]
    if level:
        panel.axhline(means[0], zorder=1.5, **options)
        return
    x = [point.x for point in line.points]
    panel.plot(x, means, marker=style.marker, markersize=5, zorder=3, **options)
    if line.reference:
        return
    bottom, top = panel.get_ylim()
    shown = [point.value if bottom <= point.value.mean <= top else Estimate(math.nan) for point in line.points]
    lows, highs = [value.low for value in shown], [value.high for value in shown]
    if len(x) > 1:
        panel.fill_between(x, lows, highs, color=style.color, alpha=0.14, linewidth=0, zorder=1)
    else:
        panel.vlines(x, lows, highs, color=style.color, linewidth=1, zorder=2)


def _scale_options(values: Sequence[float]) -> dict[str, Any]:
    scale = axis_scale(values)
    if scale == "symlog":
        return {"base": 2, "linthresh": min(value for value in values if value > 0)}
    return {"base": 2} if scale == "log" else {}


def _floor(curve: Curve) -> float:
    """Return the floor to draw as a level; NaN where floor models have lines of their own, or there is none."""
    if any(line.reference == "floor" for line in curve.lines):
        return math.nan
    floors = [point.floor for line in curve.lines if not line.reference for point in line.points]
    return next(filter(math.isfinite, floors), math.nan)
