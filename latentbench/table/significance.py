"""Significance: which models of a table are separable. Stars, ties and ranges of ranks, for all scores at once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from latentbench.scores import gain
from latentbench.statistics import PairedDifference, holm, rank_intervals
from latentbench.table.baselines import LEVEL, Rivalry, Standing, rivalries, standings
from latentbench.table.pairing import Contender, Entry, difference, entries

__all__ = [
    "BEST",
    "FEWEST_DATASETS",
    "TIED",
    "Contest",
    "Verdict",
    "judged",
]

BEST, TIED = "*", "="
FEWEST_DATASETS = 6  # average ranks over fewer say little: Nemenyi's difference is over a rank for three models

Differences = Mapping[tuple[int, int], PairedDifference | None]


@dataclass(frozen=True)
class Contest:
    """One score and the models that are compared by it.

    Attributes:
        contenders: all models that may be marked.
        better: "up", "down", "near:v" or "none".
        floor: the score of an untrained baseline; NaN where that is not known.
    """

    contenders: Sequence[Contender]
    better: str
    floor: float = math.nan

    def comparable(self, read: Sequence[Entry]) -> list[Entry]:
        """Return the contenders that can be compared: none without a better direction or a rival.

        Where each has one trial, test items alone can tell them apart, so that all must have values of the same.
        """
        comparable = [entry for entry in read if entry.contender.comparable]
        if self.better == "none" or len(comparable) < 2:
            return []
        if any(not entry.contender.deterministic for entry in comparable):
            return comparable
        sizes = {0 if entry.items is None else entry.items.shape[1] for entry in comparable}
        return comparable if len(sizes) == 1 and sizes.pop() > 1 else []


@dataclass(frozen=True)
class Verdict:
    """The outcome of one contest; empty where there was nothing to compare.

    Attributes:
        marks: label -> "*" for the best mean, "=" for models not separable from it.
        ranks: label -> the best and the worst rank that significance allows.
        at_floor: nobody is marked, as the best mean does not beat the floor.
        seeds_only: significance covers seeds only, as the score has no per-item values.
        items_only: significance covers test items only, as each model has one trial.
        standings: label -> where the model stands among the baselines.
    """

    marks: Mapping[str, str] = field(default_factory=dict)
    ranks: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    at_floor: bool = False
    seeds_only: bool = False
    items_only: bool = False
    standings: Mapping[str, Standing] = field(default_factory=dict)


@dataclass(frozen=True)
class _Compared:
    """All differences of one contest, between those of its contenders that can be compared."""

    contenders: Sequence[Contender]
    differences: Differences
    seeds_only: bool
    rivalries: Sequence[Rivalry]


def judged(contests: Sequence[Contest]) -> list[Verdict]:
    """Compare all pairs of models in all scores as one family (Holm, 95 %).

    The chance that any two models of equal quality are found to differ, anywhere in the family, is at most 5 %.
    This includes the best model, which is chosen by the same values, and marks never contradict ranks. Models
    against baselines are a second family, so that baselines change no mark.
    """
    compared = list(map(_compared, contests))
    adjusted = iter(holm([_p(each) for pairs in compared for each in pairs.differences.values()]))
    standing = standings([pairs.rivalries for pairs in compared])
    verdicts = []
    for contest, pairs, among_baselines in zip(contests, compared, standing, strict=True):
        better = np.zeros((len(pairs.contenders),) * 2, dtype=bool)
        for (a, b), each in pairs.differences.items():
            if next(adjusted) < 1 - LEVEL and each is not None:
                better[(a, b) if each.mean > 0 else (b, a)] = True
        verdicts.append(
            replace(
                _verdict(contest, pairs.contenders, better),
                seeds_only=pairs.seeds_only,
                items_only=bool(pairs.contenders) and all(each.deterministic for each in pairs.contenders),
                standings=among_baselines,
            )
        )
    return verdicts


def _compared(contest: Contest) -> _Compared:
    """Read the items of one score, compare, and let them go: those of all scores together need not fit."""
    read = entries(contest.contenders, contest.better)
    comparable = contest.comparable(read)
    differences = {
        (i, j): difference(comparable[i], comparable[j], contest.better)
        for i, j in combinations(range(len(comparable)), 2)
    }
    return _Compared(
        [entry.contender for entry in comparable],
        differences,
        _seeds_only(differences, comparable),
        rivalries(read, contest.better),
    )


def _verdict(contest: Contest, comparable: Sequence[Contender], better: NDArray[np.bool_]) -> Verdict:
    """Derive marks and ranks; `better[a, b]` says that a is significantly better than b."""
    if not comparable:
        return Verdict()
    ranks = {contender.label: rank for contender, rank in zip(comparable, rank_intervals(better), strict=True)}
    gains = [[gain(value, contest.better) for value in contender.values.values()] for contender in comparable]
    means = [float(np.mean(of_seeds)) for of_seeds in gains]
    best = int(np.argmax(means))
    if math.isfinite(contest.floor) and means[best] <= gain(contest.floor, contest.better):
        return Verdict({}, ranks, at_floor=True)
    tied = {contender.label: TIED for place, contender in enumerate(comparable) if not better[best, place]}
    return Verdict(tied | {comparable[best].label: BEST}, ranks)


def _seeds_only(differences: Differences, compared: Sequence[Entry]) -> bool:
    """Whether some pair was compared without items: one of the two lacks them, or has others."""
    kinds = {None if entry.items is None else entry.items.shape[1] for entry in compared}
    return any(each is not None for each in differences.values()) and (None in kinds or len(kinds) > 1)


def _p(difference: PairedDifference | None) -> float:
    return math.nan if difference is None else difference.p_value
