"""A plan beside what a run folder holds already: scores added to its trials, columns added to its table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from latentbench.benchmark import Benchmark
from latentbench.codes.trials import MODEL
from latentbench.errors import RequestError
from latentbench.params import build_params
from latentbench.planning.metrics import current_requests
from latentbench.planning.plan import Plan
from latentbench.plugins import Plugins
from latentbench.results import Results
from latentbench.trial import ScoreRequest, Trial

__all__ = ["joined", "joined_request", "plan_of"]


def plan_of(results: Results, plugins: Plugins) -> Plan:
    """Return the plan that a run's last request stands for, its metrics as they are now.

    Raises:
        RequestError: a metric is not supplied any more.
    """
    trials = tuple(replace(trial, outcome=None) for trial in results.trials)
    requests = current_requests(results.requests, plugins)
    return Plan(trials, requests, tuple(results.request["swept"]), chosen=tuple(results.chosen))


def joined(old: Plan, new: Plan) -> Plan:
    """Return the plan of both; own codes under a name that has own codes already take their place.

    Raises:
        RequestError: the same dataset is not the same data, or a name is taken by a model.
    """
    names = {(trial.dataset, trial.label) for trial in new.trials}
    for trial in old.trials:
        if (trial.dataset, trial.label) in names and trial.model != MODEL:
            raise RequestError(f"{trial.label!r} is a model of this run already; give your codes another name")
    _refuse_other_data(old.trials, new.trials)
    kept = [trial for trial in old.trials if (trial.dataset, trial.label) not in names]
    return Plan((*kept, *new.trials), _all_requests(old, new), old.swept, new.own, chosen=old.chosen)


def _refuse_other_data(old: Iterable[Trial], new: Iterable[Trial]) -> None:
    known = {trial.dataset: trial.fingerprint for trial in old}
    for trial in new:
        if known.get(trial.dataset, trial.fingerprint) != trial.fingerprint:
            raise RequestError(
                f"the data set {trial.dataset} of this run is not the one that is given: their fingerprints "
                "differ; give the run's own, or choose another folder with -o"
            )


def _all_requests(old: Plan, new: Plan) -> tuple[ScoreRequest, ...]:
    return tuple({request.stem: request for request in (*old.requests, *new.requests)}.values())


def joined_request(before: Results, request: Benchmark | None, scores: Sequence[str]) -> Benchmark:
    """Return what a run is asked for once codes, or scores, are added to it.

    Args:
        before: the run.
        request: own codes to be added; None: only scores.
        scores: to be shown by name beside those that the run shows by name; a run that shows headline scores
            goes on with these.
    """
    asked = build_params(Benchmark, before.request["benchmark"], f"benchmark of {before.path}")
    shown = tuple(before.request["scores"])
    changes: dict[str, Any] = {"scores": tuple(dict.fromkeys((*shown, *scores))) if shown else ()}
    if request is not None:
        for name in ("codes", "train_codes"):
            changes[name] = {**getattr(asked, name), **getattr(request, name)}
        changes |= {
            name: getattr(request, name) or getattr(asked, name) for name in ("labels", "train_labels", "factors")
        }
    return asked.model_copy(update=changes)
