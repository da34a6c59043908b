"""What a row of published numbers is: who printed them, where a number made again must lie, and why there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

__all__ = ["GREEN", "OUTSIDE", "Number", "Row", "between", "near", "verdict"]

ROUNDING = 1e-9
GREEN, OUTSIDE, OPEN = "green", "**outside**", "not made yet"


@dataclass(frozen=True)
class Number:
    """A number that somebody printed.

    Attributes:
        printed: as it stands in the source.
        low: the lower end of the band, which was fixed before the number was made here.
        high: the upper end.
    """

    printed: str
    low: float
    high: float

    def holds(self, value: float) -> bool:
        """Whether a number made here lies in the band."""
        return self.low - ROUNDING <= value <= self.high + ROUNDING


@dataclass(frozen=True)
class Row:
    """Numbers of one source and one model, made by one command.

    Attributes:
        name: what the command is told.
        setup: data and procedure of the source; rows of one set-up count once.
        model: what is scored.
        numbers: name of a number -> what was printed, and its band.
        why: the reason for the width of the band.
        source: page or table, as a link.
        make: computes the numbers.
        differs: what is not as in the source.
        tried: what was tried where a number lies outside.
        needs: files that are not here, without which nothing is made.
        counted: somebody else printed the numbers; False for references of our own.
        quick: takes under two minutes.
    """

    name: str
    setup: str
    model: str
    numbers: Mapping[str, Number]
    why: str
    source: str
    make: Callable[[], Mapping[str, float]]
    differs: str = ""
    tried: str = ""
    needs: str = ""
    counted: bool = True
    quick: bool = True


def near(printed: str, reach: float) -> Number:
    """Return a number with a band of equal reach on both sides."""
    return Number(printed, float(printed) - reach, float(printed) + reach)


def between(printed: str, low: float, high: float) -> Number:
    """Return a number with the ends of its band."""
    return Number(printed, low, high)


def verdict(number: Number, value: float | None) -> str:
    """Return what became of a number."""
    if value is None:
        return OPEN
    return GREEN if number.holds(value) else OUTSIDE
