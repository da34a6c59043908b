"""What many trials in one folder cost to read: `python benchmarks/execution/many_trials.py [--write]`.

The run is a sweep on digits: ae, vae and four betas of beta_vae, at five batch sizes and as many learning rates as
make 300, 1,000 and 3,000 trials, five seeds each, beside the reference models of the preset quick; all
scores, and on the validation split those that decide a sweep.

Only one trial of each model is trained and scored. The others are its copies under their own parameters and seeds,
each number moved a little, written by `latentbench.records` with their own keys, digests and seals: readers find
nothing that a real run would not have.

Measured, each as a command of its own: the first time that the run is typed again (nothing is remembered of the
folder), again, `table`, and `report`: seconds from the start to the end, seconds of processor time, and the most
memory of its own ("own") and resident ("memory"). What is resident counts the files of libraries, of which torch
has 0.6 GB, and is never told lower than what this program itself holds, 0.7 GB; what is its own is looked at
every 50 ms, where the system tells it (RssAnon). Limits hold for the processor time and the own memory of the
largest run. Where other programs share the cores, processor time is up to a third longer. "growth" is how many
times longer it takes than the run before, net of the start, which is where the line through the two smaller runs
meets no trials.
Exit status 1 when a limit is missed. `--trials 300` takes fewer, `--keep FOLDER` makes the runs there and uses
those that are there, `--small` few scores of few models, to see that it works: no limit counts then. `--write`
renews results/reference/scale/many_trials.txt.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

import latentbench
from latentbench import Trial
from latentbench.benchmark import read_benchmark
from latentbench.files.json_files import canonical_json
from latentbench.files.signatures import YOUNG
from latentbench.machine import available_cores, environment
from latentbench.planning.plan import Plan, make_plan
from latentbench.plugins import Plugins
from latentbench.records import Record
from latentbench.trial import Outcome

ROOT = Path(__file__).parents[2]
if str(ROOT) not in sys.path:
    sys.path.append(str(ROOT))  # this script may be started from anywhere

from benchmarks.execution.spending import Spent, spent_by  # noqa: E402 - it needs the line above

KEPT = ROOT / "results" / "reference" / "scale" / "many_trials.txt"
SIZES = (300, 1000, 3000)
LIMITS = {"run again": 3.0, "table": 5.0, "report": 20.0}  # seconds of processor time, of the largest size
MOST_MEMORY = 1.0  # GB
NOISE = 0.02  # by which a number of a copy differs from that of the trial it is made of


@dataclass(frozen=True)
class Shape:
    """What is asked for besides learning rates, of which there are as many as make the trials."""

    models: tuple[str, ...] = ("ae", "vae", "beta_vae")
    references: tuple[str, ...] = ("pca", "random_projection", "untrained", "pixels")
    betas: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0)
    batch_sizes: tuple[int, ...] = (32, 48, 64, 96, 128)
    seeds: int = 5
    epochs: int = 10
    scores: tuple[str, ...] = ()

    @property
    def each(self) -> int:
        """Trials of one learning rate."""
        settings = sum(len(self.betas) if model == "beta_vae" else 1 for model in self.models)
        return settings * len(self.batch_sizes) * self.seeds

    def request(self, learning_rates: int) -> str:
        """Return it as a TOML file."""
        rates = [round(1e-3 * 10 ** (place / learning_rates), 7) for place in range(learning_rates)]
        lines = {
            "models": list(self.models),
            "references": list(self.references),
            "seeds": self.seeds,
            "scores": list(self.scores),
            "tiers": ["quick", "full"],
        }
        budget = {"epochs": self.epochs, "batch_size": list(self.batch_sizes), "learning_rate": rates}
        params = {"beta_vae.beta": list(self.betas)} if "beta_vae" in self.models else {}
        return "\n".join(
            [
                *(f"{name} = {_toml(value)}" for name, value in lines.items()),
                "[on.digits.budget]",
                *(f"{name} = {_toml(value)}" for name, value in budget.items()),
                "[params]",
                *(f'"{name}" = {_toml(value)}' for name, value in params.items()),
                "",
            ]
        )


SMALL = Shape(models=("ae",), references=("pca",), batch_sizes=(64,), seeds=3, epochs=1, scores=("r2", "knn10"))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--trials", type=int, nargs="+", default=SIZES, help="about how many")
    parser.add_argument("--keep", type=Path, help="folder of the runs; those that are there are used")
    parser.add_argument("--small", action="store_true", help="few scores of few models, to see that it works")
    parser.add_argument("--write", action="store_true", help=f"renew {KEPT.relative_to(KEPT.parents[3])}")
    options = parser.parse_args()
    shape = SMALL if options.small else Shape()
    with nullcontext(options.keep) if options.keep else tempfile.TemporaryDirectory() as place:
        lines, missed = report(Path(place), options.trials, shape)
    text = "\n".join([*lines, *missed]) + "\n"
    sys.stdout.write(text)
    if options.write:
        KEPT.parent.mkdir(parents=True, exist_ok=True)
        KEPT.write_text(text, encoding="utf-8")
    sys.exit(bool(missed) and not options.small)


def report(place: Path, trials: Sequence[int], shape: Shape) -> tuple[list[str], list[str]]:
    """Make and measure a run of each size; return the lines to print, and a sentence for each missed limit."""
    place.mkdir(parents=True, exist_ok=True)
    with mock.patch.dict(os.environ, LATENTBENCH_CACHE=str(place / "cache")):
        sizes = {made_run(place, count, shape): 0 for count in trials}
        time.sleep(2 * YOUNG)  # what is younger is not remembered
        spent = {run: measured(run) for run in sizes}
    cores = available_cores()
    lines = [
        "python benchmarks/execution/many_trials.py --write",
        f"{environment('cpu', 1, 1)['device']}, {cores} core{'s' * (cores > 1)}, Python {sys.version.split()[0]}",
        "",
        f"{'trials':>6}  {'files':>7}  {'MB':>5}  {'page, MB':>8}  {'command':<10}{'wall, s':>8}"
        f"{'processor, s':>14}{'own, GB':>9}{'memory, GB':>12}{'growth':>8}",
    ]
    for run, commands in spent.items():
        files = [path.stat().st_size for path in (run / "trials").rglob("*") if path.is_file()]
        sizes[run] = sum(1 for _ in (run / "trials").iterdir())
        page = (run / "report.html").stat().st_size / 1e6
        head = f"{sizes[run]:>6}  {len(files):>7}  {sum(files) / 1e6:>5.0f}  {page:>8.1f}"
        for name, cost in commands.items():
            steps = [
                (sizes[each], spent[each][name].processor) for each in list(sizes)[: list(sizes).index(run) + 1]
            ]
            times = f"{growth(steps):>8.1f}" if len(steps) > 2 else ""
            numbers = f"{cost.seconds:>8.2f}{cost.processor:>14.2f}{cost.own:>9.2f}{cost.resident:>12.2f}{times}"
            lines.append(f"{head}  {name:<10}{numbers}")
    return lines, missed_limits(list(spent.values())[-1])


def growth(steps: Sequence[tuple[int, float]]) -> float:
    """Return how many times longer the last of three sizes takes than the one before, net of the start.

    >>> growth([(1, 11.0), (2, 12.0), (6, 16.0)])
    3.0
    """
    (few, first), (more, second), (_, third) = steps[-3:]
    start = first - few * (second - first) / (more - few)
    return (third - start) / (second - start)


def missed_limits(largest: Mapping[str, Spent]) -> list[str]:
    """Return a sentence for each limit that the largest run misses."""
    slow = [
        f"MISSED: {name} took {largest[name].processor:.2f} s of processor time, limit {limit:.0f}"
        for name, limit in LIMITS.items()
        if largest[name].processor > limit
    ]
    large = [
        f"MISSED: {name} took {cost.own:.2f} GB of its own, limit {MOST_MEMORY}"
        for name, cost in largest.items()
        if name in LIMITS and cost.own > MOST_MEMORY
    ]
    return [*slow, *large]


def made_run(place: Path, trials: int, shape: Shape) -> Path:
    """Return a run of about so many trials below a folder, made where it is not there."""
    folder = place / f"run-{trials}"
    request = place / f"run-{trials}.toml"
    if folder.exists():
        return folder
    request.write_text(shape.request(max(1, round(trials / shape.each))), encoding="utf-8")
    plugins = Plugins()
    plan = make_plan(read_benchmark(str(request), {}), plugins, "cpu")
    originals = trained(place / "originals", shape, plugins)
    with mock.patch("os.fsync"):  # the copies can be made again
        for trial in plan.trials:
            copied(originals[_kind(trial)], trial, plan, folder)
    return folder


def _kind(trial: Trial) -> tuple[str, str]:
    return trial.model, canonical_json(trial.params)


def trained(place: Path, shape: Shape, plugins: Plugins) -> dict[tuple[str, str], Record]:
    """Train and score one trial of each model with each of its parameters; return their records."""
    request = place.with_suffix(".toml")
    # two learning rates, so that the validation split is scored too
    request.write_text(replace(shape, seeds=1, batch_sizes=(64,)).request(2), encoding="utf-8")
    benchmark = read_benchmark(str(request), {})
    results = latentbench.run(benchmark, place, plugins=plugins)
    return {_kind(trial): results.record(trial) for trial in results.trials}


def copied(original: Record, trial: Trial, plan: Plan, folder: Path) -> None:
    """Write the record of a trial with the content of another, every number moved a little."""
    generator = np.random.default_rng(int(trial.key[:12], 16))
    record = Record.begin(folder, trial.key)
    outcome = original.read_outcome()
    record.write_arrays("codes.npz", original.read_arrays("codes.npz"))
    if (state := original.read_state()) is not None:
        record.write_state(state)
    record.log_path.write_bytes(original.log_path.read_bytes() if original.log_path.is_file() else b"")
    record.write_trial(trial, _moved_outcome(outcome, generator))
    for split, request in plan.asked(trial):
        stored = original.read_scores(request, split) or {}
        scores = {name: _moved(score, generator) for name, score in stored["scores"].items()}
        rows = {**stored, "scores": scores, "metric": request.metric, "version": request.version}
        items = original.read_items(request, split)
        record.write_scores(request, rows, items, split)
    record.publish()


def _moved(score: Mapping[str, Any], generator: np.random.Generator) -> dict[str, Any]:
    value = score["value"]
    return {**score, "value": None if value is None else value * (1 + NOISE * generator.normal())}


def _moved_outcome(outcome: Outcome, generator: np.random.Generator) -> Outcome:
    seconds = outcome.cost["train_seconds"] * float(np.exp(NOISE * generator.normal()))
    return replace(outcome, cost={**outcome.cost, "train_seconds": seconds})


def measured(run: Path) -> dict[str, Spent]:
    """Return what each command on a run took."""
    request = str(run.with_suffix(".toml"))
    again = ["run", request, "-o", str(run), "--device", "cpu"]
    return {
        "first run": spent_by(again),
        "run again": spent_by(again),
        "table": spent_by(["table", str(run)]),
        "report": spent_by(["report", str(run)]),
    }


def _toml(value: Any) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    return f"[{', '.join(map(_toml, value))}]" if isinstance(value, Iterable) else repr(value)


if __name__ == "__main__":
    main()
