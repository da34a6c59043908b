"""Runs jobs on this machine: in warm worker processes, or in this very process."""

from __future__ import annotations

import queue
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace

from latentbench.execution.deaths import Deaths, record_failure, unfinished_log
from latentbench.execution.events import Listener, TrialEvent
from latentbench.execution.job import Job, execute_job
from latentbench.execution.worker_process import LastWords, Messages, WorkerProcess, parse
from latentbench.machine import available_cores
from latentbench.plugins import Plugins
from latentbench.trial import Outcome, TrialResult

__all__ = ["default_workers", "run_here", "run_in_workers"]


def default_workers(threads: int) -> int:
    """How many trials of this many threads fit on the machine's cores at the same time, at least one."""
    return max(1, available_cores() // threads)


def run_here(jobs: Iterable[Job], plugins: Plugins, listener: Listener, *, debug: bool = False) -> None:
    """Run jobs one after the other in this process: for notebooks and tests; for debuggers the first one alone."""
    for job in jobs:
        execute_job(job, plugins, listener, output="shown" if debug else "caught")
        if debug:
            return


def run_in_workers(
    jobs: Iterable[Job],
    plugins: Plugins,
    listener: Listener,
    workers: int,
    timeout: float | None = None,
    helpers: int = 1,
    retries: int = 0,
    stop: Callable[[], bool] = lambda: False,
) -> None:
    """Run jobs in `workers` processes that stay warm from job to job, and what they defer in up to `helpers` more.

    A worker that dies (out of memory, a crash) or outlives `timeout` seconds on a trial fails that trial alone:
    another takes its place, and a job of several trials is split and run again one by one. A job whose worker was
    killed is first begun again up to `retries` times without getting further. Jobs are taken from `jobs` when a
    worker is free. Workers are ended when this returns, or raises, and at once when `stop` says so.
    """
    messages: Messages = queue.Queue()
    training, scoring = _Pool(plugins, workers, messages, retries), _Pool(plugins, helpers, messages, retries)
    deferred = _Deferred(listener)
    waiting = _Waiting(jobs, deferred)
    try:
        while not stop():
            while training.idle and (job := waiting.next()) is not None:
                training.start(job, timeout)
            while scoring.idle and deferred.jobs:
                scoring.start(deferred.jobs.popleft(), timeout)
            if not (training.busy or scoring.busy):
                return
            message = _next(messages)
            waiting.again.extend(training.handle(message, deferred.after_training))
            deferred.jobs.extend(scoring.handle(message, deferred.after_scoring))
    finally:
        for pool in (training, scoring):
            pool.close()


class _Waiting:
    """Jobs that no worker has: those to be done again first."""

    def __init__(self, jobs: Iterable[Job], deferred: _Deferred) -> None:
        self.again: deque[Job] = deque()
        self._jobs = iter(jobs)
        self._deferred = deferred

    def next(self) -> Job | None:
        """Return the next job, None if there is none."""
        if self.again:
            return self.again.popleft()
        job = next(self._jobs, None)
        if job is not None:
            self._deferred.expect(job)
        return job


class _Deferred:
    """What jobs leave for later, as jobs of their own; a trial has finished when both of its jobs have."""

    def __init__(self, listener: Listener) -> None:
        self.jobs: deque[Job] = deque()
        self._listener = listener
        self._follow_ups: dict[str, Job] = {}
        self._results: dict[str, TrialResult] = {}

    def expect(self, job: Job) -> None:
        """Learn of a job that begins."""
        if job.deferring:
            self._follow_ups |= {trial.key: job.follow_up(trial) for trial in job.trials}

    def after_training(self, event: TrialEvent) -> None:
        """Pass an event on; a trial that leaves something for later has not finished yet."""
        result = event.result
        if result is not None and result.status == "ok" and event.trial in self._follow_ups:
            self._results[event.trial] = result
            self.jobs.append(self._follow_ups[event.trial])
        else:
            self._listener(event)

    def after_scoring(self, event: TrialEvent) -> None:
        """Pass on how far it is, and that a trial has finished, with what both of its jobs say."""
        if event.kind == "metric_started":
            self._listener(event)
        if event.result is not None:
            earlier = self._results.pop(event.trial)
            result = replace(
                event.result,
                failed_scores={**earlier.failed_scores, **event.result.failed_scores},
                seconds=earlier.seconds + event.result.seconds,
            )
            self._listener(replace(event, result=result))


def _next(messages: Messages) -> tuple[WorkerProcess, bytes | None] | None:
    """Wait a moment for a message."""
    try:
        return messages.get(timeout=0.2)
    except queue.Empty:
        return None


class _Pool:
    """Some workers, and the queue they report to."""

    def __init__(self, plugins: Plugins, size: int, messages: Messages, retries: int) -> None:
        self.plugins, self.messages = plugins, messages
        self.workers: list[WorkerProcess] = []
        self.size = size
        self._begun_again: set[str] = set()  # keys of trials whose worker ended before it had said a word
        self._deaths = Deaths(retries)

    @property
    def busy(self) -> list[WorkerProcess]:
        return [worker for worker in self.workers if worker.job is not None]

    @property
    def idle(self) -> bool:
        return len(self.busy) < self.size

    def start(self, job: Job, timeout: float | None) -> None:
        free = (each for each in self.workers if each.alive and each.job is None and each.device == job.device)
        worker = next(free, None)
        if worker is None:
            worker = WorkerProcess(self.plugins, self.messages, job.device)
            self.workers.append(worker)
        worker.take(job, timeout)

    def handle(self, message: tuple[WorkerProcess, bytes | None] | None, listener: Listener) -> list[Job]:
        """Handle a message from one of its workers, and jobs that are out of time; return jobs to do again."""
        again: list[Job] = []
        if message is not None and message[0] in self.workers:
            worker, line = message
            again = self._bury(worker, listener) if line is None else self._heed(worker, line, listener)
        return [*again, *self._end_late(listener)]

    def _heed(self, worker: WorkerProcess, line: bytes, listener: Listener) -> list[Job]:
        """Pass on what a worker says; one that does not make sense is ended."""
        try:
            event = parse(line)
            if isinstance(event, TrialEvent):
                worker.note(event)
        except ValueError as error:
            return self._fail(worker, listener, _died(f"was ended because it sent {error}"))
        if isinstance(event, TrialEvent):
            listener(event)
        elif isinstance(event, LastWords):
            worker.last_words = event
        else:
            worker.put_back = event
        return []

    def _end_late(self, listener: Listener) -> list[Job]:
        now = time.monotonic()
        late = [worker for worker in self.busy if worker.deadline is not None and now > worker.deadline]
        outcome = Outcome("timeout", "Timeout", "the trial ran past --timeout")
        return [job for worker in late for job in self._fail(worker, listener, outcome)]

    def _bury(self, worker: WorkerProcess, listener: Listener) -> list[Job]:
        """A worker has ended: if it was on a job, that job has failed, or was not begun."""
        how = worker.end()
        job = worker.job
        if job is not None and worker.has_left and (again := _put_back(worker, job)):
            self.workers.remove(worker)
            return again
        if job is not None and not worker.heard and job.trials[0].key not in self._begun_again:
            self._begun_again.add(job.trials[0].key)
            self.workers.remove(worker)
            return [job]
        if job is not None and worker.was_killed:
            if self._deaths.spare(job, begun=worker.heard):
                self.workers.remove(worker)
                _clear_up(worker)
                return [replace(job, trials=worker.left)]
            how = f"{self._deaths.told(job)}{how}"
        if worker.last_words is not None:
            how += f" after {worker.last_words.error}"
        return self._fail(worker, listener, _died(f"ended {how}"))

    def _fail(self, worker: WorkerProcess, listener: Listener, outcome: Outcome) -> list[Job]:
        """End a worker; fail its job's trial, or return a job for each of several that are not done."""
        self.workers.remove(worker)
        worker.end()
        job, worker.job = worker.job, None
        if job is None:
            return []
        left = [trial for trial in job.trials if trial.key not in worker.ended]
        if len(job.trials) > 1:
            return [replace(job, trials=(trial,)) for trial in left]
        for trial in left:
            log = unfinished_log(job, trial, worker.process.pid)
            words = "" if worker.last_words is None else worker.last_words.traceback
            record_failure(job, trial, outcome, log, words)
            seconds = time.monotonic() - worker.taken
            result = TrialResult(outcome.status, outcome.error, outcome.message, seconds)
            listener(TrialEvent("trial_finished", trial.key, result=result))
        return []

    def close(self) -> None:
        for worker in self.workers:
            worker.end()
            _clear_up(worker)
        self.workers.clear()


def _put_back(worker: WorkerProcess, job: Job) -> list[Job]:
    """Return what a worker that has left had not begun, or what it could not finish; nothing if that is all."""
    if not worker.heard:
        return [job]
    pieces = [] if worker.put_back is None else worker.put_back.pieces(worker.left)
    if len(pieces) < 2:
        return []
    _clear_up(worker)
    return [replace(job, trials=trials) for trials in pieces]


def _clear_up(worker: WorkerProcess) -> None:
    """Remove what a worker that has ended had begun to write."""
    for trial in worker.left:
        if worker.job is not None:
            unfinished_log(worker.job, trial, worker.process.pid)


def _died(how: str) -> Outcome:
    return Outcome("failed", "WorkerDied", f"the worker process {how}")
