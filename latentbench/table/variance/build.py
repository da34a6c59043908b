"""From the scores of a run to the shares of their variance, for each data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING

from latentbench.errors import RequestError
from latentbench.score_rows import ScoreRow, grouped, purpose_place
from latentbench.table.build import check_purposes
from latentbench.table.columns import datasets
from latentbench.table.lines import ScoreLine, lines_of
from latentbench.table.variance.shares import Shares, variance_shares

if TYPE_CHECKING:
    from latentbench.table.scored_run import ScoredRun

__all__ = ["ScoreVariance", "VarianceTable", "variance_tables"]


@dataclass(frozen=True)
class ScoreVariance:
    """The variance of one score over all trials of the models that are compared.

    Attributes:
        line: the score, of one likelihood where models have several.
        purpose: of the score; `better` likewise.
        shares: of its variance.
    """

    line: ScoreLine
    purpose: str
    better: str
    shares: Shares


@dataclass(frozen=True)
class VarianceTable:
    """What the variance of scores on one data set is made of.

    Attributes:
        dataset: its name.
        methods: the models.
        settings: number of their settings.
        trials: number of trials that have a value in some score.
        missing: number of trials that have none.
        flagged: number of trials with values that are flagged as worthless; they count like others.
        uneven: settings differ in the number of their seeds, or methods in that of their settings.
        rows: one for each score.
        level: names of the scores in which no two trials differ.
    """

    dataset: str
    methods: tuple[str, ...]
    settings: int
    trials: int
    missing: int
    flagged: int
    uneven: bool
    rows: tuple[ScoreVariance, ...]
    level: tuple[str, ...] = ()


def variance_tables(results: ScoredRun, purposes: Sequence[str] = (), every: bool = False) -> list[VarianceTable]:
    """Analyze the variance of the scores of quality of a run, over the models that are compared.

    Args:
        results: of the run.
        purposes: scores of these purposes, and no others.
        every: all scores; without it headline ones, or those that the run was asked for by name.

    Raises:
        UnknownNameError: a purpose is unknown.
        RequestError: there are no two seeds of any setting, or one setting in all.
    """
    check_purposes(purposes)
    return [_table(results, dataset, purposes, every) for dataset in datasets(results)]


def _table(results: ScoredRun, dataset: str, purposes: Sequence[str], every: bool) -> VarianceTable:
    rows = [row for row in results.rows_of(dataset) if not row.reference and row.kind == "quality"]
    by_name = bool(results.request["scores"])
    shown = [row for row in rows if every or (row.purpose in purposes if purposes else by_name or row.headline)]
    valued = [row for row in shown if row.has_value]
    lines = lines_of(sorted(valued, key=lambda row: purpose_place(row.purpose)), results.per_likelihood)
    blocks = {line: line.own(block) for line, block in lines.items() if line.comparable}
    analyzed = [_of_score(dataset, line, block) for line, block in blocks.items()]
    if not analyzed:
        raise RequestError(f"--variance: no model on {dataset} has a score of quality to analyze")
    trials = {row.trial: row for row in valued}
    counts = {
        label: len({row.trial for row in block}) for label, block in grouped(valued, attrgetter("label")).items()
    }
    methods = grouped(valued, attrgetter("contender"))
    sizes = {len({row.label for row in block}) for block in methods.values()}
    return VarianceTable(
        dataset,
        tuple(methods),
        len(counts),
        len(trials),
        len({row.trial for row in rows} - set(trials)),
        sum(any(flag != "not converged" for flag in row.flags) for row in trials.values()),
        len(set(counts.values())) > 1 or len(sizes) > 1,
        tuple(each for each in analyzed if each.shares.deviation > 0),
        tuple(each.line.name for each in analyzed if not each.shares.deviation > 0),
    )


def _of_score(dataset: str, line: ScoreLine, rows: Sequence[ScoreRow]) -> ScoreVariance:
    by_method = {
        method: {label: [row.value for row in block] for label, block in grouped(of, attrgetter("label")).items()}
        for method, of in grouped(rows, attrgetter("contender")).items()
    }
    try:
        shares = variance_shares(by_method)
    except ValueError as error:
        raise RequestError(
            f"--variance: {line.name} on {dataset} cannot be analyzed, as {error}; run several settings (-p) with "
            "two seeds (--seeds 2) or more"
        ) from None
    return ScoreVariance(line, rows[0].purpose, rows[0].better, shares)
