"""Settings of a model of which one is chosen on the validation split, before the trials of the table are run."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from latentbench.choices.chosen import Chosen, Tried
from latentbench.errors import RequestError
from latentbench.planning.settings import NamedClass, Setting, Table, axes_of, settings_of
from latentbench.training.budget import Budget
from latentbench.trial import Trial

__all__ = ["Candidate", "Candidates", "Tries", "tries_of"]


@dataclass(frozen=True)
class Tries:
    """Settings of a model that differ in nothing but parameters of which values are chosen; one where none are.

    Attributes:
        settings: the settings.
        values: of each, parameter -> value; empty where nothing is chosen.
    """

    settings: tuple[Setting, ...]
    values: tuple[Table, ...]


@dataclass(frozen=True)
class Candidate:
    """One setting with the trials that the table would show of it, one for each seed."""

    values: Mapping[str, Any]
    trials: tuple[Trial, ...]

    @property
    def first(self) -> Trial:
        """The trial by which it is judged."""
        return self.trials[0]


@dataclass(frozen=True)
class Candidates:
    """The settings of a model on a data set, in the order of their values."""

    settings: tuple[Candidate, ...]

    @property
    def undecided(self) -> Chosen:
        """The choice before anything was tried: the first setting stands."""
        first = self.settings[0].first
        tried = tuple(Tried(dict(each.values), each.first.label, each.first.key, {}) for each in self.settings)
        return Chosen(first.dataset, first.model.rpartition("/")[2], 0, tried, seed=first.seed)

    def put(self, choice: Chosen, trials: Sequence[Trial]) -> list[Trial]:
        """Return `trials` with those of the chosen setting in place of those of the first one."""
        keys = {trial.key: place for place, trial in enumerate(self.settings[0].trials)}
        chosen = self.settings[choice.place].trials
        return [chosen[keys[trial.key]] if trial.key in keys else trial for trial in trials]


def tries_of(
    model: NamedClass, params: Mapping[str, Any], choose: Mapping[str, Any], budgets: list[Budget]
) -> Iterator[Tries]:
    """Yield every setting of a model, together with those that differ from it in what is chosen.

    Raises:
        RequestError: nothing can be chosen, as there is one value, or the model cannot see the validation split.
    """
    axes = list(axes_of(model, choose))
    if not axes:
        for setting in settings_of(model, params, budgets):
            yield Tries((setting,), ({},))
        return
    names = [name for axis, _ in axes for name in axis]
    rows = [tuple(itertools.chain(*row)) for row in itertools.product(*(rows for _, rows in axes))]
    _refuse(model, names, len(rows))
    owner = model.registration.name
    given = [{f"{owner}.{name}": [value] for name, value in zip(names, row, strict=True)} for row in rows]
    grids = [list(settings_of(model, {**params, **each}, budgets)) for each in given]
    for settings in zip(*grids, strict=True):
        values = tuple({name: _plain(setting, name) for name in names} for setting in settings)
        yield Tries(settings, values)


def _plain(setting: Setting, name: str) -> Any:
    """Return a value as JSON has it."""
    return setting.params.model_dump(mode="json").get(name, getattr(setting.params, name))


def _refuse(model: NamedClass, names: Sequence[str], count: int) -> None:
    named = " and ".join(f"{model.name}.{name}" for name in names)
    if count < 2:
        raise RequestError(f"choose: {named} has one value, so there is nothing to choose; give it in params")
    if model.cls.encoder == "none":
        raise RequestError(
            f"choose: {named} cannot be chosen on the validation split, as {model.name} has no encoder; give one "
            "value in params"
        )
    for name in names:
        if name in model.cls.compared_params:
            raise RequestError(
                f"choose: the values of {model.name}.{name} are compared side by side; give them in params"
            )


def with_seeds(trial: Trial, seeds: int) -> tuple[Trial, ...]:
    """Return the trials of a setting; one where the seed changes nothing."""
    return tuple(replace(trial, seed=seed) for seed in range(1 if trial.traits.deterministic else seeds))
