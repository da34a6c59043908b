"""Which models of a table can be told apart: stars, ties and rank intervals, for all its scores at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

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
    "gains",
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
        floor: what no learning gives; NaN where that is not known.
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
        seeds_only: the score has no values of single test items, so that another test set was not allowed for.
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
    found = [_differences(contest) for contest in contests]
    adjusted = iter(holm([_p(difference) for differences in found for difference in differences.values()]))
    verdicts = []
    for contest, differences in zip(contests, found, strict=True):
        better = np.zeros((len(contest.able),) * 2, dtype=bool)
        for (a, b), difference in differences.items():
            if next(adjusted) < 1 - LEVEL and difference is not None:
                better[(a, b) if difference.mean > 0 else (b, a)] = True
        seeds_only = any(len(one.variances) < 2 for one in differences.values() if one is not None)
        verdicts.append(replace(_verdict(contest, better), seeds_only=seeds_only))
    return verdicts


def gains(values: Sequence[float], better: str) -> Values:
    """More is better: as `Score.gain`, which would import torch.

    >>> gains([0.2, 0.9], "near:0.5")
    array([-0.3, -0.4])
    """
    array = np.asarray(values, dtype=np.float64)
    if better.startswith("near:"):
        return -np.abs(array - float(better.removeprefix("near:")))
    return -array if better == "down" else array


def _verdict(contest: Contest, better: NDArray[np.bool_]) -> Verdict:
    """Draw marks and ranks from who is better than whom."""
    able = contest.able
    if not able:
        return Verdict()
    ranks = {one.label: rank for one, rank in zip(able, rank_intervals(better), strict=True)}
    means = [float(gains(list(contender.values.values()), contest.better).mean()) for contender in able]
    best = int(np.argmax(means))
    if math.isfinite(contest.floor) and means[best] <= gains([contest.floor], contest.better)[0]:
        return Verdict({}, ranks, at_floor=True)
    tied = {one.label: TIED for place, one in enumerate(able) if not better[best, place]}
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
    return paired_difference(gains(values_a, better), gains(values_b, better))


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
