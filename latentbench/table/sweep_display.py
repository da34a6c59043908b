"""Settings that varied, put into words: one table for each axis, read from the validation split."""

from __future__ import annotations

from collections.abc import Sequence

from latentbench.table.comparison import Comparison, Table
from latentbench.table.curves import TOLD
from latentbench.table.display import Display, DisplayCell, DisplayRow
from latentbench.table.number_format import measured, row_style
from latentbench.table.sentences import choices_reading
from latentbench.table.significance import BEST
from latentbench.table.sweeps import Curve, Line, Sweep

__all__ = ["axes_show_all", "axis_displays"]

WORDS = ("score", "better", "model")
SIGNS = {
    "latent_dim": "d=",
    "epochs": " epoch",
    "train_limit": " training items",
}  # by which a heading names an axis


def axis_displays(comparison: Comparison, table: Table) -> list[Display]:
    """Put what varied on the data set of a comparison into words, one table an axis."""
    swept = [sweep for sweep in table.sweeps if sweep.dataset == comparison.dataset]
    return [shown for sweep in swept for shown in _sweep_displays(sweep, comparison)]


def axes_show_all(comparison: Comparison, table: Table) -> bool:
    """Whether every contender and yardstick has a line over some axis, so that a comparison would repeat that.

    Where purposes were asked for, each of their scores must have a curve.
    """
    curves = [curve for sweep in table.sweeps if sweep.dataset == comparison.dataset for curve in sweep.curves]
    if table.purposes and not {row.name for row in comparison.rows} <= {curve.of.name for curve in curves}:
        return False
    lines = [line for curve in curves for line in curve.lines if not line.level]
    varied = {point.label for line in lines for point in line.points}
    return bool(varied) and all(
        column.label in varied for column in comparison.columns if column.reference in TOLD
    )


def _sweep_displays(sweep: Sweep, comparison: Comparison) -> list[Display]:
    """Put the curves of each axis into words; the choices are read above the first."""
    axes = list(dict.fromkeys(curve.axis for curve in sweep.curves))
    signs = [SIGNS[axis] for axis in axes if axis in SIGNS]
    budget = [part for part in comparison.budget if not any(sign in part for sign in signs)]
    seeds = f"{comparison.seeds} seed{'s' * (comparison.seeds != 1)}"
    common = f"validation split ({sweep.items} items)", *budget, seeds
    shown: list[Display] = []
    for axis in axes:
        said = tuple(choices_reading(sweep)) if not shown else ()
        shown.append(_axis_display(sweep, axis, common, said))
    return shown


def _axis_display(sweep: Sweep, axis: str, common: Sequence[str], said: tuple[str, ...]) -> Display:
    curves, left_out = sweep.legible(axis)
    places = sorted(
        {point.x for curve in curves for line in curve.lines for point in line.points if not line.level}
    )
    rows = tuple(row for curve in curves for row in _curve_rows(curve, places, sweep))
    names = tuple(f"{place:g}" for place in places)
    legend = (
        ("* chosen on the validation split; test of *: its value on the test split",),
        tuple(_flagged(sweep, axis)),
        *([(f"{left_out} lines without a chosen setting are left out",)] if left_out else []),
        ("all settings on the test split: `latentbench table RUN --all`",),
    )
    head = f"{sweep.dataset} over {axis}", *common
    return Display(head, names, ("",) * len(names), rows, legend, said, WORDS, "test of *")


def _flagged(sweep: Sweep, axis: str) -> list[str]:
    """Name the settings that carry a flag; a checkpoint of an unfinished training has never converged."""
    shown = {flag: labels for flag, labels in sweep.flags.items() if flag != "not converged" or axis != "epochs"}
    return [f"! {flag}: {', '.join(labels)}" for flag, labels in shown.items()]


def _curve_rows(curve: Curve, places: Sequence[float], sweep: Sweep) -> list[DisplayRow]:
    """Return a row for each contender and yardstick that varies; the score is named once."""
    lines = [line for line in curve.lines if line.told]
    values = [point.value for line in lines for point in line.points]
    style = row_style([value.mean for value in values], [value.half for value in values])
    chosen = {choice.label: choice.test for choice in sweep.choices if choice.line == curve.of}

    def row(line: Line, first: bool) -> DisplayRow:
        points = {point.x: point for point in line.points}
        cells = [
            DisplayCell(
                measured(points[x].value.mean, points[x].value.half, style),
                BEST if points[x].label in chosen else "",
            )
            if x in points
            else DisplayCell("")
            for x in places
        ]
        tests = [chosen[point.label] for point in line.points if point.label in chosen]
        last = measured(tests[0].mean, tests[0].half, style) if tests else "-"
        named = (curve.of.name, curve.better.replace("near:", "near ")) if first else ("", "")
        return DisplayRow((*named, line.label), tuple(cells), last)

    return [row(line, first=place == 0) for place, line in enumerate(lines)]
