"""Settings as marks in a plane: a score against the rate or the training time, with the intervals of both."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from latentbench.score_rows import ScoreRow, grouped, purpose_place
from latentbench.statistics import t_interval
from latentbench.table.columns import hidden_settings, rows_without
from latentbench.table.sweeps import Estimate, is_number, setting_text

if TYPE_CHECKING:
    from latentbench.results import Results

__all__ = ["Mark", "columns_of", "cost_marks", "legible_marks", "mark_numbers", "rate_marks"]

MOST_COSTS = 8
MOST_MARKS = 120  # settings in a panel

_Seeds = Mapping[int, float]  # seed -> value


@dataclass(frozen=True)
class Mark:
    """One setting and two of its numbers.

    Attributes:
        score: what y is.
        label: heading of the setting in tables.
        model: its model.
        reference: as the model declares it.
        line: the settings that it is joined with; `axis` varies along it, and `step` is its value.
        x: rate in nats, or training in seconds; NaN where there is none.
        y: the score.
        seeds: (seed, x, y) of the trials that have both.
    """

    score: str
    label: str
    model: str
    reference: str
    line: str
    axis: str
    step: float
    x: Estimate
    y: Estimate
    seeds: tuple[tuple[int, float, float], ...] = ()


def rate_marks(results: Results, dataset: str) -> tuple[list[Mark], list[Mark]]:
    """Return the models that have a rate and r2, and, where there are any, the yardsticks without a rate."""
    rows = [row for row in results.rows_of(dataset, scores={"rate", "r2"}) if row.has_value]
    rate, r2 = (_by_label([row for row in rows if row.score == score], _value) for score in ("rate", "r2"))
    marks = [mark for mark in _marks(rows, "r2", rate, r2) if mark.reference not in ("floor", "ceiling")]
    with_rate = [mark for mark in marks if math.isfinite(mark.x.mean)]
    levels = [mark for mark in marks if mark.reference == "yardstick" and mark not in with_rate]
    return with_rate, levels if with_rate else []


def cost_marks(results: Results, dataset: str) -> list[Mark]:
    """Return the trained models but floors and ceilings, once for each of the first headline quality scores."""
    shown = rows_without(results, dataset, hidden_settings(results, dataset))
    scores = {row.score for row in shown if _decides(row)}
    rows = [row for row in results.rows_of(dataset, scores=scores) if _has_tradeoff(row)]
    by_score = grouped(sorted(rows, key=lambda row: purpose_place(row.purpose)), lambda row: row.score)
    return [
        mark
        for score, block in list(by_score.items())[:MOST_COSTS]
        for mark in _marks(rows, score, _by_label(block, lambda row: row.train_seconds), _by_label(block, _value))
    ]


def legible_marks(results: Results, dataset: str, marks: Sequence[Mark]) -> tuple[list[Mark], str]:
    """Return as many marks as can be told apart, and what is said of those that are left out.

    Over `MOST_MARKS` in a panel, those of settings that no score chose are left out.
    """
    hidden = hidden_settings(results, dataset)
    settings = {mark.label for mark in marks}
    if len(settings) <= MOST_MARKS or settings <= hidden:
        return list(marks), ""
    left_out = f"; {len(settings & hidden)} settings that no score chose are left out" if settings & hidden else ""
    return [mark for mark in marks if mark.label not in hidden], left_out


def _has_tradeoff(row: ScoreRow) -> bool:
    """Whether a row is a headline score of quality of a model that was trained."""
    trained = row.reference not in ("floor", "ceiling") and row.train_seconds > 0
    return row.has_value and _decides(row) and trained


def _decides(row: ScoreRow) -> bool:
    return row.headline and row.kind == "quality" and row.better != "none"


def mark_numbers(dataset: str, marks: Sequence[Mark], x: str) -> pd.DataFrame:
    """Return a row for each mark, its seed "mean", and one for each seed of it."""
    rows = []
    for mark in marks:
        named = {"dataset": dataset, "split": "test", "score": mark.score, "label": mark.label}
        named |= {"model": mark.model, "reference": mark.reference}
        rows.append(
            named | {"seed": "mean", **columns_of(x, mark.x), **columns_of("value", mark.y), "seeds": mark.y.seeds}
        )
        rows += [
            named | {"seed": str(seed), x: first, "value": second, "seeds": 1}
            for seed, first, second in mark.seeds
        ]
    return pd.DataFrame(rows)


def _marks(
    rows: Sequence[ScoreRow], score: str, x: Mapping[str, _Seeds], y: Mapping[str, _Seeds]
) -> Iterator[Mark]:
    settings = {row.label: row for row in rows}
    models = {label: row.model for label, row in settings.items()}
    lines = _lines(models, {label: {**row.compared, **row.varied} for label, row in settings.items()})
    for label, y_values in y.items():
        x_values = x.get(label, {})
        both = tuple((seed, x_values[seed], value) for seed, value in y_values.items() if seed in x_values)
        estimates = _estimate(x_values), _estimate(y_values)
        yield Mark(score, label, models[label], settings[label].reference, *lines[label], *estimates, both)


def _lines(
    models: Mapping[str, str], varied: Mapping[str, Mapping[str, Any]]
) -> dict[str, tuple[str, str, float]]:
    """Return (line, axis, step) of each label: settings of a model are joined along its most varied number.

    >>> _lines({"vae(2)": "vae", "vae(8)": "vae"}, {"vae(2)": {"d": 2, "b": "x"}, "vae(8)": {"d": 8, "b": "x"}})
    {'vae(2)': ('vae(b=x)', 'd', 2.0), 'vae(8)': ('vae(b=x)', 'd', 8.0)}
    """
    tried: dict[str, dict[str, set[float]]] = {}
    for label, model in models.items():
        for name, value in varied[label].items():
            if is_number(value):
                tried.setdefault(model, {}).setdefault(name, set()).add(float(value))
    lines = {}
    for label, model in models.items():
        numbers = tried.get(model, {})
        axis = max(numbers, key=lambda name: len(numbers[name]), default="")
        others = setting_text({name: value for name, value in varied[label].items() if name != axis})
        line = f"{model}({others})" if others else model
        step: Any = varied[label].get(axis)
        lines[label] = (line, axis, float(step)) if is_number(step) else (label, "", math.nan)
    return lines


def _by_label(rows: Iterable[ScoreRow], number: Callable[[ScoreRow], float]) -> Mapping[str, _Seeds]:
    """Return label -> seed -> number, without gaps."""
    by_label: dict[str, dict[int, float]] = {}
    for row in rows:
        if not math.isnan(number(row)):
            by_label.setdefault(row.label, {})[row.seed] = number(row)
    return by_label


def _value(row: ScoreRow) -> float:
    return row.value


def _estimate(values: _Seeds) -> Estimate:
    return Estimate(*t_interval(list(values.values())), seeds=len(values)) if values else Estimate(math.nan)


def columns_of(name: str, value: Estimate) -> dict[str, float]:
    """Return an estimate as three columns."""
    return {name: value.mean, f"{name}_low": value.low, f"{name}_high": value.high}
