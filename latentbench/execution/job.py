"""A job: train its trials, score them, write everything down."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from latentbench.errors import NotApplicableError
from latentbench.execution.events import Listener, TrialEvent
from latentbench.execution.fitting import Checkpoint, close, fit
from latentbench.execution.scoring import measure, unmeasured
from latentbench.latent.space import LatentSpace
from latentbench.machine import environment, free_memory, limited_threads, logged_to
from latentbench.opening import latent_space
from latentbench.plugins import Plugins
from latentbench.records import Record
from latentbench.trial import Outcome, ScoreRequest, SplitName, Trial, TrialResult

__all__ = ["Job", "execute_job"]

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """What a worker runs: a trial, or several, and their metrics.

    Attributes:
        trials: what to train. Those that differ in the budget's checkpoint alone belong to one training and stand
            with the shortest first; trainings that differ in their seed and PerMember parameters alone are done
            together. Those whose record is there are not trained again.
        requests: metrics to compute on the test split; only those without a file.
        validation: likewise on the validation split.
        run: the run's folder.
        device: "cpu" or "cuda".
        concurrency: how many jobs run at the same time, for the record.
        deferring: leave metrics that compute on the CPU to `follow_up`, beside the next training.
    """

    trials: tuple[Trial, ...]
    requests: tuple[ScoreRequest, ...]
    run: Path
    validation: tuple[ScoreRequest, ...] = ()
    device: str = "cpu"
    concurrency: int = 1
    deferring: bool = False

    def follow_up(self, trial: Trial) -> Job:
        """Return the job that computes what this one has left of a trial."""
        return replace(self, trials=(trial,), device="cpu", deferring=False)

    def to_json(self) -> dict[str, Any]:
        """Return the job as JSON."""
        return {
            **self.__dict__,
            "trials": [trial.to_json() for trial in self.trials],
            "requests": [asdict(request) for request in self.requests],
            "validation": [asdict(request) for request in self.validation],
            "run": str(self.run),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Job:
        """Read back what `to_json` gave."""
        return cls(
            **{
                **values,
                "trials": tuple(Trial.from_json(trial) for trial in values["trials"]),
                "requests": tuple(ScoreRequest(**request) for request in values["requests"]),
                "validation": tuple(ScoreRequest(**request) for request in values["validation"]),
                "run": Path(values["run"]),
            }
        )


def execute_job(job: Job, plugins: Plugins, listener: Listener) -> None:
    """Train what has no record yet, score it, and write everything down.

    Failures become records; only what the user does to the process (Ctrl-C) gets out. `listener` is called with
    an event when a trial has started, after each epoch, and when a trial has finished.
    """
    started = time.perf_counter()
    begun = set({trial.training_key: trial.key for trial in job.trials}.values())  # the end of each training
    for key in (trial.key for trial in job.trials if trial.key in begun):
        listener(TrialEvent("trial_started", key))
    with limited_threads(job.trials[-1].budget.threads):
        trained = _train(job, plugins, listener)
        for trial in job.trials:
            checkpoint = trained.get(trial.key) or Checkpoint(trial, Record(job.run, trial.key))
            if trial.key not in begun:
                listener(TrialEvent("trial_started", trial.key))
            result = _finish(checkpoint, job, plugins, started)
            listener(TrialEvent("trial_finished", trial.key, result=result))
            checkpoint.forget()
            started = time.perf_counter()


def _finish(checkpoint: Checkpoint, job: Job, plugins: Plugins, started: float) -> TrialResult:
    """Score a trial that ended well, publish it and return how it ended."""
    outcome = checkpoint.record.read_trial().outcome or Outcome("failed")
    failed: dict[str, str] = {}
    if outcome.status == "ok":
        with logged_to(checkpoint.record.log_path):
            failed = _score(job, plugins, checkpoint, outcome)
    checkpoint.record.publish()
    return TrialResult(
        outcome.status, outcome.error, outcome.message, time.perf_counter() - started, failed_scores=failed
    )


def _train(job: Job, plugins: Plugins, listener: Listener) -> dict[str, Checkpoint]:
    """Train what has no record, together what the job holds; publish at once what can be reloaded.

    Trials that cannot be trained together are trained one by one, those that do not fit into memory in halves.
    """
    untrained = [trial for trial in job.trials if not Record(job.run, trial.key).exists()]
    checkpoints = [
        Checkpoint(trial, Record.begin(job.run, trial.key), alone=len(untrained) == 1) for trial in untrained
    ]
    parts = [_trainings(checkpoints)] if checkpoints else []
    while parts:
        part = parts.pop(0)
        machine = environment(job.device, untrained[-1].budget.threads, job.concurrency, len(part))
        with logged_to(part[-1][-1].record.log_path):
            parts[:0] = _train_together(part, job, machine, plugins, listener)
    return {checkpoint.trial.key: checkpoint for checkpoint in checkpoints}


def _trainings(checkpoints: Sequence[Checkpoint]) -> list[list[Checkpoint]]:
    """Group the checkpoints of each training, the shortest first."""
    trainings: dict[str, list[Checkpoint]] = {}
    for checkpoint in checkpoints:
        trainings.setdefault(checkpoint.trial.training_key, []).append(checkpoint)
    return [sorted(training, key=lambda checkpoint: checkpoint.epochs) for training in trainings.values()]


def _train_together(
    part: list[list[Checkpoint]], job: Job, machine: Mapping[str, Any], plugins: Plugins, listener: Listener
) -> list[list[list[Checkpoint]]]:
    """Train a part of a job; return the parts to try instead when it cannot be trained together."""
    try:
        fit(part, job.device, machine, plugins, listener)
    except (Exception, SystemExit) as error:
        LOG.exception("training failed")
        if len(part) == 1:
            close(part[0], error, machine)
            return []
        left = [[checkpoint for checkpoint in training if checkpoint.open] for training in part]
        pieces = _smaller(left, halves=isinstance(error, torch.OutOfMemoryError))
    else:
        return []
    free_memory()  # what the failed training held has gone with its error
    return pieces


def _smaller(trainings: list[list[Checkpoint]], *, halves: bool) -> list[list[list[Checkpoint]]]:
    """Divide trainings into two halves, or one by one; those without an open checkpoint are left out."""
    middle = len(trainings) // 2
    pieces = [trainings[:middle], trainings[middle:]] if halves else [[training] for training in trainings]
    pieces = [[training for training in piece if training] for piece in pieces]
    return [piece for piece in pieces if piece]


def _score(job: Job, plugins: Plugins, checkpoint: Checkpoint, outcome: Outcome) -> dict[str, str]:
    """Compute the metrics that have no file yet; return score name -> message of those that failed."""
    record, trial = checkpoint.record, replace(checkpoint.trial, outcome=outcome)
    failed: dict[str, str] = {}
    deferring = job.deferring and record.reloadable  # what cannot be reloaded is scored at once
    by_split: tuple[tuple[SplitName, tuple[ScoreRequest, ...]], ...]
    by_split = ("test", job.requests), ("validation", job.validation)
    for split, requests in by_split:
        now = [request for request in requests if not (deferring and request.on_host)]
        missing = [request for request in now if record.read_scores(request, split) is None]
        if missing:
            make_space = partial(latent_space, trial, record, plugins, checkpoint.model, job.device, split)
            space = checkpoint.space if split == "test" else None
            failed |= _score_split(split, missing, space, make_space, record, plugins)
    return failed


def _score_split(
    split: SplitName,
    requests: Sequence[ScoreRequest],
    space: LatentSpace | None,
    make_space: Callable[[], LatentSpace],
    record: Record,
    plugins: Plugins,
) -> dict[str, str]:
    """Compute metrics on a space, which is made where it is not given; return the message of each failed score."""
    status, reason = "", ""
    try:
        space = make_space() if space is None else space
    except NotApplicableError as error:
        status, reason = "not applicable", str(error)
    except Exception as error:
        LOG.exception("there is no latent space")
        status, reason = "failed", f"{type(error).__name__}: {error}"
    failed: dict[str, str] = {}
    for request in requests:
        if space is None:
            rows, items = unmeasured(request, status, reason), dict[str, Any]()
        else:
            before = space.stamp()
            rows, items = measure(request, plugins, space)
            if space.changes(before):
                space = make_space()  # the next metric sees it unspoilt
        record.write_scores(request, rows, items, split)
        failed |= {name: row["reason"] for name, row in rows["scores"].items() if row["status"] == "failed"}
    return failed
