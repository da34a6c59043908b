"""The settings of a model: every combination of values that a benchmark gives its parameters and its budget."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_origin

from latentbench.benchmark import names_in
from latentbench.errors import RequestError
from latentbench.files.lookup import existing
from latentbench.machine import best_precision, choose_device
from latentbench.model import GradientModel
from latentbench.params import Params, build_params
from latentbench.plugins import Kind, Plugins, Registration
from latentbench.source.digest import source_digest
from latentbench.source.session import is_session_name
from latentbench.text import normalized, printable
from latentbench.training.budget import Budget

__all__ = ["NamedClass", "Setting", "axes_of", "budgets_of", "find_class", "parameters_of", "settings_of"]


Table = dict[str, Any]


@dataclass(frozen=True)
class NamedClass:
    """A plugin's class under the name that the benchmark gives it; two of one name are equal."""

    name: str
    registration: Registration = field(compare=False)
    cls: Any = field(compare=False)

    @property
    def identity(self) -> Table:
        """Version and source, as keys hold them: the source only while its author is at work on it."""
        digest = source_digest(self.cls)
        return {"source": digest, "keyed_source": self.registration.plugin.editable}


@dataclass(frozen=True)
class Setting:
    """One model with its parameters and its budget, and what tells it from the model's other settings.

    Attributes:
        label: heading in tables.
        params: of the model.
        budget: of the trial.
        varied: parameters and fields of the budget of whose values one is to be chosen.
        compared: parameters whose values make models of their own (`Model.compared_params`).
    """

    label: str
    params: Params
    budget: Budget
    varied: Table
    compared: Table


def budgets_of(values: Mapping[str, Any], device: str) -> Iterator[Budget]:
    """Yield a budget for each value of the fields that have several, and for each checkpoint on the way.

    A list of checkpoints always ends with the whole training, which is the trial without a checkpoint.
    """
    single = {name: value for name, value in values.items() if not isinstance(value, list | tuple)}
    several = {name: value for name, value in values.items() if name not in single}
    for name in (name for name, value in several.items() if not value):
        raise RequestError(f"budget: {name} needs a value, got an empty list")
    if "checkpoint" in several and "epochs" in several:
        raise RequestError("budget: checkpoints belong to one training; give one number of epochs with them")
    if "checkpoint" in several:
        several["checkpoint"] = [*several["checkpoint"], None]
    epochs = single.get("epochs", Budget.model_fields["epochs"].default)
    for stop in several.get("checkpoint", ()):
        if isinstance(stop, int) and isinstance(epochs, int) and stop > epochs:
            raise RequestError(f"checkpoint {stop} is past the last epoch, {epochs}; give more epochs")
    for chosen in itertools.product(*several.values()):
        fields = {**single, **dict(zip(several, chosen, strict=True))}
        if fields["precision"] == "auto":
            fields["precision"] = _precision(device)
        budget = build_params(Budget, fields, "budget")
        whole = budget.checkpoint == budget.epochs
        yield budget.model_copy(update={"checkpoint": None}) if whole else budget


def _precision(device: str) -> str:
    """Return the precision in which the device of this machine trains best."""
    try:
        return best_precision(choose_device(device))
    except RequestError as error:
        raise RequestError(f"{error}; for an executor's machines, give --precision too") from None


def settings_of(model: NamedClass, params: Mapping[str, Any], budgets: list[Budget]) -> Iterator[Setting]:
    """Yield every setting of one model, with its heading."""
    axes = list(axes_of(model, params))
    grid: list[tuple[Params, Budget]] = []
    for values in itertools.product(*(rows for _, rows in axes)):
        chosen = {
            name: v
            for (names, _), row in zip(axes, values, strict=True)
            for name, v in zip(names, row, strict=True)
        }
        checked = build_params(model.cls.Params, chosen, f"model {model.registration.name!r}")
        for budget in budgets:
            pair = checked, budget if issubclass(model.cls, GradientModel) else _without_steps(budget)
            if pair not in grid:
                grid.append(pair)
    names = [name for name in model.cls.Params.model_fields if len({repr(getattr(p, name)) for p, _ in grid}) > 1]
    spent = [name for name in Budget.model_fields if len({getattr(budget, name) for _, budget in grid}) > 1]
    for checked, budget in grid:
        dumped = checked.model_dump(mode="json")  # may lack what is not used
        differing = {name: dumped.get(name, getattr(checked, name)) for name in names}
        compared = {name: differing.pop(name) for name in names if name in model.cls.compared_params}
        varied = differing | {
            "epochs" if name == "checkpoint" else name: budget.trained_epochs
            if name == "checkpoint"
            else getattr(budget, name)
            for name in spent
        }
        shown = [_short(getattr(checked, name)) for name in model.cls.label_params if name not in names]
        shown += [f"{name}={value}" for name, value in (compared | varied).items()]
        label = model.registration.name + (f"({', '.join(shown)})" if shown else "")
        yield Setting(printable(normalized(label)), checked, budget, varied, compared)


