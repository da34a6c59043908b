"""The figures of a run with their captions and numbers."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from latentbench.drawing.drawing import Drawing, write_drawing
from latentbench.drawing.formats import STILL_FORMS, USUAL, Formats
from latentbench.drawing.panels import plain
from latentbench.files.failures import refusal
from latentbench.report.charts.axes import short
from latentbench.report.charts.curve_figure import curve_figure, rings
from latentbench.report.charts.label_figure import label_alt, label_figure, label_numbers
from latentbench.report.charts.looks import run_places
from latentbench.report.charts.tradeoff_figures import cost_figure, rate_figure
from latentbench.report.charts.tradeoffs import (
    Mark,
    columns_of,
    cost_marks,
    legible_marks,
    mark_numbers,
    rate_marks,
)
from latentbench.table.columns import datasets
from latentbench.table.label_budgets.curves import items_scored, label_curves
from latentbench.table.label_budgets.words import label_reading
from latentbench.table.number_format import measured, row_style
from latentbench.table.sentences import AIMS, shortfall
from latentbench.table.sweeps import Choice, Estimate, Line, Sweep, sweeps

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from latentbench.results import Results

__all__ = ["Plot", "chart", "plots", "write_figures"]

KINDS = ("curve-", "labels-", "rate-", "cost-")  # prefixes of the names of figures
MOST_CLOSE = 3  # settings named in addition to the chosen one


@dataclass(frozen=True, eq=False)
class Plot:
    """One figure with its numbers, and its captions; `stem` names its files."""

    dataset: str
    stem: str
    heading: str
    note: str
    alt: str
    drawing: Drawing
    sentences: tuple[str, ...] = ()

    def svg(self) -> bytes:
        """Return it as SVG, drawn once for page and file."""
        return self.drawing.picture("svg")

    def draw(self, formats: Formats | None) -> None:
        """Draw it for the page and for files in these formats, if any, which then need not be waited for."""
        for form in ("svg", *(() if formats is None else formats.stills)):
            self.drawing.picture(form)


def chart(stem: str, description: str, figure: Figure, numbers: pd.DataFrame) -> Drawing:
    """Return a figure of numbers, described in words, as a drawing."""
    return Drawing(figure, numbers, stem, about={"shows": description})


def write_figures(drawn: Sequence[Plot], folder: Path, formats: Formats = USUAL) -> list[Path]:
    """Write each drawing and its numbers into `folder`; the same numbers give the same bytes.

    Args:
        drawn: what to write.
        folder: where to; files that an earlier call wrote there are removed.
        formats: in which formats.

    Raises:
        RequestError: they cannot be written there.
        LatentbenchError: the disk is full or fails.
    """
    written: list[Path] = []
    taken: Counter[str] = Counter()
    _remove_earlier(folder)
    for plot in drawn:
        taken[plot.stem.lower()] += 1
        again = taken[plot.stem.lower()]
        stem = f"{plot.stem}-{again}" if again > 1 else plot.stem
        written += write_drawing(plot.drawing, folder / stem, formats)
    return written


def _remove_earlier(folder: Path) -> None:
    """Remove the figures of an earlier request."""
    endings = {f".{form}" for form in (*STILL_FORMS, "csv")}
    try:
        for path in folder.glob("*.*"):
            if path.name.startswith(KINDS) and path.suffix in endings:
                path.unlink()
    except OSError as error:
        raise refusal(error, f"figures cannot be written to {folder}") from error


def plots(results: Results) -> list[Plot]:
    """Draw all figures of a run, data set by data set: curves, then labels, then rate, then cost."""
    swept = {sweep.dataset: sweep for sweep in sweeps(results)}
    drawn: list[Plot] = []
    for dataset in datasets(results):
        if dataset in swept:
            drawn += _curve_plots(results, swept[dataset])
        drawn += _label_plots(results, dataset)
        drawn += _test_plots(results, dataset)
    return drawn


def _curve_plots(results: Results, sweep: Sweep) -> Iterator[Plot]:
    for place, axis in enumerate(dict.fromkeys(curve.axis for curve in sweep.curves)):
        stem = _stem("curve", sweep.dataset, axis)
        yield Plot(
            sweep.dataset,
            stem,
            "Curves",
            "Settings are chosen on the validation split; a diamond is the chosen one's value on the test split.",
            _curve_alt(sweep, axis),
            chart(
                stem,
                f"Scores over {axis} on the validation split of {sweep.dataset}. {_seeds(results, sweep.dataset)}",
                curve_figure(sweep, axis, run_places(results)),
                _curve_numbers(sweep, axis),
            ),
            () if place else tuple(map(_choice_sentence, sweep.choices)),
        )


def _label_plots(results: Results, dataset: str) -> Iterator[Plot]:
    curves = label_curves(results, dataset)
    if not curves:
        return
    yield Plot(
        dataset,
        _stem("labels", dataset),
        "Labels needed",
        "Accuracy when only so many training items are labeled, with the same labels for every model: up and left "
        "is better. Intervals are over seeds, not over other choices of labels.",
        label_alt(dataset, curves),
        chart(
            _stem("labels", dataset),
            f"Accuracy over the number of labels on the test split of {dataset}. {_seeds(results, dataset)}",
            label_figure(dataset, items_scored(results, dataset), curves, run_places(results)),
            label_numbers(dataset, curves),
        ),
        label_reading(results, dataset),
    )


def _test_plots(results: Results, dataset: str) -> Iterator[Plot]:
    seeds = _seeds(results, dataset)
    marks, levels = rate_marks(results, dataset)
    rate = rate_figure(results, dataset, marks, levels)
    if rate is not None:
        yield Plot(
            dataset,
            _stem("rate", dataset),
            "Rate and quality",
            "Reconstruction against the information (nats) that a code carries: up and left is better.",
            f"Rate against r2 on {dataset}: {_said([*_legible(results, dataset, marks), *levels], 'nats')}.",
            chart(
                _stem("rate", dataset),
                f"Rate and r2 on the test split of {dataset}. {seeds}",
                rate,
                mark_numbers(dataset, [*marks, *levels], "rate"),
            ),
        )
    marks = cost_marks(results, dataset)
    cost = cost_figure(results, dataset, marks)
    if cost is not None:
        yield Plot(
            dataset,
            _stem("cost", dataset),
            "Cost and quality",
            "What a score costs, in seconds of training on this machine.",
            f"Training time against scores on {dataset}: {_said(_legible(results, dataset, marks), 's')}.",
            chart(
                _stem("cost", dataset),
                f"Training time and scores on the test split of {dataset}. {seeds}",
                cost,
                mark_numbers(dataset, marks, "train_seconds"),
            ),
        )


def _legible(results: Results, dataset: str, marks: Sequence[Mark]) -> list[Mark]:
    return legible_marks(results, dataset, marks)[0]


def _curve_numbers(sweep: Sweep, axis: str) -> pd.DataFrame:
    rows = []
    for curve in sweep.curves:
        chosen = {point.label: choice.test for _, point, choice in rings(sweep, curve)}
        for line in curve.lines if curve.axis == axis else ():
            for point in line.points:
                test = chosen.get(point.label, Estimate(math.nan))
                rows.append(
                    {
                        "dataset": sweep.dataset,
                        "split": "validation",
                        "score": curve.of.name,
                        "better": curve.better,
                    }
                    | {"line": line.label, "label": point.label, "model": line.model, "reference": line.reference}
                    | {axis: point.x, **columns_of("value", point.value), "seeds": point.value.seeds}
                    | {"floor": point.floor, "chosen": point.label in chosen, **columns_of("test", test)}
                )
    return pd.DataFrame(rows)


def _curve_alt(sweep: Sweep, axis: str) -> str:
    """Say where each line of contenders and yardsticks begins and ends."""
    said = []
    for curve in sweep.legible(axis)[0]:
        shown = [line for line in curve.lines if line.told]
        if shown:
            said.append(f"{curve.of.name}: " + ", ".join(map(_ends, shown)))
    return f"Scores over {axis} on the validation split of {sweep.dataset}. {'; '.join(said)}."


def _ends(line: Line) -> str:
    ends = dict.fromkeys([line.points[0], line.points[-1]])
    return f"{line.label} " + " to ".join(f"{short(point.value.mean)} at {plain(point.x)}" for point in ends)


def _choice_sentence(choice: Choice) -> str:
    """Say which setting was chosen for a purpose, and what it scores on both splits."""
    values = [choice.validation, choice.test]
    style = row_style([value.mean for value in values], [value.half for value in values])
    validation, test = (measured(value.mean, value.half, style) for value in values)
    aim = AIMS.get(choice.purpose, f"For {choice.purpose}")
    more = f" and {len(choice.close) - MOST_CLOSE} more" if len(choice.close) > MOST_CLOSE else ""
    close = f" Not clearly worse: {'; '.join(choice.close[:MOST_CLOSE])}{more}." if choice.close else ""
    return (
        f"{aim} ({choice.line.name}), {choice.model} does best with {choice.chosen} of {choice.tried} tried on "
        f"the validation split ({validation}){shortfall(choice)}; on the test split it is {test}.{close}"
    )


def _said(marks: Sequence[Mark], unit: str) -> str:
    said: dict[str, list[str]] = {}
    for mark in marks:
        first = f"{mark.label} {short(mark.x.mean)} {unit}" if math.isfinite(mark.x.mean) else mark.label
        said.setdefault(mark.label, [first]).append(f"{mark.score} {short(mark.y.mean)}")
    return "; ".join(", ".join(parts) for parts in said.values())


def _seeds(results: Results, dataset: str) -> str:
    seeds = sorted({row.seed for row in results.first_rows if row.dataset == dataset})
    return f"Means and 95 % intervals over seeds {', '.join(map(str, seeds))}"


def _stem(*names: str) -> str:
    """Return a file name that is valid on any file system.

    >>> _stem("curve", "my data/a:b", "beta")
    'curve-my_data_a_b-beta'
    """
    return "-".join(re.sub(r"[^A-Za-z0-9_.=+]+", "_", name)[:80] for name in names)
