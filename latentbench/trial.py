"""One trial's life: seed, data, fit, look, score, record."""

from __future__ import annotations

import contextlib
import copy
import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from latentbench.dataset import DataSpec, Split, Splits
from latentbench.errors import ContractError, DivergedError, NotApplicableError
from latentbench.latent.space import LatentSpace
from latentbench.machine import (
    environment,
    limited_threads,
    logged_to,
    peak_memory,
    reset_peak_memory,
    seeded,
)
from latentbench.model import GradientModel, Model
from latentbench.params import build_params
from latentbench.plugins import Plugins
from latentbench.records import Outcome, Record, ScoreRequest, Trial
from latentbench.scoring import measure, unmeasured
from latentbench.training.budget import Budget
from latentbench.training.convergence import late_fall
from latentbench.training.engine import derive_seed, train_model

__all__ = ["Job", "build_model", "execute_job", "latent_space", "load_splits", "training_rows"]

LOG = logging.getLogger(__name__)
Emit = Callable[[str, Mapping[str, Any]], None]
LATE_FALL_LIMIT = 0.01
_WARM: set[tuple[str, str]] = set()  # (dataset, label) this process has trained before


@dataclass(frozen=True)
class Job:
    """What a worker runs: one trial, and the metrics wanted of it.

    Attributes:
        trial: what to train; not again when its record is there.
        requests: metrics to compute; only those without a file.
        run: the run's folder.
        device: "cpu" or "cuda".
        concurrency: how many trials run at the same time, for the record.
    """

    trial: Trial
    requests: tuple[ScoreRequest, ...]
    run: Path
    device: str = "cpu"
    concurrency: int = 1

    def to_json(self) -> dict[str, Any]:
        """Return the job as JSON."""
        return {
            "trial": self.trial.to_json(),
            "requests": [asdict(request) for request in self.requests],
            "run": str(self.run),
            "device": self.device,
            "concurrency": self.concurrency,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Job:
        """Read back what `to_json` gave."""
        return cls(
            Trial.from_json(values["trial"]),
            tuple(ScoreRequest(**request) for request in values["requests"]),
            Path(values["run"]),
            values["device"],
            values["concurrency"],
        )


def execute_job(job: Job, plugins: Plugins, emit: Emit) -> None:
    """Train a trial unless its record is there, score it, and write everything down.

    Failures become records; only what the user does to the process (Ctrl-C) gets out. `emit(event, values)` tells
    of "trial_started", "epoch_finished" and "trial_finished".
    """
    started = time.perf_counter()
    emit("trial_started", {})
    record = Record(job.run, job.trial.key)
    with limited_threads(job.trial.budget["threads"]):
        if record.exists():
            trial, model = record.read_trial(), None
        else:
            record = Record.begin(job.run, job.trial.key)
            with logged_to(record.log_path):
                trial, model = _train(job, plugins, record, emit)
        failed: dict[str, str] = {}
        if trial.outcome is not None and trial.outcome.status == "ok":
            with logged_to(record.log_path):
                failed = _score(job, plugins, record, trial, model)
        record.publish()
    outcome = trial.outcome
    emit(
        "trial_finished",
        {
            "status": outcome.status if outcome else "failed",
            "error": outcome.error if outcome else "",
            "message": outcome.message if outcome else "",
            "seconds": time.perf_counter() - started,
            "failed_scores": failed,
        },
    )


def _train(job: Job, plugins: Plugins, record: Record, emit: Emit) -> tuple[Trial, Model | None]:
    """Fit the model and write its record; publish at once what can be reloaded, so that no training is lost."""
    trial = job.trial
    machine = environment(job.device, trial.budget["threads"], job.concurrency)
    try:
        model, history, cost = _fit(job, plugins, emit)
        outcome = Outcome("ok", "", "", tuple(history), _flags(history), cost, machine, trial.source)
        state = model.get_state()
        if state is not None:
            record.write_state(state)
        splits = load_splits(plugins, trial)
        codes = (
            LatentSpace.of_model(model, splits.test, name=trial.label).codes if model.encoder != "none" else None
        )
        if codes is not None and codes.shape[1] != trial.params.get("latent_dim", codes.shape[1]):
            raise ContractError(
                f"{trial.label} gives codes of length {codes.shape[1]}, latent_dim is {trial.params['latent_dim']}"
            )
        if codes is not None:
            record.write_arrays("codes.npz", {"codes": codes.cpu().numpy()})
    except (Exception, SystemExit) as error:
        LOG.exception("trial failed")
        status = "diverged" if isinstance(error, DivergedError) else "failed"
        message = " ".join(str(error).split()) or "no message"
        outcome = Outcome(status, type(error).__name__, message, environment=machine, source=trial.source)  # type: ignore[arg-type]
        model, state = None, {}
    record.write_trial(trial, outcome)
    if state is not None:
        record.publish()
    return replace(trial, outcome=outcome), model


def _fit(job: Job, plugins: Plugins, emit: Emit) -> tuple[Model, list[dict[str, float]], dict[str, float]]:
    """Build the model under the trial's seed and train it; return it with its losses and its cost."""
    trial = job.trial
    budget = Budget.model_validate(trial.budget)
    train = training_rows(trial, load_splits(plugins, trial).train)
    model = build_model(trial, plugins, DataSpec.of(train))
    _warm_up(model, train, budget, job)
    reset_peak_memory()
    started = time.perf_counter()
    history: list[dict[str, float]] = []
    with seeded(derive_seed(trial.seed, "stray")):  # for plugins that draw from torch's own generator all the same
        if isinstance(model, GradientModel):
            model.to(job.device)
            tell = lambda epoch, losses: emit("epoch_finished", {"epoch": epoch, "losses": losses})  # noqa: E731
            history = train_model(model, train, budget, trial.seed, tell)
        else:
            model.fit(train, torch.Generator().manual_seed(derive_seed(trial.seed, "fit")))
    seconds = time.perf_counter() - started
    return model, history, _cost(model, train, budget, history, seconds)


def _warm_up(model: Model, train: Split, budget: Budget, job: Job) -> None:
    """Train a copy for a step, once a process and model: the first trial must not pay for what torch loads."""
    if not isinstance(model, GradientModel) or (job.trial.dataset, job.trial.label) in _WARM:
        return
    _WARM.add((job.trial.dataset, job.trial.label))
    few = train.take(np.arange(min(len(train), budget.batch_size)))
    with seeded(0), contextlib.suppress(Exception):  # what fails here fails again where it is recorded
        train_model(copy.deepcopy(model).to(job.device), few, budget.model_copy(update={"epochs": 2}), 0)


def training_rows(trial: Trial, train: Split) -> Split:
    """Return what the budget lets a trial train on; a model reloaded is built for the same."""
    limit = trial.budget["train_limit"]
    if limit is None or limit >= len(train):
        return train
    return train.take(np.sort(np.random.default_rng(0).permutation(len(train))[:limit]))


def _cost(
    model: Model, train: Split, budget: Budget, history: list[dict[str, float]], seconds: float
) -> dict[str, float]:
    cost = {"train_seconds": seconds}
    if history:
        cost["images_per_second"] = len(train) * budget.epochs / seconds
    if isinstance(model, GradientModel):
        cost["parameters"] = float(sum(weight.numel() for weight in model.parameters()))
    peak = peak_memory()
    if peak is not None:
        cost["peak_memory_bytes"] = peak
    return cost


def build_model(trial: Trial, plugins: Plugins, data: DataSpec) -> Model:
    """Make the model on the CPU, its weights drawn under the trial's own seed."""
    found = plugins.load("model", trial.model)
    with seeded(derive_seed(trial.seed, "weights")):
        model: Model = found(build_params(found.Params, trial.params, f"model {trial.model!r}"), data)
    return model


def latent_space(
    trial: Trial, record: Record, plugins: Plugins, model: Model | None = None, device: str = "cpu"
) -> LatentSpace:
    """Look at the test split through a trained trial, reloading its model unless it is given.

    Raises:
        NotApplicableError: the model cannot be reloaded.
    """
    splits = load_splits(plugins, trial)
    if model is None:
        state = record.read_state()
        if state is None:
            raise NotApplicableError(f"{trial.label} cannot be reloaded; its scores are made with the trial")
        model = build_model(trial, plugins, DataSpec.of(training_rows(trial, splits.train)))
        model.set_state(state)
    if isinstance(model, GradientModel):
        model.to(device).eval()
    outcome = trial.outcome
    return LatentSpace.of_model(
        model,
        splits.test,
        splits.train,
        name=trial.label,
        fingerprint=trial.fingerprint,
        cost=outcome.cost if outcome else None,
    )


@lru_cache(maxsize=2)
def _load_splits(plugins: Plugins, dataset: str, params: str) -> Splits:
    found = plugins.load("dataset", dataset)
    splits: Splits = found(build_params(found.Params, json.loads(params), f"dataset {dataset!r}")).splits()
    return splits


def load_splits(plugins: Plugins, trial: Trial) -> Splits:
    """Load a trial's dataset, keeping the last two in memory."""
    return _load_splits(
        plugins, trial.loader or trial.dataset, json.dumps(dict(trial.dataset_params), sort_keys=True)
    )


def _score(job: Job, plugins: Plugins, record: Record, trial: Trial, model: Model | None) -> dict[str, str]:
    """Compute the metrics that have no file yet; return score name -> message of those that failed."""
    missing = [request for request in job.requests if record.read_scores(request) is None]
    if not missing:
        return {}
    space, status, reason = None, "", ""
    try:
        space = latent_space(trial, record, plugins, model, job.device)
    except NotApplicableError as error:
        status, reason = "not applicable", str(error)
    except Exception as error:
        LOG.exception("the model cannot be looked at")
        status, reason = "failed", f"{type(error).__name__}: {error}"
    failed: dict[str, str] = {}
    for request in missing:
        if space is None:
            rows, items = unmeasured(request, status, reason), dict[str, Any]()
        else:
            before = space.stamp()
            rows, items = measure(request, plugins, space)
            if space.changes(before):
                space = latent_space(trial, record, plugins, model, job.device)  # the next metric sees it unspoilt
        record.write_scores(request, rows, items)
        failed |= {name: row["reason"] for name, row in rows["scores"].items() if row["status"] == "failed"}
    return failed


def _flags(history: list[dict[str, float]]) -> tuple[str, ...]:
    return ("not converged",) if late_fall(history) > LATE_FALL_LIMIT else ()
