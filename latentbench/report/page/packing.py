"""Arrays as the page holds them: whole numbers of few bytes, in base64."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from latentbench.report.page.embedding import base64_floats, base64_text

__all__ = ["packed_columns", "packed_numbers", "packed_values", "rounded_columns"]

Array = NDArray[Any]
ColumnKind = Literal["u1", "u2"]
KINDS = ("<u1", "<u2", "<u4")
STEPS = 65_534  # between the least and the largest value; 65,535 stands for none


def packed_numbers(numbers: Array) -> dict[str, Any]:
    """Pack whole numbers, none below 0, in as few bytes as the largest needs.

    >>> packed_numbers(np.array([1, 2, 255]))
    {'kind': 'u1', 'data': 'AQL/'}
    """
    largest = int(numbers.max(initial=0))
    kind = next(kind for kind in KINDS if largest <= np.iinfo(kind).max)
    return {"kind": kind[1:], "data": _text(numbers.astype(kind))}


def packed_values(values: Array) -> dict[str, Any]:
    """Pack real numbers in two bytes each: rounded to 1/65,534 of their range; what is not finite becomes NaN.

    >>> packed_values(np.array([0.0, 1.0, np.nan]))
    {'kind': 'u2', 'data': 'AAD+////', 'low': 0.0, 'high': 1.0}
    """
    finite = np.isfinite(values)
    there = values[finite]
    low, high = (float(there.min()), float(there.max())) if there.size else (0.0, 0.0)
    steps = np.full(values.shape, STEPS + 1, np.uint16)
    steps[finite] = np.round((there - low) / ((high - low) or 1.0) * STEPS)
    return {"kind": "u2", "data": _text(steps.astype("<u2")), "low": low, "high": high}


def packed_columns(values: Array, kind: ColumnKind) -> dict[str, Any]:
    """Pack finite values `(n, d)` in one byte (u1) or two (u2) each; each column is rounded to steps of its range.

    Row i, column j stands for `low[j] + step[j] * number`.

    >>> packed_columns(np.array([[0.0, 5.0], [255.0, 5.0]]), "u1")["data"]
    'AAD/AA=='
    """
    low, step, numbers = _in_steps(values, kind)
    ends = {"low": base64_floats(low), "step": base64_floats(step)}
    return {"kind": kind, "dim": values.shape[1], "data": _text(numbers.astype(f"<{kind}")), **ends}


def rounded_columns(values: Array, kind: ColumnKind) -> Array:
    """Return what `packed_columns` keeps of values, `(n, d)`; off by half a step of a column at most.

    >>> rounded_columns(np.array([[0.0], [1.0], [1.4], [510.0]]), "u1").ravel()
    array([  0.,   0.,   2., 510.])
    """
    low, step, numbers = _in_steps(values, kind)
    return np.asarray(low + step * numbers)


def _in_steps(values: Array, kind: ColumnKind) -> tuple[Array, Array, Array]:
    """Return the least value and the step of each column `(d,)`, and how many steps each value is away."""
    exact = np.asarray(values, np.float64)
    low = exact.min(0)
    step = (exact.max(0) - low) / np.iinfo(kind).max
    return low, step, np.round((exact - low) / np.where(step > 0, step, 1.0))


def _text(values: Array) -> str:
    return base64_text(np.ascontiguousarray(values).tobytes())
