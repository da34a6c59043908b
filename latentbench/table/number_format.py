"""How numbers are written in a table: intervals decide the digits, units keep large ones readable."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Style", "count", "measured", "number", "row_style"]

MOST_PLACES = 6
SMALLEST, SMALLEST_ROUGH = 1e-4, 1e-3  # smaller numbers are written 4.3e-5
BYTES = {"GB": 1e9, "MB": 1e6, "kB": 1e3}
IN_THOUSANDS = 1e4  # from this size on; smaller ones beside them in a row, too
STEPS = ((1e9, 1e9, "G"), (1e6, 1e6, "M"), (IN_THOUSANDS, 1e3, "k"))  # from this size on: unit, suffix
EXACTLY, ROUGHLY = 1e-6, 1e-3  # shares of the value below which an interval is not shown
FAR = 0.01  # of the common unit of bytes in a row: smaller values get a unit of their own
SAME_SCALE = 100  # if the values of a row differ by more than this factor, each cell chooses its digits


@dataclass(frozen=True)
class Style:
    """How the numbers of one row are written.

    Attributes:
        places: decimals that all cells share, or None where each has its own.
        bare: fractions lose their leading zero, as .874.
        rough: two digits are enough (seconds, bytes).
        size: "GB", "MB" or "kB", the common unit of all cells that are not too small for it; "k" where the
            row's largest number is written in thousands, so that 8.0k stands beside 11k; or empty.
    """

    places: int | None = None
    bare: bool = False
    rough: bool = False
    size: str = ""


def row_style(values: Sequence[float], halves: Sequence[float], rough: bool = False, unit: str = "") -> Style:
    """Choose a style for one row from the values and the half-intervals (NaN where there are none) of its cells.

    >>> row_style([0.8741, 0.8534], [0.0023, 0.0031])
    Style(places=3, bare=True, rough=False, size='')
    >>> row_style([2.1e9, 1.3e9, 9e8], [math.nan] * 3, rough=True, unit="B").size
    'GB'
    """
    shown = [
        (value, half if _matters(half, value, rough) else math.nan)
        for value, half in zip(values, halves, strict=True)
        if math.isfinite(value)
    ]
    sizes = [abs(value) for value, _ in shown]
    places = _shared_places(shown) if not rough and _same_scale(sizes) else None
    bare, most = bool(sizes) and max(sizes) <= 1, max(sizes, default=0.0)
    size = _size_of_most(sizes) if unit == "B" else "k" * (most >= IN_THOUSANDS)
    return Style(places, bare, rough, size)


def number(value: float, style: Style = Style()) -> str:
    """Write one number.

    >>> number(0.874, Style(3, bare=True)), number(728.6), number(1_234_567), number(4.31e-5)
    ('.874', '728.6', '1.23M', '4.31e-5')
    >>> number(float("nan"))
    '-'
    """
    return measured(value, math.nan, style)


def measured(value: float, half: float, style: Style = Style()) -> str:
    """Write a mean with its half-interval; without one where it is NaN or nothing varies.

    >>> measured(0.8741, 0.0023, Style(3, bare=True)), measured(45.68, 0.61), measured(1.2e6, 5e4)
    ('.874±.002', '45.7±0.6', '1.20±.05M')
    >>> measured(1.326e9, 2e6, Style(rough=True, size="GB"))
    '1.326±.002GB'
    >>> number(4.1e3, Style(rough=True, size="MB"))
    '4.1kB'
    """
    if not math.isfinite(value):
        return "-" if math.isnan(value) else f"{value:+}".replace("+", "")
    unit, sign = _unit(value, half, style)
    scaled, spread = value / unit, half / unit if _matters(half, value, style.rough) else math.nan
    shared = style.places if unit == 1 else None
    places = _places(scaled, spread, style.rough) if shared is None else shared
    bare = style.bare and unit == 1
    text = _fixed(scaled, places, bare)
    if not spread > 0:
        return text + sign
    power = sign if sign.startswith("e") else ""  # 6.1±0.2e-4 could be read as 6.1±(0.2e-4)
    short = abs(scaled) < 1 or sign != power
    return f"{text}{power}±{_fixed(spread, places, short)}{sign}"


def count(items: float) -> str:
    """Write a number of items in few characters.

    >>> count(10_000), count(3000), count(360), count(1797)
    ('10k', '3k', '360', '1797')
    """
    if not math.isfinite(items):
        return "-"
    return f"{items / 1000:g}k" if items >= 1000 and items % 100 == 0 else f"{items:.0f}"


def _matters(half: float, value: float, rough: bool) -> bool:
    """Whether an interval is more than rounding."""
    return half > (ROUGHLY if rough else EXACTLY) * abs(value)


def _size_of_most(sizes: Sequence[float]) -> str:
    """Return the unit that suits the median of some numbers of bytes, ignoring zeros."""
    sizes = sorted(size for size in sizes if size > 0)
    middle = sizes[len(sizes) // 2] if sizes else 0
    return next((name for name, size in BYTES.items() if middle >= size), "kB")


def _same_scale(sizes: Sequence[float]) -> bool:
    sizes = [size for size in sizes if size > 0]
    return bool(sizes) and SMALLEST <= max(sizes) < min(STEPS[-1][0], SAME_SCALE * max(min(sizes), 0.01))


def _shared_places(shown: Sequence[tuple[float, float]]) -> int | None:
    measured_ones = [_places(value, half, False) for value, half in shown if half > 0]
    if measured_ones:
        return min(measured_ones) if max(measured_ones) - min(measured_ones) <= 1 else None
    fractions = [_places(value, half, False) for value, half in shown if not float(value).is_integer()]
    return min(fractions, default=0)


def _places(value: float, half: float, rough: bool) -> int:
    """Return the decimals that show two digits of the interval, or one where that gives the value three digits."""
    wanted = _wanted(abs(value), 2 if rough else 3)
    if not half > 0:
        whole = float(value).is_integer() and (abs(value) > 1 or (rough and value == 0))
        return 0 if whole else min(wanted, MOST_PLACES)
    two = 1 - math.floor(math.log10(half))
    return min(max(0, min(two, max(two - 1, wanted))), MOST_PLACES)


def _wanted(size: float, digits: int) -> int:
    if size == 0:
        return digits
    extra = 1 if size >= 100 and digits == 3 else 0  # 728.6
    return max(0, digits + extra - 1 - math.floor(math.log10(size)))


def _unit(value: float, half: float, style: Style) -> tuple[float, str]:
    size = abs(value)
    if style.size in BYTES:
        shared = style.size if size == 0 or size >= FAR * BYTES[style.size] else _size_of_most([size])
        return BYTES[shared], shared
    if 0 < size < (SMALLEST_ROUGH if style.rough else SMALLEST) and not half > 10 * size:
        exponent = math.floor(math.log10(size))
        return 10.0**exponent, f"e{exponent}"
    if style.size == "k" and 1000 <= size < IN_THOUSANDS:
        return 1000.0, "k"
    return next(((unit, sign) for start, unit, sign in STEPS if size >= start), (1.0, ""))


def _fixed(value: float, places: int, bare: bool) -> str:
    text = f"{value:.{places}f}"
    if float(text) == 0:
        text = text.removeprefix("-")
    return text.replace("0.", ".", 1) if bare and text.startswith(("0.", "-0.")) else text
