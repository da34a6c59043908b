"""Where compared spaces come from: one run or two, and own codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from latentbench.benchmark import read_benchmark, split_spec
from latentbench.errors import RequestError, near_matches
from latentbench.files.cache import cache_dir
from latentbench.opening import load_splits
from latentbench.planning.plan import make_plan
from latentbench.plugins import Plugins
from latentbench.results import Results
from latentbench.similarity.spaces import ComparedModel, models_of_codes, models_of_run
from latentbench.table.columns import datasets

__all__ = ["ComparedSources", "compared_sources"]

MOST_RUNS = 2
FOLDER = "similarity"


@dataclass(frozen=True)
class ComparedSources:
    """All models that can be compared, and where their scores are kept.

    Attributes:
        dataset: heading of the data set.
        models: in the order of the runs, own codes last.
        folder: of what was computed.
    """

    dataset: str
    models: tuple[ComparedModel, ...]
    folder: Path

    def chosen(self, names: Sequence[str]) -> list[ComparedModel]:
        """Return the models of these labels, or all where none is named.

        Raises:
            RequestError: there is no such model.
        """
        by_label = {model.label: model for model in self.models}
        for name in names:
            if name not in by_label:
                known = ", ".join(by_label)
                raise RequestError(
                    f"there is no model {name!r} here{near_matches(name, by_label)}; there are {known}"
                )
        return [by_label[name] for name in dict.fromkeys(names)] if names else list(self.models)


def compared_sources(
    runs: Sequence[Path], codes: Mapping[str, Sequence[str]], labels: str, dataset: str | None, plugins: Plugins
) -> ComparedSources:
    """Gather the models of runs, and own codes.

    Args:
        runs: run folders or packed runs, two at most.
        codes: name -> files of own codes; several are seeds of one model.
        labels: file of the classes of their items, or "".
        dataset: which data set of the runs; None where each has one alone.
        plugins: where models and data sets come from.

    Raises:
        RequestError: nothing or too much to compare, or a data set that a run lacks.
        DataError: own codes that cannot be read, or that are of other items.
    """
    if len(runs) > MOST_RUNS or not (runs or codes):
        raise RequestError(f"similar compares one run or two, and own codes as NAME=FILE, got {len(runs)} runs")
    if labels and not codes:
        raise RequestError("--labels is about codes given as NAME=FILE; leave it out")
    read = [Results(run, plugins) for run in runs]
    names = [_dataset_of(results, dataset) for results in read]
    models = [models_of_run(results, name) for results, name in zip(read, names, strict=True)]
    own = _own_models(codes, labels, read[0] if read else None, names[0] if names else "", plugins)
    heading = names[0] if names else own[0]
    return ComparedSources(
        heading,
        (*_told_apart(models, runs), *own[1]),
        _folder(read, own[1]),
    )


def _dataset_of(results: Results, wanted: str | None) -> str:
    known = datasets(results)
    if wanted is not None and wanted not in known:
        raise RequestError(
            f"{results.source} has no data set {wanted!r}{near_matches(wanted, known)}; it has {', '.join(known)}"
        )
    if wanted is None and len(known) > 1:
        raise RequestError(f"{results.source} has several data sets; choose one with -d: {', '.join(known)}")
    return wanted or known[0]


def _own_models(
    codes: Mapping[str, Sequence[str]], labels: str, beside: Results | None, dataset: str, plugins: Plugins
) -> tuple[str, list[ComparedModel]]:
    """Return the heading of own codes and their models; beside a run they are of the items of its data set."""
    if not codes:
        return "", []
    asked = () if beside is None else beside.request["benchmark"].get("datasets", ())
    specs = [spec for spec in asked if len(asked) == 1 or Path(split_spec(spec)[0]).stem == dataset]
    changes = {"codes": {name: tuple(files) for name, files in codes.items()}, "datasets": tuple(specs)}
    plan = make_plan(read_benchmark("quick", changes | ({"labels": labels} if labels else {})), plugins, "cpu")
    first = plan.own[0].trial
    splits = load_splits(plugins, first) if first.loader else None
    return first.dataset, models_of_codes(plan.own, splits)


def _told_apart(models: Sequence[Sequence[ComparedModel]], runs: Sequence[Path]) -> list[ComparedModel]:
    """Return the models of all runs, those of the second under another label where the first has it too."""
    if len(models) < MOST_RUNS:
        return [model for each in models for model in each]
    first, second = models
    names = (
        [run.resolve().name for run in runs]
        if runs[0].resolve().name != runs[1].resolve().name
        else list(map(str, runs))
    )
    taken = {model.label for model in first} & {model.label for model in second}
    return [
        replace(model, label=f"{model.label} ({name})") if model.label in taken else model
        for name, each in zip(names, (first, second), strict=True)
        for model in each
    ]


def _folder(read: Sequence[Results], own: Sequence[ComparedModel]) -> Path:
    """Return where scores are kept: in the first run, or below the cache where there is none to write into."""
    if read and read[0].source == read[0].path:
        return read[0].path / FOLDER
    items = read[0].trials[0].fingerprint if read else own[0].items
    return cache_dir() / FOLDER / items[:16]
