"""How much of one space a linear map of the other keeps."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Self

import torch
from torch import Tensor

from latentbench import Invariance, NotApplicableError, Score
from latentbench_metrics._shared.rounding import coincide
from latentbench_metrics.pairs._codes import centered, constant_columns, scaled, scaled_rounding, variation
from latentbench_metrics.pairs._fitted import FittedMetric, FittedSide, Placed, check_splits

__all__ = ["LinearMap", "linear_r2", "span"]


def linear_r2(x_train: Tensor, y_train: Tensor, x: Tensor, y: Tensor) -> float:
    """Share of the variance of y that a linear map of x keeps; higher is better.

    1 - |y - f(x)|² / |y - mean of y|², over all items and dimensions, where f is the least-squares map, with an
    offset, of the training codes. In (-inf, 1]: 1 where y is a linear image of x, about 0 where they have nothing
    to do with each other, below where f is worse than the mean of y. Not symmetric: a space with more in it
    explains one with less, and not the other way round. Any invertible linear map of x changes nothing, nor does
    rotating, shifting or scaling y. Dimensions of x that depend on each other, up to the rounding of the codes,
    count once; with fewer training items than dimensions, f is the least-squares map of the smallest norm, of
    dimensions scaled to equal variance.

    Source: linear regression as Kornblith et al. 2019, section 3, compare it; here on items it was not fitted to.

    Traps: dimensions of y of large variance decide it. Outliers of x that training lacks are extrapolated to, and
    may take it far below 0.

    Args:
        x_train: codes of training items `(m, d)`.
        y_train: codes of the same items in the same order `(m, e)`.
        x: codes of other items `(n, d)`.
        y: codes of the same `(n, e)`.

    Raises:
        ValueError: unequal numbers of items or dimensions, fewer than 2 items, NaN or infinity.
        NotApplicableError: all codes of y are equal.

    >>> x = torch.tensor([[0.0, 0], [1, 0], [1, 2], [0, 4]])
    >>> y = x @ torch.tensor([[1.0, 3], [1, 2]]) + 7
    >>> round(linear_r2(x, y, x, y), 12), round(linear_r2(x[:, :1], y, x[:, :1], y), 3)
    (1.0, 0.02)
    """
    check_splits(x_train, y_train, x, y)
    return _kept(Placed(_Explained.of(x_train, x)), Placed(_Explained.of(y_train, y)))


@dataclass(frozen=True, eq=False)
class _Explained(FittedSide):
    """Codes less the mean of the training codes.

    Attributes:
        codes: training codes `(m, d)` as they were given.
        spread: sum of squared distances of the scored codes from their own mean; 0 where these are all equal.
    """

    codes: Tensor
    spread: float

    @classmethod
    def of(cls, train: Tensor, test: Tensor) -> Self:
        moved, scored = centered(train, test)
        return cls(moved, scored, train, 0.0 if coincide(test) else variation(scored))

    @cached_property
    def explaining(self) -> FittedSide:
        """The same in orthonormal coordinates of the training codes: `(m, r)` and `(n, r)`."""
        coordinates = span(self.codes, self.train)
        return FittedSide(self.train @ coordinates, self.test @ coordinates)

    @cached_property
    def explaining_squares(self) -> Tensor:
        """Products of these coordinates over the scored items `(r, r)`."""
        return self.explaining.test.T @ self.explaining.test


def span(codes: Tensor, moved: Tensor) -> Tensor:
    """Return the map `(d, r)` of centered codes to orthonormal coordinates of what they span.

    Args:
        codes: `(m, d)` as they are known, whose rounding says what is 0.
        moved: the same, centered and scaled.
    """
    width = moved.square().mean(0).sqrt()
    varies = ~constant_columns(codes) & (width > 0)
    unit = moved[:, varies] / width[varies]
    if not unit.numel():
        return moved.new_zeros(moved.shape[1], 0)
    triangle = torch.linalg.qr(unit, mode="r").R
    _, sizes, directions = torch.linalg.svd(triangle, full_matrices=False)
    unknown = (scaled_rounding(codes) / scaled(codes).std(0, correction=0))[varies].max() * len(codes) ** 0.5
    least = max(float(unknown), max(unit.shape) * torch.finfo(unit.dtype).eps * float(sizes[0]))
    known = sizes > least
    coordinates = moved.new_zeros(moved.shape[1], int(known.sum()))
    coordinates[varies] = directions[known].T / sizes[known] / width[varies][:, None]
    return coordinates


def _kept(a: Placed[_Explained], b: Placed[_Explained]) -> float:
    if not b.side.spread:
        raise NotApplicableError("all codes of the second space are equal: there is nothing to explain")
    fitted, scored = Placed(a.side.explaining, a.order, a.train_order).products(b)
    explained = 2 * (fitted * scored).sum() - (fitted * (a.side.explaining_squares @ fitted)).sum()
    left = b.side.lengths[1] ** 2 - float(explained)
    return min(1.0, 1 - left / b.side.spread)  # rounding may end just below 0


class LinearMap(FittedMetric):
    """Fitted on at most 20,000 training items, or on halves of the items; the first space explains the second."""

    score: ClassVar[Score] = Score("up", purpose="near", range=(-float("inf"), 1), floor=0.0)
    symmetric: ClassVar[bool] = False
    invariances: ClassVar[tuple[Invariance, ...]] = ("shift", "scale", "rotation")
    side: ClassVar[type[FittedSide]] = _Explained

    def compare(self, a: Placed[_Explained], b: Placed[_Explained]) -> float:
        """Return the share of the second space's variance that is explained."""
        return _kept(a, b)
