"""From a benchmark to its trials: which model with which parameters on which data, and which metrics."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from latentbench.benchmark import override, split_spec
from latentbench.choices.chosen import Chosen
from latentbench.codes.asked import AskedCodes, DataPlace, planned, read_codes
from latentbench.codes.trials import OwnCodes
from latentbench.errors import DataError, PluginError, RequestError, UnknownNameError
from latentbench.files.lookup import existing
from latentbench.files.reading import is_there
from latentbench.model import GradientModel, declared_likelihood
from latentbench.opening import load_splits
from latentbench.params import Params, TypedText, build_params
from latentbench.planning.candidates import Candidate, Candidates, Tries, tries_of, with_seeds
from latentbench.planning.known_parameters import metric_params, refuse_unknown
from latentbench.planning.metrics import judging, score_names, score_request, wanted_metrics
from latentbench.planning.settings import NamedClass, Setting, Table, budgets_of, find_class, parameters_of
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
        candidates: settings of which one each is still to be chosen; of these, the first ones are in `trials`.
        judges: the metrics by which that is done, on the validation split; empty where nothing is chosen.
        chosen: what is or was chosen.
        judged: keys of the trials by which is chosen.
        unshown: keys of those of them that are no trials of the table.
    """

    trials: tuple[Trial, ...]
    requests: tuple[ScoreRequest, ...]
    swept: tuple[str, ...] = ()
    own: tuple[OwnCodes, ...] = ()
    candidates: tuple[Candidates, ...] = ()
    judges: tuple[ScoreRequest, ...] = ()
    chosen: tuple[Chosen, ...] = ()
    judged: frozenset[str] = frozenset()
    unshown: frozenset[str] = frozenset()

    @property
    def of_session(self) -> tuple[str, ...]:
        """Names of the models and metrics that only this process can find, as "__main__:Mine"."""
        used = [*(trial.model for trial in self.trials if not trial.given), *(r.metric for r in self.requests)]
        return tuple(dict.fromkeys(name for name in used if is_session_name(name)))

    def validation_requests(self, trial: Trial) -> tuple[ScoreRequest, ...]:
        """Return the metrics that are computed on the validation split too."""
        of_sweep = deciding(self.requests) if trial.dataset in self.swept else ()
        if trial.key not in self.judged:
            return of_sweep
        return tuple({request.stem: request for request in (*of_sweep, *self.judges)}.values())

    def test_requests(self, trial: Trial) -> tuple[ScoreRequest, ...]:
        """Return the metrics that are computed on the test split.

        What is only tried is not scored there, but for models that need not be reloadable: should such a one be
        chosen, it could not be scored later. Nobody reads these scores before.
        """
        return () if trial.key in self.unshown and trial.traits.steps else self.requests

    def asked(self, trial: Trial) -> list[tuple[SplitName, ScoreRequest]]:
        """Return all that is to be computed of a trial."""
        on_test: list[tuple[SplitName, ScoreRequest]] = [("test", each) for each in self.test_requests(trial)]
        return [*on_test, *(("validation", request) for request in self.validation_requests(trial))]

    @property
    def search(self) -> Plan:
        """The trials by which settings are chosen, scored on the validation split; none where nothing is."""
        tried = {each.first.key: each.first for group in self.candidates for each in group.settings}
        keys = frozenset(tried)
        return replace(self, trials=tuple(tried.values()), own=(), candidates=(), judged=keys, unshown=keys)

    @property
    def whole(self) -> Plan:
        """All that is run, whichever settings are chosen: as much as of the first ones."""
        if not self.candidates:
            return self
        search = self.search
        shown = {trial.key for trial in self.trials}
        trials = {trial.key: trial for trial in (*search.trials, *self.trials)}
        return replace(
            self, trials=tuple(trials.values()), candidates=(), judged=search.judged, unshown=search.judged - shown
        )

    def settled(self, chosen: Iterable[Chosen]) -> Plan:
        """Return the plan of the table, with the chosen settings; `chosen` has one for each of `candidates`."""
        trials: Sequence[Trial] = self.trials
        choices = tuple(chosen)
        for group, choice in zip(self.candidates, choices, strict=True):
            trials = group.put(choice, trials)
        return replace(self, trials=tuple(trials), candidates=(), chosen=choices)


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
    refuse_unknown(benchmark, owners)
    own = _own_codes(benchmark, plugins, datasets, asked)
    groups = [group for dataset in datasets for group in _dataset_groups(benchmark, dataset, models, device)]
    trials = [trial for group in groups for trial in group.settings[0].trials]
    _refuse_taken_names(trials, own)
    trials += [each.trial for each in own]
    if all(trial.outcome is not None for trial in trials):
        raise DataError(trials[0].outcome.message if trials[0].outcome else "no data")
    requests = tuple(
        score_request(metric, metric_params(metric, benchmark.params), benchmark.max_items) for metric in metrics
    )
    swept = dict.fromkeys(trial.dataset for trial in trials if trial.traits.varied)
    candidates = tuple(
        group for group in groups if len(group.settings) > 1 and group.settings[0].first.outcome is None
    )
    return Plan(
        tuple({trial.key: trial for trial in trials}.values()),
        requests,
        tuple(swept),
        tuple(own),
        candidates,
        judging(requests, benchmark.choose_by) if candidates else (),
        tuple(group.undecided for group in candidates),
    )


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


