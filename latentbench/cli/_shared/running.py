"""What the verbs that run something share: progress while it runs, then the page and the table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latentbench.cli._shared.options import read_options, split_names
from latentbench.terminal.output import echo

if TYPE_CHECKING:
    from latentbench.benchmark import Benchmark
    from latentbench.execution.options import Execution
    from latentbench.planning.plan import Plan
    from latentbench.plugins import Plugins
    from latentbench.results import Results

__all__ = ["execute_plan", "execution_of", "show_results"]


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
    return Execution(**given, executor_options=read_options(options.get("executor_options", ())))


def show_results(results: Results, plugins: Plugins, purposes: str | None) -> None:
    """Write the page, then print the table on standard output, and on standard error where the files are.

    What cannot be written keeps nothing else from being written or shown.
    """
    from latentbench.table.build import comparison_table
    from latentbench.table.render import render

    try:
        page = _write_page(results, plugins)
    finally:
        echo(render(comparison_table(results, split_names(purposes)), "text"))
    echo(f"report: {page}   scores: {results.path / 'scores.csv'}", err=True)


def _write_page(results: Results, plugins: Plugins) -> Path:
    from latentbench.report.charts.plots import plots, write_figures
    from latentbench.report.page.write import write_report

    drawn = plots(results)
    page = write_report(results, plugins.report_sections(results), results.path / "report.html", drawn)
    write_figures(drawn, results.path / "figures")
    return page
