"""A job's life: train its trials, look, score, record."""

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
from latentbench.execution.fitting import Emit, Look, close, fit
from latentbench.execution.scoring import measure, unmeasured
from latentbench.latent.space import LatentSpace
from latentbench.machine import environment, free_memory, limited_threads, logged_to
from latentbench.opening import latent_space
from latentbench.plugins import Plugins
from latentbench.records import Record
from latentbench.trial import Outcome, ScoreRequest, SplitName, Trial

__all__ = ["Job", "execute_job"]

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """What a worker runs: a trial, or several, and their metrics.

    Attributes:
        trials: what to train. Those that differ in the budget's checkpoint alone are looks at one training and
            stand with the shortest first; trainings that differ in their seed and PerMember parameters alone are
            done together. Those whose record is there are not trained again.
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


def execute_job(job: Job, plugins: Plugins, emit: Emit) -> None:
    """Train what has no record yet, score it, and write everything down.

    Failures become records; only what the user does to the process (Ctrl-C) gets out. `emit(event, values)` tells
    of "trial_started", "epoch_finished" and "trial_finished"; `values["trial"]` is the trial's key.
    """
    started = time.perf_counter()
    begun = set({trial.training_key: trial.key for trial in job.trials}.values())  # the last look at each training
    for key in (trial.key for trial in job.trials if trial.key in begun):
        emit("trial_started", {"trial": key})
    with limited_threads(job.trials[-1].budget.threads):
        trained = _train(job, plugins, emit)
        for trial in job.trials:
            look = trained.get(trial.key) or Look(trial, Record(job.run, trial.key))
            if trial.key not in begun:
                emit("trial_started", {"trial": trial.key})
            _finish(look, job, plugins, emit, started)
            look.forget()
            started = time.perf_counter()


def _finish(look: Look, job: Job, plugins: Plugins, emit: Emit, started: float) -> None:
    """Score a trial that went well, publish it and tell."""
    outcome = look.record.read_trial().outcome
    failed: dict[str, str] = {}
    if outcome is not None and outcome.status == "ok":
        with logged_to(look.record.log_path):
            failed = _score(job, plugins, look, outcome)
    look.record.publish()
    emit(
        "trial_finished",
        {
            "trial": look.trial.key,
            "status": outcome.status if outcome else "failed",
            "error": outcome.error if outcome else "",
            "message": outcome.message if outcome else "",
            "seconds": time.perf_counter() - started,
            "failed_scores": failed,
        },
    )


def _train(job: Job, plugins: Plugins, emit: Emit) -> dict[str, Look]:
    """Train what has no record, together what the job holds; publish at once what can be reloaded.

    Trials that cannot be trained together are trained one by one, those that do not fit into memory in halves.
    """
    todo = [trial for trial in job.trials if not Record(job.run, trial.key).exists()]
    looks = [Look(trial, Record.begin(job.run, trial.key), alone=len(todo) == 1) for trial in todo]
    parts = [_trainings(looks)] if looks else []
    while parts:
        part = parts.pop(0)
        machine = environment(job.device, todo[-1].budget.threads, job.concurrency, len(part))
        with logged_to(part[-1][-1].record.log_path):
            parts[:0] = _train_together(part, job, machine, plugins, emit)
    return {look.trial.key: look for look in looks}


def _trainings(looks: Sequence[Look]) -> list[list[Look]]:
    """Group the looks at one training, the shortest first."""
    found: dict[str, list[Look]] = {}
    for look in looks:
        found.setdefault(look.trial.training_key, []).append(look)
    return [sorted(together, key=lambda look: look.epochs) for together in found.values()]


def _train_together(
    part: list[list[Look]], job: Job, machine: Mapping[str, Any], plugins: Plugins, emit: Emit
) -> list[list[list[Look]]]:
    """Train a part of a job; return the parts to try instead when it cannot be trained together."""
    try:
        fit(part, job.device, machine, plugins, emit)
    except (Exception, SystemExit) as error:
        LOG.exception("training failed")
        if len(part) == 1:
            close(part[0], error, machine)
            return []
        half = len(part) // 2
        left = [[look for look in looks if look.open] for looks in part]
        small = isinstance(error, torch.OutOfMemoryError)
        halves = [left[:half], left[half:]] if small else [[looks] for looks in left]
        pieces = [[looks for looks in piece if looks] for piece in halves]
    else:
        return []
    free_memory()  # what the failed training held has gone with its error
    return [piece for piece in pieces if piece]


def _score(job: Job, plugins: Plugins, look: Look, outcome: Outcome) -> dict[str, str]:
    """Compute the metrics that have no file yet; return score name -> message of those that failed."""
    record, trial = look.record, replace(look.trial, outcome=outcome)
    failed: dict[str, str] = {}
    deferring = job.deferring and record.reloadable  # what cannot be reloaded is scored at once
    asked: tuple[tuple[SplitName, tuple[ScoreRequest, ...]], ...]
    asked = ("test", job.requests), ("validation", job.validation)
    for split, requests in asked:
        now = [request for request in requests if not (deferring and request.on_host)]
        missing = [request for request in now if record.read_scores(request, split) is None]
        if missing:
            make_space = partial(latent_space, trial, record, plugins, look.model, job.device, split)
            made = look.space if split == "test" else None
            failed |= _score_split(split, missing, made, make_space, record, plugins)
    return failed


def _score_split(
    split: SplitName,
    requests: Sequence[ScoreRequest],
    space: LatentSpace | None,
    make_space: Callable[[], LatentSpace],
    record: Record,
    plugins: Plugins,
) -> dict[str, str]:
    """Compute metrics on a space, if none is at hand on one that is made."""
    status, reason = "", ""
    try:
        space = make_space() if space is None else space
    except NotApplicableError as error:
        status, reason = "not applicable", str(error)
    except Exception as error:
        LOG.exception("the model cannot be looked at")
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
