"""One trial's life: seed, data, fit, look, score, record."""

from __future__ import annotations

import contextlib
import copy
import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache, partial
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
from latentbench.records import Outcome, Record, ScoreRequest, SplitName, Status, Trial
from latentbench.scoring import measure, unmeasured
from latentbench.training.budget import Budget
from latentbench.training.convergence import late_fall
from latentbench.training.engine import derive_seed, train_model

__all__ = ["Job", "build_model", "execute_job", "latent_space", "load_splits", "training_rows"]

LOG = logging.getLogger(__name__)
Emit = Callable[[str, Mapping[str, Any]], None]
LATE_FALL_LIMIT = 0.01
ENDS: dict[type[BaseException], Status] = {DivergedError: "diverged", NotApplicableError: "skipped"}
_WARM: set[tuple[str, str]] = set()  # (dataset, label) this process has trained before


@dataclass(frozen=True)
class Job:
    """What a worker runs: a trial, or several that are looks at one training (checkpoints), and their metrics.

    Attributes:
        trials: what to train, the shortest first; equal but for the budget's checkpoint. Those whose record is
            there are not trained again.
        requests: metrics to compute on the test split; only those without a file.
        validation: likewise on the validation split.
        run: the run's folder.
        device: "cpu" or "cuda".
        concurrency: how many jobs run at the same time, for the record.
    """

    trials: tuple[Trial, ...]
    requests: tuple[ScoreRequest, ...]
    run: Path
    validation: tuple[ScoreRequest, ...] = ()
    device: str = "cpu"
    concurrency: int = 1

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


@dataclass
class _Look:
    """A trained trial on its way to its scores; without its model it is reloaded."""

    trial: Trial
    record: Record
    model: Model | None = None


def execute_job(job: Job, plugins: Plugins, emit: Emit) -> None:
    """Train what has no record yet, score it, and write everything down.

    Failures become records; only what the user does to the process (Ctrl-C) gets out. `emit(event, values)` tells
    of "trial_started", "epoch_finished" and "trial_finished"; `values["trial"]` is the trial's key.
    """
    started = time.perf_counter()
    emit("trial_started", {"trial": job.trials[-1].key})
    with limited_threads(job.trials[-1].budget["threads"]):
        trained = _train(job, plugins, emit)
        for trial in job.trials:
            look = trained.get(trial.key) or _Look(trial, Record(job.run, trial.key))
            if trial is not job.trials[-1]:
                emit("trial_started", {"trial": trial.key})
            _finish(look, job, plugins, emit, started)
            look.model, started = None, time.perf_counter()


def _finish(look: _Look, job: Job, plugins: Plugins, emit: Emit, started: float) -> None:
    """Score a trial that went well, publish it and tell."""
    outcome = look.record.read_trial().outcome
    failed: dict[str, str] = {}
    if outcome is not None and outcome.status == "ok":
        with logged_to(look.record.log_path):
            failed = _score(job, plugins, look.record, replace(look.trial, outcome=outcome), look.model)
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


def _train(job: Job, plugins: Plugins, emit: Emit) -> dict[str, _Look]:
    """Train once for all trials without a record; publish at once what can be reloaded: nothing is lost."""
    todo = [trial for trial in job.trials if not Record(job.run, trial.key).exists()]
    if not todo:
        return {}
    machine = environment(job.device, todo[-1].budget["threads"], job.concurrency)
    looks = {trial.key: _Look(trial, Record.begin(job.run, trial.key)) for trial in todo}
    with logged_to(looks[todo[-1].key].record.log_path):
        try:
            _fit(job, list(looks.values()), plugins, machine, emit)
        except (Exception, SystemExit) as error:
            LOG.exception("trial failed")
            ends: list[Status] = [status for kind, status in ENDS.items() if isinstance(error, kind)]
            status: Status = ends[0] if ends else "failed"
            message = " ".join(str(error).split()) or "no message"
            for look in looks.values():
                if look.model is None:
                    outcome = Outcome(
                        status, type(error).__name__, message, environment=machine, source=look.trial.source
                    )
                    look.record.write_trial(look.trial, outcome)
                    look.record.publish()
    return looks


