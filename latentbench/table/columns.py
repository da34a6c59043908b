"""The columns of a comparison: which models it shows, in which order, and how their trials ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence, Set
from typing import TYPE_CHECKING

from latentbench.score_rows import ScoreRow, grouped
from latentbench.table.comparison import Column
from latentbench.table.sweeps import sweeps
from latentbench.trial import UPPER_BOUND, Traits

if TYPE_CHECKING:
    from latentbench.table.scored_run import ScoredRun
    from latentbench.trial import Trial

__all__ = ["columns_of", "datasets", "hidden_settings", "labels", "possible_trials", "rows_without"]

BOUNDS = ("ceiling", UPPER_BOUND)  # reference kinds that stand last


def datasets(results: ScoredRun) -> list[str]:
    """Return the names of the data sets of a run, in its order."""
    return list(dict.fromkeys(trial.dataset for trial in results.trials))


def rows_without(results: ScoredRun, dataset: str, hidden: Set[str]) -> Sequence[ScoreRow]:
    """Return the rows on a data set, without those of the hidden settings; a large sweep hides nearly all."""
    shown = {trial.label for trial in results.trials if trial.dataset == dataset} - hidden
    return results.rows_of(dataset, shown)


def hidden_settings(results: ScoredRun, dataset: str) -> frozenset[str]:
    """Return the labels of the settings on a data set that no score chose."""
    return frozenset(label for sweep in sweeps(results) if sweep.dataset == dataset for label in sweep.hidden)


def labels(results: ScoredRun, dataset: str, every: bool = False) -> list[str]:
    """Return the columns that a comparison on `dataset` has, in their order."""
    hidden = frozenset[str]() if every else hidden_settings(results, dataset)
    rows = rows_without(results, dataset, hidden)
    shown = columns_of(rows, possible_trials(results, dataset), every)
    return [column.label for column in shown if column.label not in hidden]


def possible_trials(results: ScoredRun, dataset: str) -> list[Trial]:
    """Return the trials on this data set, without impossible configurations."""
    trials = [trial for trial in results.trials if trial.dataset == dataset]
    return [trial for trial in trials if trial.outcome is None or not trial.outcome.refused]


def columns_of(rows: Sequence[ScoreRow], trials: Sequence[Trial], every: bool) -> list[Column]:
    """Return the columns of one data set: yardsticks, contenders, bounds; floor models only with `every`."""
    by_label = grouped(rows, lambda row: row.label)
    counts = Counter(trial.label for trial in trials)
    ok = Counter(trial.label for trial in trials if trial.ok)
    traits = {trial.label: trial.traits for trial in trials}
    for label, block in by_label.items():  # of an impossible configuration there are rows alone
        traits.setdefault(label, Traits(block[0].reference, block[0].deterministic))
    models = {label: block[0].contender for label, block in by_label.items()}
    columns = [
        Column(
            label,
            declared.reference,
            declared.deterministic,
            _flags(by_label.get(label, [])),
            ok[label],
            counts[label],
            models.get(label, ""),
            together=declared.encoder == "none",
        )
        for label, declared in traits.items()
    ]
    shown = [column for column in columns if every or column.reference != "floor"] or columns
    return sorted(shown, key=lambda column: (column.reference in BOUNDS, not column.reference))


def _flags(rows: Sequence[ScoreRow]) -> Counter[str]:
    """Count the trials that carry each flag."""
    return Counter(flag for flag, _ in sorted({(flag, row.trial) for row in rows for flag in row.flags}))
