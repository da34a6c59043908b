"""Runs a plan into a folder: lock, request, jobs, lifecycle hooks, results."""

from __future__ import annotations

import contextlib
import fcntl
import math
import os
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latentbench.errors import RequestError, RunFolderError
from latentbench.events import EventLog
from latentbench.execution.local import default_workers, run_here, run_in_workers
from latentbench.files import write_json
from latentbench.grid import Plan
from latentbench.plugins import Plugins
from latentbench.records import Record, Trial, remove_leftovers
from latentbench.results import FORMAT, Results
from latentbench.trial import Job

if TYPE_CHECKING:
    from latentbench.benchmark import Benchmark

__all__ = ["execute", "pending_jobs"]

RECORDED = (
    "latentbench",
    "torch",
    "torchvision",
    "numpy",
    "scipy",
    "scikit-learn",
    "pandas",
    "POT",
    "pluggy",
    "umap-learn",
)


def execute(
    plan: Plan,
    benchmark: Benchmark,
    folder: Path,
    plugins: Plugins,
    workers: int | None,
    device: str,
    timeout: float | None,
    rerun: str,
) -> Results:
    """Do what is missing of `plan` in `folder`; see `latentbench.run`.

    Raises:
        RunFolderError: the folder cannot be written, or another run is at work in it.
    """
    device = choose_device(device)
    if timeout is not None and workers == 0:
        raise RequestError("--timeout needs a worker process that can be ended; leave out --workers 0")
    with _locked(folder), _logged(plugins):
        remove_leftovers(folder)
        _write_request(plan, benchmark, folder, plugins)
        plugins.run_started(benchmark, folder)
        _discard_damaged(plan, folder)
        _forget(plan, folder, rerun)
        _record_unreadable(plan, folder)
        threads = max(trial.budget["threads"] for trial in plan.trials)
        count = workers if workers is not None else 1 if device == "cuda" else default_workers(threads)
        jobs = pending_jobs(plan, folder, device, min(max(count, 1), len(plan.trials)))
        if count == 0:
            run_here(jobs, plugins, _teller(plugins))
        else:
            run_in_workers(jobs, plugins, _teller(plugins), count, timeout)
        results = Results(folder, plugins)
        results.write()
        plugins.run_finished(results)
    return results


def choose_device(asked: str) -> str:
    """Return "cuda" or "cpu" for "auto", or what was asked for.

    Raises:
        RequestError: CUDA is asked for and there is none.
    """
    import torch

    there = torch.cuda.is_available()
    if asked == "cuda" and not there:
        raise RequestError("--device cuda: torch sees no CUDA device here; use --device cpu")
    if asked not in ("auto", "cpu", "cuda"):
        raise RequestError(f"--device must be auto, cpu or cuda, got {asked!r}")
    return asked if asked != "auto" else "cuda" if there else "cpu"


def pending_jobs(plan: Plan, folder: Path, device: str, concurrency: int) -> list[Job]:
    """Return jobs for the trials that can be run and are not there yet, or lack a score.

    Trials that are looks at one training (checkpoints) make one job.
    """
    groups: dict[str, list[Trial]] = {}
    for trial in plan.trials:
        record = Record(folder, trial.key)
        wanting = not record.exists() or bool(record.damage()) or _lacks_scores(record, plan, trial)
        if trial.outcome is None and wanting:
            groups.setdefault(replace(trial, budget={**trial.budget, "checkpoint": None}).key, []).append(trial)
    return [
        Job(
            tuple(sorted(trials, key=lambda trial: trial.budget["checkpoint"] or math.inf)),
            plan.requests,
            folder,
            plan.validation_requests(trials[0]),
            device,
            concurrency,
        )
        for trials in groups.values()
    ]


def count_pending(plan: Plan, folder: Path, rerun: str) -> int:
    """Return how many trials `execute` will run, before it has changed anything."""
    count = 0
    for trial in plan.trials:
        record = Record(folder, trial.key)
        wanting = (
            not record.exists()
            or bool(record.damage())
            or _stale(trial, record, rerun)
            or _lacks_scores(record, plan, trial)
            or any(record.scores_are_stale(request, rerun, split) for split, request in plan.asked(trial))
        )
        count += trial.outcome is None and wanting
    return count


def _stale(trial: Trial, record: Record, rerun: str) -> bool:
    """Whether a record is to be made again."""
    outcome = record.read_trial().outcome
    failed = outcome is None or outcome.status != "ok"
    changed = outcome is not None and outcome.source != trial.source
    return rerun == "all" or (rerun == "failed" and failed) or (rerun == "changed" and changed)


