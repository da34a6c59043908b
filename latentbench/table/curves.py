"""Curves of a sweep: one score along one axis, a line for each model, made of the rows of a split."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeGuard

from latentbench.score_rows import ScoreRow
from latentbench.statistics import t_interval
from latentbench.table.lines import ScoreLine
from latentbench.trial import UPPER_BOUND

__all__ = [
    "MOST_LINES",
    "TOLD",
    "Curve",
    "Estimate",
    "Line",
    "Point",
    "Settled",
    "curve_over",
    "estimated",
    "is_number",
    "legible_curves",
    "setting_text",
]

MOST_LINES = 40  # of an axis; more can neither be told apart nor named
TOLD = ("", "yardstick", UPPER_BOUND)  # reference kinds whose lines words follow


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

    @property
    def told(self) -> bool:
        """Whether words follow it along the axis: a course, and no floor or ceiling."""
        return not self.level and self.reference in TOLD


@dataclass(frozen=True)
class Curve:
    """One score along one axis (latent_dim, beta, epochs, train_limit, ...), on the validation split."""

    axis: str
    score: str
    purpose: str
    better: str
    unit: str
    lines: tuple[Line, ...]
    likelihood: str = ""

    @property
    def of(self) -> ScoreLine:
        """What it is of: the score, of one likelihood where models have several."""
        return ScoreLine(self.score, self.likelihood)


class Settled(NamedTuple):
    """One setting in one score: its first row, and the mean of all."""

    first: ScoreRow
    estimate: Estimate

    @classmethod
    def of(cls, rows: Sequence[ScoreRow]) -> Settled:
        """Return it of its rows."""
        return cls(rows[0], estimated(rows))


def curve_over(axis: str, settled: Sequence[Settled]) -> Curve:
    """Return the curve of one score, of whose settings `settled` are all, over an axis."""
    lines: dict[str, list[Point]] = {}
    models: dict[str, tuple[str, str]] = {}
    for row, estimate in settled:
        if not math.isnan(estimate.mean):
            name, x = _place_on(axis, row)
            lines.setdefault(name, []).append(Point(x, row.label, estimate, row.floor))
            models[name] = row.model, row.reference
    first = settled[0].first
    return Curve(
        axis,
        first.score,
        first.purpose,
        first.better,
        first.unit,
        tuple(
            Line(name, *models[name], tuple(sorted(points, key=lambda point: point.x)))
            for name, points in lines.items()
        ),
    )


def _place_on(axis: str, row: ScoreRow) -> tuple[str, float]:
    """Return the line of a setting and its place on the axis; NaN where it does not vary along it."""
    value = row.varied.get(axis)
    if not is_number(value):
        return row.label, math.nan
    others = {**row.compared, **{name: value for name, value in row.varied.items() if name != axis}}
    return f"{row.model}({setting_text(others)})" if others else row.model, float(value)


def legible_curves(curves: Sequence[Curve], chosen: Set[str]) -> tuple[list[Curve], int]:
    """Return the curves over one axis with as many lines as can be told apart, and how many are left out.

    Over `MOST_LINES`, contenders keep the lines on which a setting of these labels lies.
    """
    names = {line.label for curve in curves for line in curve.lines}
    kept = {
        line.label
        for curve in curves
        for line in curve.lines
        if line.reference or any(point.label in chosen for point in line.points)
    }
    if len(names) <= MOST_LINES or not kept:
        return list(curves), 0
    few = [replace(each, lines=tuple(line for line in each.lines if line.label in kept)) for each in curves]
    return [each for each in few if each.lines], len(names) - len(kept)


def setting_text(values: Mapping[str, Any]) -> str:
    """Write a setting.

    >>> setting_text({"latent_dim": 8, "beta": 4.0})
    'latent_dim=8, beta=4.0'
    """
    return ", ".join(f"{name}={value}" for name, value in values.items())


def estimated(rows: Sequence[ScoreRow]) -> Estimate:
    """Return the mean and the interval of the rows that have a value."""
    values = [row.value for row in rows if row.has_value]
    return Estimate(*t_interval(values), seeds=len(values)) if values else Estimate(math.nan)


def is_number(value: Any) -> TypeGuard[int | float]:
    """Whether a parameter's value can stand on an axis: a switch cannot."""
    return isinstance(value, int | float) and not isinstance(value, bool)
