"""From a benchmark to its trials: which model with which parameters on which data, and which metrics."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from latentbench.benchmark import override, split_spec
from latentbench.codes.asked import AskedCodes, DataPlace, planned, read_codes
from latentbench.codes.trials import OwnCodes
from latentbench.errors import DataError, PluginError, RequestError, UnknownNameError, near_matches
from latentbench.files.lookup import existing
from latentbench.files.reading import is_there
from latentbench.model import GradientModel, declared_likelihood
from latentbench.opening import load_splits
from latentbench.params import Params, TypedText, build_params
from latentbench.planning.metrics import score_names, score_request, wanted_metrics
from latentbench.planning.settings import NamedClass, Table, budgets_of, find_class, parameters_of, settings_of
from latentbench.plugins import Plugins
from latentbench.source.session import is_session_name
from latentbench.source.session_digest import forget_unreadable
from latentbench.text import normalized, printable
from latentbench.training.budget import Budget
from latentbench.trial import UPPER_BOUND, Outcome, ScoreRequest, SplitName, Traits, Trial, deciding

if TYPE_CHECKING:
    from latentbench.benchmark import Benchmark

__all__ = ["Plan", "make_plan"]


@dataclass(frozen=True)
class Plan:
    """What a run will do, every name resolved and every value checked.

    Attributes:
        trials: in the order of tables; one whose data cannot be read carries its outcome already.
        requests: the metrics.
        swept: datasets on which a model stands with several settings; what decides between them is computed on
            the validation split too.
        own: arrays of codes that some of the trials are of.
    """

    trials: tuple[Trial, ...]
    requests: tuple[ScoreRequest, ...]
    swept: tuple[str, ...] = ()
    own: tuple[OwnCodes, ...] = ()

    @property
    def of_session(self) -> tuple[str, ...]:
        """Names of the models and metrics that only this process can find, as "__main__:Mine"."""
        used = [*(trial.model for trial in self.trials if not trial.given), *(r.metric for r in self.requests)]
        return tuple(dict.fromkeys(name for name in used if is_session_name(name)))

    def validation_requests(self, trial: Trial) -> tuple[ScoreRequest, ...]:
        """Return the metrics that are computed on the validation split too."""
        if trial.dataset not in self.swept:
            return ()
        return deciding(self.requests)

    def asked(self, trial: Trial) -> list[tuple[SplitName, ScoreRequest]]:
        """Return all that is to be computed of a trial."""
        on_test: list[tuple[SplitName, ScoreRequest]] = [("test", request) for request in self.requests]
        return [*on_test, *(("validation", request) for request in self.validation_requests(trial))]


def make_plan(
    benchmark: Benchmark, plugins: Plugins, device: str = "auto", asked: AskedCodes | None = None
) -> Plan:
    """Resolve every name and expand the grid; precision "auto" becomes what the device does best.

    Args:
        benchmark: what is asked for.
        plugins: where models, metrics and datasets come from.
        device: where it is to be trained.
        asked: own codes as arrays; None: those of the files that the benchmark names.

    Raises:
        RequestError: anything in the request that cannot be done, before anything is run.
    """
    forget_unreadable()
    contenders = _models(benchmark.models, plugins)
    references = [model for model in _models(benchmark.references, plugins) if model not in contenders]
    metrics = wanted_metrics(score_names(benchmark.scores, plugins), benchmark.tiers, plugins)
    datasets = [_requested_dataset(text, plugins) for text in dict.fromkeys(benchmark.datasets)]
    names = [dataset.name for dataset in datasets]
    for name in names:
        if names.count(name) > 1:
            raise RequestError(f"dataset {name!r} is given twice; tables have one block a name, run them apart")
    for name in benchmark.on:
        if name not in names:
            plugins.find("dataset", name)
    models = contenders + references
    owners = {"model": models, "dataset": [dataset.reader for dataset in datasets], "metric": metrics}
    _refuse_unknown(benchmark, owners)
    own = _own_codes(benchmark, plugins, datasets, asked)
    trials: list[Trial] = []
    for dataset in datasets:
        trials += _dataset_trials(benchmark, dataset, models, device)
    _refuse_taken_names(trials, own)
    trials += [each.trial for each in own]
    if all(trial.outcome is not None for trial in trials):
        raise DataError(trials[0].outcome.message if trials[0].outcome else "no data")
    requests = tuple(score_request(metric, benchmark.params, benchmark.max_items) for metric in metrics)
    swept = dict.fromkeys(trial.dataset for trial in trials if trial.traits.varied)
    return Plan(tuple({trial.key: trial for trial in trials}.values()), requests, tuple(swept), tuple(own))


def _own_codes(
    benchmark: Benchmark, plugins: Plugins, datasets: Sequence[_RequestedDataset], asked: AskedCodes | None
) -> list[OwnCodes]:
    if asked is None and not benchmark.codes:
        return []
    if asked is None:
        asked = read_codes(
            benchmark.codes,
            benchmark.train_codes,
            benchmark.labels,
            benchmark.train_labels,
            benchmark.factors,
            benchmark.split,
            _reader(plugins, "own codes").cls,
        )
    return planned(asked, _place(benchmark, datasets[0], plugins) if datasets else None)


def _place(benchmark: Benchmark, dataset: _RequestedDataset, plugins: Plugins) -> DataPlace:
    """Load the data set that own codes are of."""
    params = _dataset_params(benchmark, dataset).model_dump(mode="json")
    fingerprint = dataset.reader.cls(_dataset_params(benchmark, dataset)).fingerprint()
    loader = dataset.reader.name
    trial = Trial(dataset.name, fingerprint, "", "", {}, Budget(), 0, loader=loader, dataset_params=params)
    return DataPlace(dataset.name, loader, params, fingerprint, load_splits(plugins, trial))


def _refuse_taken_names(trials: Iterable[Trial], own: Iterable[OwnCodes]) -> None:
    models = {(trial.dataset, trial.label): trial.model for trial in trials}
    for each in own:
        if model := models.get((each.trial.dataset, each.trial.label)):
            raise RequestError(
                f"own codes and {model} would both stand under {each.trial.label!r}; rename the codes"
            )


def _reader(plugins: Plugins, what: str) -> NamedClass:
    """Return the dataset that reads users' files: latentbench's own, where it is there."""
    for registration in sorted(plugins.registrations("dataset"), key=lambda entry: not entry.plugin.own):
        with suppress(PluginError):  # of a dataset that nobody asked for
            if plugins.load("dataset", registration.name).reads_paths:
                return find_class(plugins, "dataset", registration.name)
    raise RequestError(f"{what} cannot be read: no installed dataset reads paths")


def _models(names: Iterable[str], plugins: Plugins) -> list[NamedClass]:
    return list(dict.fromkeys(find_class(plugins, "model", name) for name in names))


@dataclass(frozen=True)
class _RequestedDataset:
    """A dataset of the request: its name in tables, its class, and the parameters given with the name."""

    name: str
    reader: NamedClass
    params: Table


def _requested_dataset(text: str, plugins: Plugins) -> _RequestedDataset:
    """Read "name:key=value:key=value"; commas in a value separate the items of a tuple. A path may be the name."""
    name, pairs = split_spec(text)
    given: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise RequestError(f"dataset {text!r}: expected NAME:KEY=VALUE, got {pair!r}")
        key = normalized(key)
        if key in given:
            raise RequestError(f"dataset {text!r}: {key} is given twice; give it once")
        given[key] = value
    path = existing(Path(name))
    if normalized(name) in plugins.names("dataset"):
        return _named(normalized(name), find_class(plugins, "dataset", name), given)
    if not (is_there(path) or len(path.parts) > 1 or name.startswith(".")):
        try:
            return _named(name, find_class(plugins, "dataset", name), given)
        except UnknownNameError as error:
            raise UnknownNameError(f"{error}; nor is there a file or folder {name!r} here") from None
    shown = printable(normalized(path.stem))
    return _named(shown, _reader(plugins, f"dataset {name!r}"), {"path": str(_full(path)), **given})


def _named(name: str, reader: NamedClass, given: Mapping[str, str]) -> _RequestedDataset:
    params = {
        key: _items(value) if _takes_items(reader, key) else TypedText(value) for key, value in given.items()
    }
    return _RequestedDataset(name, reader, params)


def _items(text: str) -> TypedText | tuple[str, ...]:
    return tuple(text.split(",")) if "," in text else TypedText(text)


def _takes_items(reader: NamedClass, key: str) -> bool:
    """Whether a parameter is a tuple; a path may hold a comma."""
    return key in reader.cls.Params.model_fields and "tuple" in str(reader.cls.Params.model_fields[key].annotation)


def _dataset_trials(
    benchmark: Benchmark, dataset: _RequestedDataset, models: list[NamedClass], device: str
) -> Iterator[Trial]:
    name, reader = dataset.name, dataset.reader
    on = benchmark.on.get(name, {})
    params = override(benchmark.params, on.get("params", {}))
    budgets = list(budgets_of({"precision": "auto", **benchmark.budget, **on.get("budget", {})}, device))
    dataset_params = _dataset_params(benchmark, dataset)
    outcome, fingerprint = None, ""
    data = reader.cls(dataset_params)
    try:
        fingerprint = data.fingerprint()
    except DataError as error:
        outcome = Outcome("failed", type(error).__name__, str(error))
    labels: dict[str, str] = {}
    for model in models:
        for setting in settings_of(model, params, budgets):
            if setting.label in labels:
                both = f"{labels[setting.label]} and {model.name}"
                raise RequestError(f"{both} would both stand under {setting.label!r}; rename one")
            labels[setting.label] = model.name
            yield from _seeds(
                Trial(
                    dataset=name,
                    loader=reader.name,
                    dataset_params=dataset_params.model_dump(mode="json"),
                    fingerprint=fingerprint,
                    preparation=printable(data.preparation()),
                    model=model.name,
                    label=setting.label,
                    params=setting.params.model_dump(mode="json"),
                    budget=setting.budget,
                    seed=0,
                    model_version=model.cls.version,
                    traits=Traits(
                        reference=UPPER_BOUND if model.cls.uses_labels else model.cls.reference,
                        deterministic=model.cls.deterministic,
                        encoder=model.cls.encoder,
                        steps=issubclass(model.cls, GradientModel),
                        likelihood=declared_likelihood(model.cls, setting.params),
                        varied=setting.varied,
                        compared=setting.compared,
                    ),
                    outcome=outcome,
                    **model.identity,
                ),
                benchmark.seeds,
            )


def _dataset_params(benchmark: Benchmark, dataset: _RequestedDataset) -> Params:
    """Return the parameters of a dataset, its paths in full."""
    params = override(benchmark.params, benchmark.on.get(dataset.name, {}).get("params", {}))
    chosen = {**parameters_of(params, dataset.reader.name), **dataset.params}
    return _with_full_paths(build_params(dataset.reader.cls.Params, chosen, f"dataset {dataset.name!r}"))


def _with_full_paths(params: Params) -> Params:
    """Workers and later readers may stand elsewhere."""
    paths = {name: value for name, value in params if isinstance(value, Path)}
    return params.model_copy(update={name: _full(path.expanduser()) for name, path in paths.items()})


def _full(path: Path) -> Path:
    """Return a path for workers and later readers, who may stand elsewhere; a loop of links stays as it is."""
    return Path(os.path.realpath(path))


def _seeds(trial: Trial, seeds: int) -> Iterator[Trial]:
    for seed in range(1 if trial.traits.deterministic else seeds):
        yield replace(trial, seed=seed)


def _refuse_unknown(benchmark: Benchmark, owners: Mapping[str, list[NamedClass]]) -> None:
    """Raise for a parameter that nothing in this benchmark has: a misspelt one would change nothing in silence."""
    by_name = {chosen.name: chosen for group in owners.values() for chosen in group}
    by_name |= {chosen.registration.name: chosen for group in owners.values() for chosen in group}
    plain = {name for chosen in owners["model"] for name in chosen.cls.Params.model_fields}
    for name in benchmark.own_parameters:
        owner, dot, field = name.rpartition(".")
        if not dot and name not in plain:
            raise RequestError(f"no model of this benchmark has a parameter {name!r}{near_matches(name, plain)}")
        if dot and owner not in by_name:
            known = near_matches(owner, by_name)
            raise RequestError(f"parameter {name!r} is of {owner!r}, which this benchmark does not use{known}")
        if dot and field not in by_name[owner].cls.Params.model_fields:
            build_params(by_name[owner].cls.Params, {field: None}, f"{by_name[owner].registration.kind} {owner!r}")
