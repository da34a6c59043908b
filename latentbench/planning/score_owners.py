"""Which metric computes which score, and which metrics cannot be used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from latentbench.errors import PluginError, near_matches

if TYPE_CHECKING:
    from latentbench.metric import Metric
    from latentbench.plugins import Plugins

__all__ = ["ScoreOwners"]


@dataclass(frozen=True)
class ScoreOwners:
    """The metrics that can be used. What is wrong with another is told, and harms nobody else.

    Attributes:
        metrics: registered name -> class.
        by_score: score -> name of the metric that computes it.
        unusable: name of a metric that is left out, or of a score that only such metrics compute -> what is wrong,
            in a sentence.
    """

    metrics: Mapping[str, type[Metric]] = field(default_factory=dict)
    by_score: Mapping[str, str] = field(default_factory=dict)
    unusable: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def among(cls, plugins: Plugins) -> ScoreOwners:
        """Load all metrics. Of two that compute one score, latentbench's own stays; of two others, neither."""
        metrics: dict[str, type[Metric]] = {}
        left_out: dict[str, str] = {}
        for name in plugins.names("metric"):
            try:
                metrics[name] = plugins.load("metric", name)
            except PluginError as error:
                left_out[name] = str(error)
        for name, metric in metrics.items():
            plugin = plugins.find("metric", name).plugin
            if not plugin.own and (wrong := _unknown_bound(metric, plugins)):
                left_out[name] = f"{name} of {plugin.name}: {wrong}"
        claims: dict[str, list[str]] = {}
        for name in metrics.keys() - left_out.keys():
            for score in metrics[name].scores:
                claims.setdefault(score, []).append(name)
        for score, names in claims.items():
            if len(names) > 1:
                own = [name for name in names if plugins.find("metric", name).plugin.own]
                others = [name for name in names if name not in own[:1]]
                left_out |= dict.fromkeys(others, _contested(score, sorted(names), plugins))
        usable = {name: metric for name, metric in metrics.items() if name not in left_out}
        by_score = {score: name for name, metric in usable.items() for score in metric.scores}
        lost = {
            score: left_out[name]
            for name in metrics.keys() & left_out.keys()
            for score in metrics[name].scores
            if score not in by_score and score not in usable
        }
        return cls(usable, by_score, lost | left_out)


def _unknown_bound(metric: type[Metric], plugins: Plugins) -> str:
    """Say which floor or ceiling is the name of no model, or nothing."""
    models = plugins.names("model")
    for score, declared in metric.scores.items():
        for what in ("floor", "ceiling"):
            bound = getattr(declared, what)
            if isinstance(bound, str) and bound not in models:
                near = near_matches(bound, models)
                return f"the {what} of its score {score!r} names no model, {bound!r}{near}; give one or a number"
    return ""


def _contested(score: str, names: list[str], plugins: Plugins) -> str:
    owners = [f"{name} of {plugins.find('metric', name).plugin.name}" for name in names]
    return f"score {score!r} is computed by metrics {' and '.join(owners)}; leave one out with --no-plugin"
