"""Which models of a table can be told apart: stars, ties and rank intervals, for all its scores at once."""

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
        """Whether there are values enough to compare."""
        return bool(self.values) if self.deterministic else len(self.values) >= FEWEST_SEEDS


@dataclass(frozen=True)
class Contest:
    """One score, and who is compared in it.

    Attributes:
        contenders: all models that may be marked.
        better: "up", "down", "near:v" or "none".
        floor: the score of an untrained baseline; NaN where that is not known.
    """

    contenders: Sequence[Contender]
    better: str
    floor: float = math.nan

    @property
    def able(self) -> list[Contender]:
        """Who can be compared: nobody without a better direction, a rival or a drawn seed."""
        able = [contender for contender in self.contenders if contender.comparable]
        drawn = any(not contender.deterministic for contender in able)
        return able if self.better != "none" and len(able) > 1 and drawn else []


@dataclass(frozen=True)
class Verdict:
    """What can be said about one score; empty where there was nothing to compare.

    Attributes:
        marks: label -> "*" for the best mean, "=" for what cannot be told from it.
        ranks: label -> the best and the worst rank left open.
        at_floor: nobody is marked, as the best mean is no better than the floor.
        seeds_only: significance covers seeds only, as the score has no per-item values.
    """

    marks: Mapping[str, str] = field(default_factory=dict)
    ranks: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    at_floor: bool = False
    seeds_only: bool = False


@dataclass(frozen=True)
class _Entry:
    """A contender with its items, read once: those of all its seeds `(S, n)`, or None where some are of no use."""

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

    The chance that any two models of equal quality are told apart, anywhere in it, is at most 5 %. So it holds for
    the best model too, which is chosen by the same values, and marks and ranks never contradict each other.
    """
    compared = [_differences(contest) for contest in contests]
    adjusted = iter(holm([_p(difference) for differences in compared for difference in differences.values()]))
    verdicts = []
    for contest, differences in zip(contests, compared, strict=True):
        better = np.zeros((len(contest.able),) * 2, dtype=bool)
        for (a, b), difference in differences.items():
            if next(adjusted) < 1 - LEVEL and difference is not None:
                better[(a, b) if difference.mean > 0 else (b, a)] = True
        seeds_only = any(len(each.variances) < 2 for each in differences.values() if each is not None)
        verdicts.append(replace(_verdict(contest, better), seeds_only=seeds_only))
    return verdicts


def _verdict(contest: Contest, better: NDArray[np.bool_]) -> Verdict:
    """Draw marks and ranks from who is better than whom."""
    able = contest.able
    if not able:
        return Verdict()
    ranks = {contender.label: rank for contender, rank in zip(able, rank_intervals(better), strict=True)}
    means = [
        float(np.mean([gain(value, contest.better) for value in contender.values.values()])) for contender in able
    ]
    best = int(np.argmax(means))
    if math.isfinite(contest.floor) and means[best] <= gain(contest.floor, contest.better):
        return Verdict({}, ranks, at_floor=True)
    tied = {contender.label: TIED for place, contender in enumerate(able) if not better[best, place]}
    return Verdict(tied | {able[best].label: BEST}, ranks)


def _differences(contest: Contest) -> dict[tuple[int, int], PairedDifference | None]:
    """Compare each pair, more is better; None where nothing could tell them apart."""
    of_items = contest.better in ("up", "down")
    entries = [_Entry(contender, _items(contender) if of_items else None) for contender in contest.able]
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
