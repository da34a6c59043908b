"""`latentbench report`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from latentbench.cli._shared.formats import FORMAT_HELP, still_forms
from latentbench.cli._shared.options import PATH, TEXT, load_plugins, plugin_options
from latentbench.cli._shared.running import write_joint_page, write_page
from latentbench.drawing.formats import Formats
from latentbench.errors import RequestError
from latentbench.terminal.output import echo_paths

__all__ = ["command"]


@click.command("report")
@click.argument("runs", type=PATH, nargs=-1, required=True, metavar="RUN ...")
@click.option(
    "-o", "--output", type=PATH, help="Where to write the page; default: RUN/report.html; needed for several runs."
)
@click.option(
    "--format",
    "forms",
    type=TEXT,
    metavar="FORMAT,...",
    help=f"{FORMAT_HELP} They go to RUN/figures; default: png.",
)
@plugin_options
def command(
    runs: tuple[str, ...], output: str | None, forms: str | None, files: tuple[str, ...], blocked: tuple[str, ...]
) -> None:
    """Write the page of the run folder RUN, one file that opens without a network, and RUN/figures.

    Each figure is written with its numbers as CSV. With -o, only the page is written. Several runs stand in one
    page one after the other, each with its own tables; `latentbench merge` joins runs of one benchmark.
    """
    from latentbench.packed.opening import refuse_writing
    from latentbench.results import Results

    formats = _formats(forms, output)
    _check_several(runs, output)
    if not output:
        refuse_writing(Path(runs[0]), "say with -o where to write the page")
    opened = [Results(Path(run), load_plugins(files, blocked, run)) for run in runs]
    first = opened[0]
    page = Path(output) if output else first.path / "report.html"
    if len(opened) > 1:
        write_joint_page(opened, page)
    else:
        write_page(first, first.loaded_plugins(), page, figures=None if output else formats)
    echo_paths([page])


def _check_several(runs: Sequence[str], output: str | None) -> None:
    """Raise RequestError where several runs cannot stand in one page."""
    if len(runs) > 1 and not output:
        raise RequestError("the page of several runs belongs in none of their folders; name a file with -o")
    places = [Path(run).resolve() for run in runs]
    again = next((run for place, run in enumerate(runs) if places[place] in places[:place]), None)
    if again is not None:
        raise RequestError(f"{again} is named twice; name each run once")


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
