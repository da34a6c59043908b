"""Significance: which models of a table are separable. Stars, ties and ranges of ranks, for all scores at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from latentbench.scores import gain
from latentbench.statistics import PairedDifference, holm, paired_difference, rank_intervals

__all__ = [
    "BEST",
    "FEWEST_DATASETS",
    "FEWEST_SEEDS",
    "LEVEL",
    "TIED",
    "Contender",
    "Contest",
    "Verdict",
    "judged",
]

BEST, TIED = "*", "="
FEWEST_SEEDS = 5  # a clear gap is separated in half of the 3-seed subsets, in all 5-seed ones
FEWEST_DATASETS = 6  # average ranks over fewer say little: Nemenyi's difference is over a rank for three models
LEVEL = 0.95

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Contender:
    """One model's values of one score.

    Attributes:
        label: its column.
        values: seed -> value.
        items: the values of the single test items for a seed, or None.
        deterministic: the seed makes no difference, so that one value stands for all seeds.
    """

    label: str
    values: Mapping[int, float]
    items: Callable[[int], Values | None]
    deterministic: bool = False

    @property
    def comparable(self) -> bool:
        """Whether there are enough values to compare."""
        return bool(self.values) if self.deterministic else len(self.values) >= FEWEST_SEEDS


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

    @property
    def comparable(self) -> list[Contender]:
        """The contenders that can be compared: none without a better direction, a rival or random seeds."""
        comparable = [contender for contender in self.contenders if contender.comparable]
        random = any(not contender.deterministic for contender in comparable)
        return comparable if self.better != "none" and len(comparable) > 1 and random else []


@dataclass(frozen=True)
class Verdict:
    """The outcome of one contest; empty where there was nothing to compare.

    Attributes:
        marks: label -> "*" for the best mean, "=" for models not separable from it.
        ranks: label -> the best and the worst rank that significance allows.
        at_floor: nobody is marked, as the best mean does not beat the floor.
        seeds_only: significance covers seeds only, as the score has no per-item values.
    """

    marks: Mapping[str, str] = field(default_factory=dict)
    ranks: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    at_floor: bool = False
    seeds_only: bool = False


@dataclass(frozen=True)
class _Entry:
    """A contender with its items `(S, n)` of all its seeds, read once; None where some are missing or broken."""

    contender: Contender
    items: Values | None

    def at(self, seeds: Sequence[int]) -> tuple[list[float], Values | None]:
        """Return its values and its items for these seeds; a deterministic one has the same for all."""
        known = list(self.contender.values)
        places = [0 if self.contender.deterministic else known.index(seed) for seed in seeds]
        items = self.items if self.items is None or seeds == known else self.items[places]
        return [self.contender.values[known[place]] for place in places], items


def judged(contests: Sequence[Contest]) -> list[Verdict]:
    """Compare all pairs of models in all scores as one family (Holm, 95 %).

    The chance that any two models of equal quality are found to differ, anywhere in the family, is at most 5 %.
    This includes the best model, which is chosen by the same values, and marks never contradict ranks.
    """
    compared = [_differences(contest) for contest in contests]
    adjusted = iter(holm([_p(difference) for differences in compared for difference in differences.values()]))
    verdicts = []
    for contest, differences in zip(contests, compared, strict=True):
        better = np.zeros((len(contest.comparable),) * 2, dtype=bool)
        for (a, b), difference in differences.items():
            if next(adjusted) < 1 - LEVEL and difference is not None:
                better[(a, b) if difference.mean > 0 else (b, a)] = True
        seeds_only = any(len(each.variances) < 2 for each in differences.values() if each is not None)
        verdicts.append(replace(_verdict(contest, better), seeds_only=seeds_only))
    return verdicts


def _verdict(contest: Contest, better: NDArray[np.bool_]) -> Verdict:
    """Derive marks and ranks; `better[a, b]` says that a is significantly better than b."""
    comparable = contest.comparable
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


def _differences(contest: Contest) -> dict[tuple[int, int], PairedDifference | None]:
    """Compare each pair, more is better; None for a pair with fewer than two common seeds."""
    of_items = contest.better in ("up", "down")
    entries = [_Entry(contender, _items(contender) if of_items else None) for contender in contest.comparable]
    return {
        (i, j): _difference(entries[i], entries[j], contest.better)
        for i, j in combinations(range(len(entries)), 2)
    }


def _difference(a: _Entry, b: _Entry, better: str) -> PairedDifference | None:
    """Over seeds, and over test items too where both have them."""
    seeds = _common_seeds(a.contender, b.contender)
    if len(seeds) < 2:
        return None
    (values_a, items_a), (values_b, items_b) = a.at(seeds), b.at(seeds)
    if items_a is not None and items_b is not None and items_a.shape == items_b.shape:
        return paired_difference(items_a, items_b) if better == "up" else paired_difference(items_b, items_a)
    gains_a, gains_b = ([gain(value, better) for value in values] for values in (values_a, values_b))
    return paired_difference(gains_a, gains_b)


def _p(difference: PairedDifference | None) -> float:
    return math.nan if difference is None else difference.p_value


def _common_seeds(a: Contender, b: Contender) -> list[int]:
    if a.deterministic or b.deterministic:
        drawn = b if a.deterministic else a
        return [] if drawn.deterministic else list(drawn.values)
    return [seed for seed in a.values if seed in b.values]


def _items(contender: Contender) -> Values | None:
    rows = []
    for seed in contender.values:
        row = contender.items(seed)
        if row is None or row.ndim != 1 or not np.isfinite(row).all():
            return None
        rows.append(row)
    return np.stack(rows).astype(np.float64, copy=False) if len({row.shape for row in rows}) == 1 else None
