"""Whose a parameter is that a benchmark names: of a model, a dataset or a metric of it, or of nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from latentbench.benchmark import names_in
from latentbench.errors import RequestError, near_matches
from latentbench.params import build_params
from latentbench.planning.settings import NamedClass, Table, parameters_of

if TYPE_CHECKING:
    from latentbench.benchmark import Benchmark

__all__ = ["metric_params", "refuse_unknown"]


def refuse_unknown(benchmark: Benchmark, owners: Mapping[str, list[NamedClass]]) -> None:
    """Raise for a parameter that nothing in this benchmark has: a misspelt one would change nothing in silence."""
    by_name = _by_name(owners)
    plain = {name for chosen in owners["model"] for name in chosen.cls.Params.model_fields}
    for name in benchmark.own_parameters:
        owner, dot, field = name.rpartition(".")
        if not dot and name not in plain:
            raise RequestError(f"no model of this benchmark has a parameter {name!r}{near_matches(name, plain)}")
        if dot and owner not in by_name:
            known = near_matches(owner, by_name)
            raise RequestError(f"parameter {name!r} is of {owner!r}, which this benchmark does not use{known}")
        if dot and not any(_has(named, field) for named in by_name[owner]):
            first = by_name[owner][0]
            build_params(first.cls.Params, {field: None}, f"{first.registration.kind} {owner!r}")
    for name in (name for key in benchmark.choose for name in names_in(key)):
        owner, _, field = name.rpartition(".")
        kinds = {named.registration.kind for named in by_name.get(owner, ()) if _has(named, field)}
        if kinds and "model" not in kinds:
            raise RequestError(f"choose: {name} is a parameter of a {min(kinds)}; give it in params")


def _by_name(owners: Mapping[str, list[NamedClass]]) -> dict[str, list[NamedClass]]:
    """Return what parameters can name; a model and a metric may have one name, as factor_vae."""
    named: dict[str, list[NamedClass]] = {}
    for chosen in (chosen for group in owners.values() for chosen in group):
        for name in dict.fromkeys((chosen.name, chosen.registration.name)):
            named.setdefault(name, []).append(chosen)
    return named


def _has(named: NamedClass, field: str) -> bool:
    return field in named.cls.Params.model_fields


def metric_params(metric: NamedClass, params: Mapping[str, Any]) -> Table:
    """Return the parameters that name a metric and that it has: others are of a model of its name."""
    chosen = parameters_of(params, metric.name)
    return {f"{metric.name}.{field}": value for field, value in chosen.items() if _has(metric, field)}
