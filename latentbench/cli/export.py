"""`latentbench export`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from latentbench.cli._shared.selection import Selection, applicable, figure_stem, selection_options
from latentbench.terminal.output import echo

__all__ = ["command"]


@click.command("export")
@selection_options()
@click.option(
    "--to",
    "form",
    type=click.Choice(["torch", "sklearn"]),
    default="torch",
    show_default=True,
    help="What to write: programs that need torch alone, or a transformer that latentbench can train anew.",
)
def command(selection: Selection, form: Literal["torch", "sklearn"]) -> None:
    """Write a trained model of the run folder RUN for use elsewhere.

    The folder holds its weights, its parameters and load.py, which loads it in a few lines. Default: a folder of
    its own in RUN/export.
    """
    from latentbench.export.folder import export_model

    selected = selection.open("export")
    folder = selected.folder if selection.output else figure_stem(selected, form)
    with applicable(selected):
        files = export_model(selected.results, selected.trial, selection.plugins, Path(folder), form)
    echo(f"{selected.name}: {folder} holds {', '.join(sorted(path.name for path in files))}")
