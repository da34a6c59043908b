"""From trials to trained models: data, weights, training together, checkpoints on the way, what it cost."""

from __future__ import annotations

import contextlib
import copy
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from latentbench.dataset import DataSpec, Split
from latentbench.errors import ContractError, DivergedError, NotApplicableError
from latentbench.execution.events import Listener, TrialEvent
from latentbench.execution.isolation.failures import located
from latentbench.latent.digests import split_digests
from latentbench.latent.space import LatentSpace
from latentbench.machine import MemoryMeter, seeded
from latentbench.model import GradientModel, Model
from latentbench.opening import build_model, load_splits, split_space, training_rows
from latentbench.plugins import Plugins
from latentbench.records import Record, progress_path
from latentbench.training.budget import Budget
from latentbench.training.convergence import late_fall
from latentbench.training.engine import Training
from latentbench.training.progress import Progress, read_progress, write_progress
from latentbench.training.trainer import derive_seed
from latentbench.trial import Outcome, Status, Trial

__all__ = ["Checkpoint", "close", "fail", "fit"]

LATE_FALL_LIMIT = 0.01
SAVE_SECONDS = 60.0
ENDS: dict[type[BaseException], Status] = {DivergedError: "diverged", NotApplicableError: "skipped"}
_WARM: set[tuple[str, str, int]] = set()  # (dataset, label, group size) this process has trained before


@dataclass
class Checkpoint:
    """The point of a training at which one trial's model is written down: its end, or an epoch on the way.

    Attributes:
        trial: what is asked for.
        record: where it is written down.
        alone: no other trial is trained in this job: its latent space may wait in memory for its scores.
        model: once it is trained.
        space: the test split seen through it, of one that is alone.
    """

    trial: Trial
    record: Record
    alone: bool = False
    model: Model | None = None
    space: LatentSpace | None = None

    def forget(self) -> None:
        """Let go of the model and its latent space."""
        self.model = self.space = None

    @property
    def open(self) -> bool:
        """Whether its end is not known yet."""
        return self.model is None and not self.record.is_published

    @property
    def epochs(self) -> int:
        """After how many epochs of the training it stands."""
        return self.trial.budget.trained_epochs


def fit(
    trainings: Sequence[Sequence[Checkpoint]],
    device: str,
    machine: Mapping[str, Any],
    plugins: Plugins,
    listener: Listener,
    save_seconds: float | None = None,
) -> None:
    """Train each of `trainings`, together where there are several, and write down their checkpoints.

    Args:
        trainings: for each training its checkpoints, the shortest first; the budgets of the last ones are equal.
        device: "cpu" or "cuda".
        machine: what is recorded of the machine.
        plugins: where models and data come from.
        listener: called after each epoch.
        save_seconds: a training that lasts longer is saved at the end of an epoch this often; None: each minute.

    Raises:
        Exception: whatever the plugins raise; a member that diverges is written down and the others go on.
    """
    trials = [checkpoints[-1].trial for checkpoints in trainings]
    budget = trials[0].budget
    train = training_rows(trials[0], load_splits(plugins, trials[0]).train)
    if "train_limit" in trials[0].traits.varied and len(train) < (budget.train_limit or 0):
        raise NotApplicableError(f"train_limit={budget.train_limit}, there are {len(train)} training rows")
    models = [build_model(trial, plugins, DataSpec.of(train)) for trial in trials]
    task = _Task(
        trainings,
        train,
        budget,
        device,
        machine,
        plugins,
        listener,
        SAVE_SECONDS if save_seconds is None else save_seconds,
    )
    with seeded(derive_seed(trials[0].seed, "stray")):  # for plugins that draw from torch's own generator
        if isinstance(models[0], GradientModel):
            task.fit_by_steps([model for model in models if isinstance(model, GradientModel)])
        else:
            task.fit_at_once(models[0])