def _without_steps(budget: Budget) -> Budget:
    """What counts of a budget for a model without optimizer steps: other epochs make no other trial."""
    return Budget(train_limit=budget.train_limit, threads=budget.threads)


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def axes_of(
    model: NamedClass, params: Mapping[str, Any]
) -> Iterator[tuple[tuple[str, ...], list[tuple[Any, ...]]]]:
    """Yield (parameter names, rows of their values) of this model; keys that name it go first."""
    named = set(parameters_of(params, model.name)) | set(parameters_of(params, model.registration.name))
    for key, value in params.items():
        names = names_in(key)
        plain = [name.rpartition(".")[2] for name in names]
        places = [
            index
            for index, name in enumerate(names)
            if plain[index] in model.cls.Params.model_fields
            and (
                name in (f"{model.name}.{plain[index]}", f"{model.registration.name}.{plain[index]}")
                or ("." not in name and name not in named)
            )
        ]
        if places:
            field = model.cls.Params.model_fields[plain[places[0]]]
            whole = len(names) == 1 and get_origin(field.annotation) is tuple
            rows = _rows(key, _tuples(value) if whole else value, len(names))
            values = (tuple(row[place] for place in places) for row in rows)
            yield tuple(plain[place] for place in places), list(dict.fromkeys(values))


def _tuples(value: Any) -> list[Any]:
    """Return the values of a parameter that is a tuple itself: one, unless rows of several are given.

    >>> _tuples([0.5, 0.4]), _tuples([[0.5, 0.4], [0, 0]]), _tuples(0.5)
    ([[0.5, 0.4]], [[0.5, 0.4], [0, 0]], [[0.5]])
    """
    values = list(value) if isinstance(value, list | tuple) else [value]
    return values if values and all(isinstance(row, list | tuple) for row in values) else [values]


def _rows(key: str, value: Any, width: int) -> list[tuple[Any, ...]]:
    """Return the values of one key as rows, one value a name."""
    values = value if isinstance(value, list | tuple) else [value]
    if not values:
        raise RequestError(f"params {key!r} needs a value, got an empty list")
    if width == 1:
        return [(_frozen(item),) for item in values]
    for row in values:
        if not isinstance(row, list | tuple) or len(row) != width:
            raise RequestError(
                f"params {key!r} couples {width} names: each value must be a row of {width}, got {row!r}"
            )
    return [tuple(map(_frozen, row)) for row in values]


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def parameters_of(params: Mapping[str, Any], owner: str) -> Table:
    """Return the parameters that name `owner`, as {"path": ...} for "fashion_mnist.path"."""
    named = ((name, value) for key, value in params.items() for name in names_in(key))
    return {name.removeprefix(f"{owner}."): value for name, value in named if name.startswith(f"{owner}.")}


def find_class(plugins: Plugins, kind: Kind, name: str) -> NamedClass:
    """Return the class that a name stands for.

    Raises:
        UnknownNameError, PluginError: there is none, or it cannot be used.
    """
    path, _, attribute = name.rpartition(":")
    # workers and later readers of a file may stand elsewhere
    name = f"{existing(Path(path)).resolve()}:{attribute}" if path.endswith(".py") else normalized(name)
    registration = plugins.find(kind, name)
    if is_session_name(name) and not registration.of_session:
        name = registration.name
    return NamedClass(name, registration, plugins.load(kind, name))
