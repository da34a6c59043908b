"""The report: one self-contained HTML page that opens from a file, without a network."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from latentbench.drawing.montage import data_uri
from latentbench.files.failures import refusal
from latentbench.files.run_files import read_environment
from latentbench.files.writing import write_atomically
from latentbench.report.page.addition import PageAddition
from latentbench.report.page.decoding.section import decoding_style
from latentbench.report.page.embedding import page_data
from latentbench.report.page.pictures import Picture, Pictures, pictures
from latentbench.report.page.scripts import FOLDER, page_scripts, security_policy
from latentbench.report.page.templates import page_template
from latentbench.table.build import comparison_table
from latentbench.table.comparison import Column, Comparison, Table
from latentbench.table.comparison_display import conclusions, display
from latentbench.table.display import Display, DisplayRow
from latentbench.table.number_format import number
from latentbench.table.sentences import warnings
from latentbench.table.sweep_display import axes_show_all, axis_displays
from latentbench.text import printable

if TYPE_CHECKING:
    from latentbench.report.charts.plots import Plot
    from latentbench.results import Results

__all__ = ["report_page", "write_report"]

MOST_ROWS = 200  # of a plugin's table
MOST_COLUMNS = 100  # of the table of all scores; beyond, settings that no score chose are left out
LONGEST = 400  # characters of an entry of the run card


@dataclass(frozen=True)
class _PageFigure:
    """One figure with its texts; the heading is empty where it repeats that of the figure before."""

    heading: str
    note: str
    sentences: Sequence[str]
    picture: Picture


@dataclass(frozen=True)
class _DatasetPart:
    """What the page shows of one data set."""

    comparison: Comparison
    shown: Display
    everything: Display
    all_columns: Sequence[Column]
    axes: Sequence[Display]
    axes_suffice: bool
    sentences: Sequence[str]
    warnings: Sequence[str]
    drawings: Sequence[_PageFigure]
    pictures: Pictures
    not_applicable: Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class _PluginSection:
    """A plugin's section: a table, a drawing, or words."""

    title: str
    header: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    drawing: str = ""
    words: str = ""


def write_report(
    results: Results,
    plugins_sections: Sequence[tuple[str, pd.DataFrame | str]],
    path: Path,
    drawn: Sequence[Plot] = (),
    maps: Sequence[str] = (),
) -> Path:
    """Write the page of a run, whole or not at all.

    Args:
        results: of the run.
        plugins_sections: titled tables and SVG drawings of plugins, not trusted: a table is escaped, a drawing
            is shown as an image, in which no script runs and nothing is loaded.
        path: of the file.
        drawn: the figures it shows, of `latentbench.report.charts.plots`.
        maps: methods of maps that are made for it, where the run has none; see `pictures`.

    Returns:
        `path`.

    Raises:
        RequestError: it cannot be written there.
        LatentbenchError: the disk is full or fails.
    """
    page = report_page(results, plugins_sections, drawn, maps)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, page.encode())
    except OSError as error:
        raise refusal(error, f"the report {path} cannot be written") from error
    return path


def report_page(
    results: Results,
    plugins_sections: Sequence[tuple[str, pd.DataFrame | str]],
    drawn: Sequence[Plot] = (),
    maps: Sequence[str] = (),
    addition: PageAddition | None = None,
) -> str:
    """Return the page of a run; the arguments are those of `write_report`.

    Args:
        results: of the run.
        plugins_sections: titled tables and SVG drawings of plugins.
        drawn: the figures it shows.
        maps: methods of maps that are made for it.
        addition: what it has beyond the file, where it is served.
    """
    table = comparison_table(results)
    everything = comparison_table(results, every=True, most_columns=MOST_COLUMNS)
    pairs = zip(table.comparisons, everything.comparisons, strict=True)
    parts = [_part(results, *pair, table, drawn, maps, addition) for pair in pairs]
    scripts = [*page_scripts(), *(addition.scripts if addition else ())]
    return page_template(FOLDER / "template.html").render(
        title=results.title,
        style=_style() + (addition.style if addition else ""),
        scripts=scripts,
        policy=security_policy(scripts, asks=addition is not None),
        served=addition is not None,
        parts=parts,
        sections=[_section(title, content) for title, content in plugins_sections],
        failures=results.failures,
        card=_card(results),
        data=page_data,
        share=_share,
        without_bar=_without_bar,
    )


