"""Whether plugins keep their contracts: every rule on small data, as findings or as cases for pytest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from typing import Any

from latentbench.dataset import Dataset, Split
from latentbench.errors import NotApplicableError, RequestError
from latentbench.metric import Metric, PairMetric
from latentbench.model import Model
from latentbench.params import build_params
from latentbench.plugins import Kind, Plugins
from latentbench.testing.checks import check_metric
from latentbench.testing.dataset_rules import DATASET_RULES, TriedDataset
from latentbench.testing.model_rules import MODEL_RULES
from latentbench.testing.pair_rules import ODD_RULES, PAIR_RULES, TriedPair
from latentbench.testing.pairs import Pair, codes_alone, codes_with_train, odd_pair, odd_titles, whole_spaces
from latentbench.testing.rules import Case, RuleBrokenError, RuleResult, expecting
from latentbench.testing.specimens import specimens
from latentbench.testing.training_rules import TRAINING_RULES
from latentbench.testing.tried import TriedModel

__all__ = ["cases_of", "check_dataset", "check_model", "check_pair_metric", "parametrize_with_checks"]

BASES: Mapping[Kind, type] = {"model": Model, "dataset": Dataset, "metric": Metric, "pair_metric": PairMetric}
PAIR_ITEMS = 120  # of the spaces that pair metrics are tried on


def check_model(
    model: type[Model] | str,
    *,
    params: Mapping[str, Any] | None = None,
    data: Mapping[str, Split] | None = None,
    expected: Mapping[str, str] | None = None,
    plugins: Plugins | None = None,
) -> list[RuleResult]:
    """Hold a model to the contract of models, on grey, color and odd images, vectors, and grids of distances.

    Rules of what it gives are tried on all data that it takes, rules of how it learns on the first of them. Data
    for which its class raises a `LatentbenchError` when it is made are not applicable; if none suits, that is a
    failure.

    Args:
        model: the class, or a registered name.
        params: its parameters; defaults where left out.
        data: title -> data to try it on, instead of those.
        expected: rule -> why its failure is expected. A rule that holds although it was expected to fail, fails.
        plugins: where a name is looked up; all installed plugins when left out.

    Returns:
        One finding for each rule and each kind of data.

    Raises:
        RequestError: no such model, parameter or rule.
    """
    cls, name = _resolved("model", model, plugins)
    return [case.finding() for case in expecting(_model_cases(cls, name, params or {}, data), expected or {})]


def check_dataset(
    dataset: type[Dataset] | str,
    *,
    params: Mapping[str, Any] | None = None,
    expected: Mapping[str, str] | None = None,
    plugins: Plugins | None = None,
) -> list[RuleResult]:
    """Hold a dataset to the contract of datasets. It is loaded some five times.

    Args:
        dataset: the class, or a registered name.
        params: its parameters; defaults where left out.
        expected: rule -> why its failure is expected.
        plugins: where a name is looked up; all installed plugins when left out.

    Returns:
        One finding for each rule.

    Raises:
        RequestError: no such dataset, parameter or rule.
    """
    cls, name = _resolved("dataset", dataset, plugins)
    return [case.finding() for case in expecting(_dataset_cases(cls, name, params or {}), expected or {})]


def check_pair_metric(
    metric: type[PairMetric] | str,
    *,
    params: Mapping[str, Any] | None = None,
    expected: Mapping[str, str] | None = None,
    plugins: Plugins | None = None,
) -> list[RuleResult]:
    """Hold a pair metric to the contract of pair metrics.

    It is tried on two spaces with all that a metric can need, on their codes and training codes, on their codes
    alone, and on pairs of odd codes.

    Args:
        metric: the class, or a registered name.
        params: its parameters; defaults where left out.
        expected: rule -> why its failure is expected.
        plugins: where a name is looked up; all installed plugins when left out.

    Returns:
        One finding for each rule and each pair of spaces.

    Raises:
        RequestError: no such pair metric, parameter or rule.
    """
    cls, name = _resolved("pair_metric", metric, plugins)
    return [case.finding() for case in expecting(_pair_cases(cls, name, params or {}), expected or {})]


def cases_of(
    plugin: type | str, *, params: Mapping[str, Any] | None = None, plugins: Plugins | None = None
) -> list[Case]:
    """Return all rules for a model, dataset, metric or pair metric as cases, none of them tried yet.

    Raises:
        RequestError: no such plugin or parameter.
    """
    kind = _kind(plugin, plugins)
    cls, name = _resolved(kind, plugin, plugins)
    if kind == "model":
        return _model_cases(cls, name, params or {}, None)
    if kind == "dataset":
        return _dataset_cases(cls, name, params or {})
    if kind == "pair_metric":
        return _pair_cases(cls, name, params or {})
    return [Case(name, check_declared, "", partial(_metric, plugin, plugins), cls)]


def parametrize_with_checks(
    *several: type | str,
    params: Mapping[str, Any] | None = None,
    expected: Mapping[str, str] | None = None,
    plugins: Plugins | None = None,
) -> Any:
    """Make a test of each rule for each of these models, datasets, metrics and pair metrics.

    Use it on a function with the one argument `check`, which it calls::

        @parametrize_with_checks(MyModel, MyMetric)
        def test_my_plugins(check):
            check()

    A rule that is not applicable skips its test, one that is expected to fail is marked so.

    Args:
        several: classes or registered names.
        params: parameters, for all of them.
        expected: rule -> why its failure is expected.
        plugins: where names are looked up; all installed plugins when left out.

    Returns:
        A decorator of pytest's.
    """
    import pytest

    cases = [case for plugin in several for case in cases_of(plugin, params=params, plugins=plugins)]
    arguments = [
        pytest.param(case, id="-".join(filter(None, (case.name, case.title, case.on))))
        for case in expecting(cases, expected or {})
    ]
    return pytest.mark.parametrize("check", arguments)


def check_declared(checks: Callable[[], Iterable[Any]]) -> None:
    """Scores keep what the metric declares: range, invariances, and no gain from spoiled codes."""
    broken = [
        f"{check.score} on {check.space}: {check.value:.5g} is not {check.expected}"
        + (f" ({check.reason})" if check.reason else "")
        for check in checks()
        if not check.passed
    ]
    if broken:
        raise RuleBrokenError("; ".join(broken))


def _metric(plugin: type | str, plugins: Plugins | None) -> Callable[[], Iterable[Any]]:
    return partial(check_metric, plugin, plugins)


def _model_cases(
    cls: type[Model], name: str, params: Mapping[str, Any], data: Mapping[str, Split] | None
) -> list[Case]:
    checked = build_params(cls.Params, params, f"model {name!r}")
    tried = {title: TriedModel(cls, checked, split) for title, split in (data or specimens()).items()}
    suited = cache(partial(_suited, tuple(tried.values())))
    cases = [
        Case(name, rule, title, partial(_built, one), cls) for rule in MODEL_RULES for title, one in tried.items()
    ]
    learning = [Case(name, rule, "", suited, cls) for rule in TRAINING_RULES]
    return [*cases, *learning]


def _built(tried: TriedModel) -> TriedModel:
    """Return it where the model takes such data."""
    tried.build()
    return tried


def _suited(several: tuple[TriedModel, ...]) -> TriedModel:
    """Return the first whose data the model takes."""
    reasons = []
    for tried in several:
        try:
            return _built(tried)
        except NotApplicableError as error:
            reasons.append(str(error))
    raise RuleBrokenError(
        f"it takes none of the data that it is tried on ({'; '.join(dict.fromkeys(reasons))}); "
        "give data= of your own"
    )


def _dataset_cases(cls: type[Dataset], name: str, params: Mapping[str, Any]) -> list[Case]:
    tried = TriedDataset(cls, build_params(cls.Params, params, f"dataset {name!r}"))
    return [Case(name, rule, "", lambda: tried, cls) for rule in DATASET_RULES]


def _pair_cases(cls: type[PairMetric], name: str, params: Mapping[str, Any]) -> list[Case]:
    metric = cls(build_params(cls.Params, params, f"pair metric {name!r}"))
    items, needs = max(PAIR_ITEMS, cls.min_items), {*cls.needs, *cls.needs_second}
    spaces = {
        "images": partial(whole_spaces, items),
        "codes with a training split": partial(codes_with_train, items, needs),
        "codes": partial(codes_alone, items, needs),
    }
    odd = {title: partial(odd_pair, title, cls.min_items, needs) for title in odd_titles(needs)}
    tried = {title: cache(partial(_tried_pair, metric, pair)) for title, pair in {**spaces, **odd}.items()}
    return [
        Case(name, rule, title, tried[title], cls)
        for rules, titles in ((PAIR_RULES, spaces), (ODD_RULES, odd))
        for rule in rules
        for title in titles
    ]


def _tried_pair(metric: PairMetric, pair: Callable[[], Pair]) -> TriedPair:
    return TriedPair(metric, *pair())


def _resolved(kind: Kind, plugin: type | str, plugins: Plugins | None) -> tuple[type, str]:
    """Return the class and what to call it."""
    if isinstance(plugin, type):
        if not issubclass(plugin, BASES[kind]):
            raise RequestError(f"check_{kind} takes a {BASES[kind].__name__}, got the class {plugin.__name__}")
        return plugin, plugin.__name__
    return (plugins or Plugins()).load(kind, plugin), plugin


def _kind(plugin: type | str, plugins: Plugins | None) -> Kind:
    """Say what a class or a name is.

    Raises:
        RequestError: nothing that can be checked.
    """
    if isinstance(plugin, type):
        for kind, base in BASES.items():
            if issubclass(plugin, base):
                return kind
        raise RequestError(
            f"only models, datasets, metrics and pair metrics can be checked, {plugin.__name__} is none of them"
        )
    known = plugins or Plugins()
    for kind in BASES:
        if plugin in known.names(kind):
            return kind
    known.find("model", plugin)  # says what it might have meant
    return "model"