def _fit(job: Job, looks: list[_Look], plugins: Plugins, machine: Mapping[str, Any], emit: Emit) -> None:
    """Build the model under the trials' seed and train it for the longest of them, with a look for each."""
    trial = looks[-1].trial
    budget = Budget.model_validate(trial.budget)
    train = training_rows(trial, load_splits(plugins, trial).train)
    if "train_limit" in trial.traits["varied"] and len(train) < (budget.train_limit or 0):
        raise NotApplicableError(f"train_limit={budget.train_limit}, there are {len(train)} training rows")
    model = build_model(trial, plugins, DataSpec.of(train))
    _warm_up(model, train, budget, job)
    by_epoch = {Budget.model_validate(look.trial.budget).trained_epochs: look for look in looks[:-1]}
    history: list[dict[str, float]] = []
    reset_peak_memory()
    clock = _Clock()

    def on_epoch(epoch: int, losses: Mapping[str, float]) -> None:
        history.append(dict(losses))
        emit("epoch_finished", {"trial": trial.key, "epoch": epoch, "losses": losses})
        if epoch in by_epoch:
            with clock.stopped():
                keep(by_epoch[epoch], copy.deepcopy(model).eval())  # type: ignore[attr-defined]

    def keep(look: _Look, model: Model) -> None:
        cost = _cost(model, train, history, clock.seconds)
        outcome = Outcome("ok", "", "", tuple(history), _flags(history), cost, machine, look.trial.source)
        _keep(look, model, outcome, plugins)

    with seeded(derive_seed(trial.seed, "stray")):  # for plugins that draw from torch's own generator all the same
        if isinstance(model, GradientModel):
            train_model(model.to(job.device), train, budget, trial.seed, on_epoch)
        else:
            model.fit(train, torch.Generator().manual_seed(derive_seed(trial.seed, "fit")))
    with clock.stopped():
        keep(looks[-1], model)


class _Clock:
    """Seconds since it was made, but for the time it was stopped."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self.seconds = 0.0

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """Stop it; `seconds` tells what it shows."""
        self.seconds += time.perf_counter() - self._started
        try:
            yield
        finally:
            self._started = time.perf_counter()


def _keep(look: _Look, model: Model, outcome: Outcome, plugins: Plugins) -> None:
    """Write down a trained model, its codes and how it went."""
    trial, record = look.trial, look.record
    state = model.get_state()
    if state is not None:
        record.write_state(state)
    if model.encoder != "none":
        codes = LatentSpace.of_model(model, load_splits(plugins, trial).test, name=trial.label).codes
        if codes.shape[1] != trial.params.get("latent_dim", codes.shape[1]):
            raise ContractError(
                f"{trial.label} gives codes of length {codes.shape[1]}, latent_dim is {trial.params['latent_dim']}"
            )
        record.write_arrays("codes.npz", {"codes": codes.cpu().numpy()})
    record.write_trial(trial, outcome)
    if state is not None:
        record.publish()
    look.model = model


def _warm_up(model: Model, train: Split, budget: Budget, job: Job) -> None:
    """Train a copy for a step, once a process and model: the first trial must not pay for what torch loads."""
    name = job.trials[-1].dataset, job.trials[-1].label
    if not isinstance(model, GradientModel) or name in _WARM:
        return
    _WARM.add(name)
    few = train.take(np.arange(min(len(train), budget.batch_size)))
    with seeded(0), contextlib.suppress(Exception):  # what fails here fails again where it is recorded
        train_model(
            copy.deepcopy(model).to(job.device),
            few,
            budget.model_copy(update={"epochs": 2, "checkpoint": None}),
            0,
        )


def training_rows(trial: Trial, train: Split) -> Split:
    """Return what the budget lets a trial train on; a model reloaded is built for the same."""
    limit = trial.budget["train_limit"]
    if limit is None or limit >= len(train):
        return train
    return train.take(np.sort(np.random.default_rng(0).permutation(len(train))[:limit]))


def _cost(model: Model, train: Split, history: list[dict[str, float]], seconds: float) -> dict[str, float]:
    cost = {"train_seconds": seconds}
    if history:
        cost["images_per_second"] = len(train) * len(history) / seconds
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
    trial: Trial,
    record: Record,
    plugins: Plugins,
    model: Model | None = None,
    device: str = "cpu",
    split: SplitName = "test",
) -> LatentSpace:
    """Look at a split through a trained trial, reloading its model unless it is given.

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
        getattr(splits, split),
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
    failed: dict[str, str] = {}
    asked: tuple[tuple[SplitName, tuple[ScoreRequest, ...]], ...]
    asked = ("test", job.requests), ("validation", job.validation)
    for split, requests in asked:
        missing = [request for request in requests if record.read_scores(request, split) is None]
        if missing:
            look = partial(latent_space, trial, record, plugins, model, job.device, split)
            failed |= _score_split(split, missing, look, record, plugins)
    return failed


def _score_split(
    split: SplitName,
    requests: Sequence[ScoreRequest],
    make_space: Callable[[], LatentSpace],
    record: Record,
    plugins: Plugins,
) -> dict[str, str]:
    space, status, reason = None, "", ""
    try:
        space = make_space()
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


def _flags(history: list[dict[str, float]]) -> tuple[str, ...]:
    return ("not converged",) if late_fall(history) > LATE_FALL_LIMIT else ()
