"""`latentbench table`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from latentbench.cli._shared.options import PATH, TEXT
from latentbench.terminal.output import echo, terminal_width

__all__ = ["command"]


@click.command("table")
@click.argument("run", type=PATH)
@click.option(
    "--for",
    "purposes",
    type=TEXT,
    metavar="PURPOSE,...",
    help="Print only the scores of these purposes: keep, find, group, ...",
)
@click.option("--all", "every", is_flag=True, help="Print all scores and all reference models.")
@click.option("--relative", is_flag=True, help="Print (score - floor) / (ceiling - floor) instead of the score.")
@click.option(
    "--ranks", is_flag=True, help="Print the ranks that significance allows, as 1-2, instead of the score."
)
@click.option(
    "--variance",
    is_flag=True,
    help="Print how much of each score's variance is the method, its setting, the seed, instead of the score.",
)
@click.option(
    "--format",
    "style",
    type=click.Choice(["text", "md", "csv", "latex", "html"]),
    default="text",
    show_default=True,
    help="Print it in this form.",
)
def command(
    run: str, purposes: str | None, every: bool, relative: bool, ranks: bool, variance: bool, style: str
) -> None:
    """Print the comparison table of the run folder RUN."""
    from latentbench.cli._shared.options import split_names
    from latentbench.files.reading import uncollected
    from latentbench.results import Results
    from latentbench.table.build import comparison_table
    from latentbench.table.render import render

    if variance:
        echo(_variance(run, split_names(purposes), every, relative or ranks, style))
        return
    with uncollected():
        table = comparison_table(Results(Path(run)), split_names(purposes), every, relative, ranks)
        text = render(table, style, terminal_width())
    echo(text)


def _variance(run: str, purposes: Sequence[str], every: bool, scaled: bool, style: str) -> str:
    """Return the analysis of variance of a run, printed."""
    from latentbench.errors import RequestError
    from latentbench.files.reading import uncollected
    from latentbench.results import Results
    from latentbench.table.variance.build import variance_tables
    from latentbench.table.variance.words import render_variance

    if scaled:
        raise RequestError("--variance prints shares of the scores as they are; leave out --relative and --ranks")
    with uncollected():
        return render_variance(variance_tables(Results(Path(run)), purposes, every), style, terminal_width())
