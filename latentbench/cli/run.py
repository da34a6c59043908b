"""`latentbench run`."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from latentbench.cli._shared.layout import print_table
from latentbench.cli._shared.options import (
    NAME_OR_PATH,
    PATH,
    SETTING,
    TEXT,
    load_plugins,
    max_items_option,
    plugin_options,
    read_params,
    several,
    split_names,
    timeout_option,
)
from latentbench.cli._shared.running import execute_plan, execution_of, show_results, shown_again, told
from latentbench.terminal.output import echo
from latentbench.text import counted

if TYPE_CHECKING:
    from latentbench.benchmark import Benchmark
    from latentbench.execution.estimation.estimate import TrialEstimate
    from latentbench.execution.finished import FinishedRun
    from latentbench.planning.plan import Plan
    from latentbench.plugins import Plugins
    from latentbench.results import Results
    from latentbench.trial import Trial

__all__ = ["command"]

DATA = "Dataset: NAME, NAME:KEY=VALUE, a folder or a file; may be repeated."
PARAM = "Parameter, as latent_dim=8 or beta_vae.beta=1,4,16; several values span a grid."
CHOOSE = "Parameter of which one of several values is chosen on the validation split, with seed 0, for the table."
MOST_AHEAD = 2  # workers: more would keep each other, and this process, from getting ready


@click.command("run")
@click.argument("benchmark", required=False, type=PATH)
@click.option("-d", "--dataset", "datasets", multiple=True, type=NAME_OR_PATH, metavar="DATASET", help=DATA)
@click.option(
    "-m",
    "--model",
    "models",
    multiple=True,
    type=NAME_OR_PATH,
    metavar="MODEL",
    help="Model: NAME or file.py:Class; may be repeated.",
)
@click.option("-p", "--param", "pairs", multiple=True, type=SETTING, metavar="NAME=VALUE,...", help=PARAM)
@click.option("--choose", multiple=True, type=SETTING, metavar="NAME=VALUE,...", help=CHOOSE)
@click.option(
    "--choose-by",
    multiple=True,
    type=TEXT,
    metavar="SCORE,...",
    help="Scores that choose, by the mean rank in them; default: all headline scores of quality.",
)
@click.option(
    "-s", "--scores", multiple=True, type=TEXT, metavar="SCORE,...", help="Compute only these scores or metrics."
)
@click.option(
    "--for",
    "purposes",
    type=TEXT,
    metavar="PURPOSE,...",
    help="Show only these purposes in the table: keep, find, group, ...",
)
@click.option(
    "--preset",
    type=TEXT,
    default="quick",
    show_default=True,
    help="Benchmark that ships with latentbench: quick, standard, full, zoo or disentanglement.",
)
@max_items_option
@click.option("--seeds", type=click.IntRange(1), help="Number of seeds, each a trial of every model.")
@click.option("--epochs", callback=several(int), metavar="N,...", help="Passes over the training data.")
@click.option(
    "--checkpoints",
    "checkpoint",
    callback=several(int, always=True),
    metavar="N,...",
    help="Score the models after these epochs, too, and plot the curve.",
)
@click.option("--batch-size", callback=several(int), metavar="N,...", help="Training items per optimizer step.")
@click.option(
    "--learning-rate", callback=several(float), metavar="X,...", help="Peak learning rate of the schedule."
)
@click.option("--train-limit", callback=several(int), metavar="N,...", help="Train on this many items only.")
@click.option(
    "--precision",
    type=click.Choice(["auto", "float32", "bfloat16"]),
    help="Precision of training; default: bfloat16 if the chip supports it.",
)
@click.option("--threads", type=click.IntRange(1), help="Torch threads per trial; part of the budget.")
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="Where to train and score; auto takes CUDA if available.",
)
@click.option("--workers", type=click.IntRange(0), help="Trials that run at the same time; default: one per core.")
@timeout_option
@click.option(
    "--group-size",
    type=click.IntRange(1),
    help="Most trials trained together, on CUDA or where inputs are small; default: 16.",
)
@click.option(
    "--timing", is_flag=True, help="Run each trial alone to measure time, also those that once ran beside others."
)
@click.option(
    "--debug",
    is_flag=True,
    help="Run only the first trial that is left, in this process, with its output here; breakpoint() works.",
)
@click.option(
    "--rerun",
    type=click.Choice(["missing", "failed", "changed", "all"]),
    default="missing",
    show_default=True,
    help="Trials to run: missing ones, and also failed ones, those whose source changed, or all.",
)
@click.option(
    "--executor",
    type=TEXT,
    default="local",
    show_default=True,
    metavar="NAME",
    help="Where trials run: local, on this machine; dask; slurm; or a plugin's (`latentbench list executors`).",
)
@click.option(
    "--executor-options",
    multiple=True,
    type=SETTING,
    metavar="KEY=VALUE",
    help="Parameter of the executor, as minutes=120; may be repeated (`latentbench info slurm`).",
)
@click.option(
    "--retries",
    type=click.IntRange(0),
    default=3,
    show_default=True,
    help="Begin a training again whose worker was killed, so often without getting further.",
)
@click.option(
    "--detach",
    is_flag=True,
    help="Hand the trials to the executor and return; the same command without it collects them.",
)
@click.option("-o", "--output", type=PATH, help="Folder of the run; default: results/DATASET-TITLE.")
@click.option(
    "--dry-run",
    is_flag=True,
    help="Only print the trials, minutes and megabytes that the run would take, timed on samples.",
)
@plugin_options
def command(
    benchmark: str | None, preset: str, files: tuple[str, ...], blocked: tuple[str, ...], **options: Any
) -> int:
    """Train models, score their latent spaces and compare.

    BENCHMARK is a TOML file; without one, the preset is run. Trials and scores that the folder already holds are
    not computed again.
    """
    from latentbench.benchmark import default_folder, read_benchmark
    from latentbench.execution.finished import FinishedRun, asked_for
    from latentbench.execution.processes import started_ahead

    plugins = load_plugins(files, blocked)
    if options["debug"] and options["rerun"] == "missing":
        options["rerun"] = "failed"  # one looks for what went wrong
    request = read_benchmark(benchmark or preset, _changes(options))
    folder = Path(options["output"] or default_folder(request))
    finished = FinishedRun(folder, asked_for(request, options, plugins))
    if shown_again(finished, request, folder):
        return 0
    with started_ahead(_workers_ahead(request, folder, plugins, options)):
        return _run(request, folder, plugins, options, finished)


def _workers_ahead(request: Benchmark, folder: Path, plugins: Plugins, options: Mapping[str, Any]) -> int:
    """Return how many workers are to import libraries while this process does; none where it might be in vain."""
    if "torch" in sys.modules or not set(request.models) <= set(plugins.names("model")):
        return 0
    other = options["debug"] or options["dry_run"] or options["detach"] or options["executor"] != "local"
    gpu = options["device"] == "cuda" or (options["device"] == "auto" and any(Path("/dev").glob("nvidia*")))
    if other or gpu or request.budget.get("threads", 1) != 1 or (folder / "trials").exists():
        return 0
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    workers = 1 if options["timing"] else cores if options["workers"] is None else options["workers"]
    return min(workers, MOST_AHEAD, len(request.models) * request.seeds + len(request.references))


def _run(
    request: Benchmark, folder: Path, plugins: Plugins, options: Mapping[str, Any], finished: FinishedRun
) -> int:
    """Find out what is to be done and do it; return the exit status."""
    from latentbench.planning.plan import make_plan
    from latentbench.table.build import check_purposes

    check_purposes(split_names(options["purposes"]))
    with finished.noting(), told() as warned:
        plan = make_plan(request, plugins, options["device"])
        if options["dry_run"]:
            _print_estimate(plan, request.choose_by, folder, plugins, options)
            return 0
        results = execute_plan(plan, request, folder, plugins, options)
        if options["detach"]:
            _print_submitted(results, options["executor"])
            return 0
        table = show_results(results, plugins, options["purposes"], request.maps)
    if not warned:
        finished.remember(results, table)
    if options["debug"]:  # the others may be missing
        return 1 if any(status in ("failed", "diverged") for _, _, status, _ in results.failures) else 0
    return 0 if results.complete else 1


def _print_submitted(results: Results, executor: str) -> None:
    """Say what was left with an executor, and how to come back to it."""
    from latentbench.trial import NOT_RUN

    left = sum(trial.outcome is None or trial.outcome.error == NOT_RUN for trial in results.trials)
    echo(
        f"{left} of {counted(len(results.trials), 'trial')} left with {executor}; "
        f"`latentbench status {results.path}` tells how far they are, and the same command without --detach "
        "collects them"
    )


def _changes(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys of the benchmark that the options replace."""
    changes: dict[str, Any] = {name: options[name] for name in ("datasets", "models") if options[name]}
    if options["scores"]:
        changes["scores"] = split_names(",".join(options["scores"]))
    if options["seeds"]:
        changes["seeds"] = options["seeds"]
    if options["max_items"] is not None:
        changes["max_items"] = options["max_items"]
    budget = ("epochs", "checkpoint", "batch_size", "learning_rate", "train_limit", "precision", "threads")
    changes["budget"] = {name: options[name] for name in budget if options[name] is not None}
    changes["params"] = read_params(options["pairs"])
    changes["choose"] = read_params(options["choose"], "--choose")
    if options["choose_by"]:
        changes["choose_by"] = split_names(",".join(options["choose_by"]))
    return changes


