"""`latentbench merge`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from latentbench.cli._shared.options import PATH
from latentbench.terminal.output import echo
from latentbench.text import counted

__all__ = ["command"]


@click.command("merge")
@click.argument("runs", nargs=-1, required=True, type=PATH, metavar="RUN ...")
@click.option("-o", "--output", required=True, type=PATH, metavar="FOLDER", help="Folder of the joined run, new.")
@click.option("--all", "every", is_flag=True, help="List every conflict, not just the first.")
def command(runs: tuple[str, ...], output: str, every: bool) -> int:
    """Join runs of one benchmark, made on several machines, into a new run folder.

    RUN is a run folder or a packed run. A trial that several runs hold is taken from the first of them; if their
    scores differ, that is told. Exit status: 0 all is joined, 1 files were damaged and are left out, 2 the runs
    cannot be joined.
    """
    from latentbench.upkeep.merge import merge

    merged = merge([Path(run) for run in runs], Path(output))
    _print_some(merged.conflicts, every)
    _print_some(merged.left_out, True)
    if merged.missing:
        echo(
            f"{counted(merged.missing, 'trial')} of the benchmark in no run: the same `latentbench run` with "
            f"-o {merged.folder} makes what is missing",
            err=True,
        )
    echo(f"{merged.folder}: {counted(merged.trials, 'trial')}")
    return 1 if merged.left_out else 0


def _print_some(sentences: Sequence[str], every: bool) -> None:
    for sentence in sentences if every else sentences[:1]:
        echo(f"warning: {sentence}", err=True)
    if len(sentences) > 1 and not every:
        echo(f"  and {len(sentences) - 1:,} more conflicts (--all lists them)", err=True)
