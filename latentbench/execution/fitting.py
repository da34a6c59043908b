"""From trials to trained models: data, weights, training together, looks on the way, what it cost."""

from __future__ import annotations

import contextlib
import copy
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from latentbench.dataset import DataSpec, Split
from latentbench.errors import ContractError, DivergedError, NotApplicableError
from latentbench.latent.space import LatentSpace
from latentbench.machine import MemoryMeter, seeded
from latentbench.model import GradientModel, Model
from latentbench.opening import build_model, load_splits, look_through, training_rows
from latentbench.plugins import Plugins
from latentbench.records import Record, progress_path
from latentbench.training.budget import Budget
from latentbench.training.convergence import late_fall
from latentbench.training.engine import Training
from latentbench.training.progress import Progress, read_progress, write_progress
from latentbench.training.trainer import derive_seed
from latentbench.trial import Outcome, Status, Trial

__all__ = ["Look", "close", "fit"]

Emit = Callable[[str, Mapping[str, Any]], None]
LATE_FALL_LIMIT = 0.01
SAVE_SECONDS = 60.0  # a training that lasts longer is saved at the end of an epoch this often
ENDS: dict[type[BaseException], Status] = {DivergedError: "diverged", NotApplicableError: "skipped"}
_WARM: set[tuple[str, str, int]] = set()  # (dataset, label, group size) this process has trained before


@dataclass
class Look:
    """A trial on its way.

    Attributes:
        trial: what is asked for.
        record: where it is written down.
        alone: no other trial is on its way with it: what is seen through it may wait in memory for its scores.
        model: once it is trained.
        space: the test split seen through it, of one that is alone.
    """

    trial: Trial
    record: Record
    alone: bool = False
    model: Model | None = None
    space: LatentSpace | None = None

    def forget(self) -> None:
        """Let go of the model and what was seen through it."""
        self.model = self.space = None

    @property
    def open(self) -> bool:
        """Whether nothing is known yet of how it ends."""
        return self.model is None and not self.record.is_published

    @property
    def epochs(self) -> int:
        """After how many epochs it looks at the training."""
        return self.trial.budget.trained_epochs


def fit(
    trainings: Sequence[Sequence[Look]], device: str, machine: Mapping[str, Any], plugins: Plugins, emit: Emit
) -> None:
    """Train each of `trainings`, together where there are several, and write down every look at them.

    Args:
        trainings: for each trial to train its looks, the shortest first; the budgets of the last ones are equal.
        device: "cpu" or "cuda".
        machine: what is recorded of the machine.
        plugins: where models and data come from.
        emit: told of "epoch_finished".

    Raises:
        Exception: whatever the plugins raise; a member that diverges is written down and the others go on.
    """
    trials = [looks[-1].trial for looks in trainings]
    budget = trials[0].budget
    train = training_rows(trials[0], load_splits(plugins, trials[0]).train)
    if "train_limit" in trials[0].traits.varied and len(train) < (budget.train_limit or 0):
        raise NotApplicableError(f"train_limit={budget.train_limit}, there are {len(train)} training rows")
    models = [build_model(trial, plugins, DataSpec.of(train)) for trial in trials]
    task = _Task(trainings, train, budget, device, machine, plugins, emit)
    with seeded(derive_seed(trials[0].seed, "stray")):  # for plugins that draw from torch's own generator
        if isinstance(models[0], GradientModel):
            task.fit_by_steps([model for model in models if isinstance(model, GradientModel)])
        else:
            task.fit_at_once(models[0])


