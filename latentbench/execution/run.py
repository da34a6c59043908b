"""Runs a plan into a folder: lock, request, jobs, lifecycle hooks, results."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from latentbench.codes.trials import write_codes
from latentbench.errors import RunFolderError
from latentbench.execution.choosing.choices import choices_of
from latentbench.execution.environment import describe_environment
from latentbench.execution.event_log import EventLog
from latentbench.execution.events import Listener, TrialEvent
from latentbench.execution.executors.claims import busy
from latentbench.execution.executors.driver import Driver, make_executor, refuse_if_busy
from latentbench.execution.first_build import build_first
from latentbench.execution.folder import check_folder
from latentbench.execution.job import Job
from latentbench.execution.options import Execution
from latentbench.execution.pending import TrialState, inspect, pending_jobs, prepare
from latentbench.execution.workers import default_workers, run_here, run_in_workers
from latentbench.files.failures import refusal
from latentbench.files.json_files import write_sealed
from latentbench.planning.metrics import score_names
from latentbench.planning.plan import Plan
from latentbench.plugins import Plugins
from latentbench.records import Record, remove_leftovers
from latentbench.results import Results
from latentbench.source.trust import remember_named

if TYPE_CHECKING:
    from latentbench.benchmark import Benchmark

__all__ = ["execute"]


def execute(
    plan: Plan,
    benchmark: Benchmark,
    folder: Path,
    plugins: Plugins,
    execution: Execution | None = None,
    announce: Callable[[int], None] | None = None,
    *,
    train: bool = True,
) -> Results:
    """Do what is missing of `plan` in `folder`; see `latentbench.run`.

    `announce` is called with the number of trials to run, before the first hook. Without `train`, only scores of
    trials that are there are computed, and those of own codes.

    Raises:
        RequestError: parts of the request contradict each other, or the machine, or a model finds its files or
            parameters wrong (`Model.built_first`).
        RunFolderError: the folder cannot be written, is not one of a run, or another run is at work in it.
    """
    execution = (execution or Execution()).within_reach(plan.of_session)
    execution = execution.settled(max(trial.budget.threads for trial in plan.trials))
    if execution.elsewhere:
        make_executor(execution, plugins)
    check_folder(folder)
    for remark in build_first(plan.whole, folder, plugins):
        warnings.warn(remark, stacklevel=2)
    with _locked(folder), _logged(plugins):
        at_work = refuse_if_busy(folder, execution)
        remove_leftovers(folder, at_work=at_work)
        work = _PlannedWork(benchmark, folder, plugins, execution, train)
        search = inspect(plan.search, folder, execution) if plan.candidates and train else []
        if plan.candidates and not any(state.pending for state in search):
            plan = plan.settled(choices_of(plan, benchmark.choose_by, folder))
        states = work.states(plan)
        if announce is not None:
            announce(sum(state.pending for state in (*(search if plan.candidates else ()), *states)))
        _write_request(plan, benchmark, folder, plugins, execution)
        remember_named()
        plugins.run_started(benchmark, folder)
        if plan.candidates:
            plan, states = work.searched(plan, search)
        if not plan.candidates:
            work.do(plan, states)
        results = Results(folder, plugins)
        results.write()
        plugins.run_finished(results)
    return results


@dataclass(frozen=True)
class _PlannedWork:
    """What is done with plans: where, by what, and whether models are trained."""

    benchmark: Benchmark
    folder: Path
    plugins: Plugins
    execution: Execution
    train: bool

    def states(self, plan: Plan) -> list[TrialState]:
        """Return what the folder holds of a plan, of the trials that are to be done."""
        states = inspect(plan, self.folder, self.execution)
        if not self.train:
            own = {each.trial.key for each in plan.own}
            states = [state for state in states if state.trained or state.trial.key in own]
        return _first_left(states) if self.execution.debug and not plan.candidates else states

    def do(self, plan: Plan, states: Sequence[TrialState]) -> None:
        """Do what is pending."""
        prepare(states, self.execution)
        for each in plan.own:
            write_codes(
                each, Record(self.folder, each.trial.key), self.execution.device, self.execution.workers or 1
            )
        notify = _notifier(plan, self.plugins)
        if self.execution.elsewhere:
            _run_elsewhere(states, plan, self.folder, self.plugins, self.execution, notify)
        else:
            jobs = pending_jobs(states, plan, self.folder, self.execution, self.plugins)
            _run_here(jobs, self.plugins, self.execution, notify)

    def searched(self, plan: Plan, states: Sequence[TrialState]) -> tuple[Plan, list[TrialState]]:
        """Do the trials by which settings are chosen; return the plan of the table, and what is left of it.

        Where trials are left, as with an executor that goes on alone, the plan stays as it is.
        """
        debugged = self.execution.debug
        self.do(plan.search, _first_left(states) if debugged else states)
        again = replace(self.execution, rerun="missing")
        if debugged or any(state.pending for state in inspect(plan.search, self.folder, again)):
            return plan, []
        settled = plan.settled(choices_of(plan, self.benchmark.choose_by, self.folder))
        _write_request(settled, self.benchmark, self.folder, self.plugins, self.execution)
        tried = {state.trial.key for state in states}
        done = replace(settled, trials=tuple(trial for trial in settled.trials if trial.key in tried))
        fresh = {state.trial.key: state for state in inspect(done, self.folder, again)}  # whatever is done anew
        return settled, [fresh.get(state.trial.key, state) for state in self.states(settled)]


def _first_left(states: Sequence[TrialState]) -> list[TrialState]:
    """Return what belongs to the first training that has something left to do; to one that failed, if any."""
    left = sorted((state for state in states if state.pending), key=lambda state: state.stored is None)
    if not left:
        warnings.warn("nothing is left to run; --rerun all runs a trial again", stacklevel=3)
        return []
    return [state for state in states if state.trial.training_key == left[0].trial.training_key]


def _notifier(plan: Plan, plugins: Plugins) -> Listener:
    """Return what passes events on to the lifecycle hooks."""
    trials = {trial.key: trial for trial in plan.trials}

    def notify(event: TrialEvent) -> None:
        trial = trials.get(event.trial)
        if trial is None:  # of an earlier request, whose workers are still at it
            return
        if event.kind == "trial_started":
            plugins.trial_started(trial)
        elif event.kind == "epoch_finished":
            plugins.epoch_finished(trial, event.epoch, event.losses)
        elif event.kind == "metric_started":
            plugins.metric_started(trial, event.metric, event.done, event.total)
        elif event.result is not None:
            plugins.trial_finished(trial, event.result)

    return notify


def _run_here(jobs: Sequence[Job], plugins: Plugins, execution: Execution, notify: Listener) -> None:
    """Run jobs in this process, or in workers of this machine."""
    if execution.workers == 0:
        run_here(jobs, plugins, notify, debug=execution.debug)
    else:
        run_in_workers(
            jobs,
            plugins,
            notify,
            execution.workers or 1,
            execution.timeout,
            helpers=default_workers(1),
            retries=execution.retries,
        )


def _run_elsewhere(
    states: Sequence[TrialState],
    plan: Plan,
    folder: Path,
    plugins: Plugins,
    execution: Execution,
    notify: Listener,
) -> None:
    """Run jobs in an executor; what it is still at from earlier is waited for first."""
    driver = Driver(folder, execution, plugins, notify)
    if driver.collect():
        states = inspect(plan, folder, replace(execution, rerun="missing"))
    driver.submit(pending_jobs(states, plan, folder, execution, plugins))
    remove_leftovers(folder, at_work=busy(folder) > 0)


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
    """Make the folder and hold its lock, which the system frees when the process ends, however it ends."""
    lock = FileLock(folder / "run.lock", timeout=0)
    try:
        (folder / "trials").mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise RunFolderError(
            f"another run is at work in {folder}; wait for it, or choose another folder with -o"
        ) from error
    except OSError as error:
        raise refusal(error, f"the run folder {folder} cannot be written", RunFolderError) from error
    try:
        yield
    finally:
        lock.release()


def _write_request(plan: Plan, benchmark: Benchmark, folder: Path, plugins: Plugins, execution: Execution) -> None:
    """Write run.json (what was asked for) and environment.json (what it runs on)."""
    request = {
        "title": benchmark.title,
        "benchmark": benchmark.model_dump(mode="json"),
        "scores": score_names(benchmark.scores, plugins),
        "trials": [trial.to_json() for trial in plan.trials],
        "requests": [asdict(request) for request in plan.requests],
        "swept": list(plan.swept),
        "chosen": [choice.to_json() for choice in plan.chosen],
        "plugin_files": [*plugins.files, *plugins.forgone],
        "plugins_blocked": list(plugins.blocked),
        "command": execution.command,
        "asked_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    environment = describe_environment(plugins, execution.device)
    for name, content in {"run.json": request, "environment.json": environment}.items():
        try:
            write_sealed(folder / name, content)
        except OSError as error:
            raise refusal(error, f"{folder / name} cannot be written", RunFolderError) from error