def _lacks_scores(record: Record, plan: Plan, trial: Trial) -> bool:
    outcome = record.read_trial().outcome
    good = outcome is not None and outcome.status == "ok"
    return good and any(record.read_scores(request, split) is None for split, request in plan.asked(trial))


def _discard_damaged(plan: Plan, folder: Path) -> None:
    """Remove records that cannot be read, and those without a sound model that must be scored: they run again."""
    for trial in plan.trials:
        record = Record(folder, trial.key)
        if not record.exists():
            continue
        damage = record.damage()
        if not damage and _lacks_scores(record, plan, trial):
            damage = record.damage(files=True)
        if damage:
            warnings.warn(f"{damage}; {trial.label} seed {trial.seed} is done again", stacklevel=2)
            record.remove()


def _record_unreadable(plan: Plan, folder: Path) -> None:
    """Write the record of each trial whose data could not be read: there is nothing to run."""
    for trial in plan.trials:
        if trial.outcome is not None and not Record(folder, trial.key).exists():
            record = Record.begin(folder, trial.key)
            record.write_trial(trial, trial.outcome)
            record.publish()


def _forget(plan: Plan, folder: Path, rerun: str) -> None:
    """Remove the records and scores that are to be made again; tell once of sources that have changed since."""
    changed: set[str] = set()
    for trial in plan.trials:
        record = Record(folder, trial.key)
        if not record.exists():
            continue
        if _stale(trial, record, rerun):
            record.remove()
            continue
        if _stale(trial, record, "changed"):
            changed.add(f"model {trial.model}")
        for split, request in plan.asked(trial):
            if record.scores_are_stale(request, rerun, split):
                record.forget_scores(request, split)
            elif record.scores_are_stale(request, "changed", split):
                changed.add(f"metric {request.metric}")
    for name in sorted(changed):
        warnings.warn(f"the source of {name} has changed since; --rerun changed does its part again", stacklevel=2)


def _teller(plugins: Plugins) -> Any:
    """Turn workers' events into calls of the lifecycle hooks."""

    def tell(trial: Trial, event: str, values: Mapping[str, Any]) -> None:
        values = {name: value for name, value in values.items() if name != "trial"}
        if event == "trial_started":
            plugins.trial_started(trial)
        elif event == "epoch_finished":
            plugins.epoch_finished(trial, values["epoch"], values["losses"])
        elif event == "trial_finished":
            plugins.trial_finished(trial, values)

    return tell


@contextlib.contextmanager
def _logged(plugins: Plugins) -> Iterator[None]:
    """Keep the event log for the time of a run: the plugins may serve several."""
    plugins.register(EventLog(), "event log")
    try:
        yield
    finally:
        plugins.unregister("event log")


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Make the folder and hold its lock; the system lets go of it when the process ends, however it does."""
    try:
        (folder / "trials").mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / "run.lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        reason = error.strerror or str(error)
        raise RunFolderError(
            f"the run folder {folder} cannot be written ({reason}); choose another with -o"
        ) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        raise RunFolderError(
            f"another run is at work in {folder}; wait for it, or choose another folder with -o"
        ) from error
    try:
        yield
    finally:
        os.close(handle)


def _write_request(plan: Plan, benchmark: Benchmark, folder: Path, plugins: Plugins) -> None:
    """Write run.json (what was asked for) and environment.json (what it runs on)."""
    write_json(
        folder / "run.json",
        {
            "format": FORMAT,
            "title": benchmark.title,
            "benchmark": benchmark.model_dump(mode="json"),
            "scores": list(benchmark.scores),
            "trials": [trial.to_json() for trial in plan.trials],
            "requests": [asdict(request) for request in plan.requests],
            "swept": list(plan.swept),
            "plugin_files": list(plugins.files),
            "plugins_blocked": list(plugins.blocked),
        },
    )
    write_json(folder / "environment.json", describe_environment(plugins))


def describe_environment(plugins: Plugins) -> dict[str, Any]:
    """Describe versions, machine and plugins, for `latentbench env` and each run's environment.json."""
    import platform

    import torch

    from latentbench.machine import environment

    machine = environment("cuda" if torch.cuda.is_available() else "cpu", 1, 1)
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": machine["device"],
        "cores": len(os.sched_getaffinity(0)),
        "cuda": torch.version.cuda if torch.cuda.is_available() else "none",
        "versions": {name: version(name) for name in RECORDED},
        "plugins": [asdict(info) for info in plugins.infos],
    }
