"""Puts the columns of a table on one scale: mean 0 and standard deviation 1 over the training rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from latentbench import DataError
from latentbench_datasets._arrays.rows import Columns

__all__ = ["reduced", "standardized"]

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float32]
BLOCK = 256  # columns at once, so that memory for one more table is enough
SAMPLE = 1000  # rows on which rounding is measured
MOST_ROUNDING = 0.05  # of the distance within which a hundredth of the rows lies
NOISE = 64  # units in the last place: what sums of equal numbers differ by


def reduced(path: Path, names: tuple[str, ...], values: Array, digits: Array) -> tuple[Floats, Columns]:
    """Return each column less its median, over a power of two, so that float32 keeps what tells rows apart.

    Standardized, they are what `values` would be: that does not depend on offset and scale. Columns of dates in
    seconds, or of 1e300, which float32 does not hold, are read so.

    Args:
        path: the file, for messages.
        names: d names of columns.
        values: `(n, d)`, finite, float64 or longer.
        digits: `(d,)`, relative precision of each column as it was stored; 0 for whole numbers.

    Raises:
        DataError: a column holds values so far from the rest that float32 cannot tell the rest apart.
    """
    numbers = np.empty(values.shape, np.float32)
    scale, noise = np.ones(len(names)), np.zeros(len(names))
    for block in _blocks(len(names)):
        with np.errstate(over="ignore", invalid="ignore"):  # at the end of float64; told by _kept
            moved = values[:, block] - np.median(values[:, block], axis=0)
            largest = np.abs(moved).max(axis=0)
            scale[block] = np.ldexp(1.0, np.frexp(np.where(largest > 0, largest, 0.5))[1])
            noise[block] = NOISE * digits[block] * np.median(np.abs(values[:, block]), axis=0) / scale[block]
            moved /= scale[block]
        numbers[:, block] = _kept(path, Columns(names, scale, noise).take(block), moved, moved)
    return numbers, Columns(names, scale, noise)


def standardized(
    path: Path, train: Floats, test: Floats, columns: Columns
) -> tuple[Floats, Floats, tuple[str, ...]]:
    """Return train and test less the mean of train, over its standard deviation, column by column.

    A column that has one value in train is centered alone, in its own unit. Means and deviations are taken in
    float64.

    Args:
        path: the file, for messages.
        train: `(n, d)`, reduced.
        test: `(m, d)`, reduced.
        columns: how.

    Returns:
        train, test, and the names of the columns with one value in train.

    Raises:
        DataError: a column holds values so far from the rest that float32 cannot tell the rest apart.
    """
    both = [np.empty_like(train), np.empty_like(test)]
    constant = np.zeros(len(columns.names), bool)
    for block in _blocks(len(columns.names)):
        mean = train[:, block].mean(axis=0, dtype=np.float64)
        spread = np.sqrt(np.square(train[:, block] - mean).mean(axis=0))
        constant[block] = spread <= columns.noise[block]
        unit = np.where(constant[block], 1 / columns.scale[block], spread)
        for split, numbers in zip(both, (train, test), strict=True):
            values = (numbers[:, block] - mean) / unit
            split[:, block] = _kept(path, columns.take(block), numbers[:, block], values)
    names = tuple(name for name, alone in zip(columns.names, constant, strict=True) if alone)
    return both[0], both[1], names


def _blocks(columns: int) -> Iterator[slice]:
    return (slice(first, first + BLOCK) for first in range(0, columns, BLOCK))


def _kept(path: Path, columns: Columns, numbers: Array, values: Array) -> Floats:
    """Return `values` as float32; refuse a column in which float32 confuses what tells rows apart in `numbers`.

    Rounding is held against the distance within which a hundredth of the rows lies, as `as_float32` does; here
    `values` may have lost digits already, so that both are taken of the typical row.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # told below
        narrow = values.astype(np.float32)
    rows = np.unique(np.linspace(0, len(numbers) - 1, SAMPLE).round().astype(int))
    ordered = np.sort(numbers[rows].astype(np.float64), axis=0)
    reach = max(1, len(rows) // 100)
    widths = ordered[reach:] - ordered[:-reach]
    widths[widths <= columns.noise] = np.nan  # as good as equal
    lost = np.asarray(~np.isfinite(narrow).all(axis=0))
    several = np.flatnonzero(np.isfinite(widths).any(axis=0) & ~lost)
    unit = np.ptp(values[rows], axis=0)[several] / np.ptp(ordered, axis=0)[several]
    rounding = np.median(np.abs(narrow[rows][:, several]), axis=0) * np.finfo(np.float32).eps / 2
    lost[several] = rounding > MOST_ROUNDING * np.nanmedian(widths[:, several], axis=0) * unit
    if lost.any():
        raise DataError(
            f"column {columns.names[int(lost.argmax())]!r} of {path} cannot be standardized: it holds values so "
            "far from the rest that float32 cannot tell the rest apart; drop it, take those rows out, or give "
            "standardize=no"
        )
    return narrow
