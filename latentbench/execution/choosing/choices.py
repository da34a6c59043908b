"""The choice between settings: by the mean of their ranks in the scores of the validation split."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from latentbench.choices.chosen import Chosen
from latentbench.execution.options import Execution
from latentbench.execution.pending import inspect
from latentbench.planning.candidates import Candidates
from latentbench.planning.plan import Plan
from latentbench.records import Record
from latentbench.score_rows import ScoreRow, ScoreRows, StoredScores
from latentbench.scores import gain
from latentbench.statistics import average_ranks
from latentbench.trial import ScoreRequest, Trial

__all__ = ["as_far_as_known", "choices_of"]


@dataclass(frozen=True)
class _Judged:
    """A setting that was tried: the gains of its scores on the validation split, and whether it is worthless."""

    values: Mapping[str, float]
    gains: Mapping[str, float]
    flagged: bool


def choices_of(plan: Plan, by: Sequence[str], folder: Path) -> tuple[Chosen, ...]:
    """Choose one of the settings of each of the plan's candidates.

    It is the one with the best mean rank in the scores that all of them have, the first of equal ones. What failed
    or is flagged as worthless is only chosen where all others are, too; the first one where none has a score.

    Args:
        plan: whose trials of the search have ended.
        by: names of the scores that decide; empty: headline ones of quality.
        folder: of the run.
    """
    return tuple(_choice(group, plan.judges, by, folder) for group in plan.candidates)


def as_far_as_known(plan: Plan, by: Sequence[str], folder: Path, execution: Execution) -> Plan:
    """Return the plan of the table where all is chosen; else what is to be run, with the first settings in it."""
    if not plan.candidates or any(state.pending for state in inspect(plan.search, folder, execution)):
        return plan.whole
    return plan.settled(choices_of(plan, by, folder))


def _choice(group: Candidates, judges: Sequence[ScoreRequest], by: Sequence[str], folder: Path) -> Chosen:
    judged = _judged([each.first for each in group.settings], judges, by, folder)
    scored = [place for place, each in enumerate(judged) if each.gains]
    sound = [place for place in scored if not judged[place].flagged] or scored
    common = [name for name in _names(judged) if all(name in judged[place].gains for place in sound)]
    undecided = replace(group.undecided, ended=True)
    tried = tuple(
        replace(each, scores=dict(setting.values)) for each, setting in zip(undecided.tried, judged, strict=True)
    )
    if not (sound and common):
        return replace(undecided, tried=tried)
    ranks = average_ranks([[judged[place].gains[name] for place in sound] for name in common]).tolist()
    ranked = dict(zip(sound, ranks, strict=True))
    tried = tuple(replace(each, rank=ranked.get(place)) for place, each in enumerate(tried))
    return replace(undecided, place=min(sound, key=ranked.__getitem__), tried=tried, by=tuple(common))


def _names(judged: Sequence[_Judged]) -> list[str]:
    return list(dict.fromkeys(name for each in judged for name in each.gains))


def _judged(
    trials: Sequence[Trial], judges: Sequence[ScoreRequest], by: Sequence[str], folder: Path
) -> list[_Judged]:
    stored = [each for trial in trials for each in _stored(trial, judges, folder)]
    rows = ScoreRows(stored, "validation").chosen()
    deciding = _deciding(rows, by)
    return [_of_trial([row for row in rows if row.trial == trial.key], deciding) for trial in trials]


def _stored(trial: Trial, judges: Sequence[ScoreRequest], folder: Path) -> Iterator[StoredScores]:
    """Read the scores of a trial; none of one that is not there."""
    record = Record(folder, trial.key)
    outcome = record.read_outcome() if record.exists() else None
    ended = replace(trial, outcome=outcome)
    for request in judges:
        yield StoredScores(ended, request, request.names, record.score_file(request, "validation"))


def _deciding(rows: Sequence[ScoreRow], by: Sequence[str]) -> set[str]:
    """Return names of scores: those asked for; else headline ones of quality, or all where there are none."""
    directed = [row for row in rows if row.kind == "quality" and row.better != "none"]
    headline = {row.score for row in directed if row.headline}
    return set(by) or headline or {row.score for row in directed}


def _of_trial(rows: Sequence[ScoreRow], deciding: set[str]) -> _Judged:
    valued = [row for row in rows if row.score in deciding and row.has_value and math.isfinite(row.value)]
    return _Judged(
        {row.score: row.value for row in valued},
        {row.score: gain(row.value, row.better) for row in valued},
        any(flag != "not converged" for row in rows for flag in row.flags),
    )
