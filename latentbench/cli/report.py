"""`latentbench report`."""

from __future__ import annotations

from pathlib import Path

import click

from latentbench.cli.options import load_plugins, plugin_options

__all__ = ["command"]


@click.command("report")
@click.argument("run", type=click.Path())
@click.option("-o", "--output", type=click.Path(), help="Where to write the page; default: RUN/report.html.")
@plugin_options
def command(run: str, output: str | None, files: tuple[str, ...], blocked: tuple[str, ...]) -> None:
    """Write the report page of the run folder RUN: one file that opens without a network."""
    from latentbench.report.page import write_report
    from latentbench.results import Results

    plugins = load_plugins(files, blocked)
    results = Results(Path(run), plugins)
    path = write_report(
        results, plugins.report_sections(results), Path(output) if output else results.path / "report.html"
    )
    click.echo(str(path))
