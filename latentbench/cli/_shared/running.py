"""What the verbs that run something share: progress while it runs, then the page and the table."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latentbench.cli._shared.command_line import command_line
from latentbench.cli._shared.options import read_options, split_names
from latentbench.drawing.formats import USUAL, Formats
from latentbench.terminal.output import echo, terminal_width
from latentbench.terminal.working import working

if TYPE_CHECKING:
    from latentbench.benchmark import Benchmark
    from latentbench.execution.finished import FinishedRun
    from latentbench.execution.options import Execution
    from latentbench.planning.plan import Plan
    from latentbench.plugins import Plugins
    from latentbench.report.charts.plots import Plot
    from latentbench.report.page.addition import PageAddition
    from latentbench.report.page.write import ReportedRun
    from latentbench.results import Results

__all__ = [
    "execute_plan",
    "execution_of",
    "served_page",
    "show_results",
    "shown_again",
    "told",
    "write_joint_page",
    "write_page",
]


def execute_plan(
    plan: Plan,
    benchmark: Benchmark,
    folder: Path,
    plugins: Plugins,
    options: Mapping[str, Any],
    *,
    train: bool = True,
) -> Results:
    """Do what is missing of a plan, with live progress; without `train`, only scores."""
    from latentbench.execution.run import execute
    from latentbench.terminal.progress import shown_progress

    with shown_progress(plugins, lines=bool(options.get("debug"))) as announce:
        return execute(plan, benchmark, folder, plugins, execution_of(options), announce=announce, train=train)


def execution_of(options: Mapping[str, Any]) -> Execution:
    """Return how the options of the command line want a run to be done."""
    from latentbench.execution.options import Execution

    names = (
        "workers",
        "device",
        "timeout",
        "rerun",
        "group_size",
        "timing",
        "debug",
        "executor",
        "retries",
        "detach",
    )
    given = {name: options[name] for name in names if name in options}
    chosen = read_options(options.get("executor_options", ()))
    return Execution(**given, executor_options=chosen, command=command_line())


def show_results(results: Results, plugins: Plugins, purposes: str | None, maps: Sequence[str] = ()) -> str:
    """Write the page, then print the table on standard output, and on standard error where the files are.

    What cannot be written keeps nothing else from being written or shown.

    Returns:
        The table, as it was printed.
    """
    from latentbench.table.build import comparison_table
    from latentbench.table.render import render

    table = ""
    try:
        page = results.path / "report.html"
        with working(f"writing {page.name}", at_once=True):
            write_page(results, plugins, page, maps, USUAL)
    finally:
        table = render(comparison_table(results, split_names(purposes)), "text", terminal_width())
        echo(table)
    _show_places(results.path, page)
    return table


def _show_places(run: Path, page: Path) -> None:
    """Print on standard error where page and scores are."""
    echo(f"report: {page}\nscores: {run / 'scores.csv'}", err=True)


def write_page(
    results: Results, plugins: Plugins, page: Path, maps: Sequence[str] = (), figures: Formats | None = None
) -> None:
    """Write the page of a run, and its figures in these formats into its folder, if any."""
    from latentbench.files.reading import uncollected
    from latentbench.report.charts.plots import plots, write_figures
    from latentbench.report.page.maps_meanwhile import maps_meanwhile
    from latentbench.report.page.write import write_reports

    with uncollected():
        with maps_meanwhile(results, maps):
            drawn = plots(results)
            for plot in drawn:
                plot.draw(figures)
        write_reports([_reported(results, plugins, drawn, maps)], page)
        if figures is not None:
            write_figures(drawn, results.path / "figures", figures)


def served_page(results: Results, plugins: Plugins, addition: PageAddition) -> str:
    """Return the page of a run with what a server adds to it; nothing is written."""
    from latentbench.files.reading import uncollected
    from latentbench.report.charts.plots import plots
    from latentbench.report.page.write import report_page

    with uncollected():
        return report_page([_reported(results, plugins, plots(results))], addition)


def write_joint_page(runs: Sequence[Results], page: Path) -> None:
    """Write one page of several runs, each with its own plugins, and nothing into their folders."""
    from latentbench.files.reading import uncollected
    from latentbench.report.charts.plots import plots
    from latentbench.report.page.write import write_reports

    with uncollected():
        write_reports([_reported(each, each.loaded_plugins(), plots(each)) for each in runs], page)


def _reported(results: Results, plugins: Plugins, drawn: Sequence[Plot], maps: Sequence[str] = ()) -> ReportedRun:
    """Return what the page shows of a run, with the figures that the verb similar has kept of it."""
    from latentbench.report.charts.similarity_plot import stored_plots
    from latentbench.report.page.write import ReportedRun

    shown = [*drawn, *stored_plots(results, plugins)]  # the verb similar writes its figures itself
    return ReportedRun(results, plugins.report_sections(results), shown, maps)


def shown_again(finished: FinishedRun, request: Benchmark, folder: Path) -> bool:
    """Print what a run printed that is known to be finished, and nothing else where it is not."""
    table = finished.table(request)
    if table is None:
        return False
    title = request.title or "benchmark"
    echo(f"{title}: 0 trials to run, results in {folder}; nothing has changed since they were made", err=True)
    echo(table)
    _show_places(folder, folder / "report.html")
    return True


@contextmanager
def told() -> Iterator[list[str]]:
    """Collect the warnings that are shown within, which are shown all the same."""
    collected: list[str] = []
    show = warnings.showwarning

    def collect(message: Warning | str, *about: Any, **more: Any) -> None:
        collected.append(str(message))
        show(message, *about, **more)

    warnings.showwarning = collect
    try:
        yield collected
    finally:
        warnings.showwarning = show
