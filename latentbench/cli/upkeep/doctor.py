"""`latentbench doctor`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from latentbench.cli._shared.options import PATH
from latentbench.terminal.output import echo

if TYPE_CHECKING:
    from latentbench.upkeep.findings import FileFinding

__all__ = ["command"]

DIGITS = 12  # of a trial's key, which has 64
SHOWN = 10  # trials moved aside


@click.command("doctor")
@click.argument("run", type=PATH)
@click.option("--all", "every", is_flag=True, help="List every file, not just the first of each kind.")
@click.option(
    "--repair",
    "repairing",
    is_flag=True,
    help="Move what is damaged into RUN/aside and renew the tables of scores.",
)
def command(run: str, every: bool, repairing: bool) -> int:
    """Check every file of the run folder RUN, or of a packed run, by the digest it was written with.

    Tells what is damaged, missing or of another version, and what to do about it. Exit status: 0 all is as
    written, 1 something is not, 2 there is no run.
    """
    from latentbench.packed.opening import refuse_writing, unpacked
    from latentbench.upkeep.examine import examine
    from latentbench.upkeep.findings import is_sound, summary
    from latentbench.upkeep.repair import repair

    if not repairing:
        found = examine(unpacked(Path(run)))
    else:
        refuse_writing(Path(run), "get it again from where it was packed")
        found, moved = repair(Path(run))
        _print_findings(found.findings, every)
        _print_moved(moved, every)
        found = examine(Path(run))
    _print_findings(found.findings, every)
    echo(summary(found.count, found.findings))
    return 0 if is_sound(found.findings) else 1


def _print_findings(findings: Sequence[FileFinding], every: bool) -> None:
    """Print a line for each finding, or for the first of those that say the same, and how many there are."""
    from latentbench.upkeep.findings import alike

    for several in alike(findings):
        for finding in several if every else several[:1]:
            _print_wrapped(_short(f"{finding.kind}: {finding.sentence}").replace(" is missing", "", 1))
        if len(several) > 1 and not every:
            echo(f"  and {len(several) - 1:,} more like it (--all lists them)")


def _print_moved(moved: Mapping[str, str], every: bool) -> None:
    pairs = list(moved.items())
    for old, new in pairs if every else pairs[:SHOWN]:
        _print_wrapped(f"moved: {_short(old)} to {_short(new)}")
    if len(pairs) > SHOWN and not every:
        echo(f"  and {len(pairs) - SHOWN:,} more (--all lists them)")
    if moved:
        echo("after the repair:")


def _print_wrapped(text: str) -> None:
    """Print one line, continued below where the terminal is narrower."""
    import textwrap

    from rich.console import Console

    echo(textwrap.fill(text, Console().width, subsequent_indent="  ", break_on_hyphens=False))


def _short(text: str) -> str:
    """Return a text in which the keys of trials are shortened, as they are unique by far fewer digits."""
    import re

    return re.sub(rf"\b([0-9a-f]{{{DIGITS}}})[0-9a-f]{{{64 - DIGITS}}}\b", r"\1...", text)
