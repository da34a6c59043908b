"""`latentbench report`."""

from __future__ import annotations

from pathlib import Path

import click

from latentbench.cli._shared.formats import FORMAT_HELP, still_forms
from latentbench.cli._shared.options import PATH, TEXT, load_plugins, plugin_options
from latentbench.cli._shared.running import write_page
from latentbench.drawing.formats import Formats
from latentbench.errors import RequestError
from latentbench.terminal.output import echo_paths

__all__ = ["command"]


@click.command("report")
@click.argument("run", type=PATH)
@click.option("-o", "--output", type=PATH, help="Where to write the page; default: RUN/report.html.")
@click.option(
    "--format",
    "forms",
    type=TEXT,
    metavar="FORMAT,...",
    help=f"{FORMAT_HELP} They go to RUN/figures; default: png.",
)
@plugin_options
def command(
    run: str, output: str | None, forms: str | None, files: tuple[str, ...], blocked: tuple[str, ...]
) -> None:
    """Write the page of the run folder RUN, one file that opens without a network, and RUN/figures.

    Each figure is written with its numbers as CSV. With -o, only the page is written.
    """
    from latentbench.packed.opening import refuse_writing
    from latentbench.results import Results

    formats = _formats(forms, output)
    if not output:
        refuse_writing(Path(run), "say with -o where to write the page")
    plugins = load_plugins(files, blocked, run)
    results = Results(Path(run), plugins)
    page = Path(output) if output else results.path / "report.html"
    write_page(results, plugins, page, figures=None if output else formats)
    echo_paths([page])


def _formats(forms: str | None, output: str | None) -> Formats:
    """Return the formats of figures that were asked for.

    Raises:
        RequestError: one is unknown, or no figure is written.
    """
    if forms is None:
        return Formats()
    if output:
        raise RequestError("--format is of figures, and with -o only the page is written; leave one of them out")
    return Formats(still_forms(forms))