def _part(
    results: Results,
    comparison: Comparison,
    everything: Comparison,
    table: Table,
    drawn: Sequence[Plot],
    maps: Sequence[str],
    addition: PageAddition | None,
) -> _DatasetPart:
    decoding = None if addition is None else addition.decoding(comparison.dataset)
    axes, axes_suffice = axis_displays(comparison, table), axes_show_all(comparison, table)
    return _DatasetPart(
        comparison,
        display(comparison, table),
        display(everything, table),
        everything.columns,
        axes,
        axes_suffice,
        conclusions(comparison, table),
        warnings(comparison),
        _drawings([plot for plot in drawn if plot.dataset == comparison.dataset]),
        pictures(results, comparison.dataset, maps, decoding),
        _not_applicable(everything),
    )


def _drawings(plots_here: Sequence[Plot]) -> list[_PageFigure]:
    shown: list[_PageFigure] = []
    for before, plot in zip([None, *plots_here], plots_here, strict=False):
        picture = Picture(plot.stem, "", data_uri(plot.svg(), "image/svg+xml"), plot.alt)
        new = before is None or before.heading != plot.heading
        shown.append(_PageFigure(plot.heading * new, plot.note * new, plot.sentences, picture))
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


def _share(row: DisplayRow, place: int) -> int | None:
    """Return the place of a cell between floor (0) and ceiling (100), in percent; None without both."""
    source = row.source
    mean = math.nan if source is None else source.cells[place].mean
    if source is None or not source.measured or not math.isfinite(mean):
        return None
    share = (mean - source.floor) / (source.ceiling - source.floor)
    return round(100 * min(max(share, 0), 1))


def _without_bar(shown: Display) -> list[str]:
    """Return the scores whose ceiling some model exceeds, so that it is none."""
    return [row.source.name for row in shown.rows if row.source is not None and row.source.exceeded]


def _section(title: str, content: pd.DataFrame | str) -> _PluginSection:
    if isinstance(content, pd.DataFrame):
        rows = [[_entry(value) for value in row] for row in content.head(MOST_ROWS).itertuples(index=False)]
        more = len(content) - len(rows)
        return _PluginSection(
            title, [str(name) for name in content.columns], rows, words=f"{more} more rows." * (more > 0)
        )
    if "<svg" in content[:1000]:
        return _PluginSection(title, drawing=data_uri(printable(content, keep="\n\r\t").encode(), "image/svg+xml"))
    return _PluginSection(title, words=content)


def _entry(value: Any) -> str:
    return number(float(value)) if isinstance(value, float) else str(value)


def _card(results: Results) -> list[tuple[str, str]]:
    entries, firsts = [("run", str(results.path))], results.first_rows
    for name in ("dataset", "label", "seed", "epochs", "device", "precision", "likelihood", "environment"):
        values = [text for text in dict.fromkeys(str(getattr(row, name)) for row in firsts) if text]
        entries += [(name, ", ".join(sorted(values) if name == "seed" else values))] if values else []
    return [(key, text[:LONGEST]) for key, text in [*entries, *_flat(read_environment(results.path))]]


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Walk through nested JSON: ("torch.version", "2.11")."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list):
        yield name, ", ".join(entry if isinstance(entry, str) else json.dumps(entry) for entry in value)
    else:
        yield name, str(value)


def _style() -> str:
    page = (FOLDER / "living" / "page.css").read_text("utf-8")
    return page + decoding_style()
