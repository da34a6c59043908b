"""`latentbench run`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from latentbench.cli.layout import print_table
from latentbench.cli.options import load_plugins, plugin_options, read_params, several, split_names

if TYPE_CHECKING:
    from latentbench.benchmark import Benchmark
    from latentbench.execution.options import Execution
    from latentbench.plan import Plan
    from latentbench.plugins import Plugins
    from latentbench.results import Results

__all__ = ["command"]

DATA = "A dataset's name, as NAME or NAME:KEY=VALUE; may be given several times."
PARAM = "A parameter, as latent_dim=8 or beta_vae.beta=1,4,16 (several values span the grid)."


@click.command("run")
@click.argument("benchmark", required=False, type=click.Path())
@click.option("-d", "--dataset", "datasets", multiple=True, metavar="DATASET", help=DATA)
@click.option("-m", "--model", "models", multiple=True, metavar="MODEL", help="A model's name, or file.py:Class.")
@click.option("-p", "--param", "pairs", multiple=True, metavar="NAME=VALUE,...", help=PARAM)
@click.option("-s", "--scores", multiple=True, metavar="SCORE,...", help="Only these scores or metrics.")
@click.option(
    "--for", "purposes", metavar="PURPOSE,...", help="Purposes shown in the table: keep, find, group, ..."
)
@click.option("--preset", default="quick", show_default=True, help="A benchmark that comes with latentbench.")
@click.option("--seeds", type=click.IntRange(1), help="Trials of each model.")
@click.option("--epochs", callback=several(int), metavar="N,...", help="Passes over the training data.")
@click.option(
    "--checkpoints",
    "checkpoint",
    callback=several(int, always=True),
    metavar="N,...",
    help="Look at the models after these epochs too, and draw the curve.",
)
@click.option("--batch-size", callback=several(int), metavar="N,...", help="Images per optimizer step.")
@click.option("--learning-rate", callback=several(float), metavar="X,...", help="Highest step size.")
@click.option("--train-limit", callback=several(int), metavar="N,...", help="Train on this many images only.")
@click.option(
    "--precision",
    type=click.Choice(["auto", "float32", "bfloat16"]),
    help="Of training; default: bfloat16 where the chip has it.",
)
@click.option("--threads", type=click.IntRange(1), help="Torch threads of a trial; part of its budget.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option("--workers", type=click.IntRange(0), help="Trials at the same time; default: one per core.")
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), help="Seconds a trial may take.")
@click.option("--group-size", type=click.IntRange(1), help="Trials trained together on CUDA; default: 16.")
@click.option("--timing", is_flag=True, help="Run trials alone, for clean times; those again that did not.")
@click.option(
    "--rerun", type=click.Choice(["missing", "failed", "changed", "all"]), default="missing", show_default=True
)
@click.option("-o", "--output", type=click.Path(), help="The run's folder; default: results/DATASET-TITLE.")
@click.option("--dry-run", is_flag=True, help="Print trials, minutes and megabytes, and stop.")
@plugin_options
def command(
    benchmark: str | None, preset: str, files: tuple[str, ...], blocked: tuple[str, ...], **asked: Any
) -> int:
    """Train models, look at their latent spaces, score them and compare.

    BENCHMARK is a TOML file; without one the preset is run. What a folder holds already is not done again.
    """
    from latentbench.benchmark import default_folder, read_benchmark
    from latentbench.plan import make_plan
    from latentbench.report.table.build import check_purposes

    check_purposes(split_names(asked["purposes"]))
    plugins = load_plugins(files, blocked)
    wanted = read_benchmark(benchmark or preset, _changes(asked))
    folder = Path(asked["output"] or default_folder(wanted))
    plan = make_plan(wanted, plugins, asked["device"])
    if asked["dry_run"]:
        _print_estimate(plan, folder, plugins, asked)
        return 0
    results = _execute(plan, wanted, folder, plugins, asked)
    _print_results(results, plugins, asked["purposes"])
    return 0 if results.complete else 1


def _changes(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Turn flags into the keys of a benchmark that they replace."""
    changes: dict[str, Any] = {name: asked[name] for name in ("datasets", "models") if asked[name]}
    if asked["scores"]:
        changes["scores"] = split_names(",".join(asked["scores"]))
    if asked["seeds"]:
        changes["seeds"] = asked["seeds"]
    budget = ("epochs", "checkpoint", "batch_size", "learning_rate", "train_limit", "precision", "threads")
    changes["budget"] = {name: asked[name] for name in budget if asked[name] is not None}
    changes["params"] = read_params(asked["pairs"])
    return changes


def _execute(
    plan: Plan, benchmark: Benchmark, folder: Path, plugins: Plugins, asked: Mapping[str, Any]
) -> Results:
    from latentbench.cli.progress import make_progress
    from latentbench.execution.run import execute

    progress = make_progress()
    plugins.register(progress, "progress")
    try:
        return execute(plan, benchmark, folder, plugins, _how(asked), announce=progress.expect)
    finally:
        progress.close()


def _how(asked: Mapping[str, Any]) -> Execution:
    from latentbench.execution.options import Execution

    names = ("workers", "device", "timeout", "rerun", "group_size", "timing")
    return Execution(**{name: asked[name] for name in names})


def _print_results(results: Results, plugins: Plugins, purposes: str | None) -> None:
    """Print the table on standard output, then where everything is."""
    from latentbench.report.charts.plots import plots, write_figures
    from latentbench.report.page.write import write_report
    from latentbench.report.table.build import comparison_table
    from latentbench.report.table.render import render

    click.echo(render(comparison_table(results, split_names(purposes)), "text"))
    drawn = plots(results)
    write_figures(drawn, results.path / "figures")
    page = write_report(results, plugins.report_sections(results), results.path / "report.html", drawn)
    click.echo(f"report: {page}   scores: {results.path / 'scores.csv'}", err=True)


def _print_estimate(plan: Plan, folder: Path, plugins: Plugins, asked: Mapping[str, Any]) -> None:
    """Print what is to be run, and what that takes on this machine."""
    from latentbench.execution.estimate import estimate
    from latentbench.execution.pending import inspect, pending_jobs

    how = _how(asked).settled(max(trial.budget.threads for trial in plan.trials))
    jobs = pending_jobs(inspect(plan, folder, how), plan, folder, how, plugins)
    costs = estimate(jobs, plugins)
    rows: dict[tuple[str, str], list[float]] = {}
    for trial in (trial for job in jobs for trial in job.trials):
        row = rows.setdefault((trial.dataset, trial.label), [0, 0.0, 0.0])
        cost = costs[trial.key]
        row[0], row[1], row[2] = row[0] + 1, row[1] + cost.train_seconds, row[2] + cost.megabytes
    print_table(
        [
            (dataset, label, count, f"{seconds / 60:.2f}", f"{megabytes:.1f}")
            for (dataset, label), (count, seconds, megabytes) in rows.items()
        ],
        ("dataset", "model", "trials", "training, min", "MB"),
        numbers={2, 3, 4},
    )
    workers = min(len(jobs), how.workers or 1)
    total = sum(row[1] for row in rows.values()) / 60 / max(workers, 1)
    size = sum(row[2] for row in rows.values())
    count = sum(len(job.trials) for job in jobs)
    click.echo(
        f"{count} of {len(plan.trials)} trials to run in {folder}: about {total:.1f} minutes of training with "
        f"{workers} workers, {size:.0f} MB; scoring comes on top"
    )