def _dataset_groups(
    benchmark: Benchmark, dataset: _RequestedDataset, models: list[NamedClass], device: str
) -> Iterator[Candidates]:
    """Yield the settings of each model on a data set: alone, or with those among which is chosen."""
    on = benchmark.on.get(dataset.name, {})
    params = override(benchmark.params, on.get("params", {}))
    budgets = list(budgets_of({"precision": "auto", **benchmark.budget, **on.get("budget", {})}, device))
    blank = _blank(benchmark, dataset)
    labels: dict[str, str] = {}
    for model in models:
        for tries in tries_of(model, params, benchmark.choose, budgets):
            _refuse_same_labels(tries, model, labels)
            yield Candidates(tuple(_candidates(tries, blank, model, benchmark.seeds)))


def _blank(benchmark: Benchmark, dataset: _RequestedDataset) -> Trial:
    """Return a trial of no model on a data set; one that cannot be read gives it its outcome."""
    dataset_params = _dataset_params(benchmark, dataset)
    data = dataset.reader.cls(dataset_params)
    outcome, fingerprint = None, ""
    try:
        fingerprint = data.fingerprint()
    except DataError as error:
        outcome = Outcome("failed", type(error).__name__, str(error))
    return Trial(
        dataset=dataset.name,
        loader=dataset.reader.name,
        dataset_params=dataset_params.model_dump(mode="json"),
        fingerprint=fingerprint,
        preparation=printable(data.preparation()),
        model="",
        label="",
        params={},
        budget=Budget(),
        seed=0,
        outcome=outcome,
    )


def _refuse_same_labels(tries: Tries, model: NamedClass, labels: dict[str, str]) -> None:
    """Raise for a heading that another setting has; of settings among which is chosen only one is shown."""
    for label in dict.fromkeys(setting.label for setting in tries.settings):
        if label in labels:
            raise RequestError(f"{labels[label]} and {model.name} would both stand under {label!r}; rename one")
        labels[label] = model.name


def _candidates(tries: Tries, blank: Trial, model: NamedClass, seeds: int) -> Iterator[Candidate]:
    for setting, values in zip(tries.settings, tries.values, strict=True):
        trial = replace(
            blank,
            model=model.name,
            label=setting.label,
            params=setting.params.model_dump(mode="json"),
            budget=setting.budget,
            model_version=model.cls.version,
            traits=_traits(model, setting),
            **model.identity,
        )
        yield Candidate(values, with_seeds(trial, seeds))


def _traits(model: NamedClass, setting: Setting) -> Traits:
    return Traits(
        reference=UPPER_BOUND if model.cls.uses_labels else model.cls.reference,
        deterministic=model.cls.deterministic,
        encoder=model.cls.encoder,
        steps=issubclass(model.cls, GradientModel),
        likelihood=declared_likelihood(model.cls, setting.params),
        varied=setting.varied,
        compared=setting.compared,
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
