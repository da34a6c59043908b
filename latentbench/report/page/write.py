"""The report: one self-contained HTML page that opens from a file, without a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from latentbench.files.failures import refusal
from latentbench.files.writing import write_atomically
from latentbench.report.page import gauges
from latentbench.report.page.addition import PageAddition
from latentbench.report.page.decoding.section import decoding_style
from latentbench.report.page.embedding import page_data
from latentbench.report.page.parts import DatasetPart, PluginSection, dataset_parts, plugin_section
from latentbench.report.page.run_card import RunCard, run_card
from latentbench.report.page.scripts import FOLDER, page_scripts, security_policy
from latentbench.report.page.templates import page_template

if TYPE_CHECKING:
    from latentbench.report.charts.plots import Plot
    from latentbench.results import Results

__all__ = ["ReportedRun", "report_page", "write_report", "write_reports"]


@dataclass(frozen=True)
class ReportedRun:
    """One run of a page.

    Attributes:
        results: of the run.
        sections: titled tables and SVG drawings of plugins, not trusted: a table is escaped, a drawing is shown as
            an image, in which no script runs and nothing is loaded.
        drawn: the figures it shows, of `latentbench.report.charts.plots`.
        maps: methods of maps that are made for it, where the run has none; see `pictures`.
    """

    results: Results
    sections: Sequence[tuple[str, pd.DataFrame | str]] = ()
    drawn: Sequence[Plot] = ()
    maps: Sequence[str] = ()


@dataclass(frozen=True)
class _RunOnPage:
    """What the page shows of one run; `name` is empty where it is the only one."""

    name: str
    parts: Sequence[DatasetPart]
    sections: Sequence[PluginSection]
    card: RunCard


def write_report(
    results: Results,
    plugins_sections: Sequence[tuple[str, pd.DataFrame | str]],
    path: Path,
    drawn: Sequence[Plot] = (),
    maps: Sequence[str] = (),
) -> Path:
    """Write the page of a run, whole or not at all; see `ReportedRun` and `write_reports`."""
    return write_reports([ReportedRun(results, plugins_sections, drawn, maps)], path)


def write_reports(runs: Sequence[ReportedRun], path: Path) -> Path:
    """Write one page of one or several runs, whole or not at all.

    Several runs stand one after the other: each has its own tables, and its name stands in the headings.

    Returns:
        `path`.

    Raises:
        RequestError: it cannot be written there.
        LatentbenchError: the disk is full or fails.
    """
    page = report_page(runs)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, page.encode())
    except OSError as error:
        raise refusal(error, f"the report {path} cannot be written") from error
    return path


def report_page(runs: Sequence[ReportedRun], addition: PageAddition | None = None) -> str:
    """Return the page of one or several runs, with what it has beyond the file where it is served."""
    names = _names([str(run.results.source) for run in runs]) if len(runs) > 1 else [""]
    scripts = [*page_scripts(), *(addition.scripts if addition else ())]
    return page_template(FOLDER / "template.html").render(
        title="; ".join(run.results.title for run in runs),
        style=_style() + (addition.style if addition else ""),
        scripts=scripts,
        policy=security_policy(scripts, asks=addition is not None),
        served=addition is not None,
        runs=[_on_page(run, name, addition) for run, name in zip(runs, names, strict=True)],
        data=page_data,
        gauges=gauges,
    )


def _on_page(run: ReportedRun, name: str, addition: PageAddition | None) -> _RunOnPage:
    decoding = addition.decoding if addition else None
    parts = dataset_parts(run.results, run.drawn, run.maps, name, decoding)
    sizes = {part.comparison.dataset: part.pictures.sizes for part in parts}
    sections = [plugin_section(title, content) for title, content in run.sections]
    return _RunOnPage(name, parts, sections, run_card(run.results, sizes))


def _names(paths: Sequence[str]) -> list[str]:
    """Return the last folders of paths, as many of each as tell them apart.

    >>> _names(["results/a", "results/b/"]), _names(["x/run", "y/run"])
    (['a', 'b'], ['x/run', 'y/run'])
    """
    parts = [Path(path).resolve().parts for path in paths]
    for length in range(1, max(map(len, parts)) + 1):
        names = ["/".join(each[-length:]) for each in parts]
        if len(set(names)) == len(set(parts)):
            return names
    return list(paths)


def _style() -> str:
    page = (FOLDER / "living" / "page.css").read_text("utf-8")
    return page + decoding_style()
