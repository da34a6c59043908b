"""What the page shows of one data set of one run, in words and pictures, ready for its template."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from latentbench.drawing.montage import data_uri
from latentbench.report.page.decoding.section import DecodingContent
from latentbench.report.page.films import Film, tour_films
from latentbench.report.page.pictures import Picture, Pictures, pictures
from latentbench.report.page.strips import StripRow, strip_rows
from latentbench.results import ended_badly
from latentbench.table.build import comparison_table
from latentbench.table.comparison import Column, Comparison, Table
from latentbench.table.comparison_display import conclusions, display
from latentbench.table.display import Display
from latentbench.table.number_format import number
from latentbench.table.sentences import cautions, faults
from latentbench.table.sweep_display import axes_show_all, axis_displays
from latentbench.text import counted, printable

if TYPE_CHECKING:
    from latentbench.report.charts.plots import Plot
    from latentbench.results import Results

__all__ = ["DatasetPart", "PluginSection", "dataset_parts", "plugin_section"]

MOST_ROWS = 200  # of a plugin's table
MOST_COLUMNS = 100  # of the table of all scores; beyond, settings that no score chose are left out

FailedTrial = tuple[str, int, str, str]


@dataclass(frozen=True)
class PageFigure:
    """One figure with its texts; the heading is empty where it repeats that of the figure before."""

    heading: str
    note: str
    sentences: Sequence[str]
    picture: Picture


@dataclass(frozen=True)
class DatasetPart:
    """What the page shows of one data set.

    Attributes:
        title: its heading; the run is named too where the page has several.
        faults: what is wrong with its numbers.
        cautions: how little they can tell apart.
        strip: the same images through every model.
        films: tours of its maps, and in `films_left_out` those that are not shown.
        failures: (label, seed, status, message) of each trial that went wrong.
        not_applicable: reason -> scores and their models.
    """

    title: str
    comparison: Comparison
    shown: Display
    everything: Display
    all_columns: Sequence[Column]
    axes: Sequence[Display]
    axes_suffice: bool
    sentences: Sequence[str]
    faults: Sequence[str]
    cautions: Sequence[str]
    drawings: Sequence[PageFigure]
    pictures: Pictures
    strip: Sequence[StripRow]
    films: Sequence[Film]
    films_left_out: str
    failures: Sequence[FailedTrial]
    not_applicable: Mapping[str, Sequence[str]]

    @property
    def missing(self) -> str:
        """How many trials failed, models have no pictures, scores do not apply; "" where nothing is missing."""
        scores = sum(len(which) for which in self.not_applicable.values())
        parts = [
            f"{counted(len(self.failures), 'trial')} failed" * bool(self.failures),
            f"{counted(len(self.pictures.skipped), 'model')} without pictures" * bool(self.pictures.skipped),
            f"{counted(scores, 'score')} not applicable to some model" * bool(scores),
        ]
        return ", ".join(filter(None, parts))


@dataclass(frozen=True)
class PluginSection:
    """A plugin's section: a table, a drawing, or words."""

    title: str
    header: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    drawing: str = ""
    words: str = ""


def dataset_parts(
    results: Results,
    drawn: Sequence[Plot],
    maps: Sequence[str],
    run: str = "",
    decoding: Callable[[str], DecodingContent] | None = None,
) -> list[DatasetPart]:
    """Return the parts of a run, one for each data set.

    Args:
        results: of the run.
        drawn: its figures.
        maps: methods of maps that are made where the run has none; see `pictures`.
        run: how the run is called in headings, where the page has several.
        decoding: name of a data set -> what collects the models that decode in its part; None: in the page itself.
    """
    table = comparison_table(results)
    everything = comparison_table(results, every=True, most_columns=MOST_COLUMNS)
    pairs = zip(table.comparisons, everything.comparisons, strict=True)
    return [_part(results, *pair, table, drawn, maps, run, decoding) for pair in pairs]


def _part(
    results: Results,
    comparison: Comparison,
    everything: Comparison,
    table: Table,
    drawn: Sequence[Plot],
    maps: Sequence[str],
    run: str,
    decoding: Callable[[str], DecodingContent] | None,
) -> DatasetPart:
    dataset = comparison.dataset
    seen = pictures(results, dataset, maps, None if decoding is None else decoding(dataset))
    films, films_left_out = tour_films(results, dataset)
    return DatasetPart(
        title=f"{run}: {dataset}" if run else dataset,
        comparison=comparison,
        shown=display(comparison, table),
        everything=display(everything, table),
        all_columns=everything.columns,
        axes=axis_displays(comparison, table),
        axes_suffice=axes_show_all(comparison, table),
        sentences=conclusions(comparison, table),
        faults=faults(comparison),
        cautions=cautions(comparison),
        drawings=_drawings([plot for plot in drawn if plot.dataset == dataset]),
        pictures=seen,
        strip=strip_rows(seen),
        films=films,
        films_left_out=films_left_out,
        failures=ended_badly(trial for trial in results.trials if trial.dataset == dataset),
        not_applicable=_not_applicable(everything),
    )


def _drawings(plots_here: Sequence[Plot]) -> list[PageFigure]:
    shown: list[PageFigure] = []
    for before, plot in zip([None, *plots_here], plots_here, strict=False):
        picture = Picture(plot.stem, "", data_uri(plot.svg(), "image/svg+xml"), plot.alt)
        new = before is None or before.heading != plot.heading
        shown.append(PageFigure(plot.heading * new, plot.note * new, plot.sentences, picture))
    return shown


def _not_applicable(comparison: Comparison) -> dict[str, list[str]]:
    """Return reason -> scores and their models, as "no posterior" -> ["rate: ae, pca", ...]."""
    skipped: dict[str, list[str]] = {}
    for row in comparison.rows:
        reasons: dict[str, list[str]] = {}
        for cell, column in zip(row.cells, comparison.columns, strict=True):
            if cell.status == "not applicable":
                reasons.setdefault(cell.reason or "no reason given", []).append(column.label)
        for reason, labels in reasons.items():
            skipped.setdefault(reason, []).append(f"{row.name}: {', '.join(labels)}")
    return skipped


def plugin_section(title: str, content: pd.DataFrame | str) -> PluginSection:
    """Return the section of a plugin; what it gives is text, or an image in which no script runs."""
    if isinstance(content, pd.DataFrame):
        rows = [[_entry(value) for value in row] for row in content.head(MOST_ROWS).itertuples(index=False)]
        more = len(content) - len(rows)
        return PluginSection(
            title, [str(name) for name in content.columns], rows, words=f"{more} more rows." * (more > 0)
        )
    if "<svg" in content[:1000]:
        return PluginSection(title, drawing=data_uri(printable(content, keep="\n\r\t").encode(), "image/svg+xml"))
    return PluginSection(title, words=content)


def _entry(value: Any) -> str:
    return number(float(value)) if isinstance(value, float) else str(value)
