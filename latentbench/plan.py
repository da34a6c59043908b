"""From a benchmark to its trials: which model with which parameters on which data, and which metrics."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latentbench.benchmark import names_in, override
from latentbench.errors import DataError, RequestError, UnknownNameError, near_matches
from latentbench.machine import best_precision, choose_device
from latentbench.model import GradientModel
from latentbench.params import Params, build_params
from latentbench.plugins import Kind, Offer, Plugins
from latentbench.source import source_digest
from latentbench.training.budget import Budget
from latentbench.trial import Outcome, ScoreRequest, SplitName, Traits, Trial, deciding

if TYPE_CHECKING:
    from latentbench.benchmark import Benchmark
    from latentbench.scores import Score

__all__ = ["Plan", "make_plan", "metric_requests"]

Table = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """What a run will do, every name resolved and every value checked.

    Attributes:
        trials: in the order of tables; one whose data cannot be read carries its outcome already.
        requests: the metrics.
        swept: datasets on which a model stands with several settings; what decides between them is computed on
            the validation split too.
    """

    trials: tuple[Trial, ...]
    requests: tuple[ScoreRequest, ...]
    swept: tuple[str, ...] = ()

    def validation_requests(self, trial: Trial) -> tuple[ScoreRequest, ...]:
        """Return the metrics that are computed on the validation split too."""
        if trial.dataset not in self.swept:
            return ()
        return deciding(self.requests)

    def asked(self, trial: Trial) -> list[tuple[SplitName, ScoreRequest]]:
        """Return all that is to be computed of a trial."""
        on_test: list[tuple[SplitName, ScoreRequest]] = [("test", request) for request in self.requests]
        return [*on_test, *(("validation", request) for request in self.validation_requests(trial))]


@dataclass(frozen=True)
class _Found:
    """A plugin's class under the name it was asked for by."""

    asked: str
    offer: Offer
    cls: Any

    @property
    def identity(self) -> Table:
        """Version and source, as keys hold them: the source only while its author is at work on it."""
        digest = source_digest(self.cls)
        return {"source": digest, "keyed_source": self.offer.plugin.editable}


def make_plan(benchmark: Benchmark, plugins: Plugins, device: str = "auto") -> Plan:
    """Resolve every name and expand the grid; precision "auto" becomes what the device does best.

    Raises:
        RequestError: anything in the request that cannot be done, before anything is run.
    """
    contenders = [_find(plugins, "model", name) for name in benchmark.models]
    references = [_find(plugins, "model", name) for name in benchmark.references if name not in benchmark.models]
    metrics = _wanted_metrics(benchmark.scores, benchmark.tiers, plugins)
    datasets = [_asked_dataset(spec, plugins) for spec in dict.fromkeys(benchmark.datasets)]
    for asked in datasets:
        if [other.name for other in datasets].count(asked.name) > 1:
            raise RequestError(
                f"dataset {asked.name!r} is asked for twice; tables have one block a name, run them apart"
            )
    for name in benchmark.on:
        if name not in [asked.name for asked in datasets]:
            plugins.find("dataset", name)
    models = contenders + references
    owners = {
        "model": models,
        "dataset": [asked.found for asked in datasets],
        "metric": metrics,
    }
    _refuse_unknown(benchmark, owners)
    trials: list[Trial] = []
    for asked in datasets:
        trials += _dataset_trials(benchmark, asked, models, device)
    if all(trial.outcome is not None for trial in trials):
        raise DataError(trials[0].outcome.message if trials[0].outcome else "no data")
    requests = tuple(_score_request(metric, benchmark.params) for metric in metrics)
    swept = dict.fromkeys(trial.dataset for trial in trials if trial.traits.varied)
    return Plan(tuple({trial.key: trial for trial in trials}.values()), requests, tuple(swept))


def _find(plugins: Plugins, kind: Kind, name: str) -> _Found:
    path, _, attribute = name.rpartition(":")
    if path.endswith(".py"):
        name = f"{Path(path).resolve()}:{attribute}"  # workers and later readers may stand elsewhere
    return _Found(name, plugins.find(kind, name), plugins.load(kind, name))


