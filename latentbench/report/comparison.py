"""The comparison of models on one data set, as numbers: what every printed table and the page are drawn from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

__all__ = ["PURPOSES", "Cell", "Column", "Comparison", "Row", "Table", "relative_row"]

PURPOSES = ("keep", "find", "group", "near", "walk", "make", "steer", "factors", "shift", "use", "cost")


@dataclass(frozen=True)
class Cell:
    """One model's result in one score.

    Attributes:
        mean: over seeds; NaN unless a value is there.
        low: lower end of the 95 % t-interval over seeds; NaN for fewer than two values.
        high: upper end.
        seeds: number of values.
        asked: number of trials that should have given one.
        status: "ok" (one value at least), "not applicable", "failed" or "missing".
        reason: why there is no value.
        mark: "*" best, "=" not separable from it, or empty.
    """

    mean: float = math.nan
    low: float = math.nan
    high: float = math.nan
    seeds: int = 0
    asked: int = 0
    status: str = "missing"
    reason: str = ""
    mark: str = ""

    @property
    def half(self) -> float:
        """Half the length of the interval."""
        return (self.high - self.low) / 2


@dataclass(frozen=True)
class Row:
    """One score, with a cell for each column of the comparison; NaN where it has no floor or ceiling."""

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

    @property
    def measured(self) -> bool:
        """Whether the way from floor to ceiling has a length."""
        length = self.ceiling - self.floor
        return math.isfinite(length) and length != 0


@dataclass(frozen=True)
class Column:
    """One model: its heading, what it is, how its trials ended; flag -> number of trials that carry it."""

    label: str
    reference: str = ""
    deterministic: bool = False
    flags: Mapping[str, int] = field(default_factory=dict)
    ok: int = 0
    asked: int = 0


@dataclass(frozen=True)
class Comparison:
    """All columns and rows of one data set, and what they have in common.

    Attributes:
        dataset: its name.
        columns: references first, then contenders, ceilings last.
        rows: ordered by purpose.
        budget: what the heading says: "d=16", "4 epochs", the likelihood.
        seeds: most values any contender has.
        ok: number of trials that went well.
        asked: number of trials.
        environments: how many different ones the values come from.
        omitted: scores that a relative table cannot show.
    """

    dataset: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    budget: tuple[str, ...] = ()
    seeds: int = 0
    ok: int = 0
    asked: int = 0
    environments: int = 1
    omitted: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """The comparisons of a run, one for each data set.

    Attributes:
        title: of the run.
        comparisons: one for each data set.
        relative: values are (value - floor) / (ceiling - floor).
        failures: one sentence for each trial that failed.
    """

    title: str
    comparisons: tuple[Comparison, ...]
    relative: bool = False
    failures: Sequence[str] = ()


def relative_row(row: Row) -> Row | None:
    """Return `row` with 0 at its floor and 1 at its ceiling, or None where it lacks one of them.

    >>> relative_row(Row("mse", "keep", "down", (Cell(0.3, 0.2, 0.4),), floor=0.5, ceiling=0.0)).cells[0]
    Cell(mean=0.4, low=0.19..., high=0.6, seeds=0, asked=0, status='missing', reason='', mark='')
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
    better = row.better if row.better.startswith("near") or row.better == "none" else "up"
    return replace(row, cells=tuple(cells), floor=0.0, ceiling=1.0, unit="", better=better)
