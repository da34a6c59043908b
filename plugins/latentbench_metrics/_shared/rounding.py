"""What counts as zero: differences that the rounding of the numbers alone can make."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import torch
from torch import Tensor

from latentbench import NotApplicableError

__all__ = ["attempt", "coincide", "resolution", "rounding_of"]

IN_FLOAT64 = 16  # steps: numbers in float64 are mostly results, each with the rounding of its arithmetic

P = ParamSpec("P")
T = TypeVar("T")


def rounding_of(values: Tensor) -> Tensor:
    """Return the step from the largest number of each column of `(n, d)` to the next, `(d,)` in float64.

    Numbers of the column are known no better than that: those of float32 to a step, those of float64, which are
    mostly results of arithmetic, to 16 of its steps.

    >>> rounding_of(torch.tensor([[0.5, 1000.0], [1.0, -7.0]])).log2()
    tensor([-23., -14.], dtype=torch.float64)
    """
    known = values.detach() if values.dtype in (torch.float32, torch.float64) else values.detach().float()
    largest = known.abs().amax(0)
    step = (torch.nextafter(largest, torch.full_like(largest, torch.inf)) - largest).double()
    return step * IN_FLOAT64 if known.dtype == torch.float64 else step


def resolution(points: Tensor) -> float:
    """Return how far apart rounding alone can place two equal rows of points `(n, d)`: a step in every column.

    >>> resolution(torch.tensor([[3.0, 4.0], [-1.0, 0.0]])) == (2**-44 + 2**-42) ** 0.5
    True
    """
    return float(torch.linalg.vector_norm(rounding_of(points)))


def coincide(points: Tensor) -> bool:
    """Return whether all rows of points `(n, d)` are equal up to rounding.

    >>> coincide(torch.full((5, 2), 0.1)), coincide(torch.tensor([[1.0], [1.001]]))
    (True, False)
    """
    low, high = points.detach().amin(0).double(), points.detach().amax(0).double()
    return bool((high - low <= 2 * rounding_of(points)).all())


def attempt(score: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | NotApplicableError:
    """Return a score, or the NotApplicableError that says why this one of a metric's scores has no value."""
    try:
        return score(*args, **kwargs)
    except NotApplicableError as error:
        return error