@dataclass(frozen=True)
class _AskedDataset:
    """A dataset as it was asked for: its name in tables, its class, and the parameters given with the name."""

    name: str
    found: _Found
    given: Table


def _asked_dataset(spec: str, plugins: Plugins) -> _AskedDataset:
    """Read "name:key=value:key=value"; commas in a value separate the items of a tuple. A path may be the name."""
    name, *pairs = [spec] if Path(spec).exists() else spec.split(":")
    given: Table = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise RequestError(f"dataset {spec!r}: expected NAME:KEY=VALUE, got {pair!r}")
        given[key] = tuple(value.split(",")) if "," in value else value
    path = Path(name)
    if name in plugins.names("dataset"):
        return _AskedDataset(name, _find(plugins, "dataset", name), given)
    if not (path.exists() or len(path.parts) > 1 or name.startswith(".")):
        try:
            return _AskedDataset(name, _find(plugins, "dataset", name), given)
        except UnknownNameError as error:
            raise UnknownNameError(f"{error}; nor is there a file or folder {name!r} here") from None
    readers = [reader for reader in plugins.names("dataset") if plugins.load("dataset", reader).reads_paths]
    if not readers:
        raise RequestError(f"dataset {name!r} is a path, and no installed dataset reads paths")
    path = path.resolve()  # workers and later readers may stand elsewhere
    return _AskedDataset(path.stem, _find(plugins, "dataset", readers[0]), {"path": str(path), **given})


def _dataset_trials(
    benchmark: Benchmark, asked: _AskedDataset, models: list[_Found], device: str
) -> Iterator[Trial]:
    name, found = asked.name, asked.found
    on = benchmark.on.get(name, {})
    params = override(benchmark.params, on.get("params", {}))
    budgets = list(_budgets({"precision": "auto", **benchmark.budget, **on.get("budget", {})}, device))
    chosen = {**_own(params, found.asked), **asked.given}
    dataset_params = _with_full_paths(build_params(found.cls.Params, chosen, f"dataset {name!r}"))
    outcome, fingerprint = None, ""
    try:
        fingerprint = found.cls(dataset_params).fingerprint()
    except DataError as error:
        outcome = Outcome("failed", type(error).__name__, str(error))
    labels: dict[str, str] = {}
    for model in models:
        for setting in _settings(model, params, budgets):
            if setting.label in labels:
                both = f"{labels[setting.label]} and {model.asked}"
                raise RequestError(f"{both} would both stand under {setting.label!r}; rename one")
            labels[setting.label] = model.asked
            yield from _seeds(
                Trial(
                    dataset=name,
                    loader=found.asked,
                    dataset_params=dataset_params.model_dump(mode="json"),
                    fingerprint=fingerprint,
                    model=model.asked,
                    label=setting.label,
                    params=setting.params.model_dump(mode="json"),
                    budget=setting.budget,
                    seed=0,
                    model_version=model.cls.version,
                    traits=Traits(
                        reference=model.cls.reference,
                        deterministic=model.cls.deterministic,
                        encoder=model.cls.encoder,
                        steps=issubclass(model.cls, GradientModel),
                        varied=setting.varied,
                    ),
                    outcome=outcome,
                    **model.identity,
                ),
                benchmark.seeds,
            )


def _with_full_paths(params: Params) -> Params:
    """Workers and later readers may stand elsewhere."""
    paths = {name: value for name, value in params if isinstance(value, Path)}
    return params.model_copy(update={name: path.expanduser().resolve() for name, path in paths.items()})


def _seeds(trial: Trial, seeds: int) -> Iterator[Trial]:
    for seed in range(1 if trial.traits.deterministic else seeds):
        yield replace(trial, seed=seed)


@dataclass(frozen=True)
class _Setting:
    """One model with its parameters and its budget; `varied` is what tells it from the model's other settings."""

    label: str
    params: Params
    budget: Budget
    varied: Table


