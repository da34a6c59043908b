"""One run.json for several runs: all their trials, all their metrics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from latentbench.files.json_files import canonical_json
from latentbench.trial import ScoreRequest, Trial
from latentbench.upkeep.examine import RunRequest

__all__ = ["joined_values"]

LISTS = ("datasets", "models", "references", "tiers")
TABLES = ("codes", "train_codes", "on", "params", "choose")


def joined_values(runs: Sequence[tuple[Path, RunRequest]]) -> tuple[dict[str, Any], list[str]]:
    """Return what the run.json of several runs together holds, and sentences on what contradicts itself.

    Title, budget and whatever can be said once are those of the first run; of command lines all that differ are
    kept, a line each, and the last of their dates.
    """
    values = [dict(request.values) for _, request in runs]
    requests, told = _requests(runs)
    joined = {
        "title": values[0]["title"],
        "benchmark": _benchmark([each["benchmark"] for each in values]),
        "scores": _shown([each["scores"] for each in values]),
        "trials": [trial.to_json() for trial in _trials(request for _, request in runs)],
        "requests": [asdict(request) for request in requests],
        "swept": _union(each.get("swept", ()) for each in values),
        "chosen": _chosen(values),
        "plugin_files": _union(each["plugin_files"] for each in values),
        "plugins_blocked": _in_all([each["plugins_blocked"] for each in values]),
        "command": "\n".join(filter(None, _union([each.get("command", "")] for each in values))),
        "asked_at": max(each.get("asked_at", "") for each in values),
    }
    return joined, told


def _union(lists: Iterable[Iterable[Any]]) -> list[Any]:
    return list(dict.fromkeys(item for each in lists for item in each))


def _chosen(values: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Return the choices of all runs; of one that two made alike, that of the first."""
    chosen = [choice for each in values for choice in each.get("chosen", ())]
    return list({canonical_json(choice): choice for choice in chosen}.values())


def _in_all(lists: Sequence[Sequence[Any]]) -> list[Any]:
    return [item for item in lists[0] if all(item in each for each in lists)]


def _shown(scores: Sequence[Sequence[str]]) -> list[str]:
    """Return the scores that are shown by name; none, which means the headline ones, where a run names none."""
    return _union(scores) if all(scores) else []


def _trials(requests: Iterable[RunRequest]) -> list[Trial]:
    """Return all trials in the order of tables: headings as they first come, seeds of one beside each other."""
    trials: dict[str, Trial] = {}
    for request in requests:
        for trial in request.trials:
            trials.setdefault(trial.key, trial)
    datasets = _union([trial.dataset] for trial in trials.values())
    places = {name: place for place, name in enumerate(datasets)}
    labels = {label: place for place, label in enumerate(_union([trial.label] for trial in trials.values()))}
    return sorted(trials.values(), key=lambda trial: (places[trial.dataset], labels[trial.label], trial.seed))


def _requests(runs: Sequence[tuple[Path, RunRequest]]) -> tuple[list[ScoreRequest], list[str]]:
    """Return the metrics of all runs; of two that compute the same score, that of the first run."""
    chosen: dict[str, ScoreRequest] = {}
    owners: dict[str, tuple[Path, ScoreRequest]] = {}
    told: list[str] = []
    for run, asked in runs:
        for request in asked.requests:
            if request.stem in chosen:
                continue
            taken = next((owners[score] for score in request.scores if score in owners), None)
            if taken is not None:
                told.append(_other_metric(*taken, run, request))
                continue
            chosen[request.stem] = request
            owners |= dict.fromkeys(request.scores, (run, request))
    return list(chosen.values()), told


def _other_metric(run: Path, stands: ScoreRequest, other: Path, request: ScoreRequest) -> str:
    if stands.metric == request.metric and stands.version != request.version:
        what = f"{request.metric} is version {stands.version} in {run} and {request.version} in {other}"
    else:
        what = f"{request.metric} has other parameters in {run} than in {other}"
    return f"{what}: that of {run} stands, and what is missing of it counts as not computed"


def _benchmark(benchmarks: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what was asked for in all; the trials say what the grid was."""
    joined = dict(benchmarks[0])
    joined |= {name: _union(each.get(name, ()) for each in benchmarks) for name in LISTS if name in joined}
    joined["scores"] = _shown([each.get("scores", ()) for each in benchmarks])
    for name in TABLES:
        if name in joined:
            tables = [each.get(name, {}) for each in reversed(benchmarks)]
            joined[name] = {key: value for table in tables for key, value in table.items()}
    if "seeds" in joined:
        joined["seeds"] = max(each.get("seeds", 1) for each in benchmarks)
    return joined
