"""Curves over label budgets: scores that differ in the number of labels alone, as `linear_probe_n100`."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from latentbench.score_rows import ScoreRow, grouped
from latentbench.table.columns import hidden_settings, rows_without
from latentbench.table.curves import Curve, Line, Point, estimated

if TYPE_CHECKING:
    from latentbench.table.scored_run import ScoredRun

__all__ = [
    "ALL",
    "AXIS",
    "BudgetFamily",
    "budget_families",
    "budgets_of",
    "items_scored",
    "label_curves",
    "shown_rows",
]

AXIS = "labels"
ALL = math.inf  # the place on a curve of the score that knows all labels
BUDGET = re.compile(r"(.+)_n([1-9][0-9]*)")
FEWEST_BUDGETS = 2  # one is no curve


@dataclass(frozen=True)
class BudgetFamily:
    """Scores that differ in the number of labels alone.

    Attributes:
        name: what their names have in common, as "linear_probe".
        scores: number of labels -> score, ascending; `ALL` is the last where a score with all labels was computed.
    """

    name: str
    scores: Mapping[float, str]

    @property
    def budgets(self) -> list[int]:
        """The numbers of labels, without `ALL`."""
        return [int(budget) for budget in self.scores if math.isfinite(budget)]


def budgets_of(scores: Iterable[str]) -> dict[str, list[int]]:
    """Return the numbers of labels of each family of scores, ascending.

    >>> budgets_of(["knn10", "knn10_n100", "knn10_n10", "r2"])
    {'knn10': [10, 100]}
    """
    families: dict[str, list[int]] = {}
    for found in filter(None, map(BUDGET.fullmatch, scores)):
        families.setdefault(found[1], []).append(int(found[2]))
    return {name: sorted(budgets) for name, budgets in families.items()}


def budget_families(rows: Iterable[ScoreRow]) -> list[BudgetFamily]:
    """Return the families of which several budgets have a value; all labels are those of the same name without.

    So `knn10` belongs to `knn10_n100`, and `linear_probe_accuracy` to `linear_probe_n100`.
    """
    scores = dict.fromkeys(row.score for row in rows if row.has_value and row.better == "up" and not row.unit)
    families = []
    for name, budgets in budgets_of(scores).items():
        every = [other for other in (name, f"{name}_accuracy") if other in scores]
        places: dict[float, str] = {budget: f"{name}_n{budget}" for budget in budgets}
        if len(budgets) >= FEWEST_BUDGETS:
            families.append(BudgetFamily(name, places | ({ALL: every[0]} if every else {})))
    return families


def shown_rows(results: ScoredRun, dataset: str) -> Sequence[ScoreRow]:
    """Return the rows of a data set but those of settings that no score chose."""
    return rows_without(results, dataset, hidden_settings(results, dataset))


def label_curves(results: ScoredRun, dataset: str) -> list[Curve]:
    """Return for each family of scores the accuracy of every model over the number of labels, on the test split.

    The last place of a curve may be `ALL`.
    """
    rows = shown_rows(results, dataset)
    return [_curve(family, rows) for family in budget_families(rows)]


def items_scored(results: ScoredRun, dataset: str) -> int:
    """Return the number of test items that the curves of a data set are of; 0 where there are none."""
    rows = shown_rows(results, dataset)
    scores = {score for family in budget_families(rows) for score in family.scores.values()}
    return max((row.n_eval for row in rows if row.score in scores and row.has_value), default=0)


def _curve(family: BudgetFamily, rows: Sequence[ScoreRow]) -> Curve:
    by_label = grouped([row for row in rows if row.score in family.scores.values()], lambda row: row.label)
    lines = [
        Line(label, block[0].model, block[0].reference, points)
        for label, block in by_label.items()
        if (points := tuple(_points(family, block)))
    ]
    first = next(iter(by_label.values()))[0]
    return Curve(AXIS, family.name, first.purpose, first.better, first.unit, tuple(lines))


def _points(family: BudgetFamily, rows: Sequence[ScoreRow]) -> Iterator[Point]:
    for budget, score in family.scores.items():
        measured = [row for row in rows if row.score == score and row.has_value]
        if measured:
            yield Point(budget, measured[0].label, estimated(measured))
