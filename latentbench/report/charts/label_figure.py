"""The figure of label budgets: accuracy over the number of labels, on the test split."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd

from latentbench.drawing.panels import lay_out, panel_grid, plain
from latentbench.drawing.style import LineOf, LineStyle, line_styles, settings
from latentbench.report.charts.axes import counted, finish_axes, short, title_panel
from latentbench.report.charts.curve_figure import draw_line
from latentbench.report.charts.tradeoffs import columns_of
from latentbench.table.curves import Curve, Estimate, Line, legible_curves
from latentbench.table.label_budgets.curves import ALL

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["label_alt", "label_figure", "label_numbers"]

DECADE = 10  # all labels stand this many times as far to the right as the largest budget
MARGIN = 1.25  # beyond the first and the last place
AXIS = "labeled training items"


def label_figure(
    dataset: str, items: int, curves: Sequence[Curve], places: Mapping[str, int] | None = None
) -> Figure:
    """Draw the accuracy of each model over the number of labels, one panel for each family of scores.

    Contenders are lines with a band for their 95 % intervals over seeds; references are dashed or dotted. What is
    reached with all labels stands apart at the right, at a place of its own. `places` are those of the models of
    the run, which give them their colors.
    """
    shown, left_out = legible_curves(curves, set())
    lines = {line.label: line for curve in shown for line in curve.lines}
    chosen = line_styles({name: LineOf(line.model, line.reference) for name, line in lines.items()}, places)
    seeds = max(point.value.seeds for line in lines.values() for point in line.points)
    bands = "; bands: 95 % intervals over seeds" if seeds > 1 else ""
    title = f"{dataset}, test split ({counted(items, 'item')}), {counted(seeds, 'seed')}{bands}"
    title += f"; {left_out} models are left out" if left_out else ""
    with settings():
        figure, panels = panel_grid(len(shown), title, chosen)
        for panel, curve in zip(panels, shown, strict=True):
            _draw(panel, curve, chosen)
        lay_out(figure)
    return figure


def _draw(panel: Axes, curve: Curve, chosen: Mapping[str, LineStyle]) -> None:
    budgets = sorted({point.x for line in curve.lines for point in line.points})
    places = {budget: budget if math.isfinite(budget) else max(budgets[:-1]) * DECADE for budget in budgets}
    panel.set_xscale("log")
    named = [
        (f"{line.label} at {_written(point.x)}", Estimate(point.value.mean) if line.reference else point.value)
        for line in curve.lines
        for point in line.points
    ]
    finish_axes(panel, AXIS, named)
    for line in curve.lines:
        draw_line(panel, _placed(line, places), chosen[line.label])
    panel.set_xlim(places[budgets[0]] / MARGIN, places[budgets[-1]] * MARGIN)
    panel.set_xticks(list(places.values()), [_written(budget) for budget in places], fontsize=8)
    panel.set_xticks([], minor=True)
    title_panel(panel, curve.purpose, curve.score, curve.better)


def _placed(line: Line, places: Mapping[float, float]) -> Line:
    return replace(line, points=tuple(replace(point, x=places[point.x]) for point in line.points))


def _written(budget: float) -> str:
    return "all" if budget == ALL else plain(budget)


def label_numbers(dataset: str, curves: Sequence[Curve]) -> pd.DataFrame:
    """Return a row for each model and number of labels; "all" where these are all."""
    return pd.DataFrame(
        {"dataset": dataset, "split": "test", "score": curve.score, "better": curve.better, "label": line.label}
        | {"model": line.model, "reference": line.reference, "labels": _written(point.x)}
        | {**columns_of("value", point.value), "seeds": point.value.seeds}
        for curve in curves
        for line in curve.lines
        for point in line.points
    )


def label_alt(dataset: str, curves: Sequence[Curve]) -> str:
    """Say what each model reaches with how many labels."""
    said = []
    for curve in legible_curves(curves, set())[0]:
        lines = [
            f"{line.label} " + ", ".join(f"{short(p.value.mean)} with {_written(p.x)}" for p in line.points)
            for line in curve.lines
        ]
        said.append(f"{curve.score}: {'; '.join(lines)}")
    return f"Accuracy over the number of labels on {dataset}. {'. '.join(said)}."
