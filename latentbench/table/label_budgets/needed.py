"""How many labels each model needs to match a reference with so many: interpolated, seed by seed, and compared."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from itertools import combinations, pairwise
from typing import TYPE_CHECKING

from latentbench.score_rows import ScoreRow, grouped
from latentbench.statistics import holm, t_interval
from latentbench.table.baselines import LEVEL
from latentbench.table.columns import columns_of, possible_trials
from latentbench.table.label_budgets.curves import BudgetFamily, budget_families, shown_rows
from latentbench.table.pairing import Contender, Entry, difference

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from latentbench.table.scored_run import ScoredRun

__all__ = ["LabelContest", "LabelsNeeded", "label_contests", "labels_needed"]

TARGET = "ceiling"  # the reference whose accuracy is to be matched: the inputs themselves


@dataclass(frozen=True)
class LabelsNeeded:
    """How many labels one model needs to reach an accuracy.

    Attributes:
        label: its column.
        by_seed: seed -> labels; infinite where it needs more than the largest budget.
        deterministic: one value stands for all seeds.
    """

    label: str
    by_seed: Mapping[int, float]
    deterministic: bool = False

    @property
    def matched(self) -> bool:
        """Whether every seed gets there."""
        return all(map(math.isfinite, self.by_seed.values()))

    @property
    def comparable(self) -> bool:
        """Whether it gets there in every seed, and has seeds enough to be compared."""
        return self.matched and self.contender.comparable

    @property
    def interval(self) -> tuple[float, float, float]:
        """Geometric mean over seeds with its 95 % t-interval; the ends are NaN for a single value."""
        mean, low, high = t_interval([math.log10(labels) for labels in self.by_seed.values()])
        return 10**mean, 10**low, 10**high

    @property
    def contender(self) -> Contender:
        """The logarithms of the labels, to be compared over seeds."""
        logs = {seed: math.log10(labels) for seed, labels in self.by_seed.items()}
        return Contender(self.label, logs, _no_items, self.deterministic)


@dataclass(frozen=True)
class LabelContest:
    """One family of scores: what is to be matched, and who needs how many labels for that.

    Attributes:
        family: its scores.
        target: the reference, `budget` the labels that it has, `accuracy` what it reaches with them.
        models: of the models that may be compared, those that get there in every seed first, fewest labels first.
        tied: of these, the first and those that are not separable from it; empty where that was not tested.
        beyond: a larger budget with which nobody matches the reference, and its accuracy there.
    """

    family: BudgetFamily
    target: str
    budget: int
    accuracy: float
    models: tuple[LabelsNeeded, ...]
    tied: tuple[str, ...] = ()
    beyond: tuple[int, float] | None = None


def labels_needed(accuracies: Mapping[int, float], target: float) -> float:
    """Return with how many labels a model first reaches an accuracy, interpolated over the logarithm of labels.

    The smallest budget where that is enough; infinite where the largest is not.

    >>> round(labels_needed({10: 0.4, 100: 0.6, 1000: 0.8}, 0.7))
    316
    """
    points = sorted(accuracies.items())
    if points[0][1] >= target:
        return float(points[0][0])
    for (fewer, low), (more, high) in pairwise(points):
        if high >= target:
            return float(fewer * (more / fewer) ** ((target - low) / (high - low)))
    return math.inf


def label_contests(results: ScoredRun, dataset: str) -> list[LabelContest]:
    """Return for each family of scores how many labels the models need to match the reference without compression.

    To be matched is its accuracy with the largest budget that some model matches in every seed. Models that all do
    so are compared over seeds, all pairs of all families as one (Holm, 95 %). Nothing where the reference is
    missing, and where settings vary, as nothing is chosen on the test split.
    """
    rows = shown_rows(results, dataset)
    trials = possible_trials(results, dataset)
    models = {column.label for column in columns_of(rows, trials, every=False) if column.contends}
    if any(row.varied for row in rows if row.label in models):
        return []
    contests = [_contest(family, rows, models) for family in budget_families(rows)]
    return _judged([contest for contest in contests if contest is not None])


def _contest(family: BudgetFamily, rows: Sequence[ScoreRow], models: Set[str]) -> LabelContest | None:
    curves = {
        label: by_seed
        for label, block in grouped(rows, lambda row: row.label).items()
        if (by_seed := _accuracies(family, block))
    }
    reference = next((row.label for row in rows if row.reference == TARGET and row.label in curves), None)
    fixed = {row.label: row.deterministic for row in rows}
    several = [(label, by_seed, fixed[label]) for label, by_seed in curves.items() if label in models]
    if reference is None or not several:
        return None
    goals = sorted(_mean(curves[reference]).items(), reverse=True)
    needed = [sorted((_needed(*each, goal) for each in several), key=_place) for _, goal in goals]
    matched = [place for place, models in enumerate(needed) if models[0].matched]
    place = matched[0] if matched else len(goals) - 1
    return LabelContest(family, reference, *goals[place], tuple(needed[place]), beyond=goals[0] if place else None)


def _needed(
    label: str, curves: Mapping[int, Mapping[int, float]], deterministic: bool, goal: float
) -> LabelsNeeded:
    by_seed = {seed: labels_needed(curve, goal) for seed, curve in curves.items()}
    return LabelsNeeded(label, by_seed, deterministic)


def _accuracies(family: BudgetFamily, rows: Sequence[ScoreRow]) -> dict[int, dict[int, float]]:
    """Return seed -> number of labels -> accuracy, of the seeds that have all budgets."""
    places = {family.scores[budget]: budget for budget in family.budgets}
    by_seed: dict[int, dict[int, float]] = {}
    for row in rows:
        if row.score in places and row.has_value:
            by_seed.setdefault(row.seed, {})[places[row.score]] = float(row.value)
    return {seed: curve for seed, curve in by_seed.items() if len(curve) == len(places)}


def _mean(by_seed: Mapping[int, Mapping[int, float]]) -> dict[int, float]:
    curves = list(by_seed.values())
    return {budget: sum(curve[budget] for curve in curves) / len(curves) for budget in curves[0]}


def _place(needed: LabelsNeeded) -> tuple[bool, float]:
    return not needed.matched, needed.interval[0] if needed.matched else 0.0


def _judged(contests: Sequence[LabelContest]) -> list[LabelContest]:
    """Tell for each family which models are not separable from the one that needs fewest labels."""
    compared = [
        [each for each in contest.models if each.matched and each.contender.comparable] for contest in contests
    ]
    pairs = [(place, *pair) for place, models in enumerate(compared) for pair in combinations(models, 2)]
    differences = [difference(Entry(a.contender, None), Entry(b.contender, None), "down") for _, a, b in pairs]
    adjusted = holm([math.nan if each is None else each.p_value for each in differences])
    separable = {
        (place, frozenset((a.label, b.label)))
        for (place, a, b), p in zip(pairs, adjusted, strict=True)
        if p < 1 - LEVEL
    }
    return [
        _with_tied(contest, models, {pair for at, pair in separable if at == place})
        for place, (contest, models) in enumerate(zip(contests, compared, strict=True))
    ]


def _with_tied(
    contest: LabelContest, models: Sequence[LabelsNeeded], separable: Set[frozenset[str]]
) -> LabelContest:
    if len(models) < 2 or models[0] is not contest.models[0]:
        return contest
    first = models[0].label
    tied = tuple(each.label for each in models if frozenset((first, each.label)) not in separable)
    return replace(contest, tied=tied)


def _no_items(_seed: int) -> npt.NDArray[np.float64] | None:
    return None
