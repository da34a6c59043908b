"""Settings as marks in a plane: a score against the rate or the training time, with the intervals of both."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from latentbench.report.table.sweeps import Estimate, is_number
from latentbench.scores import PURPOSES
from latentbench.statistics import t_interval

if TYPE_CHECKING:
    from latentbench.results import Results

__all__ = ["Mark", "columns_of", "cost_marks", "mark_numbers", "rate_marks"]

MOST_COSTS = 8

_Seeds = Mapping[int, float]  # seed -> value


@dataclass(frozen=True)
class Mark:
    """One setting by two numbers.

    Attributes:
        score: what y is.
        label: heading of the setting in tables.
        model: its model.
        reference: as the model declares it.
        line: the settings that it is joined with; `axis` varies along it and is `step` here.
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
    frame = results.scores[(results.scores["dataset"] == dataset) & (results.scores["status"] == "ok")]
    rate, r2 = (_by_label(frame[frame["score"] == score], "value") for score in ("rate", "r2"))
    marks = [mark for mark in _marks(frame, "r2", rate, r2) if mark.reference not in ("floor", "ceiling")]
    with_rate = [mark for mark in marks if math.isfinite(mark.x.mean)]
    levels = [mark for mark in marks if mark.reference == "yardstick" and mark not in with_rate]
    return with_rate, levels if with_rate else []


def cost_marks(results: Results, dataset: str) -> list[Mark]:
    """Return what was trained, but for floors and ceilings, once for each of the first headline quality scores."""
    frame = results.scores[(results.scores["dataset"] == dataset) & (results.scores["status"] == "ok")]
    frame = frame[frame["headline"] & (frame["kind"] == "quality") & (frame["better"] != "none")]
    frame = frame[~frame["reference"].isin(["floor", "ceiling"]) & (frame["train_seconds"] > 0)]
    purposes = dict(zip(frame["score"], frame["purpose"], strict=True))
    order = sorted(
        purposes, key=lambda score: PURPOSES.index(purposes[score]) if purposes[score] in PURPOSES else 99
    )
    marks: list[Mark] = []
    for score in order[:MOST_COSTS]:
        rows = frame[frame["score"] == score]
        marks += _marks(frame, score, _by_label(rows, "train_seconds"), _by_label(rows, "value"))
    return marks


def mark_numbers(dataset: str, marks: Sequence[Mark], x: str) -> pd.DataFrame:
    """Return a row for each mark, its seed "mean", and one for each seed of it."""
    rows = []
    for mark in marks:
        about = {"dataset": dataset, "split": "test", "score": mark.score, "label": mark.label}
        about |= {"model": mark.model, "reference": mark.reference}
        rows.append(
            about | {"seed": "mean", **columns_of(x, mark.x), **columns_of("value", mark.y), "seeds": mark.y.seeds}
        )
        rows += [
            about | {"seed": str(seed), x: first, "value": second, "seeds": 1}
            for seed, first, second in mark.seeds
        ]
    return pd.DataFrame(rows)


def _marks(frame: pd.DataFrame, score: str, x: Mapping[str, _Seeds], y: Mapping[str, _Seeds]) -> Iterator[Mark]:
    about = frame.drop_duplicates("label").set_index("label")
    varied = {str(label): json.loads(text) for label, text in about["varied"].items()}
    models = {str(label): str(model) for label, model in about["model"].items()}
    lines = _lines(models, varied)
    for label, values in y.items():
        own = x.get(label, {})
        reference = str(about["reference"][label])
        both = tuple((seed, own[seed], value) for seed, value in values.items() if seed in own)
        yield Mark(score, label, models[label], reference, *lines[label], _estimate(own), _estimate(values), both)


def _lines(
    models: Mapping[str, str], varied: Mapping[str, Mapping[str, Any]]
) -> dict[str, tuple[str, str, float]]:
    """Return (line, axis, step) of each label: a model's settings are joined along its most varied number.

    >>> _lines({"vae(2)": "vae", "vae(8)": "vae"}, {"vae(2)": {"d": 2, "b": "x"}, "vae(8)": {"d": 8, "b": "x"}})
    {'vae(2)': ('vae(b=x)', 'd', 2.0), 'vae(8)': ('vae(b=x)', 'd', 8.0)}
    """
    tried: dict[str, dict[str, set[float]]] = {}
    for label, model in models.items():
        for name, value in varied[label].items():
            if is_number(value):
                tried.setdefault(model, {}).setdefault(name, set()).add(float(value))
    found = {}
    for label, model in models.items():
        numbers = tried.get(model, {})
        axis = max(numbers, key=lambda name: len(numbers[name]), default="")
        others = ", ".join(f"{name}={value}" for name, value in varied[label].items() if name != axis)
        line = f"{model}({others})" if others else model
        here: Any = varied[label].get(axis)
        found[label] = (line, axis, float(here)) if is_number(here) else (label, "", math.nan)
    return found


def _by_label(rows: pd.DataFrame, column: str) -> dict[str, _Seeds]:
    """Return label -> seed -> value, without gaps."""
    rows = rows[rows[column].notna()]
    return {
        str(label): dict(zip(map(int, own["seed"]), map(float, own[column]), strict=True))
        for label, own in rows.groupby("label", sort=False)
    }


def _estimate(values: _Seeds) -> Estimate:
    return Estimate(*t_interval(list(values.values())), seeds=len(values)) if values else Estimate(math.nan)


def columns_of(name: str, value: Estimate) -> dict[str, float]:
    """Return an estimate as three columns."""
    return {name: value.mean, f"{name}_low": value.low, f"{name}_high": value.high}