@dataclass
class _Task:
    """What `fit` was asked to do."""

    trainings: Sequence[Sequence[Checkpoint]]
    train: Split
    budget: Budget
    device: str
    machine: Mapping[str, Any]
    plugins: Plugins
    listener: Listener
    save_seconds: float

    def fit_at_once(self, model: Model) -> None:
        """Fit a model without steps."""
        ((checkpoint,),) = self.trainings
        clock, before = _Clock("cpu"), split_digests(self.train)
        model.fit(self.train, torch.Generator().manual_seed(derive_seed(checkpoint.trial.seed, "fit")))
        with clock.stopped():
            _refuse_writing(self.train, before)
        codes = None
        if model.encoder == "none":  # making the codes is what costs time, not `fit`
            trial = checkpoint.trial
            codes = split_space(model, trial, load_splits(self.plugins, trial), "test", None).codes
        with clock.stopped():
            self._keep(checkpoint, model, [], clock, codes)

    def fit_by_steps(self, models: Sequence[GradientModel]) -> None:
        """Train, write checkpoints down on the way, and save the training now and then."""
        seeds = [checkpoints[-1].trial.seed for checkpoints in self.trainings]
        models = [model.place(self.device) for model in models]
        self._warm_up(models)
        training = Training(models, self.train, self.budget, seeds)
        clock = self._begin(training)
        saved = time.monotonic()
        for epoch, losses in training:
            with clock.stopped():
                for index in range(len(models)):
                    self._after_epoch(training, index, epoch, losses[index], clock)
                if time.monotonic() - saved >= self.save_seconds and epoch < self.budget.trained_epochs:
                    self._save(training, clock)
                    saved = time.monotonic()
        for checkpoint in (checkpoints[-1] for checkpoints in self.trainings):
            progress_path(checkpoint.record.run, checkpoint.trial.key).unlink(missing_ok=True)

    def _begin(self, training: Training) -> _Clock:
        """Go on where all trials stopped after the same number of epochs, else begin."""
        ends = [checkpoints[-1] for checkpoints in self.trainings]
        files = [progress_path(end.record.run, end.trial.key) for end in ends]
        saved = [progress for progress in map(read_progress, files) if progress is not None]
        epochs = {len(progress.state.history) for progress in saved}
        same = len(epochs) == 1 and [progress.source for progress in saved] == [end.trial.source for end in ends]
        first = min(checkpoint.epochs for checkpoints in self.trainings for checkpoint in checkpoints)
        if not same or first <= min(epochs):
            return _Clock(self.device)
        training.resume([progress.state for progress in saved])
        return _Clock(self.device, saved[0].seconds)

    def _save(self, training: Training, clock: _Clock) -> None:
        for index, checkpoints in enumerate(self.trainings):
            end = checkpoints[-1]
            progress = Progress(training.state(index), clock.seconds, end.trial.source)
            if not isinstance(training.histories[index], DivergedError):
                write_progress(progress_path(end.record.run, end.trial.key), progress)

    def _after_epoch(
        self, training: Training, index: int, epoch: int, losses: Mapping[str, float] | None, clock: _Clock
    ) -> None:
        """Report the epoch and write down its checkpoint; or write down that the training has diverged."""
        checkpoints, model, history = self.trainings[index], training.models[index], training.histories[index]
        if isinstance(history, DivergedError):
            close(checkpoints, history, self.machine)
            return
        self.listener(TrialEvent("epoch_finished", checkpoints[-1].trial.key, epoch, losses or {}))
        for checkpoint in checkpoints:
            if checkpoint.epochs == epoch:
                self._keep(checkpoint, _as_it_is(model, last=epoch == self.budget.trained_epochs), history, clock)

    def _keep(
        self,
        checkpoint: Checkpoint,
        model: Model,
        history: list[dict[str, float]],
        clock: _Clock,
        codes: torch.Tensor | None = None,
    ) -> None:
        """Write down a trained model, its codes and how it went; a model that can be reloaded is safe at once."""
        trial, record = checkpoint.trial, checkpoint.record
        cost = self._cost(model, history, clock)
        state = model.get_state()
        if state is not None:
            record.write_state(state)
        space = split_space(model, trial, load_splits(self.plugins, trial), "test", cost, codes)
        if space.dim != trial.params.get("latent_dim", space.dim):
            raise ContractError(
                f"{trial.label} gives codes of length {space.dim}, latent_dim is {trial.params['latent_dim']}"
            )
        record.write_arrays("codes.npz", {"codes": space.codes.cpu().numpy()})
        checkpoint.space = space if checkpoint.alone else None  # it holds the test images too: one at a time
        flags = ("not converged",) if late_fall(history) > LATE_FALL_LIMIT else ()
        record.write_trial(trial, Outcome("ok", "", "", tuple(history), flags, cost, self.machine, trial.source))
        if state is not None:
            record.publish()
        checkpoint.model = model

    def _cost(self, model: Model, history: list[dict[str, float]], clock: _Clock) -> dict[str, float]:
        """Return what a trial has cost; of trials trained together its share of the time and all of the memory."""
        cost = {"train_seconds": clock.seconds / len(self.trainings)}
        if history:
            cost["images_per_second"] = len(self.train) * len(history) / cost["train_seconds"]
        if isinstance(model, GradientModel):
            cost["parameters"] = float(sum(weight.numel() for weight in model.parameters()))
        peak = clock.memory.peak()
        if peak is not None:
            cost["peak_memory_bytes"] = peak
        return cost

    def _warm_up(self, models: Sequence[GradientModel]) -> None:
        """Train copies for a step, once a process and model: the first trial must not pay for what torch loads."""
        trial = self.trainings[0][-1].trial
        name = trial.dataset, trial.label, len(models)
        if name in _WARM:
            return
        _WARM.add(name)
        few = self.train.take(np.arange(min(len(self.train), self.budget.batch_size)))
        budget = self.budget.model_copy(update={"epochs": 2, "checkpoint": None})
        with seeded(0), contextlib.suppress(Exception):  # what fails here fails again where it is recorded
            for _ in Training([copy.deepcopy(model) for model in models], few, budget, [0] * len(models)):
                continue