def _budgets(values: Mapping[str, Any], device: str) -> Iterator[Budget]:
    """Yield a budget for each value of the fields that have several, and for each checkpoint on the way.

    A list of checkpoints always ends with the whole training, which is the trial without a checkpoint.
    """
    single = {name: value for name, value in values.items() if not isinstance(value, list | tuple)}
    several = {name: value for name, value in values.items() if name not in single}
    for name in (name for name, value in several.items() if not value):
        raise RequestError(f"budget: {name} needs a value, got an empty list")
    if "checkpoint" in several and "epochs" in several:
        raise RequestError("budget: checkpoints are looks at one training; give one number of epochs with them")
    if "checkpoint" in several:
        several["checkpoint"] = [*several["checkpoint"], None]
    epochs = single.get("epochs", Budget.model_fields["epochs"].default)
    for stop in several.get("checkpoint", ()):
        if isinstance(stop, int) and isinstance(epochs, int) and stop > epochs:
            raise RequestError(f"checkpoint {stop} is past the last epoch, {epochs}; give more epochs")
    for chosen in itertools.product(*several.values()):
        fields = {**single, **dict(zip(several, chosen, strict=True))}
        if fields["precision"] == "auto":
            fields["precision"] = best_precision(choose_device(device))
        budget = build_params(Budget, fields, "budget")
        whole = budget.checkpoint == budget.epochs
        yield budget.model_copy(update={"checkpoint": None}) if whole else budget


def _settings(model: _Found, params: Mapping[str, Any], budgets: list[Budget]) -> Iterator[_Setting]:
    """Yield every setting of one model, with its heading."""
    axes = list(_axes(model, params))
    grid: list[tuple[Params, Budget]] = []
    for values in itertools.product(*(rows for _, rows in axes)):
        chosen = {
            name: v
            for (names, _), row in zip(axes, values, strict=True)
            for name, v in zip(names, row, strict=True)
        }
        checked = build_params(model.cls.Params, chosen, f"model {model.offer.name!r}")
        for budget in budgets:
            pair = checked, budget if issubclass(model.cls, GradientModel) else _without_steps(budget)
            if pair not in grid:
                grid.append(pair)
    names = [name for name in model.cls.Params.model_fields if len({repr(getattr(p, name)) for p, _ in grid}) > 1]
    spent = [name for name in Budget.model_fields if len({getattr(budget, name) for _, budget in grid}) > 1]
    for checked, budget in grid:
        varied = {name: value for name, value in checked.model_dump(mode="json").items() if name in names}
        varied |= {
            "epochs" if name == "checkpoint" else name: budget.trained_epochs
            if name == "checkpoint"
            else getattr(budget, name)
            for name in spent
        }
        shown = [_short(getattr(checked, name)) for name in model.cls.label_params if name not in names]
        shown += [f"{name}={value}" for name, value in varied.items()]
        label = model.offer.name + (f"({', '.join(shown)})" if shown else "")
        yield _Setting(label, checked, budget, varied)


def _without_steps(budget: Budget) -> Budget:
    """What counts of a budget for a model without optimizer steps: other epochs make no other trial."""
    return Budget(train_limit=budget.train_limit, threads=budget.threads)


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _axes(model: _Found, params: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], list[tuple[Any, ...]]]]:
    """Yield (parameter names, rows of their values) of this model; keys that name it go first."""
    own = set(_own(params, model.asked)) | set(_own(params, model.offer.name))
    for key, value in params.items():
        names = names_in(key)
        plain = [name.rpartition(".")[2] for name in names]
        here = [
            index
            for index, name in enumerate(names)
            if plain[index] in model.cls.Params.model_fields
            and (
                name in (f"{model.asked}.{plain[index]}", f"{model.offer.name}.{plain[index]}")
                or ("." not in name and name not in own)
            )
        ]
        if here:
            rows = _rows(key, value, len(names))
            yield tuple(plain[i] for i in here), list(dict.fromkeys(tuple(row[i] for i in here) for row in rows))


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


