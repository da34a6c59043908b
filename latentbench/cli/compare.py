"""`latentbench compare`."""

from __future__ import annotations

import re

import click

from latentbench.cli._shared.options import NAME_OR_PATH, TEXT
from latentbench.errors import RequestError
from latentbench.terminal.output import echo, terminal_width

__all__ = ["command"]


@click.command("compare")
@click.argument("a", metavar="A", type=NAME_OR_PATH)
@click.argument("b", metavar="B", type=NAME_OR_PATH)
@click.option("--all", "every", is_flag=True, help="Compare all scores, not just the headline ones.")
@click.option(
    "--fail-on",
    "limits",
    multiple=True,
    type=TEXT,
    metavar="SCORE:PERCENT",
    help="Exit with status 1 if this score of B is worse by more; may be repeated.",
)
def command(a: str, b: str, every: bool, limits: tuple[str, ...]) -> int:
    """Compare B with A: two runs, or models of runs as RUN:MODEL."""
    from latentbench.report.diff import compare, differences_in_environment, read_side, regressions
    from latentbench.report.diff_text import render

    allowed = dict(map(_limit, limits))
    side_a, side_b = read_side(a), read_side(b)
    rows = compare(side_a, side_b, every or bool(allowed))
    known = {row.score for row in rows}
    for score in allowed:
        if score not in known:
            raise RequestError(
                f"--fail-on {score}: the two do not share this score (they share {', '.join(sorted(known))})"
            )
    shown = [row for row in rows if every or row.score in allowed] if allowed else rows
    worse = regressions(rows, allowed)
    echo(render(shown, differences_in_environment(side_a.results, side_b.results), terminal_width()))
    for sentence in worse:
        echo(f"latentbench: {sentence}", err=True)
    return 1 if worse else 0


def _limit(text: str) -> tuple[str, float]:
    """Read "r2:5%" as ("r2", 0.05)."""
    match = re.fullmatch(r"(.+):(\d+(?:\.\d+)?)%?", text)
    if match is None:
        raise RequestError(f"--fail-on takes SCORE:PERCENT as in r2:5%, got {text!r}")
    return match[1], float(match[2]) / 100
