"""`latentbench report`."""

from __future__ import annotations

from pathlib import Path

import click

from latentbench.cli._shared.options import PATH, load_plugins, plugin_options
from latentbench.terminal.output import echo_paths

__all__ = ["command"]


@click.command("report")
@click.argument("run", type=PATH)
@click.option("-o", "--output", type=PATH, help="Where to write the page; default: RUN/report.html.")
@plugin_options
def command(run: str, output: str | None, files: tuple[str, ...], blocked: tuple[str, ...]) -> None:
    """Write the page of the run folder RUN, one file that opens without a network, and RUN/figures.

    With -o, only the page is written.
    """
    from latentbench.packed.opening import refuse_writing
    from latentbench.report.charts.plots import plots, write_figures
    from latentbench.report.page.write import write_report
    from latentbench.results import Results

    if not output:
        refuse_writing(Path(run), "say with -o where to write the page")
    plugins = load_plugins(files, blocked, run)
    results = Results(Path(run), plugins)
    page = Path(output) if output else results.path / "report.html"
    drawn = plots(results)
    write_report(results, plugins.report_sections(results), page, drawn)
    if not output:
        write_figures(drawn, results.path / "figures")
    echo_paths([page])