def _print_estimate(
    plan: Plan, by: Sequence[str], folder: Path, plugins: Plugins, options: Mapping[str, Any]
) -> None:
    """Print the trials to run and what they take on this machine."""
    from latentbench.execution.choosing.choices import as_far_as_known
    from latentbench.execution.estimation.estimate import estimate
    from latentbench.execution.first_build import build_first
    from latentbench.execution.folder import check_folder
    from latentbench.execution.pending import inspect, pending_jobs

    check_folder(folder)
    execution = execution_of(options).settled(max(trial.budget.threads for trial in plan.trials))
    plan = as_far_as_known(plan, by, folder, execution)
    remarks = build_first(plan, folder, plugins)
    states = inspect(plan, folder, execution)
    jobs = pending_jobs(states, plan, folder, execution, plugins)
    costs = estimate(jobs, states, plugins)
    trials = [trial for job in jobs for trial in job.trials]
    _print_costs(trials, costs)
    _print_remarks(plan, plugins, remarks)
    workers = max(1, min(len(jobs), execution.workers or 1))
    echo(
        f"{len(trials)} of {len(plan.trials)} trials to run in {folder}: "
        + _in_all([costs[trial.key] for trial in trials], workers)
    )


def _in_all(costs: Sequence[TrialEstimate], workers: int) -> str:
    """Say what trials take together."""
    train, score = (_minutes(seconds) / workers for seconds in _seconds(costs))
    unknown = any(math.isnan(seconds) for column in _seconds(costs) for seconds in column)
    return (
        f"about {train + score:.1f} minutes with {counted(workers, 'worker')} ({train:.1f} training, {score:.1f} "
        f"scoring{', without what is marked -' * unknown}), {sum(cost.megabytes for cost in costs):.0f} MB"
    )


