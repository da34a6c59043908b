"""The workers of one submission as their driver sees them: which are alive, what they told, what is done."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn, Self
from uuid import uuid4

from latentbench.errors import LatentbenchError, RequestError, RunFolderError
from latentbench.execution.events import Listener, TrialEvent
from latentbench.execution.executors.station import attend
from latentbench.execution.executors.submission import Submission, claims_of
from latentbench.execution.job import Job
from latentbench.executor import Executor, Resources, Submitted
from latentbench.records import Record
from latentbench.trial import Trial, TrialResult

__all__ = ["Fleet"]

MOST_BARREN = 3  # so many, and the engine cannot do it
MOST_BROKEN = 3
WIND_DOWN_SECONDS = 10.0
LOOK_SECONDS = 0.1


class Fleet:
    """Workers that share the jobs of a submission; within it, the executor is connected.

    Args:
        submission: the jobs.
        executor: where workers run.
        resources: what a worker needs.
        workers: those that were submitted before, as far as the executor finds them.
    """

    def __init__(
        self,
        submission: Submission,
        executor: Executor,
        resources: Resources,
        workers: Mapping[str, Submitted | None] | None = None,
    ) -> None:
        self.submission, self.executor, self.resources = submission, executor, resources
        self.unfinished: dict[str, Job] = dict(submission.jobs)
        self.split: list[Job] = []
        self._connection = ExitStack()
        self._workers: dict[str, Submitted | None] = dict(workers or {})
        self._ending: list[Submitted] = []  # they give no sign of life any more, and are not done either
        self._offsets: dict[Path, int] = {}
        self._told: set[str] = set()
        self._barren = 0  # workers that ended one after the other before they were at work
        self._broken = 0  # connections that broke one after the other, without a job done between them

    def __enter__(self) -> Self:
        self._pool = self._connection.enter_context(self.executor.connect(self.resources))
        return self

    def __exit__(self, *raised: Any) -> None:
        self._connection.close()

    def listen(self, listener: Listener) -> None:
        """Pass on what workers have told, each end of a trial once, and take out the jobs that are done."""
        finished = self.submission.finished() & self.unfinished.keys()  # asked first: what they told is there then
        for event in self.submission.events(self._offsets):
            if event.trial not in self._told:
                self._told |= {event.trial} if event.kind == "trial_finished" else set()
                listener(event)
        for name in finished:
            self._broken = 0
            self._take_out(self.unfinished.pop(name), listener)

    def _take_out(self, job: Job, listener: Listener) -> None:
        """Tell of trials that ended without a word; keep those of a job that is to be done one by one."""
        left = []
        for trial in job.trials:
            record = Record(job.run, trial.key)
            if not record.exists():
                left.append(trial)
            elif trial.key not in self._told:
                self._told.add(trial.key)
                listener(TrialEvent("trial_finished", trial.key, result=_result(record)))
        trainings: dict[str, list[Trial]] = {}
        for trial in left:
            trainings.setdefault(trial.training_key, []).append(trial)
        self.split += [replace(job, trials=tuple(trials)) for trials in trainings.values()]

    def man(self) -> None:
        """Submit as many workers as are lacking for the jobs that nobody is at work on.

        Raises:
            RequestError: workers end again and again before they are at work, or the connection breaks.
        """
        self._look_after()
        claimed = claims_of(self.submission.run).alive()
        free = [job for job in self.unfinished.values() if claimed.keys().isdisjoint(_keys(job))]
        most = min(self.executor.workers(self._pool, self.resources), len(self.unfinished))
        lacking = min(most - len(self._workers), len(free))
        if lacking > 0:
            try:
                self._submit(lacking)
            except LatentbenchError:
                raise
            except Exception as error:  # noqa: BLE001 - an engine may raise anything
                self._connect_again(error)

    def _submit(self, count: int) -> None:
        names = [uuid4().hex for _ in range(count)]
        with getattr(self._pool, "batch", nullcontext)():
            submitted = [self._pool.submit(attend, str(self.submission.folder), name) for name in names]
        for name, worker in zip(names, submitted, strict=True):
            self._workers[name] = worker
            self.submission.announce_worker(name, self.executor.identify(worker))

    def _connect_again(self, error: Exception) -> None:
        """Connect anew: a pool of processes is broken for good once one of them was killed."""
        self._broken += 1
        if self._broken > MOST_BROKEN:
            raise RequestError(
                f"--executor {self.submission.asked.executor} takes no more jobs "
                f"({type(error).__name__}: {error}); what is finished is kept, and the same command goes on"
            ) from error
        with suppress(Exception):
            self._connection.close()
        self._workers.clear()
        self._connection = ExitStack()
        self._pool = self._connection.enter_context(self.executor.connect(self.resources))

    def _look_after(self) -> None:
        """Forget the workers that have ended, or that were at work and give no sign of life any more."""
        lively = self.submission.alive_workers()
        for name, worker in [*self._workers.items()]:
            begun = self.submission.has_begun(name)
            ended = name not in lively if worker is None else worker.done()
            if ended or (begun and name not in lively):
                del self._workers[name]
                self._ending += [] if ended or worker is None else [worker]
                self._barren = 0 if begun else self._barren + 1
                if self._barren >= MOST_BARREN:
                    self._refuse(name, worker)

    def _refuse(self, name: str, worker: Submitted | None) -> NoReturn:
        said = self.submission.error_of(name)
        if not said and worker is not None and (error := worker.exception()) is not None:
            said = " ".join(f"{type(error).__name__}: {error}".split())
        raise RequestError(
            f"--executor {self.submission.asked.executor}: {self._barren} workers ended before they could begin; "
            f"the last one said: {said or 'nothing'}"
        )

    def wind_down(self) -> None:
        """Wait a moment for workers to end: what they had begun is theirs to clear up."""
        self.submission.stop()
        deadline = time.monotonic() + WIND_DOWN_SECONDS
        while time.monotonic() < deadline:
            with suppress(Exception):
                workers = [*self._ending, *filter(None, self._workers.values())]
                if all(worker.done() for worker in workers) and not self.submission.alive_workers():
                    return
            time.sleep(LOOK_SECONDS)

    def give_up(self) -> None:
        """Have workers end, and those not begin that have not."""
        self.submission.stop()
        for worker in self._workers.values():
            if worker is not None:
                with suppress(Exception):
                    worker.cancel()


def _keys(job: Job) -> set[str]:
    return {trial.training_key for trial in job.trials}


def _result(record: Record) -> TrialResult:
    try:
        outcome = record.read_trial().outcome
    except RunFolderError as error:
        return TrialResult("failed", "Damaged", str(error))
    if outcome is None:
        return TrialResult("failed", "Damaged", "its record does not say how it ended")
    return TrialResult(outcome.status, outcome.error, outcome.message)
