"""From the tidy frame of scores to comparisons."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from latentbench.errors import RequestError, UnknownNameError, near_matches
from latentbench.report.table.comparison import (
    Cell,
    Column,
    Comparison,
    Row,
    Table,
    averaged,
    relative_row,
)
from latentbench.report.table.conditions import Circumstances, circumstances
from latentbench.report.table.significance import Contender, Contest, Verdict, judged
from latentbench.report.table.sweeps import Sweep, sweeps
from latentbench.scores import PURPOSES
from latentbench.statistics import t_interval
from latentbench.trial import NOT_RUN, Traits

if TYPE_CHECKING:
    from latentbench.results import Results
    from latentbench.trial import Trial

__all__ = ["check_purposes", "comparison_table", "datasets", "labels", "succeeded"]

FAILED = ("failed", "diverged", "timeout")
COSTS = ("train_seconds", "images_per_second", "peak_memory_bytes")  # as trials record them; first among costs

Record = Mapping[str, Any]


def comparison_table(
    results: Results,
    purposes: Sequence[str] = (),
    every: bool = False,
    relative: bool = False,
    ranks: bool = False,
) -> Table:
    """Compare the models of a run, for each data set.

    Args:
        results: of the run.
        purposes: show all scores of these purposes, and no others.
        every: show all scores, and the reference models that feed the floor. Without it headline scores are shown,
            or those that the run was asked for by name.
        relative: show (value - floor) / (ceiling - floor).
        ranks: show ranks instead of values.

    Raises:
        UnknownNameError: there is no such purpose.
        RequestError: both `relative` and `ranks`.
    """
    if relative and ranks:
        raise RequestError("ranks are the same relative to floor and ceiling: choose --ranks or --relative")
    check_purposes(purposes)
    swept = {sweep.dataset: sweep for sweep in sweeps(results)}
    comparisons = [
        _comparison(results, dataset, purposes, every, swept.get(dataset)) for dataset in datasets(results)
    ]
    if relative:
        comparisons = [_relative(comparison) for comparison in comparisons]
    averages = averaged(comparisons) if ranks else ()
    along = () if every or relative or ranks else tuple(sweeps(results, purposes))
    return Table(
        results.title, tuple(comparisons), relative, _failures(results), ranks, averages, along, tuple(purposes)
    )


def _failures(results: Results) -> tuple[str, ...]:
    """One sentence for all seeds that failed in the same way; what has not run yet has not failed."""
    seeds: dict[tuple[str, str, str, str], list[str]] = {}
    for trial in results.trials:
        outcome = trial.outcome
        if outcome is not None and outcome.status != "ok" and not outcome.refused and outcome.error != NOT_RUN:
            told = trial.label, trial.dataset, outcome.status, outcome.message
            seeds.setdefault(told, []).append(str(trial.seed))
    return tuple(
        f"{label} on {dataset}, seed{'s' * (len(which) > 1)} {', '.join(which)} {status}: {message}"
        for (label, dataset, status, message), which in seeds.items()
    )


def check_purposes(purposes: Sequence[str]) -> None:
    """Raise for a purpose that there is not.

    Raises:
        UnknownNameError: with near matches.
    """
    for purpose in purposes:
        if purpose not in PURPOSES:
            hint = near_matches(purpose, PURPOSES) or f"; choose from {', '.join(PURPOSES)}"
            raise UnknownNameError(f"no purpose {purpose!r}{hint}")


def datasets(results: Results) -> list[str]:
    """Return the names of the data sets of a run, in its order."""
    named = [*results.scores["dataset"], *(trial.dataset for trial in results.trials)]
    return list(dict.fromkeys(map(str, named)))


def _asked(results: Results, dataset: str) -> list[Trial]:
    """Return the trials on a data set that could be: not those of a model that there cannot be."""
    here = [trial for trial in results.trials if trial.dataset == dataset]
    return [trial for trial in here if trial.outcome is None or not trial.outcome.refused]


def succeeded(trial: Trial) -> bool:
    """Whether a trial was run and went well."""
    return trial.outcome is not None and trial.outcome.status == "ok"


def labels(results: Results, dataset: str, every: bool = False) -> list[str]:
    """Return the columns that a comparison on `dataset` has, in their order."""
    hidden = {label for sweep in sweeps(results) if sweep.dataset == dataset for label in sweep.hidden}
    columns = _columns(_records(results, dataset), results, dataset, every)
    return [column.label for column in columns if every or column.label not in hidden]


def _records(results: Results, dataset: str) -> list[Record]:
    frame = results.scores
    rows = frame[frame["dataset"] == dataset].to_dict("records")
    return [{str(key): value for key, value in row.items()} for row in rows]


def _comparison(
    results: Results, dataset: str, purposes: Sequence[str], every: bool, sweep: Sweep | None
) -> Comparison:
    hidden = frozenset[str]() if every or sweep is None else sweep.hidden
    records = [record for record in _records(results, dataset) if record["label"] not in hidden]
    columns = [column for column in _columns(records, results, dataset, every) if column.label not in hidden]
    groups: dict[str, dict[str, list[Record]]] = {}
    for record in records:
        groups.setdefault(str(record["score"]), {}).setdefault(str(record["label"]), []).append(record)
    firsts = {score: next(iter(by_label.values()))[0] for score, by_label in groups.items()}
    asked = bool(results.request["scores"])  # by name: then there are no others
    shown = {
        score: groups[score]
        for score, first in firsts.items()
        if every or (first["purpose"] in purposes if purposes else asked or first["headline"])
    }
    here = _circumstances(records, columns)
    rivals = {score: [column for column in columns if _contends(column, score, sweep)] for score in groups}
    contests = {score: _contest(score, by_label, rivals[score], results) for score, by_label in groups.items()}
    verdicts = _verdicts(contests, shown.keys(), firsts, here)
    rows, empty = _parted([_row(score, by_label, columns, verdicts[score]) for score, by_label in shown.items()])
    contenders = [record for record in records if not record["reference"]] or records
    trials = _asked(results, dataset)
    return Comparison(
        dataset,
        tuple(columns),
        tuple(sorted(rows, key=_order)),
        _budget(contenders, {str(trial.label) for trial in trials if not trial.traits.steps}),
        _most_seeds(contenders),
        sum(map(succeeded, trials)),
        len(trials),
        len({_text(record["environment"]) for record in records if _has_value(record)}),
        hidden=len(hidden),
        swept=sweep is not None,
        empty=empty,
        circumstances=here,
    )


def _verdicts(
    contests: Mapping[str, Contest], shown: Set[str], firsts: Mapping[str, Record], here: Circumstances
) -> dict[str, Verdict]:
    """Judge the headline scores of quality as one family, and every other score that is shown by itself.

    So how busy a machine was changes no mark of quality; costs under unequal conditions are not judged at all.
    """
    costs = {score for score, first in firsts.items() if first["kind"] == "cost"}
    family = [score for score, first in firsts.items() if first["headline"] and score not in costs]
    verdicts = dict(zip(family, judged([contests[score] for score in family]), strict=True))
    for score in shown - verdicts.keys():
        unequal = score in costs and here.mixed
        verdicts[score] = Verdict() if unequal else judged([contests[score]])[0]
    return verdicts


def _circumstances(records: Sequence[Record], columns: Sequence[Column]) -> Circumstances:
    costs: dict[str, list[Record]] = {column.label: [] for column in columns}
    for record in records:
        if record["kind"] == "cost" and record["label"] in costs and _has_value(record):
            costs[str(record["label"])].append(record)
    return circumstances(costs, [column.label for column in columns if not column.reference])


def _parted(rows: Sequence[Row]) -> tuple[list[Row], dict[str, tuple[str, ...]]]:
    """Part from the rows those that are applicable to no column; keep all where nothing else would be left."""
    told = [row for row in rows if not all(cell.status == "not applicable" for cell in row.cells)]
    if not told:
        return list(rows), {}
    empty: dict[str, tuple[str, ...]] = {}
    for row in rows:
        if row not in told:
            reason = next(cell.reason for cell in row.cells)
            empty[reason] = (*empty.get(reason, ()), row.score)
    return told, empty


def _contends(column: Column, score: str, sweep: Sweep | None) -> bool:
    """Whether a column takes part in a score: of a model with several settings only the one that it chose."""
    if sweep is None:
        return True
    chosen = {choice.label for choice in sweep.choices if choice.score == score}
    several = {choice.model for choice in sweep.choices}
    return column.label in chosen or column.model not in several


def _order(row: Row) -> tuple[int, bool, int]:
    purpose = PURPOSES.index(row.purpose) if row.purpose in PURPOSES else len(PURPOSES)
    return purpose, not row.headline, COSTS.index(row.score) if row.score in COSTS else len(COSTS)


def _columns(records: Sequence[Record], results: Results, dataset: str, every: bool) -> list[Column]:
    trials = _asked(results, dataset)
    asked = Counter(str(trial.label) for trial in trials)
    ok = Counter(str(trial.label) for trial in trials if succeeded(trial))
    by_label: dict[str, list[Record]] = {}
    for record in records:
        by_label.setdefault(str(record["label"]), []).append(record)
    traits: dict[str, Traits] = {str(trial.label): trial.traits for trial in trials}
    together = {str(trial.label) for trial in trials if trial.traits.encoder == "none"}
    traits |= {
        label: Traits(str(own[0]["reference"]), bool(own[0]["deterministic"])) for label, own in by_label.items()
    }
    models = {str(trial.label): str(trial.model).rpartition("/")[2] for trial in trials}
    columns = {
        label: replace(
            _column(label, models.get(label, ""), by_label.get(label, []), traits[label], ok[label], asked[label]),
            together=label in together,
        )
        for label in traits
    }
    shown = [label for label in columns if every or columns[label].reference != "floor"] or list(columns)
    shown.sort(key=lambda label: (columns[label].reference == "ceiling", not columns[label].reference))
    return [columns[label] for label in shown]


def _column(label: str, model: str, records: Sequence[Record], traits: Traits, ok: int, asked: int) -> Column:
    flagged = {(flag.strip(), record["trial"]) for record in records for flag in _text(record["flags"]).split(",")}
    flags = Counter(flag for flag, _ in sorted(flagged) if flag)
    return Column(label, traits.reference, traits.deterministic, flags, ok, asked, model)


def _contest(
    score: str, by_label: Mapping[str, list[Record]], columns: Sequence[Column], results: Results
) -> Contest:
    contenders = [
        _contender(column, by_label.get(column.label, []), score, results) for column in columns if column.contends
    ]
    everything = [record for own in by_label.values() for record in own]
    return Contest(contenders, str(everything[0]["better"]), _common_number(everything, "floor"))


def _row(score: str, by_label: Mapping[str, list[Record]], columns: Sequence[Column], verdict: Verdict) -> Row:
    everything = [record for own in by_label.values() for record in own]
    first = everything[0]
    cells = [
        replace(
            _cell(by_label.get(column.label, []), column.asked),
            mark=verdict.marks.get(column.label, ""),
            rank=verdict.ranks.get(column.label),
        )
        for column in columns
    ]
    return Row(
        score,
        str(first["purpose"]),
        str(first["better"]),
        tuple(cells),
        _common_number(everything, "floor"),
        _common_number(everything, "ceiling"),
        _text(first["unit"]),
        _text(first["kind"]),
        bool(first["headline"]),
        _text(first["description"]),
        max((n for record in everything if (n := _number(record["n_eval"])) > 0), default=math.nan),
        verdict.at_floor,
        verdict.seeds_only,
    )


def _cell(records: Sequence[Record], asked: int) -> Cell:
    values = [float(record["value"]) for record in records if _has_value(record)]
    asked = max(asked, len(records))
    if values:
        if not np.isfinite(values).all():
            return Cell(float(np.mean(values)), seeds=len(values), asked=asked, status="ok")
        return Cell(*t_interval(values), seeds=len(values), asked=asked, status="ok")
    for status, words in (("failed", FAILED), ("not applicable", ("not applicable",))):
        reason = next((_text(record["reason"]) for record in records if record["status"] in words), None)
        if reason is not None:
            return Cell(asked=asked, status=status, reason=reason)
    return Cell(asked=asked)


def _contender(column: Column, records: Sequence[Record], score: str, results: Results) -> Contender:
    kept = {int(record["seed"]): record for record in records if math.isfinite(_number(record["value"]))}

    def items(seed: int) -> NDArray[np.float64] | None:
        return results.items(str(kept[seed]["trial"]), score)

    values = {seed: float(record["value"]) for seed, record in kept.items()}
    return Contender(column.label, values, items, column.deterministic)


def _relative(comparison: Comparison) -> Comparison:
    scaled = {row.score: relative_row(row) for row in comparison.rows}
    omitted = tuple(score for score, row in scaled.items() if row is None)
    return replace(comparison, rows=tuple(row for row in scaled.values() if row is not None), omitted=omitted)


def _budget(records: Sequence[Record], stepless: Set[str]) -> tuple[str, ...]:
    """What the heading says of the contenders; epochs of those that take steps."""
    dims = sorted({int(record["latent_dim"]) for record in records if _number(record["latent_dim"]) > 0})
    trained = [record for record in records if record["label"] not in stepless]
    epochs = sorted({int(record["epochs"]) for record in trained if _number(record["epochs"]) > 0})
    likelihoods = dict.fromkeys(_text(record["likelihood"]) for record in records)
    parts = [f"d={','.join(map(str, dims))}"] if dims else []
    parts += [f"{','.join(map(str, epochs))} epoch{'s' * (epochs != [1])}"] if epochs else []
    limits = {json.loads(_text(record["budget"])).get("train_limit") for record in records if record.get("budget")}
    parts += [f"{limit} training items" for limit in sorted(limits - {None})]
    return (*parts, *([" / ".join(filter(None, likelihoods))] if any(likelihoods) else []))


def _most_seeds(records: Sequence[Record]) -> int:
    seeds: dict[tuple[str, str], set[int]] = {}
    for record in records:
        if _has_value(record):
            seeds.setdefault((str(record["label"]), str(record["score"])), set()).add(int(record["seed"]))
    return max(map(len, seeds.values()), default=0)


def _common_number(records: Sequence[Record], column: str) -> float:
    """Return the floor or ceiling that all contenders have; NaN where it differs with what was varied."""
    contenders = [record for record in records if not record["reference"]] or records
    numbers = {number for record in contenders if math.isfinite(number := _number(record[column]))}
    return numbers.pop() if len(numbers) == 1 else math.nan


def _has_value(record: Record) -> bool:
    return record["status"] == "ok" and not math.isnan(_number(record["value"]))


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
