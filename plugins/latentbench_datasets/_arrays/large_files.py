"""Numbers of a large file as float32: in place where they are, else converted once into the cache."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from latentbench import array_source, as_float32, filled_array

__all__ = ["large_float32"]

Array = npt.NDArray[Any]
SAMPLE = 1000  # rows on which rounding is measured, as of an array in memory


def large_float32(path: Path, values: Array) -> Array:
    """Return numbers `(n, ...)` of a mapped array as float32, in C order; they must fit as `as_float32` says.

    Raises:
        DataError: some are not finite or too large for float32, or float32 would lose what tells rows apart.
    """
    if values.dtype == np.float32 and values.dtype.isnative and values.flags.c_contiguous:
        return values  # a split looks whether they are finite
    sample = values[np.unique(np.linspace(0, len(values) - 1, SAMPLE).round().astype(int))]
    if np.isfinite(_narrow(sample)).all():  # else `fill` says which row it is
        as_float32(sample, f"inputs of {path}")

    def fill(start: int, stop: int) -> Array:
        block = np.asarray(values[start:stop])
        narrow = _narrow(block)
        if not np.isfinite(narrow).all():
            as_float32(block, f"rows {start + 1} to {stop} of inputs of {path}")  # says which, and why
        return narrow

    key = ["float32", 1, array_source(values).key]
    return filled_array(f"float32 of {path.name}", key, values.shape, np.float32, fill)


def _narrow(values: Array) -> npt.NDArray[np.float32]:
    with np.errstate(over="ignore"):  # what becomes infinite is refused
        return np.ascontiguousarray(values, np.float32)
