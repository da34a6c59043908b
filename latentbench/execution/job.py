"""A job: train its trials, score them, write everything down."""

from __future__ import annotations

import contextlib
import itertools
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch

from latentbench.errors import LatentbenchError
from latentbench.execution.events import Listener, TrialEvent
from latentbench.execution.fitting import Checkpoint, close, fail, fit
from latentbench.execution.isolation.put_back import ARITHMETIC, Spoiled, put_back
from latentbench.execution.side_by_side.scores import compute_side_by_side
from latentbench.execution.split_scores import SplitScores
from latentbench.executor import LOCAL
from latentbench.machine import environment, free_memory, limited_threads, logged_to
from latentbench.opening import changed_data
from latentbench.plugins import Kind, Plugins
from latentbench.records import Record
from latentbench.training.graphs import StepGraphs
from latentbench.trial import Outcome, ScoreRequest, SplitName, Trial, TrialResult

__all__ = ["Job", "RuinedProcess", "execute_job"]

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
        executor: where it runs, for the record.
        save_seconds: a training that lasts longer is saved at the end of an epoch this often; None: each minute.
        scorers: how many processes may compute metrics of a trial at the same time: more than one where cores of
            the run have no other job.
    """

    trials: tuple[Trial, ...]
    requests: tuple[ScoreRequest, ...]
    run: Path
    validation: tuple[ScoreRequest, ...] = ()
    device: str = "cpu"
    concurrency: int = 1
    deferring: bool = False
    executor: str = LOCAL
    save_seconds: float | None = None
    scorers: int = 1

    @property
    def files(self) -> list[str]:
        """Python files that it names, as in `/path/file.py:Class`."""
        names = [name for trial in self.trials for name in (trial.model, trial.loader)]
        names += [request.metric for request in (*self.requests, *self.validation)]
        return sorted({name.rpartition(":")[0] for name in names if ".py:" in name})

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
                "requests": tuple(ScoreRequest.from_json(request) for request in values["requests"]),
                "validation": tuple(ScoreRequest.from_json(request) for request in values["validation"]),
                "run": Path(values["run"]),
            }
        )


class RuinedProcess(Exception):  # noqa: N818 - it says what has happened; nobody is to blame
    """A failed capture has ruined this process before the job was done: the rest is for other processes.

    Attributes:
        halves: what is left is to be trained in halves, as it did not fit into memory; else one by one.
    """

    def __init__(self, *, halves: bool) -> None:
        super().__init__(f"left for other processes, {'in halves' if halves else 'one by one'}")
        self.halves = halves


def execute_job(
    job: Job,
    plugins: Plugins,
    listener: Listener,
    *,
    output: Literal["caught", "all caught", "shown"] = "caught",
    replaceable: bool = False,
) -> None:
    """Train what has no record yet, score it, and write everything down.

    Failures become records; only what the user does to the process (Ctrl-C) gets out. `listener` is called with
    an event when a trial has started, after each epoch, and when a trial has finished. `output`: what Python
    prints goes to the trials' logs ("caught"), or all that the process and its children print ("all caught", where
    it is there for jobs alone), or nothing does ("shown"). `replaceable`: another process can do what this one
    cannot do any more.

    Raises:
        RuinedProcess: of a replaceable process.
    """
    started = time.perf_counter()
    begun = set({trial.training_key: trial.key for trial in job.trials}.values())  # the end of each training
    for key in (trial.key for trial in job.trials if trial.key in begun):
        listener(TrialEvent("trial_started", key))
    with limited_threads(job.trials[-1].budget.threads):
        caught = partial(logged_to, descriptors=output == "all caught")
        work = _Work(job, plugins, listener, _shown if output == "shown" else caught, replaceable)
        trained = work.train()
        share = (time.perf_counter() - started) / len(begun)
        for trial in job.trials:
            started = time.perf_counter() - share * (trial.key in begun)
            checkpoint = trained.get(trial.key) or Checkpoint(trial, Record(job.run, trial.key))
            if trial.key not in begun:
                listener(TrialEvent("trial_started", trial.key))
            result = work.finish(checkpoint, started)
            listener(TrialEvent("trial_finished", trial.key, result=result))
            checkpoint.forget()


@contextlib.contextmanager
def _shown(path: Path) -> Iterator[None]:  # noqa: ARG001 - in place of `logged_to`
    """Leave output where it goes, with what plugins log."""
    handler = logging.StreamHandler()
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)


@dataclass(frozen=True)
class _Work:
    """A job and what it is done with."""

    job: Job
    plugins: Plugins
    listener: Listener
    logged_to: Callable[[Path], AbstractContextManager[None]]
    replaceable: bool = False

    def finish(self, checkpoint: Checkpoint, started: float) -> TrialResult:
        """Score a trial that ended well, publish it and return how it ended."""
        failed: dict[str, str] = {}
        try:
            outcome = checkpoint.record.read_trial().outcome or Outcome("failed")
            if outcome.status == "ok":
                with self.logged_to(checkpoint.record.log_path):
                    self._import_plugins()
                    failed = self._score(checkpoint, outcome)
        finally:
            self._look_after_data([checkpoint])
        outcome = checkpoint.record.read_trial().outcome or Outcome("failed")
        checkpoint.record.publish()
        return TrialResult(
            outcome.status, outcome.error, outcome.message, time.perf_counter() - started, failed_scores=failed
        )

    def train(self) -> dict[str, Checkpoint]:
        """Train what has no record, together what the job holds; publish at once what can be reloaded.

        Trials that cannot be trained together are trained one by one, those that do not fit into memory in halves.
        """
        job = self.job
        untrained = [trial for trial in job.trials if not Record(job.run, trial.key).exists()]
        checkpoints = [
            Checkpoint(trial, Record.begin(job.run, trial.key), alone=len(untrained) == 1) for trial in untrained
        ]
        parts = [_trainings(checkpoints)] if checkpoints else []
        while parts:
            part = parts.pop(0)
            last = part[-1][-1]
            machine = environment(job.device, last.trial.budget.threads, job.concurrency, len(part), job.executor)
            try:
                with self.logged_to(last.record.log_path):
                    self._import_plugins()
                    with put_back(f"the training of {last.trial.label}"):
                        parts[:0] = self._train_together(part, machine)
            finally:
                self._look_after_data([checkpoint for training in part for checkpoint in training])
        return {checkpoint.trial.key: checkpoint for checkpoint in checkpoints}

    def _import_plugins(self) -> None:
        """Import what the job names; what modules change by that must not depend on which trial comes first."""
        trials, requests = self.job.trials, (*self.job.requests, *self.job.validation)
        names: set[tuple[Kind, str]] = {("model", trial.model) for trial in trials}
        names |= {("dataset", trial.loader or trial.dataset) for trial in trials}
        names |= {("metric", request.metric) for request in requests}
        with put_back("importing plugins", ARITHMETIC):
            for kind, name in sorted(names):
                with contextlib.suppress(Exception):  # it fails again where that is written down
                    self.plugins.load(kind, name)

    def _look_after_data(self, checkpoints: Sequence[Checkpoint]) -> None:
        """Fail trials that wrote into the data that they share with others; those are read again."""
        trial = checkpoints[0].trial
        changed = changed_data(self.plugins, trial)
        if changed:
            Spoiled.process = True  # who knows what else holds these data
            _fail_writers(checkpoints, changed)

    def _train_together(
        self, part: list[list[Checkpoint]], machine: Mapping[str, Any]
    ) -> list[list[list[Checkpoint]]]:
        """Train a part of a job; return the parts to try instead when it cannot be trained together.

        Raises:
            RuinedProcess: another process has to try them.
        """
        try:
            fit(part, self.job.device, machine, self.plugins, self.listener, self.job.save_seconds)
        except (Exception, SystemExit) as error:
            LOG.exception("training failed")
            if len(part) == 1:
                close(part[0], error, machine, self._model_class(part[0][-1].trial))
                return []
            left = [[checkpoint for checkpoint in training if checkpoint.open] for training in part]
            halves = isinstance(error, torch.OutOfMemoryError)
            pieces = _smaller(left, halves=halves)
            if pieces and self.replaceable and StepGraphs.broken:
                raise RuinedProcess(halves=halves) from error
        else:
            return []
        free_memory()  # what the failed training held has gone with its error
        return pieces

    def _model_class(self, trial: Trial) -> type | None:
        with contextlib.suppress(LatentbenchError):
            cls: type = self.plugins.load("model", trial.model)
            return cls
        return None

    def _score(self, checkpoint: Checkpoint, outcome: Outcome) -> dict[str, str]:
        """Compute the metrics that have no file yet; return score name -> message of those that failed."""
        job, record, trial = self.job, checkpoint.record, replace(checkpoint.trial, outcome=outcome)
        failed: dict[str, str] = {}
        deferring = job.deferring and record.reloadable  # what cannot be reloaded is scored at once
        model, space = checkpoint.model, checkpoint.space
        by_split: tuple[tuple[SplitName, tuple[ScoreRequest, ...]], ...]
        by_split = ("test", job.requests), ("validation", job.validation)
        missing = {
            split: [
                request
                for request in requests
                if not (deferring and request.on_host) and record.read_scores(request, split) is None
            ]
            for split, requests in by_split
        }
        begins = self._teller(trial.key, sum(map(len, missing.values())))
        for split, requests in missing.items():
            scores = SplitScores(split, trial, record, self.plugins, job.device, model, space)
            changed = compute_side_by_side(scores, requests, begins, job.scorers)
            _fail_writers([checkpoint], changed)
            failed |= scores.failed
            model, space = scores.model, None
        return failed

    def _teller(self, key: str, total: int) -> Callable[[str], None]:
        """Return what tells the listener of each metric of a trial that begins, of `total` in all."""
        begun = itertools.count()

        def begins(metric: str) -> None:
            self.listener(TrialEvent("metric_started", key, metric=metric, done=next(begun), total=total))

        return begins


def _fail_writers(checkpoints: Sequence[Checkpoint], changed: Sequence[str]) -> None:
    """Fail trials that wrote into arrays of these names, if there are any."""
    for checkpoint in checkpoints if changed else ():
        label, names = checkpoint.trial.label, ", ".join(changed)
        fail(checkpoint, f"{label} wrote into {names}, which all share; work on a copy")


def _trainings(checkpoints: Sequence[Checkpoint]) -> list[list[Checkpoint]]:
    """Group the checkpoints of each training, the shortest first."""
    trainings: dict[str, list[Checkpoint]] = {}
    for checkpoint in checkpoints:
        trainings.setdefault(checkpoint.trial.training_key, []).append(checkpoint)
    return [sorted(training, key=lambda checkpoint: checkpoint.epochs) for training in trainings.values()]


def _smaller(trainings: list[list[Checkpoint]], *, halves: bool) -> list[list[list[Checkpoint]]]:
    """Divide trainings into two halves, or one by one; those without an open checkpoint are left out."""
    middle = len(trainings) // 2
    pieces = [trainings[:middle], trainings[middle:]] if halves else [[training] for training in trainings]
    pieces = [[training for training in piece if training] for piece in pieces]
    return [piece for piece in pieces if piece]