def _seconds(costs: Sequence[TrialEstimate]) -> tuple[list[float], list[float]]:
    return [cost.train_seconds for cost in costs], [cost.score_seconds for cost in costs]


def _minutes(seconds: Iterable[float]) -> float:
    """Add up what is known."""
    return sum(second for second in seconds if not math.isnan(second)) / 60


def _print_remarks(plan: Plan, plugins: Plugins, of_models: Iterable[str]) -> None:
    """Print what of each dataset's files is not in its splits, and what models do to their inputs."""
    from latentbench.opening import load_splits
    from latentbench.text import printable

    read = [trial for trial in plan.trials if trial.outcome is None and (trial.loader or not trial.given)]
    for dataset, trial in {trial.dataset: trial for trial in read}.items():
        for remark in load_splits(plugins, trial).remarks:
            echo(printable(f"{dataset}: {remark}"))
    for remark in of_models:
        echo(printable(remark))


def _print_costs(trials: Iterable[Trial], costs: Mapping[str, TrialEstimate]) -> None:
    """Print a row for each model on each dataset: its trials, minutes of training and scoring, and megabytes."""
    groups: dict[tuple[str, str], list[TrialEstimate]] = {}
    for trial in trials:
        groups.setdefault((trial.dataset, trial.label), []).append(costs[trial.key])
    rows = []
    for (dataset, label), group in groups.items():
        train, score = ("-" if any(map(math.isnan, of)) else f"{_minutes(of):.2f}" for of in _seconds(group))
        size = sum(cost.megabytes for cost in group)
        rows.append((dataset, label, len(group), train, score, f"{size:.1f}"))
    headings = "dataset", "model", "trials", "training, min", "scoring, min", "MB"
    print_table(rows, headings, numbers={2, 3, 4, 5})
