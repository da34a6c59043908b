"""What a run will take, measured on this machine by a few training steps of each model."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace

import numpy as np

from latentbench.dataset import DataSpec
from latentbench.errors import NotApplicableError
from latentbench.execution.job import Job
from latentbench.machine import limited_threads
from latentbench.model import GradientModel
from latentbench.opening import build_model, load_splits, training_rows
from latentbench.plugins import Plugins
from latentbench.training.engine import train_model
from latentbench.trial import Trial

__all__ = ["TrialEstimate", "estimate"]

STEPS = 6
BYTES = 4


@dataclass(frozen=True)
class TrialEstimate:
    """What one trial will take.

    Attributes:
        train_seconds: of training alone; 0 for a model without gradients, or one that does not suit the data.
        megabytes: of weights and codes on disk.
    """

    train_seconds: float
    megabytes: float


def estimate(jobs: list[Job], plugins: Plugins) -> dict[str, TrialEstimate]:
    """Return an estimate for each trial by its key; trials that differ in their seed alone are timed once.

    A checkpoint trains nothing of its own: the whole training it is a look at does.

    Raises:
        LatentbenchError: a model or dataset cannot be built.
    """
    timed: dict[str, TrialEstimate] = {}
    found: dict[str, TrialEstimate] = {}
    for job in jobs:
        whole = {trial.training_key: trial for trial in job.trials}
        for trial in job.trials:
            same = repr((trial.dataset, trial.model, trial.params, whole[trial.training_key].budget))
            if same not in timed:
                timed[same] = _time_trial(whole[trial.training_key], job.device, plugins)
            look = trial is not whole[trial.training_key]
            found[trial.key] = replace(timed[same], train_seconds=0.0) if look else timed[same]
    return found


def _time_trial(trial: Trial, device: str, plugins: Plugins) -> TrialEstimate:
    if trial.given:
        return TrialEstimate(0.0, 0.0)
    splits = load_splits(plugins, trial)
    budget = trial.budget
    train = training_rows(trial, splits.train)
    rows = len(train)
    try:
        model = build_model(trial, plugins, DataSpec.of(train))
    except NotApplicableError:
        return TrialEstimate(0.0, 0.0)
    width = trial.params.get("latent_dim") or math.prod(splits.train.inputs.shape[1:])
    numbers = len(splits.test) * width
    if not isinstance(model, GradientModel):
        return TrialEstimate(0.0, numbers * BYTES / 1e6)
    numbers += sum(weight.numel() for weight in model.parameters())
    few = train.take(np.arange(min(rows, STEPS * budget.batch_size)))
    model.place(device)
    with limited_threads(budget.threads):
        seconds = []
        for _ in range(2):  # the first pass also warms up
            started = time.perf_counter()
            train_model(model, few, budget.model_copy(update={"epochs": 1, "checkpoint": None}), 0)
            seconds.append(time.perf_counter() - started)
    return TrialEstimate(seconds[-1] * budget.trained_epochs * rows / len(few), numbers * BYTES / 1e6)
