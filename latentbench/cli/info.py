"""`latentbench info`."""

from __future__ import annotations

import inspect
import math
from typing import TYPE_CHECKING, Any

import click

from latentbench.cli._shared.layout import print_prose, print_table
from latentbench.cli._shared.options import TEXT, load_plugins, metrics_by_score, plugin_options
from latentbench.errors import UnknownNameError, near_matches
from latentbench.params import describe_params
from latentbench.plugins import KINDS, Kind, Plugins
from latentbench.registrations import spoken
from latentbench.terminal.output import echo

if TYPE_CHECKING:
    from latentbench.metric import Metric, PairMetric
    from latentbench.model import Model
    from latentbench.scores import Score

__all__ = ["command"]


@click.command("info")
@click.argument("name", type=TEXT)
@plugin_options
def command(name: str, files: tuple[str, ...], blocked: tuple[str, ...]) -> None:
    """Explain a dataset, model, metric, pair metric, score or executor: what it is, its parameters, its source."""
    plugins = load_plugins(files, blocked)
    kinds = [kind for kind in KINDS if name in plugins.names(kind)]
    for place, kind in enumerate(kinds):
        if place:
            echo()
        _explain(kind, name, plugins.load(kind, name), plugins)
    if not kinds:
        _explain_score(name, plugins)


def _explain(kind: Kind, name: str, cls: Any, plugins: Plugins) -> None:
    registration = plugins.find(kind, name)
    plugin = registration.plugin
    of_metrics = kind in ("metric", "pair_metric")
    text = cls.explain(registration.summary) if of_metrics else _about(kind, cls)
    echo(f"{spoken(kind)} {name}, version {cls.version}, from {plugin.name} {plugin.version}".rstrip())
    echo()
    print_prose(text or "no description")
    echo()
    if kind == "model":
        _show_facts(cls)
    _show_params(cls)
    if kind == "pair_metric":
        _show_pair_terms(cls)
        _show_score(name, cls.score, registration.summary)
    if kind == "metric":
        _show_terms(cls)
        for score, declared in cls.scores.items():
            _show_score(score, declared, registration.summary)


def _about(kind: Kind, cls: type) -> str | None:
    """Return the docstring; of a model without the paragraphs that `_show_facts` prints."""
    if kind != "model":
        return inspect.getdoc(cls)
    from latentbench.cli._shared.model_facts import model_text

    return model_text(cls).about


def _show_facts(cls: type[Model]) -> None:
    from latentbench.cli._shared.model_facts import model_facts

    print_table([(f"{name}:", fact) for name, fact in model_facts(cls)], indent=2)
    echo()


def _show_params(cls: Any) -> None:
    rows = [
        (param.name, param.default, ", ".join(filter(None, (param.type, param.limits))), param.description)
        for param in describe_params(cls.Params)
    ]
    if rows:
        print_table(rows, ("parameter", "default", "type", "meaning"), indent=2)


def _explain_score(name: str, plugins: Plugins) -> None:
    metrics = metrics_by_score(plugins)
    if name not in metrics:
        known = {*metrics, *(registered for kind in KINDS for registered in plugins.names(kind))}
        raise UnknownNameError(
            f"there is no dataset, model, metric, pair metric or score {name!r}{near_matches(name, known)} "
            "(`latentbench list datasets`, `list models`, `list metrics` and `list pair_metrics` show all)"
        )
    metric = metrics[name]
    cls = plugins.load("metric", metric)
    echo(f"score {name}, of metric {metric}, version {cls.version} (`latentbench info {metric}`)")
    _show_terms(cls)
    _show_score(name, cls.scores[name], plugins.find("metric", metric).summary)


def _show_terms(cls: type[Metric]) -> None:
    needs = ("needs", ", ".join(cls.needs) or "codes only")
    print_table([needs, *_traits(cls)], indent=2)


def _show_pair_terms(cls: type[PairMetric]) -> None:
    both, second = ", ".join(cls.needs), ", ".join(cls.needs_second)
    needs = [f"{both}, of both spaces"] * bool(both) + [f"{second}, of the second"] * bool(second)
    rows = [
        ("symmetric", "yes" if cls.symmetric else "no: compares a with b and b with a"),
        ("needs", "; ".join(needs) or "codes only"),
        ("null", "items of one space permuted" if cls.has_null else "none"),
        *_traits(cls),
    ]
    print_table(rows, indent=2)


def _traits(cls: type[Metric] | type[PairMetric]) -> list[tuple[str, str]]:
    most = f", at most {cls.max_items} are used" if cls.max_items else ""
    return [
        ("tier", cls.tier),
        ("test items", f"at least {cls.min_items}{most}"),
        ("invariant to", ", ".join(cls.invariances) or "nothing declared"),
        ("tolerance", f"{cls.tolerance:g} on another device, in another order or precision"),
    ]


def _show_score(name: str, declared: Score, summary: str) -> None:
    low, high = (f"{bound:g}" if math.isfinite(bound) else "unbounded" for bound in declared.range)
    echo()
    print_table([(f"{name}:", declared.description or summary)])
    rows = [
        ("better", declared.better, "purpose", declared.purpose),
        ("range", f"{low} to {high}", "kind", declared.kind),
        ("unit", declared.unit or "none", "codes", declared.codes),
        ("floor", _bound(declared.floor), "ceiling", _bound(declared.ceiling)),
    ]
    if declared.per_likelihood:
        rows.append(("compared", "within a likelihood", "", ""))
    print_table(rows, indent=2)


def _bound(value: float | str | None) -> str:
    if value is None:
        return "not stated"
    return f"score of {value}" if isinstance(value, str) else f"{value:g}"
