"""Models that are made once before the first trial: a wrong file or layer stops the run and fails no trial."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from latentbench.dataset import DataSpec
from latentbench.errors import RequestError
from latentbench.model import Model
from latentbench.opening import build_model, load_splits, training_rows
from latentbench.planning.plan import Plan
from latentbench.plugins import Plugins
from latentbench.records import Record
from latentbench.trial import Trial

__all__ = ["build_first"]


def build_first(plan: Plan, folder: Path, plugins: Plugins) -> list[str]:
    """Make the models that ask for it (`Model.built_first`) with each setting that has no trial in the folder yet.

    Returns:
        What they do to their inputs that nobody asked for, as sentences that start with model and data set.

    Raises:
        RequestError: a parameter is wrong, as a layer that the network does not have.
    """
    new = [trial for trial in _settings(plan) if not Record(folder, trial.key).exists()]
    said = [f"{_name(trial)} on {trial.dataset}: {remark}" for trial in new for remark in _remarks(trial, plugins)]
    return list(dict.fromkeys(said))


def _name(trial: Trial) -> str:
    return trial.model.rpartition("/")[2]


def _settings(plan: Plan) -> Collection[Trial]:
    """Return one trial of each model with each setting on each data set that can be read."""
    first: dict[tuple[str, str], Trial] = {}
    for trial in plan.trials:
        if trial.outcome is None and not trial.given:
            first.setdefault((trial.dataset, trial.label), trial)
    return first.values()


def _remarks(trial: Trial, plugins: Plugins) -> tuple[str, ...]:
    """Make the model of a trial, if it asks for it, and return its remarks."""
    if not plugins.load("model", trial.model).built_first:
        return ()
    data = DataSpec.of(training_rows(trial, load_splits(plugins, trial).train))
    try:
        model: Model = build_model(trial, plugins, data)
    except RequestError as error:
        raise type(error)(f"{trial.label} on {trial.dataset}: {error}") from error
    except Exception:  # noqa: BLE001 - what else goes wrong, as data that do not suit it, is recorded with the trial
        return ()
    return model.remarks()
