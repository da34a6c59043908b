"""The part of gpu.py that runs a whole grid, training and scores, as anybody would."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.cuda.rows import Aim, Row
from benchmarks.cuda.work import LATENT_DIM, PLUGINS, Work
from latentbench.dataset import DataSpec
from latentbench.opening import build_model, load_splits, split_space
from latentbench.results import Results
from latentbench_metrics._shared.features import in_domain_features

__all__ = ["time_features", "time_grid"]

MODELS = ("ae", "vae", "beta_vae")
EPOCHS = {False: 20, True: 2}  # quick or not
SCORES = {"tiers": ["quick", "full"]}
MINUTES = Aim("<=", 5)
SCORING = Aim("<=", 2)
NONE = Aim("<=", 0)
WHOLE = "whole grid"
PATIENCE = 15  # seconds to end in


def time_features(work: Work, _: Sequence[Row], __: float) -> Iterator[Row]:
    """Train the feature network of the grid's data, on one thread of the CPU: kept, it holds up no trial."""
    trial, started = work.trials("ae", _dataset(work))[0], time.perf_counter()
    splits = load_splits(PLUGINS, trial)
    model = build_model(trial, PLUGINS, DataSpec.of(splits.train))
    in_domain_features(split_space(model, trial, splits, "test", None))
    spent = time.perf_counter() - started
    yield Row("features", "feature network, data read and trained", spent, "s", note="once a data set")


def time_grid(work: Work, _: Sequence[Row], seconds: float) -> Iterator[Row]:
    """Run AE, VAE and beta-VAE with all their seeds and all default scores, and read what it cost.

    Stopped before it is through, it tells of the trials that are done.
    """
    with tempfile.TemporaryDirectory() as folder:
        run, started = Path(folder) / "run", time.perf_counter()
        through, output = _run(work, Path(folder), run, seconds - PATIENCE)
        spent = time.perf_counter() - started
        if (run / "run.json").is_file():
            yield from _told(work, Results(run, PLUGINS), through, spent)
        else:
            yield Row("grid", WHOLE, None, "min", MINUTES, failed=True, note=" ".join(output.split())[-300:])


def _run(work: Work, folder: Path, run: Path, seconds: float) -> tuple[bool, str]:
    """Call the command; return whether it came to its end in time, and what it printed."""
    benchmark = folder / "grid.toml"
    benchmark.write_text(_benchmark(work), encoding="utf-8")
    arguments = ["run", str(benchmark), "-o", str(run), "--device", work.device]
    command = [sys.executable, "-m", "latentbench", *arguments]
    with (folder / "output").open("w+", encoding="utf-8") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        try:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, seconds))
            through = process.poll() is not None
        finally:
            _end(process)
        output.seek(0)
        return through, output.read()


def _end(process: subprocess.Popen[bytes]) -> None:
    """Interrupt it as Ctrl-C does, so that it ends its workers; kill it if that takes long."""
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGINT)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(PATIENCE)
    process.kill()
    process.wait()


def _dataset(work: Work) -> str:
    return "digits" if work.quick else work.dataset


def _benchmark(work: Work) -> str:
    """Return the benchmark as TOML."""
    budget = {"epochs": EPOCHS[work.quick], "batch_size": work.batches[0]}
    values = {
        "title": "grid",
        "datasets": [_dataset(work)],
        "models": list(MODELS),
        "references": [],
        "seeds": 1 if work.quick else work.members,
        **SCORES,
    }
    lines = [f"{name} = {json.dumps(value)}" for name, value in values.items()]
    lines += ["[budget]", *(f"{name} = {value}" for name, value in budget.items())]
    return "\n".join([*lines, "[params]", f"latent_dim = {LATENT_DIM}", ""])


def _told(work: Work, results: Results, through: bool, seconds: float) -> Iterator[Row]:
    """Read time, memory and failures from the run's own files."""
    trials = [trial for trial in results.trials if trial.outcome is not None and trial.outcome.status == "ok"]
    count = f"{len(trials)} of {len(results.trials)} trials"
    about = f"{', '.join(MODELS)} x {EPOCHS[work.quick]} epochs, all scores, {count}"
    note = about if through else f"stopped after {seconds / 60:.2f} min: {about}"
    shape: dict[str, Any] = {"batch": work.batches[0]}
    if trials:
        shape["precision"] = trials[0].budget.precision
        shape["members"] = trials[0].outcome.environment["group_size"]  # type: ignore[union-attr]
    yield Row("grid", WHOLE, seconds / 60 if through else None, "min", MINUTES, note=note, **shape)
    if trials:
        yield from _costs(results, trials, seconds)
    bad = [f"{label} seed {seed}: {message}" for label, seed, _, message in results.failures if through]
    bad += _failed_scores(results)
    yield Row("grid", "trials and scores that failed", len(bad), "", NONE, must=True, note="; ".join(bad[:3]))


def _costs(results: Results, trials: Sequence[Any], seconds: float) -> Iterator[Row]:
    """Seconds of scores a trial, share of the time for anything else, peak memory."""
    rows = results.scores.drop_duplicates(["trial", "family"])
    of_trials = rows.groupby("trial")["score_seconds"].sum()
    slow = rows.groupby("family")["score_seconds"].mean().nlargest(3)
    slowest = "slowest: " + ", ".join(f"{name} {value:.2f} s" for name, value in slow.items())
    yield Row("grid", "scores a trial, mean", float(of_trials.mean()), "s", SCORING, note=slowest)
    yield Row("grid", "scores a trial, most", float(of_trials.max()), "s")
    trained = sum(trial.outcome.cost["train_seconds"] for trial in trials)
    yield Row("grid", "training, all trials", trained, "s")
    rest = 100 * (1 - (trained + float(of_trials.sum())) / seconds)
    yield Row("grid", "neither training nor scores", rest, "%", note="starting, reading, codes and files")
    peaks = [trial.outcome.cost.get("peak_memory_bytes", 0.0) for trial in trials]
    yield Row("grid", "peak memory", max(peaks) / 2**30, "GiB", note="all trials trained together")


def _failed_scores(results: Results) -> list[str]:
    rows = results.scores[results.scores["status"] == "failed"]
    return [f"{row.score}: {row.reason}" for row in rows.itertuples()]
