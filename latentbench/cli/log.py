"""`latentbench log`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from latentbench.cli._shared.options import PATH, TEXT
from latentbench.errors import RequestError
from latentbench.files.regular import is_regular, read_regular
from latentbench.terminal.output import echo

if TYPE_CHECKING:
    from latentbench.results import Results
    from latentbench.trial import Trial

__all__ = ["command"]


@click.command("log")
@click.argument("run", type=PATH)
@click.option("--model", "-m", type=TEXT, metavar="NAME", help="Print only this model, by its name in the table.")
@click.option("--dataset", "-d", type=TEXT, metavar="NAME", help="Print only this data set.")
@click.option("--seed", type=int, help="Print only trials with this seed.")
def command(run: str, model: str | None, dataset: str | None, seed: int | None) -> None:
    """Print what trials of the run folder RUN printed, warned and raised, with tracebacks.

    Without options, only trials in whose training or scores something failed.
    """
    from latentbench.cli._shared.selection import choose
    from latentbench.results import Results

    results = Results(Path(run))
    trials = results.trials
    if dataset is not None:
        name = choose("data set", dataset, [trial.dataset for trial in trials], "--dataset")
        trials = [trial for trial in trials if trial.dataset == name]
    if model is not None:
        label = choose("model", model, [trial.label for trial in trials], "--model")
        trials = [trial for trial in trials if trial.label == label]
    if seed is not None:
        trials = [trial for trial in trials if trial.seed == seed]
        if not trials:
            raise RequestError(f"no trial has seed {seed}; see `latentbench table {run} --all`")
    if model is None and dataset is None and seed is None:
        failed = {row.trial for row in results.rows if row.status == "failed"}
        trials = [trial for trial in trials if trial.key in failed or not _ended_well(trial)]
        if not trials:
            echo("nothing failed; choose trials with --model, --dataset or --seed")
    for trial in trials:
        _print(results, trial)


def _ended_well(trial: Trial) -> bool:
    return trial.outcome is not None and (trial.ok or trial.outcome.refused)


def _print(results: Results, trial: Trial) -> None:
    path = results.record(trial).log_path
    status = trial.outcome.status if trial.outcome else "missing"
    echo(f"== {trial.label} on {trial.dataset}, seed {trial.seed}: {status}   {path}")
    text = read_regular(path).decode("utf-8", "replace").rstrip() if is_regular(path) else ""
    echo(text or "(it printed nothing)")
