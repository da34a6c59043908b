"""The comparison of models on one data set, as numbers: the source of every printed table and of the page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from latentbench.choices.chosen import Chosen
from latentbench.scores import gain
from latentbench.statistics import average_ranks, critical_difference
from latentbench.table.baselines import Standing
from latentbench.table.conditions import RunConditions
from latentbench.table.lines import ScoreLine
from latentbench.table.significance import BEST, FEWEST_DATASETS

if TYPE_CHECKING:
    from latentbench.table.sweeps import Sweep

__all__ = ["AverageRanks", "Cell", "Column", "Comparison", "ComparisonRow", "Table", "averaged", "relative_row"]


@dataclass(frozen=True)
class Cell:
    """One model's result in one score.

    Attributes:
        mean: over seeds; NaN unless a value is there.
        low: lower end of the 95 % t-interval over seeds; NaN for fewer than two values.
        high: upper end.
        seeds: number of values.
        trials: number of trials that should have given one.
        status: "ok" (one value at least), "not applicable", "failed" or "missing".
        reason: why there is no value.
        mark: "*" best, "=" not separable from it, or empty.
        rank: the best and the worst rank that significance allows, or None.
    """

    mean: float = math.nan
    low: float = math.nan
    high: float = math.nan
    seeds: int = 0
    trials: int = 0
    status: str = "missing"
    reason: str = ""
    mark: str = ""
    rank: tuple[int, int] | None = None

    @property
    def half(self) -> float:
        """Half the length of the interval."""
        return (self.high - self.low) / 2


@dataclass(frozen=True)
class ComparisonRow:
    """One score, with a cell for each column of the comparison; NaN where it has no floor or ceiling.

    `at_floor`: nobody is starred, as the best mean does not beat the floor. `seeds_only`: significance covers
    seeds only, as the score has no per-item values. `items_only`: it covers test items only, as each model has one
    trial. `standings`: label -> where a model stands among the
    baselines; empty where that was not tested. `exceeded`: some model exceeds the ceiling, so that it is none.
    `likelihood`: that of the models which the row compares, where models have several; otherwise "".
    """

    score: str
    purpose: str
    better: str
    cells: tuple[Cell, ...]
    floor: float = math.nan
    ceiling: float = math.nan
    unit: str = ""
    kind: str = "quality"
    headline: bool = True
    description: str = ""
    items: float = math.nan
    at_floor: bool = False
    seeds_only: bool = False
    items_only: bool = False
    standings: Mapping[str, Standing] = field(default_factory=dict)
    exceeded: bool = False
    likelihood: str = ""

    @property
    def name(self) -> str:
        """The score, and the likelihood that it is of, as "elbo, bernoulli"."""
        return ScoreLine(self.score, self.likelihood).name

    @property
    def starred(self) -> bool:
        """Whether some model is marked as the best."""
        return any(cell.mark == BEST for cell in self.cells)

    @property
    def measured(self) -> bool:
        """Whether floor and ceiling are known and differ, and no model exceeds the ceiling."""
        length = self.ceiling - self.floor
        return math.isfinite(length) and length != 0 and not self.exceeded


@dataclass(frozen=True)
class Column:
    """One column: its heading, its model, how its trials ended; flag -> number of trials that carry it.

    `model` is the one among whose settings one is chosen (`ScoreRow.contender`). `together`: codes are computed
    jointly for all test items, so that its scores say nothing about other items: they are shown, not compared.
    """

    label: str
    reference: str = ""
    deterministic: bool = False
    flags: Mapping[str, int] = field(default_factory=dict)
    ok: int = 0
    trials: int = 0
    model: str = ""
    together: bool = False

    @property
    def contends(self) -> bool:
        """Whether it may be starred."""
        return not (self.reference or self.flags or self.together)


@dataclass(frozen=True)
class Comparison:
    """All columns and rows of one data set, and what they have in common.

    Attributes:
        dataset: its name.
        columns: references first, then contenders, ceilings last.
        rows: ordered by purpose.
        budget: parts of the heading, as "standardized", "d=16", "4 epochs" and the likelihood.
        seeds: the largest number of values that any contender has whose seeds differ; 0 where there is none.
        ok: number of trials that went well.
        trials: number of trials.
        environments: number of different environments that the values come from.
        omitted: scores that a relative table cannot show: they lack a floor or a ceiling.
        beyond: scores that it cannot show as some model exceeds the ceiling.
        hidden: number of settings left out because they were not chosen on the validation split.
        swept: some model has several settings, and the choice between them is not read from these values.
        empty: scores left out because they are not applicable to any column, by their reason.
        conditions: the conditions under which its costs were measured.
        chosen: the settings that were chosen on the validation split before the trials of the table were run.
        few_labels: sentences on how many labels the models need, where scores of label budgets are among the rows.
    """

    dataset: str
    columns: tuple[Column, ...]
    rows: tuple[ComparisonRow, ...]
    budget: tuple[str, ...] = ()
    seeds: int = 0
    ok: int = 0
    trials: int = 0
    environments: int = 1
    omitted: tuple[str, ...] = ()
    beyond: tuple[str, ...] = ()
    hidden: int = 0
    swept: bool = False
    empty: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    conditions: RunConditions = field(default_factory=RunConditions)
    few_labels: tuple[str, ...] = ()
    chosen: tuple[Chosen, ...] = ()


@dataclass(frozen=True)
class AverageRanks:
    """One headline score over all data sets on which every contender has a value.

    Attributes:
        purpose: of the score; `score`, `better` and `likelihood` likewise.
        datasets: number of these data sets.
        ranks: label -> average rank; empty with too few data sets.
        critical: the difference from which two average ranks are significant; NaN with too few data sets.
    """

    purpose: str
    score: str
    better: str
    datasets: int
    ranks: Mapping[str, float] = field(default_factory=dict)
    critical: float = math.nan
    likelihood: str = ""


@dataclass(frozen=True)
class Table:
    """The comparisons of a run, one for each data set.

    Attributes:
        title: of the run.
        comparisons: one for each data set.
        relative: values are (value - floor) / (ceiling - floor).
        failures: one sentence for each trial that failed.
        ranks: ranks are shown instead of values.
        averages: of the ranks, one for each headline score; empty unless ranks are shown.
        sweeps: curves and choices, one for each data set on which settings varied.
        purposes: the purposes whose scores are shown; empty for the headline scores.
    """

    title: str
    comparisons: tuple[Comparison, ...]
    relative: bool = False
    failures: Sequence[str] = ()
    ranks: bool = False
    averages: tuple[AverageRanks, ...] = ()
    sweeps: tuple[Sweep, ...] = ()
    purposes: tuple[str, ...] = ()


def averaged(comparisons: Sequence[Comparison]) -> tuple[AverageRanks, ...]:
    """Rank the models on each data set by their means, score by score: never over scores.

    Costs of trials that ran under unequal conditions have no rank.
    """
    rows: dict[str, list[tuple[Comparison, ComparisonRow]]] = {}
    for comparison in comparisons:
        for row in comparison.rows:
            unequal = row.kind == "cost" and comparison.conditions.mixed
            if row.headline and row.better != "none" and not unequal:
                rows.setdefault(row.name, []).append((comparison, row))
    averages = {name: _average(pairs) for name, pairs in rows.items()}
    return tuple(
        replace(average, likelihood=rows[name][0][1].likelihood)
        for name, average in averages.items()
        if average is not None
    )


def _average(rows: Sequence[tuple[Comparison, ComparisonRow]]) -> AverageRanks | None:
    """Return the average ranks in one score, or None where there is only one model."""
    row = rows[0][1]
    means = [
        {
            column.label: gain(cell.mean, row.better)
            for column, cell in zip(comparison.columns, row_there.cells, strict=True)
            if column.contends and math.isfinite(cell.mean)
        }
        for comparison, row_there in rows
    ]
    labels = list(dict.fromkeys(label for on_dataset in means for label in on_dataset))
    table = [[on_dataset[label] for label in labels] for on_dataset in means if on_dataset.keys() == set(labels)]
    if len(labels) < 2:
        return None
    if len(table) < FEWEST_DATASETS:
        return AverageRanks(row.purpose, row.score, row.better, len(table))
    ranks = dict(zip(labels, average_ranks(table).tolist(), strict=True))
    critical = critical_difference(len(labels), len(table))
    return AverageRanks(row.purpose, row.score, row.better, len(table), ranks, critical)


def relative_row(row: ComparisonRow) -> ComparisonRow | None:
    """Return `row` with 0 at its floor and 1 at its ceiling, or None where one is missing or exceeded.

    >>> relative_row(ComparisonRow("mse", "keep", "down", (Cell(0.3, 0.2, 0.4),), floor=0.5, ceiling=0.0)).cells[0]
    Cell(mean=0.4, low=0.19..., high=0.6, seeds=0, trials=0, status='missing', reason='', mark='', rank=None)
    """
    length = row.ceiling - row.floor
    if not row.measured:
        return None

    def scaled(value: float) -> float:
        return (value - row.floor) / length

    cells = []
    for cell in row.cells:
        ends = (scaled(cell.low), scaled(cell.high))
        low, high = ends if length > 0 else ends[::-1]
        cells.append(replace(cell, mean=scaled(cell.mean), low=low, high=high))
    better = "none" if row.better == "none" else "up"
    if row.better.startswith("near:"):
        better = f"near:{scaled(float(row.better.removeprefix('near:'))):g}"
    return replace(row, cells=tuple(cells), floor=0.0, ceiling=1.0, unit="", better=better)