@dataclass
class _Task:
    """What `fit` was asked to do."""

    trainings: Sequence[Sequence[Look]]
    train: Split
    budget: Budget
    device: str
    machine: Mapping[str, Any]
    plugins: Plugins
    emit: Emit

    def fit_at_once(self, model: Model) -> None:
        """Fit a model without steps."""
        ((look,),) = self.trainings
        clock = _Clock()
        model.fit(self.train, torch.Generator().manual_seed(derive_seed(look.trial.seed, "fit")))
        codes = None
        if model.encoder == "none":  # making the codes is what costs time, not `fit`
            codes = look_through(model, look.trial, load_splits(self.plugins, look.trial), "test", None).codes
        with clock.stopped():
            self._keep(look, model, [], clock, codes)

    def fit_by_steps(self, models: Sequence[GradientModel]) -> None:
        """Train, looking on the way, and save now and then."""
        seeds = [looks[-1].trial.seed for looks in self.trainings]
        models = [model.place(self.device) for model in models]
        self._warm_up(models)
        training = Training(models, self.train, self.budget, seeds)
        clock = self._begin(training)
        saved = time.monotonic()
        for epoch, losses in training:
            with clock.stopped():
                for index in range(len(models)):
                    self._after_epoch(training, index, epoch, losses[index], clock)
                if time.monotonic() - saved >= SAVE_SECONDS and epoch < self.budget.trained_epochs:
                    self._save(training, clock)
                    saved = time.monotonic()
        for look in (looks[-1] for looks in self.trainings):
            progress_path(look.record.run, look.trial.key).unlink(missing_ok=True)

    def _begin(self, training: Training) -> _Clock:
        """Go on where all trials stopped after the same number of epochs, else begin."""
        found = [
            read_progress(progress_path(looks[-1].record.run, looks[-1].trial.key)) for looks in self.trainings
        ]
        kept = [progress for progress in found if progress is not None]
        done = {len(progress.state.history) for progress in kept}
        sources = [looks[-1].trial.source for looks in self.trainings]
        same = len(done) == 1 and [progress.source for progress in kept] == sources
        if not same or min(look.epochs for looks in self.trainings for look in looks) <= min(done):
            return _Clock()
        training.resume([progress.state for progress in kept])
        return _Clock(kept[0].seconds)

    def _save(self, training: Training, clock: _Clock) -> None:
        for index, looks in enumerate(self.trainings):
            last = looks[-1]
            progress = Progress(training.state(index), clock.seconds, last.trial.source)
            if not isinstance(training.histories[index], DivergedError):
                write_progress(progress_path(last.record.run, last.trial.key), progress)

    def _after_epoch(
        self, training: Training, index: int, epoch: int, losses: Mapping[str, float] | None, clock: _Clock
    ) -> None:
        """Tell, and write down the look at this epoch; or that the trial has diverged."""
        looks, model, history = self.trainings[index], training.models[index], training.histories[index]
        if isinstance(history, DivergedError):
            close(looks, history, self.machine)
            return
        self.emit("epoch_finished", {"trial": looks[-1].trial.key, "epoch": epoch, "losses": losses})
        for look in looks:
            if look.epochs == epoch:
                self._keep(look, _as_it_is(model, last=epoch == self.budget.trained_epochs), history, clock)

    def _keep(
        self,
        look: Look,
        model: Model,
        history: list[dict[str, float]],
        clock: _Clock,
        codes: torch.Tensor | None = None,
    ) -> None:
        """Write down a trained model, its codes and how it went; a model that can be reloaded is safe at once."""
        trial, record = look.trial, look.record
        cost = self._cost(model, history, clock)
        state = model.get_state()
        if state is not None:
            record.write_state(state)
        space = look_through(model, trial, load_splits(self.plugins, trial), "test", cost, codes)
        if space.dim != trial.params.get("latent_dim", space.dim):
            raise ContractError(
                f"{trial.label} gives codes of length {space.dim}, latent_dim is {trial.params['latent_dim']}"
            )
        record.write_arrays("codes.npz", {"codes": space.codes.cpu().numpy()})
        look.space = space if look.alone else None  # it holds the test images too: one at a time
        flags = ("not converged",) if late_fall(history) > LATE_FALL_LIMIT else ()
        record.write_trial(trial, Outcome("ok", "", "", tuple(history), flags, cost, self.machine, trial.source))
        if state is not None:
            record.publish()
        look.model = model

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


class _Clock:
    """Seconds since it was made, but for the time it was stopped, and those of an earlier sitting; and memory."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.memory = MemoryMeter()
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


def close(looks: Sequence[Look], error: BaseException, machine: Mapping[str, Any]) -> None:
    """Write down that those of the trials that are not trained yet ended by an error."""
    ends: list[Status] = [status for kind, status in ENDS.items() if isinstance(error, kind)]
    message = " ".join(str(error).split()) or "no message"
    for look in looks:
        if look.open:
            outcome = Outcome(
                ends[0] if ends else "failed",
                type(error).__name__,
                message,
                environment=machine,
                source=look.trial.source,
            )
            look.record.write_trial(look.trial, outcome)
            look.record.publish()


def _as_it_is(model: GradientModel, *, last: bool) -> GradientModel:
    """Return the model for a look at it: a copy while it goes on training."""
    return (model if last else copy.deepcopy(model)).eval()
