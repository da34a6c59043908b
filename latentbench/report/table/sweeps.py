"""What comes of settings that were varied: curves, and the choice between settings, made on the validation split.

Nothing is chosen on the test split: curves and choices are read from the validation split, and of the test split
only the value of the chosen setting is told.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from latentbench.report.table.significance import gains
from latentbench.scores import PURPOSES
from latentbench.statistics import t_interval

if TYPE_CHECKING:
    from latentbench.results import Results

__all__ = ["Choice", "Curve", "Estimate", "Line", "Point", "Sweep", "agrees", "is_number", "sweeps"]


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds with its 95 % t-interval; the ends are NaN for a single value."""

    mean: float
    low: float = math.nan
    high: float = math.nan
    seeds: int = 0

    @property
    def half(self) -> float:
        """Half the length of the interval."""
        return (self.high - self.low) / 2


@dataclass(frozen=True)
class Point:
    """One setting on a curve."""

    x: float
    label: str
    value: Estimate
    floor: float = math.nan


@dataclass(frozen=True)
class Line:
    """One model over the values of an axis; `reference` as the model declares it, empty for a contender.

    A model that does not vary along the axis has a single point with x = NaN: it is drawn level.
    """

    label: str
    model: str
    reference: str
    points: tuple[Point, ...]

    @property
    def level(self) -> bool:
        """Whether it does not depend on the axis."""
        return math.isnan(self.points[0].x)


@dataclass(frozen=True)
class Curve:
    """One score along one axis (latent_dim, beta, epochs, train_limit, ...), on the validation split."""

    axis: str
    score: str
    purpose: str
    better: str
    unit: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Choice:
    """Which of a model's settings does best by one score on the validation split.

    Attributes:
        score: what decides.
        purpose: of the score.
        model: whose settings.
        tried: how many settings.
        chosen: the setting, as "latent_dim=8"; `label` is its column.
        label: heading of the chosen setting in tables.
        validation: its score there.
        test: its score on the test split: the only thing that is read from it.
        close: settings whose interval over seeds reaches the chosen one's mean.

    A setting that is flagged as worthless, or some of whose trials failed, is not chosen.
    """

    score: str
    purpose: str
    model: str
    tried: int
    chosen: str
    label: str
    validation: Estimate
    test: Estimate
    close: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sweep:
    """All curves and choices of one data set.

    Attributes:
        dataset: its name.
        items: size of its validation split.
        curves: one for each axis and score.
        choices: one for each model with several settings and each score.
        hidden: settings that no score chose, and those of yardsticks that are like none of the chosen.
        flags: flag -> settings with a trial that carries it.
    """

    dataset: str
    items: int
    curves: tuple[Curve, ...]
    choices: tuple[Choice, ...]
    hidden: frozenset[str] = frozenset()
    flags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def sweeps(results: Results, purposes: Sequence[str] = ()) -> list[Sweep]:
    """Return a sweep for each data set on which something was varied; `purposes` narrows its scores down."""
    frame = results.validation
    found = []
    for dataset in dict.fromkeys(frame["dataset"]) if len(frame) else ():
        here = _deciding_rows(frame[frame["dataset"] == dataset], results.request["scores"], purposes)
        test = results.scores[results.scores["dataset"] == dataset]
        if len(here):
            found.append(_sweep(str(dataset), here, test))
    return found


def _deciding_rows(frame: pd.DataFrame, named: Sequence[str], purposes: Sequence[str]) -> pd.DataFrame:
    """Rows of scores that say which setting is better: headline ones, or those that were asked for by name."""
    rows = frame[(frame["kind"] == "quality") & (frame["better"] != "none")]
    if purposes:
        return rows[rows["purpose"].isin(purposes)]
    headline = rows[rows["headline"]]
    return headline if len(headline) or not named else rows


def _sweep(dataset: str, frame: pd.DataFrame, test: pd.DataFrame) -> Sweep:
    varied = {label: json.loads(text) for label, text in zip(frame["label"], frame["varied"], strict=True)}
    tried: dict[str, list[Any]] = {}
    for name, value in (pair for values in varied.values() for pair in values.items()):
        tried.setdefault(name, []).append(value)
    axes = [name for name, values in tried.items() if _is_axis(values)]
    order = sorted(dict.fromkeys(frame["score"]), key=lambda score: _place(frame, score))
    blocks = {score: frame[frame["score"] == score] for score in order}
    curves = [_curve(axis, block, varied) for axis in axes for block in blocks.values()]
    choices = [
        choice
        for score, block in blocks.items()
        for choice in _choices(block, test[test["score"] == score], varied)
    ]
    items = int(frame["n_eval"].max())
    shown = tuple(curve for curve in curves if any(not line.level for line in curve.lines))
    return Sweep(dataset, items, shown, tuple(choices), _not_chosen(frame, varied, choices), _flags(frame))