def _refuse_writing(train: Split, before: Mapping[str, int]) -> None:
    now = split_digests(train)
    changed = [f"train.{name}" for name, value in before.items() if now[name] != value]
    if changed:
        raise ContractError(f"fit wrote into {', '.join(changed)}, which other models share; work on a copy")


class _Clock:
    """Seconds since it was made, but for the time it was stopped, and those of an earlier sitting; and memory.

    Args:
        device: whose memory.
        seconds: of the earlier sitting.
    """

    def __init__(self, device: str, seconds: float = 0.0) -> None:
        self.memory = MemoryMeter(device)
        self._started = time.perf_counter()
        self.seconds = seconds

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """Stop it; `seconds` tells what it shows."""
        self.seconds += time.perf_counter() - self._started
        try:
            yield
        finally:
            self._started = time.perf_counter()


def close(
    checkpoints: Sequence[Checkpoint], error: BaseException, machine: Mapping[str, Any], cls: type | None = None
) -> None:
    """Write down that those of the trials that are not trained yet ended by an error, in the code of `cls`."""
    ends: list[Status] = [status for kind, status in ENDS.items() if isinstance(error, kind)]
    message = located(error, cls) or "no message"
    for checkpoint in checkpoints:
        if checkpoint.open:
            outcome = Outcome(
                ends[0] if ends else "failed",
                type(error).__name__,
                message,
                environment=machine,
                source=checkpoint.trial.source,
            )
            checkpoint.record.write_trial(checkpoint.trial, outcome)
            checkpoint.record.publish()


def fail(checkpoint: Checkpoint, message: str) -> None:
    """Write down that a trial that seemed to end well has failed."""
    outcome = checkpoint.record.read_trial().outcome if checkpoint.record.has_ended else None
    if outcome is not None and outcome.status == "ok":
        outcome = replace(outcome, status="failed", error="ContractError", message=message)
        checkpoint.record.write_trial(checkpoint.trial, outcome)


def _as_it_is(model: GradientModel, *, last: bool) -> GradientModel:
    """Return the model as it is now: a copy while it goes on training."""
    return (model if last else copy.deepcopy(model)).eval()
