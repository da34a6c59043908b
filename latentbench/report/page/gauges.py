"""Where the value of a cell lies between floor and ceiling: a bar, and a tick for each of the two."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from latentbench.table.comparison import ComparisonRow
from latentbench.table.display import Display, DisplayRow
from latentbench.table.number_format import Style, number, row_style

__all__ = ["Gauge", "beyond_ceiling", "ceiling_words", "gauge", "has_gauges"]


@dataclass(frozen=True)
class Gauge:
    """One cell's bar on the scale of its row, which is better to the right.

    Attributes:
        left: where the bar begins, in percent of the scale.
        width: how long it is, likewise.
        ticks: where floor and ceiling are, likewise, with their names.
        worse: the value is worse than the floor: the bar goes from the floor to the left.
        words: floor, ceiling and how far the value is from one to the other.
    """

    left: float
    width: float
    ticks: tuple[tuple[float, str], ...]
    worse: bool
    words: str


def gauge(row: DisplayRow, place: int) -> Gauge | None:
    """Return the bar of a cell; None where it has no value, or the row no floor from which it could go."""
    source = row.source
    mean = math.nan if source is None else source.cells[place].mean
    if source is None or not math.isfinite(mean) or "floor" not in _bounds(source):
        return None
    low, high = _ends(source)
    start, end = _place(source.floor, low, high), _place(mean, low, high)
    ticks = tuple((_place(value, low, high), name) for name, value in _bounds(source).items())
    return Gauge(
        round(min(start, end), 1),
        round(abs(end - start), 1),
        tuple((round(at, 1), name) for at, name in ticks),
        end < start,
        _words(source, mean),
    )


def has_gauges(shown: Display) -> bool:
    """Whether any cell has a bar."""
    return any(gauge(row, place) for row in shown.rows for place in range(len(row.cells)))


def beyond_ceiling(shown: Display) -> list[str]:
    """Return the scores whose ceiling some model exceeds, so that it is none."""
    sources = [row.source for row in shown.rows if row.source is not None]
    return [source.name for source in sources if source.exceeded and "ceiling" in _bounds(source)]


def ceiling_words(row: DisplayRow) -> str:
    """Write the ceiling of a row as its floor is written; "" where it has none."""
    source = row.source
    bounds = {} if source is None else _bounds(source)
    return number(bounds["ceiling"], _style(source)) if source and "ceiling" in bounds else ""


def _style(row: ComparisonRow) -> Style:
    style = row_style([cell.mean for cell in row.cells], [cell.half for cell in row.cells], unit=row.unit)
    return style if style.places else replace(style, places=None)


def _bounds(row: ComparisonRow) -> dict[str, float]:
    """Return floor and ceiling, as far as there are any, of a score of quality with a better direction."""
    if row.kind == "cost" or row.better == "none":
        return {}
    bounds = {"floor": row.floor, **({} if row.ceiling == row.floor else {"ceiling": row.ceiling})}
    return {name: value for name, value in bounds.items() if math.isfinite(value)}


def _ends(row: ComparisonRow) -> tuple[float, float]:
    """Return the worst and the best value on the scale of a row; the first is larger where less is better."""
    values = [*_bounds(row).values(), *(cell.mean for cell in row.cells if math.isfinite(cell.mean))]
    return (max(values), min(values)) if _falls(row) else (min(values), max(values))


def _falls(row: ComparisonRow) -> bool:
    """Whether less is better: as the ceiling says, where there is one."""
    return row.ceiling < row.floor if len(_bounds(row)) > 1 else row.better == "down"


def _place(value: float, low: float, high: float) -> float:
    """Return where a value is from the worst (0) to the best (100); 0 where all are equal."""
    return 100 * (value - low) / (high - low) if high != low else 0.0


def _words(row: ComparisonRow, mean: float) -> str:
    style = _style(row)
    words = [f"{name} {number(value, style)}" for name, value in _bounds(row).items()]
    if row.exceeded and "ceiling" in _bounds(row):
        words.append("which some model exceeds")
    if row.measured:
        share = 100 * (mean - row.floor) / (row.ceiling - row.floor)
        words.append(f"{share:.0f} % of the way from floor to ceiling")
    return ", ".join(words)
