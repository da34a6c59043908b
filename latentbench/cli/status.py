"""`latentbench status`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from latentbench.cli._shared.layout import print_table
from latentbench.cli._shared.options import PATH
from latentbench.terminal.output import echo, echo_json
from latentbench.text import counted, printable

if TYPE_CHECKING:
    from latentbench.execution.standing import TrialStanding

__all__ = ["command"]

MOST = 20  # rows of a kind
SAID = {
    "done": "",
    "failed": "",
    "running": "",
    "queued": "handed to an executor, no worker has taken them yet",
    "waiting": "no run is at them: the same `latentbench run` does them",
}


@click.command("status")
@click.argument("run", type=PATH)
@click.option("--all", "every", is_flag=True, help=f"List all trials that run or failed, not {MOST} of each.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object a trial.")
def command(run: str, every: bool, as_json: bool) -> None:
    """Tell how far the run in folder RUN is: trials done, failed and why, running, queued and waiting.

    A run that was handed over with --detach is collected by the same `latentbench run` without it.
    """
    from latentbench.execution.standing import STATES, standings
    from latentbench.results import Results
    from latentbench.upkeep.lock import is_at_work

    results = Results(Path(run))
    working = is_at_work(results.path)
    found = standings(results, locked=working)
    if as_json:
        echo_json([_as_json(standing) for standing in found])
        return
    counts = Counter(standing.state for standing in found)
    at = "a run is at work here" if working else "no run is at work here"
    echo(printable(f"{results.title}: {counted(len(found), 'trial')}; {at}"))
    print_table([(state, counts[state], SAID[state]) for state in STATES if counts[state]], numbers={1}, indent=2)
    _print_running([standing for standing in found if standing.state == "running"], every)
    _print_failed([standing for standing in found if standing.state == "failed"], every, run)


def _print_running(running: Sequence[TrialStanding], every: bool) -> None:
    rows = [
        (
            each.trial.label,
            each.trial.dataset,
            each.trial.seed,
            f"{each.epoch} of {each.trial.budget.trained_epochs}" if each.trial.traits.steps else "-",
            "-" if each.silence is None else f"{each.silence:.0f} s ago",
            each.where or "this machine",
        )
        for each in _some(running, every)
    ]
    if rows:
        echo()
        print_table(rows, ("running", "data set", "seed", "epochs", "sign of life", "where"), numbers={2, 3, 4})
        _say_more(running, every)


def _print_failed(failed: Sequence[TrialStanding], every: bool, run: str) -> None:
    rows = [
        (each.trial.label, each.trial.dataset, each.trial.seed, printable(each.why))
        for each in _some(failed, every)
    ]
    if rows:
        echo()
        print_table(rows, ("failed", "data set", "seed", "why"), numbers={2})
        _say_more(failed, every)
        echo(printable(f"`latentbench log {run}` shows what they printed"))


def _some(standings: Sequence[TrialStanding], every: bool) -> Iterable[TrialStanding]:
    return standings if every else standings[:MOST]


def _say_more(standings: Sequence[TrialStanding], every: bool) -> None:
    if not every and len(standings) > MOST:
        echo(f"and {len(standings) - MOST} more (--all)")


def _as_json(standing: TrialStanding) -> dict[str, Any]:
    trial = standing.trial
    return {
        "trial": trial.key,
        "label": trial.label,
        "dataset": trial.dataset,
        "seed": trial.seed,
        "state": standing.state,
        "why": standing.why,
        "where": standing.where,
        "silence_seconds": standing.silence,
        "epoch": standing.epoch,
        "epochs": trial.budget.trained_epochs,
    }