def _not_chosen(
    frame: pd.DataFrame, varied: Mapping[str, Mapping[str, Any]], choices: Sequence[Choice]
) -> frozenset[str]:
    about = frame.drop_duplicates("label").set_index("label")
    chosen, models = {choice.label for choice in choices}, {choice.model for choice in choices}
    settings = [varied[label] for label in chosen]

    def hides(label: str) -> bool:
        if not varied[label] or label in chosen:
            return False
        if about["reference"][label] == "yardstick":
            return bool(settings) and not any(agrees(varied[label], setting) for setting in settings)
        return not about["reference"][label] and about["model"][label] in models

    return frozenset(filter(hides, varied))


def agrees(varied: Mapping[str, Any], setting: Mapping[str, Any]) -> bool:
    """Whether two settings, of different models, are equal in all that both have varied.

    >>> agrees({"latent_dim": 8}, {"latent_dim": 8, "beta": 4}), agrees({"latent_dim": 2}, {"latent_dim": 8})
    (True, False)
    """
    return all(setting.get(name, value) == value for name, value in varied.items())


def _flags(frame: pd.DataFrame) -> dict[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = {}
    for label, text in zip(frame["label"], frame["flags"].fillna(""), strict=True):
        for flag in filter(None, str(text).split(",")):
            found.setdefault(flag, {})[str(label)] = None
    return {flag: tuple(labels) for flag, labels in found.items()}


def _place(frame: pd.DataFrame, score: str) -> int:
    purpose = frame.loc[frame["score"] == score, "purpose"].iloc[0]
    return PURPOSES.index(purpose) if purpose in PURPOSES else len(PURPOSES)


def _curve(axis: str, rows: pd.DataFrame, varied: Mapping[str, Mapping[str, Any]]) -> Curve:
    first = rows.iloc[0]
    lines: dict[str, list[Point]] = {}
    about: dict[str, tuple[str, str]] = {}
    for label, own in rows.groupby("label", sort=False):
        values = dict(varied[str(label)])
        x = float(values.pop(axis)) if is_number(values.get(axis)) else math.nan
        others = ", ".join(f"{name}={value}" for name, value in values.items())
        model = str(own["model"].iloc[0])
        name = str(label) if math.isnan(x) else f"{model}({others})" if others else model
        estimate = _estimate(own)
        if not math.isnan(estimate.mean):
            floor = float(own["floor"].iloc[0])
            lines.setdefault(name, []).append(Point(float(x), str(label), estimate, floor))
            about[name] = model, str(own["reference"].iloc[0])
    return Curve(
        axis,
        str(first["score"]),
        str(first["purpose"]),
        str(first["better"]),
        str(first["unit"]),
        tuple(
            Line(name, *about[name], tuple(sorted(points, key=lambda point: point.x)))
            for name, points in lines.items()
        ),
    )


def _choices(rows: pd.DataFrame, test: pd.DataFrame, varied: Mapping[str, Mapping[str, Any]]) -> Iterator[Choice]:
    contenders = rows[(rows["reference"] == "") & (rows["varied"] != "{}")]
    for model, own in contenders.groupby("model", sort=False):
        settings = {str(label): block for label, block in own.groupby("label", sort=False)}
        able = {label: _estimate(block) for label, block in settings.items() if not _is_flagged(block)}
        most = max((value.seeds for value in able.values()), default=0)
        able = {label: value for label, value in able.items() if 0 < value.seeds == most}
        if not able:
            continue
        better = str(own["better"].iloc[0])
        means = [value.mean for value in able.values()]
        best = list(able)[int(gains(means, better).argmax())]
        close = [
            label for label, value in able.items() if label != best and value.low <= able[best].mean <= value.high
        ]
        yield Choice(
            str(own["score"].iloc[0]),
            str(own["purpose"].iloc[0]),
            str(model),
            len(settings),
            _setting(varied[best]),
            best,
            able[best],
            _estimate(test[test["label"] == best]),
            tuple(_setting(varied[label]) for label in close),
        )


def _setting(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in values.items())


def _estimate(rows: pd.DataFrame) -> Estimate:
    values = rows.loc[rows["status"] == "ok", "value"].dropna().to_numpy(dtype=float)
    return Estimate(*t_interval(values), seeds=len(values)) if len(values) else Estimate(math.nan)


def _is_flagged(rows: pd.DataFrame) -> bool:
    """Whether any trial is flagged as worthless; one that has not converged may still be the best one tried."""
    flags = {flag for text in rows["flags"].fillna("") for flag in str(text).split(",") if flag}
    return bool(flags - {"not converged"})


def _is_axis(values: Sequence[Any]) -> bool:
    """Whether a curve can be drawn over these: numbers, and words too where there are several numbers."""
    numbers = [value for value in values if is_number(value)]
    return len(numbers) == len(values) or len(set(numbers)) > 1


def is_number(value: Any) -> bool:
    """Whether a parameter's value can stand on an axis: a switch cannot."""
    return isinstance(value, int | float) and not isinstance(value, bool)
