"""Arrays as the page holds them: whole numbers of few bytes, in base64."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentbench.report.page.embedding import base64_text

__all__ = ["packed_numbers", "packed_values"]

Array = NDArray[Any]
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


def _text(values: Array) -> str:
    return base64_text(np.ascontiguousarray(values).tobytes())