def _own(params: Mapping[str, Any], owner: str) -> Table:
    """Return the parameters that name `owner`, as {"path": ...} for "fashion_mnist.path"."""
    found = {}
    for key, value in params.items():
        for name in names_in(key):
            if name.startswith(f"{owner}."):
                found[name[len(owner) + 1 :]] = value
    return found


def _refuse_unknown(benchmark: Benchmark, owners: Mapping[str, list[_Found]]) -> None:
    """Raise for a parameter that nothing in this benchmark has: a misspelt one would change nothing in silence."""
    by_name = {found.asked: found for group in owners.values() for found in group}
    by_name |= {found.offer.name: found for group in owners.values() for found in group}
    plain = {name for found in owners["model"] for name in found.cls.Params.model_fields}
    tables = [benchmark.params, *(on.get("params", {}) for on in benchmark.on.values())]
    for name in {name: None for table in tables for key in table for name in names_in(key)}:
        owner, dot, field = name.rpartition(".")
        if not dot and name not in plain:
            raise RequestError(f"no model of this benchmark has a parameter {name!r}{near_matches(name, plain)}")
        if dot and owner not in by_name:
            known = near_matches(owner, by_name)
            raise RequestError(f"parameter {name!r} is of {owner!r}, which this benchmark does not use{known}")
        if dot and field not in by_name[owner].cls.Params.model_fields:
            build_params(by_name[owner].cls.Params, {field: None}, f"{by_name[owner].offer.kind} {owner!r}")


def metric_requests(names: tuple[str, ...], plugins: Plugins) -> list[ScoreRequest]:
    """Return the requests for these scores or metrics with default parameters; for all when none is named."""
    return [_score_request(metric, {}) for metric in _wanted_metrics(names, ("quick", "full"), plugins)]


def _wanted_metrics(names: tuple[str, ...], tiers: tuple[str, ...], plugins: Plugins) -> list[_Found]:
    """Load the metrics that supply the asked scores, or all of the asked tiers.

    Raises:
        RequestError: a score nobody supplies, or one that two metrics supply.
    """
    loaded = [_find(plugins, "metric", name) for name in plugins.names("metric")]
    owner: dict[str, _Found] = {}
    for found in loaded:
        for score in found.cls.scores:
            if score in owner:
                both = " and ".join(f"{f.offer.name} of {f.offer.plugin.name}" for f in (owner[score], found))
                raise RequestError(
                    f"score {score!r} is computed by metrics {both}; leave one out with --no-plugin"
                )
            owner[score] = found
    known = {*owner, *(found.asked for found in loaded)}
    for name in names:
        if name not in known:
            plugins_failed = [info.name for info in plugins.infos if info.error]
            failed = f"; plugins that failed to load: {', '.join(plugins_failed)}" if plugins_failed else ""
            raise RequestError(
                f"there is no score {name!r}{near_matches(name, known)}{failed} (`latentbench list metrics`)"
            )
    if names:
        return [found for found in loaded if found.asked in names or set(names) & set(found.cls.scores)]
    return [found for found in loaded if found.cls.tier in tiers]


def _score_request(metric: _Found, chosen: Mapping[str, Any]) -> ScoreRequest:
    params = build_params(metric.cls.Params, _own(chosen, metric.asked), f"metric {metric.asked!r}")
    scores = {name: _declaration(score) for name, score in metric.cls.scores.items()}
    return ScoreRequest(
        metric.asked,
        metric.cls.version,
        params.model_dump(mode="json"),
        scores,
        **metric.identity,
        on_host=metric.cls.on_host,
    )


def _declaration(score: Score) -> Table:
    """A score's declaration as JSON: an infinite range or threshold is no number there."""
    values = asdict(score)
    values["range"] = tuple(bound if math.isfinite(bound) else None for bound in score.range)
    values["flag_below"] = score.flag_below if math.isfinite(score.flag_below) else None
    return values
