"""Runs a plan into a folder: lock, request, jobs, lifecycle hooks, results."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latentbench.errors import RunFolderError
from latentbench.execution.environment import describe_environment
from latentbench.execution.event_log import EventLog
from latentbench.execution.pending import (
    Execution,
    _discard_damaged,
    _forget,
    _record_unreadable,
    pending_jobs,
)
from latentbench.execution.workers import default_workers, run_here, run_in_workers
from latentbench.files import write_json
from latentbench.plan import Plan
from latentbench.plugins import Plugins
from latentbench.records import remove_leftovers
from latentbench.results import FORMAT, Results
from latentbench.trial import Trial

if TYPE_CHECKING:
    from latentbench.benchmark import Benchmark

__all__ = ["execute"]


def execute(
    plan: Plan, benchmark: Benchmark, folder: Path, plugins: Plugins, execution: Execution | None = None
) -> Results:
    """Do what is missing of `plan` in `folder`; see `latentbench.run`.

    Raises:
        RequestError: parts of the request contradict each other, or the machine.
        RunFolderError: the folder cannot be written, or another run is at work in it.
    """
    how = (execution or Execution()).settled(max(trial.budget.threads for trial in plan.trials))
    with _locked(folder), _logged(plugins):
        remove_leftovers(folder)
        _write_request(plan, benchmark, folder, plugins)
        plugins.run_started(benchmark, folder)
        _discard_damaged(plan, folder)
        _forget(plan, folder, how)
        _record_unreadable(plan, folder)
        jobs = pending_jobs(plan, folder, how, plugins)
        if how.workers == 0:
            run_here(jobs, plugins, _teller(plugins))
        else:
            run_in_workers(jobs, plugins, _teller(plugins), how.workers or 1, how.timeout, default_workers(1))
        results = Results(folder, plugins)
        results.write()
        plugins.run_finished(results)
    return results


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
