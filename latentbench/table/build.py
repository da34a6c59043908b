"""From a run's scores to comparisons, one for each data set."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from latentbench.errors import RequestError, UnknownNameError, near_matches
from latentbench.score_rows import ScoreRow, grouped, purpose_place
from latentbench.scores import PURPOSES
from latentbench.statistics import t_interval
from latentbench.table.columns import columns_of, datasets, possible_trials, rows_without
from latentbench.table.comparison import (
    Cell,
    Column,
    Comparison,
    ComparisonRow,
    Table,
    averaged,
    relative_row,
)
from latentbench.table.conditions import RunConditions, run_conditions
from latentbench.table.contests import contender, with_baselines
from latentbench.table.label_budgets.curves import budgets_of
from latentbench.table.label_budgets.words import label_reading
from latentbench.table.lines import ScoreLine, exceeded, lines_of
from latentbench.table.significance import Contest, Verdict, judged
from latentbench.table.sweeps import Sweep, sweeps
from latentbench.trial import NOT_RUN

if TYPE_CHECKING:
    from latentbench.table.scored_run import ScoredRun

__all__ = ["check_purposes", "comparison_table"]

FAILED = ("failed", "diverged", "timeout")
COSTS = (
    "train_seconds",
    "images_per_second",
    "peak_memory_bytes",
)  # shown before other costs


def comparison_table(
    results: ScoredRun,
    purposes: Sequence[str] = (),
    every: bool = False,
    relative: bool = False,
    ranks: bool = False,
    most_columns: float = math.inf,
) -> Table:
    """Compare the models of a run, for each data set.

    Args:
        results: of the run.
        purposes: show all scores of these purposes, and no others.
        every: show all scores, and the reference models that feed the floor. Without it headline scores are shown,
            or those that the run was asked for by name.
        relative: show (value - floor) / (ceiling - floor).
        ranks: show ranks instead of values.
        most_columns: on data sets with more settings than this, those that no score chose are left out though
            `every` is given.

    Raises:
        UnknownNameError: a purpose is unknown.
        RequestError: both `relative` and `ranks`.
    """
    if relative and ranks:
        raise RequestError("ranks are the same relative to floor and ceiling: choose --ranks or --relative")
    check_purposes(purposes)
    swept = {sweep.dataset: sweep for sweep in sweeps(results)}
    comparisons = [
        _comparison(results, dataset, purposes, every, swept.get(dataset), most_columns)
        for dataset in datasets(results)
    ]
    if relative:
        comparisons = [_relative(comparison) for comparison in comparisons]
    averages = averaged(comparisons) if ranks else ()
    along = () if every or relative or ranks else tuple(sweeps(results, purposes))
    return Table(
        results.title, tuple(comparisons), relative, _failures(results), ranks, averages, along, tuple(purposes)
    )


def _failures(results: ScoredRun) -> tuple[str, ...]:
    """Return one sentence for all seeds that failed in the same way; trials that have not run are not failures."""
    seeds: dict[tuple[str, str, str, str], list[str]] = {}
    for trial in results.trials:
        outcome = trial.outcome
        if outcome is not None and outcome.status != "ok" and not outcome.refused and outcome.error != NOT_RUN:
            failure = trial.label, trial.dataset, outcome.status, outcome.message
            seeds.setdefault(failure, []).append(str(trial.seed))
    return tuple(
        f"{label} on {dataset}, seed{'s' * (len(failed) > 1)} {', '.join(failed)} {status}: {message}"
        for (label, dataset, status, message), failed in seeds.items()
    )


def check_purposes(purposes: Sequence[str]) -> None:
    """Check that all of `purposes` are known.

    Raises:
        UnknownNameError: one is not; the error names near matches.
    """
    for purpose in purposes:
        if purpose not in PURPOSES:
            hint = near_matches(purpose, PURPOSES) or f"; choose from {', '.join(PURPOSES)}"
            raise UnknownNameError(f"no purpose {purpose!r}{hint}")


def _comparison(
    results: ScoredRun,
    dataset: str,
    purposes: Sequence[str],
    every: bool,
    sweep: Sweep | None,
    most_columns: float,
) -> Comparison:
    trials = possible_trials(results, dataset)
    shows_all = every and len({trial.label for trial in trials}) <= most_columns
    hidden = frozenset[str]() if shows_all or sweep is None else sweep.hidden
    rows = rows_without(results, dataset, hidden)
    columns = [column for column in columns_of(rows, trials, every) if column.label not in hidden]
    by_line = lines_of(rows, results.per_likelihood)
    shown = _shown_lines(by_line, purposes, every, bool(results.request["scores"]))
    conditions = _conditions(rows, columns)
    verdicts = _verdicts(_contests(by_line, columns, sweep, results), by_line, shown, conditions)
    compared = [
        replace(_comparison_row(by_line[line], columns, verdicts[line]), likelihood=line.likelihood)
        for line in shown
    ]
    applicable, empty = _split_applicable(compared)
    contenders = _contenders(rows)
    return Comparison(
        dataset,
        tuple(columns),
        tuple(sorted(applicable, key=_order)),
        (
            *dict.fromkeys(trial.preparation for trial in trials if trial.preparation),
            *_budget(contenders, {trial.label for trial in trials if not trial.traits.steps}),
        ),
        _most_seeds([row for row in contenders if not row.deterministic]),
        sum(trial.ok for trial in trials),
        len(trials),
        len({row.environment for row in rows if row.has_value}),
        hidden=len(hidden),
        swept=sweep is not None,
        empty=empty,
        conditions=conditions,
        chosen=tuple(choice for choice in results.chosen if choice.dataset == dataset),
        few_labels=label_reading(results, dataset) if budgets_of(line.score for line in shown) else (),
    )


def _shown_lines(
    by_line: Mapping[ScoreLine, Sequence[ScoreRow]], purposes: Sequence[str], every: bool, by_name: bool
) -> list[ScoreLine]:
    """Return the lines that are shown: all where `by_name`, as the run was asked for them by name."""
    firsts = {line: rows[0] for line, rows in by_line.items()}
    return [
        line
        for line, row in firsts.items()
        if every or (row.purpose in purposes if purposes else by_name or row.headline)
    ]


def _contests(
    by_line: Mapping[ScoreLine, Sequence[ScoreRow]],
    columns: Sequence[Column],
    sweep: Sweep | None,
    results: ScoredRun,
) -> dict[ScoreLine, Contest]:
    tried: dict[ScoreLine, dict[str, int]] = {}
    for choice in sweep.choices if sweep is not None else ():
        tried.setdefault(choice.line, {})[choice.label] = choice.tried
    return {
        line: _contest(
            rows, [column for column in columns if _contends(column, line, sweep)], results, tried.get(line, {})
        )
        for line, rows in by_line.items()
    }


def _verdicts(
    contests: Mapping[ScoreLine, Contest],
    by_line: Mapping[ScoreLine, Sequence[ScoreRow]],
    shown: Sequence[ScoreLine],
    conditions: RunConditions,
) -> dict[ScoreLine, Verdict]:
    """Judge the headline scores of quality as one family, and every other score that is shown by itself.

    So the load of a machine changes no mark of quality. Costs under unequal conditions are not judged at all. All
    lines of one score are one family.
    """
    costs = {line for line, rows in by_line.items() if rows[0].kind == "cost"}
    families: dict[str, list[ScoreLine]] = {"": [*_headlines(by_line, costs)]}
    for line in shown:
        if line not in families[""]:
            families.setdefault(line.score, []).append(line)
    verdicts: dict[ScoreLine, Verdict] = {}
    for lines in families.values():
        unequal = conditions.mixed and any(line in costs for line in lines)
        outcomes = [Verdict()] * len(lines) if unequal else judged([contests[line] for line in lines])
        verdicts |= dict(zip(lines, outcomes, strict=True))
    return verdicts


def _headlines(by_line: Mapping[ScoreLine, Sequence[ScoreRow]], costs: Set[ScoreLine]) -> Iterator[ScoreLine]:
    return (line for line, rows in by_line.items() if rows[0].headline and line not in costs)


def _conditions(rows: Sequence[ScoreRow], columns: Sequence[Column]) -> RunConditions:
    costs: dict[str, list[ScoreRow]] = {column.label: [] for column in columns}
    for row in rows:
        if row.kind == "cost" and row.label in costs and row.has_value:
            costs[row.label].append(row)
    return run_conditions(costs, [column.label for column in columns if not column.reference])


def _split_applicable(rows: Sequence[ComparisonRow]) -> tuple[list[ComparisonRow], dict[str, tuple[str, ...]]]:
    """Split off the rows that are not applicable to any column; keep all where nothing else would be left.

    Returns:
        The other rows, and reason -> the scores that are split off.
    """
    applicable = [row for row in rows if not all(cell.status == "not applicable" for cell in row.cells)]
    if not applicable:
        return list(rows), {}
    empty: dict[str, tuple[str, ...]] = {}
    for row in rows:
        if row not in applicable:
            reason = next(cell.reason for cell in row.cells)
            empty[reason] = (*empty.get(reason, ()), row.name)
    return applicable, empty


def _contends(column: Column, line: ScoreLine, sweep: Sweep | None) -> bool:
    """Whether a column takes part in a line: of a model with several settings only the one that it chose."""
    if sweep is None or not line.comparable:
        return line.comparable
    chosen = {choice.label for choice in sweep.choices if choice.line == line}
    several = {choice.model for choice in sweep.choices}
    return column.label in chosen or column.model not in several


def _order(row: ComparisonRow) -> tuple[int, bool, int]:
    place = COSTS.index(row.score) if row.score in COSTS else len(COSTS)
    return purpose_place(row.purpose), not row.headline, place


def _contest(
    rows: Sequence[ScoreRow], columns: Sequence[Column], results: ScoredRun, tried: Mapping[str, int]
) -> Contest:
    by_label = grouped(rows, lambda row: row.label)
    contenders = {
        column.label: replace(
            contender(column.label, by_label.get(column.label, []), results.items, column.deterministic),
            tried=tried.get(column.label, 1),
        )
        for column in columns
        if column.contends
    }
    judged_against = rows if rows[0].kind == "quality" else ()
    models = with_baselines(contenders, judged_against, results.items)
    return Contest(models, rows[0].better, _common({row.floor for row in _contenders(rows)}))


def _comparison_row(rows: Sequence[ScoreRow], columns: Sequence[Column], verdict: Verdict) -> ComparisonRow:
    by_label = grouped(rows, lambda row: row.label)
    first = rows[0]
    cells = [
        replace(
            _cell(by_label.get(column.label, []), column.trials),
            mark=verdict.marks.get(column.label, ""),
            rank=verdict.ranks.get(column.label),
        )
        for column in columns
    ]
    return ComparisonRow(
        first.score,
        first.purpose,
        first.better,
        tuple(cells),
        _common({row.floor for row in _contenders(rows)}),
        _common({row.ceiling for row in _contenders(rows)}),
        first.unit,
        first.kind,
        first.headline,
        first.description,
        max((row.n_eval for row in rows if row.n_eval > 0), default=math.nan),
        verdict.at_floor,
        verdict.seeds_only,
        verdict.items_only,
        verdict.standings,
        exceeded(rows),
    )


def _cell(rows: Sequence[ScoreRow], trials: int) -> Cell:
    values = [row.value for row in rows if row.has_value]
    trials = max(trials, len(rows))
    if values:
        if not np.isfinite(values).all():
            return Cell(float(np.mean(values)), seeds=len(values), trials=trials, status="ok")
        return Cell(*t_interval(values), seeds=len(values), trials=trials, status="ok")
    for status, statuses in (("failed", FAILED), ("not applicable", ("not applicable",))):
        reason = next((row.reason for row in rows if row.status in statuses), None)
        if reason is not None:
            return Cell(trials=trials, status=status, reason=reason)
    return Cell(trials=trials)


def _relative(comparison: Comparison) -> Comparison:
    scaled = {row.name: relative_row(row) for row in comparison.rows}
    beyond = tuple(row.name for row in comparison.rows if row.exceeded)
    omitted = tuple(name for name, row in scaled.items() if row is None and name not in beyond)
    shown = tuple(row for row in scaled.values() if row is not None)
    return replace(comparison, rows=shown, omitted=omitted, beyond=beyond)


def _budget(rows: Sequence[ScoreRow], stepless: Set[str]) -> tuple[str, ...]:
    """Return the parts of the heading about the contenders; epochs only of those that take steps."""
    dims = sorted({int(row.latent_dim) for row in rows if row.latent_dim > 0})
    epochs = sorted({row.epochs for row in rows if row.label not in stepless and row.epochs > 0})
    limits = {limit for row in rows if (limit := row.budget.train_limit) is not None}
    likelihoods = dict.fromkeys(row.likelihood for row in rows if row.likelihood)
    parts = [f"d={','.join(map(str, dims))}"] if dims else []
    parts += [f"{','.join(map(str, epochs))} epoch{'s' * (epochs != [1])}"] if epochs else []
    parts += [f"{limit} training items" for limit in sorted(limits)]
    return (*parts, *([" / ".join(likelihoods)] if likelihoods else []))


def _most_seeds(rows: Sequence[ScoreRow]) -> int:
    seeds: dict[tuple[str, str], set[int]] = {}
    for row in rows:
        if row.has_value:
            seeds.setdefault((row.label, row.score), set()).add(row.seed)
    return max(map(len, seeds.values()), default=0)


def _contenders(rows: Sequence[ScoreRow]) -> Sequence[ScoreRow]:
    """Return the rows of models that are compared; all rows where there are only references."""
    return [row for row in rows if not row.reference] or rows


def _common(values: Set[float]) -> float:
    """Return the one finite number among some floors or ceilings; NaN where they differ with what was varied."""
    finite = {value for value in values if math.isfinite(value)}
    return finite.pop() if len(finite) == 1 else math.nan
