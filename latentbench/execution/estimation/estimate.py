"""What a run will take, measured on this machine: a few training steps of each model, metrics on samples."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from latentbench.dataset import DataSpec, Split, Splits
from latentbench.errors import NotApplicableError
from latentbench.execution.estimation.sampled_times import SampledTimes, sample_times
from latentbench.execution.job import Job
from latentbench.execution.pending import SplitRequest, TrialState
from latentbench.files.preparing import Preparing, tell
from latentbench.machine import limited_threads
from latentbench.model import GradientModel, Model
from latentbench.opening import build_model, load_splits, training_rows
from latentbench.params import per_member_fields
from latentbench.plugins import Plugins
from latentbench.training.engine import Training
from latentbench.trial import Trial

__all__ = ["TrialEstimate", "estimate"]

STEPS = 6
BYTES = 4


@dataclass(frozen=True)
class TrialEstimate:
    """What one trial will take.

    Attributes:
        train_seconds: of training alone; 0 where there is nothing to train, NaN where it failed on a sample.
        score_seconds: of the scores that are left to compute; NaN of own codes, and where training failed.
        megabytes: of weights and codes on disk.
    """

    train_seconds: float
    score_seconds: float
    megabytes: float


def estimate(jobs: Sequence[Job], states: Sequence[TrialState], plugins: Plugins) -> dict[str, TrialEstimate]:
    """Return an estimate for each trial by its key; what differs in nothing that costs time is timed once.

    A checkpoint trains nothing of its own: the whole training it is a look at does.

    Raises:
        LatentbenchError: a model or dataset cannot be built.
    """
    stopwatch = _Stopwatch(plugins, {state.trial.key: state for state in states})
    asked = [(job, trial) for job in jobs for trial in job.trials]
    estimates = {}
    for done, (job, trial) in enumerate(asked):
        tell(Preparing("estimating", "trials", done, len(asked), 0))
        estimates[trial.key] = stopwatch.estimate(job, trial)
    if asked:
        tell(Preparing("estimating", "trials", len(asked), len(asked), 0))
    return estimates


@dataclass(frozen=True)
class _Timed:
    """What one model on one dataset takes: seconds of its training, bytes, and its times on samples."""

    train_seconds: float = 0.0
    megabytes: float = 0.0
    samples: SampledTimes | None = None


@dataclass
class _Stopwatch:
    """Times each model on each dataset once."""

    plugins: Plugins
    states: Mapping[str, TrialState]
    _timed: dict[str, _Timed] = field(default_factory=dict)
    _samples: dict[str, SampledTimes] = field(default_factory=dict)
    _warm: set[str] = field(default_factory=set)

    def estimate(self, job: Job, trial: Trial) -> TrialEstimate:
        """Return what a trial of a job takes."""
        if trial.given:
            return TrialEstimate(0.0, math.nan, 0.0)
        whole = {each.training_key: each for each in job.trials}[trial.training_key]
        timed = self._time(whole, job)
        trains = trial is whole and not self.states[trial.key].trained
        train_seconds = timed.train_seconds if trains else 0.0
        return TrialEstimate(train_seconds, self._score_seconds(job, trial, timed), timed.megabytes)

    def _score_seconds(self, job: Job, trial: Trial, timed: _Timed) -> float:
        if timed.samples is None:
            return 0.0
        splits = load_splits(self.plugins, trial)
        sizes = {"test": len(splits.test), "validation": len(splits.validation)}
        left = _left(job, self.states[trial.key])
        return sum(timed.samples.score_seconds(request, sizes[split], self.plugins) for split, request in left)

    def _time(self, trial: Trial, job: Job) -> _Timed:
        free = per_member_fields(self.plugins.load("model", trial.model).Params)
        params = {name: value for name, value in trial.params.items() if name not in free}
        same = repr((trial.dataset, trial.dataset_params, trial.model, params, trial.budget.train_limit))
        together = self._together(job)
        key = repr((same, trial.budget, together))
        if key not in self._timed:
            self._timed[key] = self._timed_anew(trial, job, same, together)
        return self._timed[key]

    def _together(self, job: Job) -> int:
        """Return how many trainings a job does at the same time."""
        return max(1, len({each.training_key for each in job.trials if not self.states[each.key].trained}))

    def _timed_anew(self, trial: Trial, job: Job, same: str, together: int) -> _Timed:
        splits = load_splits(self.plugins, trial)
        train = training_rows(trial, splits.train)
        try:
            model = build_model(trial, self.plugins, DataSpec.of(train))
        except NotApplicableError:
            return _Timed()
        with limited_threads(trial.budget.threads):
            seconds = _train_seconds(model, trial, train, job.device, together)
            samples = self._sampled(model, trial, splits, job, same)
        if not isinstance(model, GradientModel):
            seconds = samples.fit_seconds(len(train))
        return _Timed(seconds, _megabytes(model, trial, splits), samples)

    def _sampled(self, model: Model, trial: Trial, splits: Splits, job: Job, same: str) -> SampledTimes:
        if same not in self._samples:
            data = repr((trial.dataset, trial.dataset_params))
            requests, warm = (*job.requests, *job.validation), data in self._warm
            self._samples[same] = sample_times(trial, model, splits, requests, self.plugins, warm=warm)
            self._warm.add(data)
        return self._samples[same]


def _left(job: Job, state: TrialState) -> list[SplitRequest]:
    """Return the scores that a job has to compute of a trial."""
    if state.trained:
        return [*state.missing, *state.stale]
    of_validation: list[SplitRequest] = [("validation", request) for request in job.validation]
    return [*(("test", request) for request in job.requests), *of_validation]


def _train_seconds(model: Model, trial: Trial, train: Split, device: str, together: int) -> float:
    """Return what a training by steps takes, of `together` at the same time, from a few steps; 0 without steps."""
    if not isinstance(model, GradientModel):
        return 0.0
    budget = trial.budget.model_copy(update={"epochs": 1, "checkpoint": None})
    few = train.take(np.arange(min(len(train), STEPS * budget.batch_size)))
    model.place(device)
    models = [model, *(copy.deepcopy(model) for _ in range(together - 1))]
    seconds = 0.0
    try:
        for _ in range(2):  # the first pass also warms up
            started = time.perf_counter()
            for _ in Training(models, few, budget, [0] * together):
                continue
            seconds = time.perf_counter() - started
    except Exception:
        if together == 1:
            raise
        return _train_seconds(model, trial, train, device, 1)  # as its job will
    return seconds / together * trial.budget.trained_epochs * len(train) / len(few)


def _megabytes(model: Model, trial: Trial, splits: Splits) -> float:
    width = trial.params.get("latent_dim") or math.prod(splits.train.inputs.shape[1:])
    numbers = len(splits.test) * width
    if isinstance(model, GradientModel):
        numbers += sum(weight.numel() for weight in model.parameters())
    return numbers * BYTES / 1e6
