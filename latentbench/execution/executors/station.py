"""What an executor runs on its machines: a station takes jobs of a submission until none is left.

It is called in a process of the engine's, perhaps in a thread of it, with text alone. Trials run in a worker
process of its own, which ends with it: a crash, a kill or a timeout of a trial is noticed here, and that of the
engine's process by the others, through the claims.
"""

from __future__ import annotations

import json
import math
import platform
import threading
import time
import traceback
from collections.abc import Generator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TextIO

import torch

from latentbench.errors import LatentbenchError, RequestError
from latentbench.execution.deaths import last_saved, record_failure
from latentbench.execution.events import TrialEvent
from latentbench.execution.executors.claims import BEAT_SECONDS, Holder
from latentbench.execution.executors.submission import Submission, claims_of
from latentbench.execution.job import Job
from latentbench.execution.workers import run_in_workers
from latentbench.plugins import Plugins
from latentbench.trial import Outcome, TrialResult

__all__ = ["attend"]

LOOK_SECONDS = 1.0  # between two looks whether to stop


def attend(folder: str, name: str) -> int:
    """Take jobs of a submission until none is left that nobody is at work on; return how many were done.

    Args:
        folder: of the submission.
        name: of this worker, under which it was submitted.

    Raises:
        RuntimeError: nothing can be done here, as there is no CUDA device; the text is one sentence.
    """
    submission = Submission(Path(folder))
    if submission.stopped:
        return 0
    try:
        return _Station(submission, name).work()
    except LatentbenchError as error:
        submission.note_error(name, str(error))
        raise RuntimeError(f"{platform.node()}: {error}") from None  # of a type that any driver can unpickle
    except BaseException:
        submission.note_error(name, traceback.format_exc())
        raise


class _Station:
    """One worker on an engine's machine."""

    def __init__(self, submission: Submission, name: str) -> None:
        self.submission, self.name = submission, name
        self.asked = submission.asked
        self.claims = claims_of(submission.run)
        self.done = 0
        self._over = threading.Event()
        self._stop = False

    def work(self) -> int:
        """Do it."""
        if self.asked.device == "cuda" and not torch.cuda.is_available():
            raise RequestError(
                "--device cuda: torch sees no CUDA device here; use --device cpu, or other machines"
            )
        plugins = Plugins(tuple(self.asked.files), tuple(self.asked.blocked))
        self.submission.give_life(self.name)
        threading.Thread(target=self._live, daemon=True).start()
        jobs = self._jobs()
        try:
            with self.submission.place_of(self.name, "events").open("a", encoding="utf-8", buffering=1) as log:
                run_in_workers(
                    jobs,
                    plugins,
                    lambda event: _tell(log, event),
                    1,
                    self.asked.timeout,
                    retries=self.asked.retries,
                    stop=lambda: self._stop,
                )
        finally:
            jobs.close()
            self._over.set()
        return self.done

    def _jobs(self) -> Generator[Job]:
        """Give out one job after the other that nobody is at work on; when the next is asked for, it is done."""
        for name, job in self._in_order():
            keys = sorted({trial.training_key for trial in job.trials})
            if self.submission.is_finished(name):
                continue
            holders = self._claim(keys, job)
            ended = True
            try:
                if len(holders) == len(keys) and not self.submission.is_finished(name):
                    deaths = max(holder.deaths for holder in holders)
                    ended = deaths > (self.asked.retries if len(keys) == 1 else 0)
                    if ended:
                        self._give_up(job, deaths)
                    else:
                        yield replace(job, concurrency=self._neighbors(), deferring=False)
                        ended = True
                    self.submission.mark_finished(name)
                    self.done += 1
            finally:
                if ended or self.submission.stopped:  # else the engine ends this worker: a death of the job
                    for key in keys[: len(holders)]:
                        self.claims.release(key)

    def _in_order(self) -> Iterator[tuple[str, Job]]:
        """Return the jobs in their order, from where no other worker begins."""
        jobs = [*self.submission.jobs.items()]
        workers = sorted(self.submission.workers())
        place = workers.index(self.name) if self.name in workers else 0
        start = len(jobs) * place // max(1, len(workers))
        yield from jobs[start:] + jobs[:start]

    def _claim(self, keys: list[str], job: Job) -> list[Holder]:
        """Claim trainings until one is not to be had; return this process as the holder of each."""
        holders = []
        for key in keys:
            holder = self.claims.take(key, last_saved(job))
            if holder is None:
                break
            holders.append(holder)
        return holders

    def _give_up(self, job: Job, deaths: int) -> None:
        """Write down that a job fails at which workers ended; trainings together are done one by one instead."""
        if len({trial.training_key for trial in job.trials}) > 1:
            return
        how = f"{deaths} workers of the executor {self.asked.executor} ended before it got any further"
        outcome = Outcome("failed", "WorkerDied", f"{how} (killed, or out of walltime)")
        with self.submission.place_of(self.name, "events").open("a", encoding="utf-8") as log:
            for trial in job.trials:
                record_failure(job, trial, outcome)
                result = TrialResult(outcome.status, outcome.error, outcome.message)
                _tell(log, TrialEvent("trial_finished", trial.key, result=result))

    def _neighbors(self) -> int:
        """Return how many workers of this submission are alive on this machine, this one too."""
        nodes = {**self.submission.alive_workers(), self.name: platform.node()}
        return sum(node == platform.node() for node in nodes.values())

    def _live(self) -> None:
        """Give signs of life, and look whether to stop."""
        beat = -math.inf
        while not self._over.is_set():
            if time.monotonic() - beat >= BEAT_SECONDS:
                self.claims.beat()
                self.submission.give_life(self.name)
                beat = time.monotonic()
            self._stop = self._stop or self.submission.stopped
            self._over.wait(LOOK_SECONDS)
        self.submission.end_life(self.name)


def _tell(log: TextIO, event: TrialEvent) -> None:
    log.write(json.dumps(event.to_json()) + "\n")
