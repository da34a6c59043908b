"""Which metrics a benchmark asks for, and the requests for their scores."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from latentbench.errors import RequestError, near_matches
from latentbench.params import build_params
from latentbench.planning.score_owners import ScoreOwners
from latentbench.planning.settings import NamedClass, Table, find_class, parameters_of
from latentbench.plugins import Plugins
from latentbench.source.session import is_session_name
from latentbench.trial import ScoreRequest, deciding

if TYPE_CHECKING:
    from latentbench.scores import Score

__all__ = ["current_requests", "judging", "metric_requests", "score_names", "score_request", "wanted_metrics"]


def metric_requests(names: tuple[str, ...], plugins: Plugins, max_items: int | None = None) -> list[ScoreRequest]:
    """Return the requests for these scores or metrics with default parameters; for all when none is named."""
    metrics = wanted_metrics(score_names(names, plugins), ("quick", "full"), plugins)
    return [score_request(metric, {}, max_items) for metric in metrics]


def score_names(names: Iterable[str], plugins: Plugins) -> tuple[str, ...]:
    """Return names of scores and metrics, those of classes that a plugin has registered by its name for them."""
    return tuple(find_class(plugins, "metric", name).name if is_session_name(name) else name for name in names)


def current_requests(requests: Iterable[ScoreRequest], plugins: Plugins) -> tuple[ScoreRequest, ...]:
    """Return requests of metrics as these are now, with the parameters that were asked for.

    Raises:
        RequestError: a metric is not supplied any more, or lacks a parameter.
    """
    return tuple(
        score_request(
            metric := find_class(plugins, "metric", request.metric),
            {f"{metric.name}.{name}": value for name, value in request.params.items()},
            request.max_items,
        )
        for request in requests
    )


def wanted_metrics(names: tuple[str, ...], tiers: tuple[str, ...], plugins: Plugins) -> list[NamedClass]:
    """Load the metrics that supply the asked scores, or where none is asked all of the asked tiers.

    The tier "headline" holds the metrics of the default table, whatever their own tier.

    Raises:
        RequestError: a score nobody supplies, or one that two metrics supply.
    """
    owners = ScoreOwners.among(plugins)
    loaded = [find_class(plugins, "metric", name) for name in owners.metrics]
    loaded += [find_class(plugins, "metric", name) for name in names if is_session_name(name)]
    owner: dict[str, NamedClass] = {}
    for metric in loaded:
        for score in metric.cls.scores:
            if score in owner:
                both = " and ".join(map(_name_and_plugin, (owner[score], metric)))
                raise RequestError(f"score {score!r} is computed by metrics {both}; rename one")
            owner[score] = metric
    for name, wrong in owners.unusable.items():
        if name in names:
            raise RequestError(wrong)
        if name in plugins.names("metric"):
            warnings.warn(f"metric {name} is left out: {wrong}", stacklevel=2)
    known = {*owner, *(metric.name for metric in loaded)}
    for name in names:
        if name not in known:
            plugins_failed = [info.name for info in plugins.infos if info.error]
            failed = f"; plugins that failed to load: {', '.join(plugins_failed)}" if plugins_failed else ""
            raise RequestError(
                f"there is no score {name!r}{near_matches(name, known)}{failed} (`latentbench list metrics`)"
                f"{plugins.hint}"
            )
    if names:
        return [metric for metric in loaded if metric.name in names or set(names) & set(metric.cls.scores)]
    return [
        metric for metric in loaded if metric.cls.tier in tiers or ("headline" in tiers and _is_headline(metric))
    ]


def _is_headline(metric: NamedClass) -> bool:
    return any(score.headline for score in metric.cls.scores.values())


def judging(requests: Sequence[ScoreRequest], names: Sequence[str]) -> tuple[ScoreRequest, ...]:
    """Return the metrics by which settings are chosen: of these scores, or of the headline ones; and what flags.

    Raises:
        RequestError: the benchmark does not compute such a score, or more of it is not better, nor less.
    """
    declared = {name: score for request in requests for name, score in request.scores.items()}
    directed = [name for name, score in declared.items() if score["better"] != "none"]
    for name in names:
        if name not in declared:
            raise RequestError(
                f"choose_by: {name!r} is no score of this benchmark{near_matches(name, declared)}; name one that "
                "it computes"
            )
        if name not in directed:
            raise RequestError(f"choose_by: {name!r} has no better direction{near_matches(name, directed)}")
    if not names:
        return deciding(requests)
    return tuple(request for request in requests if request.flags or set(names) & set(request.scores))


def _name_and_plugin(metric: NamedClass) -> str:
    return f"{metric.registration.name} of {metric.registration.plugin.name}"


def score_request(metric: NamedClass, chosen: Mapping[str, Any], max_items: int | None = None) -> ScoreRequest:
    """Return the request for a metric; one that uses all items anyway is the same whatever `max_items`."""
    params = build_params(metric.cls.Params, parameters_of(chosen, metric.name), f"metric {metric.name!r}")
    summary = metric.registration.summary
    scores = {name: _declaration(score, summary) for name, score in metric.cls.scores.items()}
    return ScoreRequest(
        metric.name,
        metric.cls.version,
        params.model_dump(mode="json"),
        scores,
        **metric.identity,
        on_host=metric.cls.on_host,
        max_items=None if metric.cls.max_items is None else max_items,
    )


def _declaration(score: Score, summary: str) -> Table:
    """A score's declaration as JSON: an infinite range or threshold is no number there.

    The only score of a metric may be described by the metric's summary alone.
    """
    values = asdict(score)
    values["description"] = score.description or summary
    values["range"] = tuple(bound if math.isfinite(bound) else None for bound in score.range)
    values["flag_below"] = score.flag_below if math.isfinite(score.flag_below) else None
    return values
