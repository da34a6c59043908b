"""Runs jobs on this machine: in warm worker processes, or in this very process."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import replace
from typing import IO, Any

from latentbench.execution.events import Listener, TrialEvent
from latentbench.execution.job import Job, execute_job
from latentbench.machine import available_cores
from latentbench.plugins import Plugins
from latentbench.records import Record
from latentbench.trial import Outcome, Trial, TrialResult

__all__ = ["default_workers", "run_here", "run_in_workers"]

WORKER_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    # glibc gives big blocks back to the system at once and gets them again page by page; kept, training is a fifth
    # faster (benchmarks/README.md)
    "MALLOC_MMAP_THRESHOLD_": str(2**25),
    "MALLOC_TRIM_THRESHOLD_": str(2**35),
    "MALLOC_TOP_PAD_": str(2**26),
}


def default_workers(threads: int) -> int:
    """How many trials of this many threads fit on the machine's cores at the same time, at least one."""
    return max(1, available_cores() // threads)


def run_here(jobs: Iterable[Job], plugins: Plugins, listener: Listener) -> None:
    """Run jobs one after the other in this process: for debuggers, notebooks and tests."""
    for job in jobs:
        execute_job(job, plugins, listener)


def run_in_workers(
    jobs: Iterable[Job],
    plugins: Plugins,
    listener: Listener,
    workers: int,
    timeout: float | None = None,
    helpers: int = 1,
) -> None:
    """Run jobs in `workers` processes that stay warm from job to job, and what they defer in up to `helpers` more.

    A worker that dies (out of memory, a crash) or outlives `timeout` seconds on a trial fails that trial alone:
    another takes its place, and a job of several trials is split and run again one by one. Workers are ended when
    this returns, or raises.
    """
    waiting = deque(jobs)
    messages: _Messages = queue.Queue()
    pools = _Pool(plugins, min(workers, len(waiting)), messages), _Pool(plugins, helpers, messages)
    deferred = _Deferred(waiting, listener)
    try:
        while waiting or deferred.jobs or any(pool.busy for pool in pools):
            for pool, queued in zip(pools, (waiting, deferred.jobs), strict=True):
                while queued and pool.idle:
                    pool.start(queued.popleft(), timeout)
            message = _next(messages)
            waiting.extend(pools[0].handle(message, deferred.after_training))
            deferred.jobs.extend(pools[1].handle(message, deferred.after_scoring))
    finally:
        for pool in pools:
            pool.close()


class _Deferred:
    """What jobs leave for later, as jobs of their own; a trial has finished when both of its jobs have."""

    def __init__(self, jobs: Iterable[Job], listener: Listener) -> None:
        self.jobs: deque[Job] = deque()
        self._listener = listener
        self._follow_ups = {
            trial.key: job.follow_up(trial) for job in jobs if job.deferring for trial in job.trials
        }
        self._results: dict[str, TrialResult] = {}

    def after_training(self, event: TrialEvent) -> None:
        """Pass an event on; a trial that leaves something for later has not finished yet."""
        result = event.result
        if result is not None and result.status == "ok" and event.trial in self._follow_ups:
            self._results[event.trial] = result
            self.jobs.append(self._follow_ups[event.trial])
        else:
            self._listener(event)

    def after_scoring(self, event: TrialEvent) -> None:
        """Pass on that a trial has finished, with what both of its jobs say."""
        if event.result is not None:
            earlier = self._results.pop(event.trial)
            result = replace(
                event.result,
                failed_scores={**earlier.failed_scores, **event.result.failed_scores},
                seconds=earlier.seconds + event.result.seconds,
            )
            self._listener(replace(event, result=result))


_Messages = queue.Queue[tuple["_Worker", str | None]]


class _Worker:
    """One process, the thread that reads from it, and the job it is on."""

    def __init__(self, plugins: Plugins, messages: _Messages) -> None:
        environment = {**WORKER_ENVIRONMENT, **os.environ}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "latentbench.execution.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            start_new_session=True,  # Ctrl-C is for the main process, which ends its workers
            env=environment,
        )
        self.job: Job | None = None
        self.ended: set[str] = set()  # keys of the job's trials that are done
        self.timeout: float | None = None
        self.deadline: float | None = None
        self.taken = 0.0  # when it was given its job
        self.send({"files": plugins.files, "blocked": plugins.blocked})
        threading.Thread(target=self._read, args=(self.process.stdout, messages), daemon=True).start()

    def _read(self, lines: IO[str], messages: _Messages) -> None:
        for line in lines:
            messages.put((self, line))
        messages.put((self, None))

    def send(self, value: Any) -> None:
        """Write one line to the process; a dead one is noticed by its reader."""
        try:
            assert self.process.stdin is not None  # noqa: S101 - opened above
            self.process.stdin.write(json.dumps(value) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            return

    def end(self) -> None:
        """Kill the process and reap it."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:
                    continue


def _next(messages: _Messages) -> tuple[_Worker, str | None] | None:
    """Wait a moment for a message."""
    try:
        return messages.get(timeout=0.2)
    except queue.Empty:
        return None


class _Pool:
    """Some workers, and the queue they report to."""

    def __init__(self, plugins: Plugins, size: int, messages: _Messages) -> None:
        self.plugins, self.messages = plugins, messages
        self.workers: list[_Worker] = []
        self.size = size

    @property
    def busy(self) -> list[_Worker]:
        return [worker for worker in self.workers if worker.job is not None]

    @property
    def idle(self) -> bool:
        return len(self.busy) < self.size

    def start(self, job: Job, timeout: float | None) -> None:
        alive = [worker for worker in self.workers if worker.process.poll() is None]
        worker = next((worker for worker in alive if worker.job is None), None)
        if worker is None:
            worker = _Worker(self.plugins, self.messages)
            self.workers.append(worker)
        worker.job, worker.ended, worker.timeout, worker.deadline = job, set(), timeout, None
        worker.taken = time.monotonic()
        worker.send(job.to_json())

    def handle(self, message: tuple[_Worker, str | None] | None, listener: Listener) -> list[Job]:
        """Handle a message from one of its workers, and jobs that are out of time; return jobs to do again."""
        again: list[Job] = []
        if message is not None and message[0] in self.workers:
            worker, line = message
            if line is None:
                again = self._bury(worker, listener)
            elif worker.job is not None:
                event = TrialEvent.from_json(json.loads(line))
                self._note(worker, worker.job, event)
                listener(event)
        return [*again, *self._end_late(listener)]

    def _note(self, worker: _Worker, job: Job, event: TrialEvent) -> None:
        """Keep track of how far a worker has come with its job."""
        if event.kind == "trial_finished":
            worker.ended.add(event.trial)
        if event.kind != "epoch_finished" and worker.timeout is not None:  # starting the process does not count
            trainings = {trial.training_key for trial in job.trials if trial.key not in worker.ended}
            worker.deadline = time.monotonic() + worker.timeout * max(1, len(trainings))
        if len(worker.ended) == len(job.trials):
            worker.job = None

    def _end_late(self, listener: Listener) -> list[Job]:
        now = time.monotonic()
        late = [worker for worker in self.busy if worker.deadline is not None and now > worker.deadline]
        outcome = Outcome("timeout", "Timeout", "the trial ran past --timeout")
        return [job for worker in late for job in self._fail(worker, listener, outcome)]

    def _bury(self, worker: _Worker, listener: Listener) -> list[Job]:
        """A worker's output ended: if it was on a job, that job has failed."""
        code = worker.process.wait()
        how = f"by signal {signal.Signals(-code).name}" if code < 0 else f"with exit status {code}"
        hint = "; the machine may be out of memory, try fewer --workers" if code == -signal.SIGKILL else ""
        outcome = Outcome("failed", "WorkerDied", f"the worker process ended {how}{hint}")
        return self._fail(worker, listener, outcome)

    def _fail(self, worker: _Worker, listener: Listener, outcome: Outcome) -> list[Job]:
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
            _record_failure(job, trial, outcome)
            seconds = time.monotonic() - worker.taken
            result = TrialResult(outcome.status, outcome.error, outcome.message, seconds)
            listener(TrialEvent("trial_finished", trial.key, result=result))
        return []

    def close(self) -> None:
        for worker in self.workers:
            worker.end()
        self.workers.clear()


def _record_failure(job: Job, trial: Trial, outcome: Outcome) -> None:
    """Write the record of a trial whose worker could not; one that was trained stays."""
    if Record(job.run, trial.key).exists():
        return
    record = Record.begin(job.run, trial.key)
    record.write_trial(trial, outcome)
    record.log_path.write_text(outcome.message + "\n", encoding="utf-8")
    record.publish()
