"""Whether the dimensions of two spaces match one to one: mean correlation coefficient."""

from __future__ import annotations

from typing import ClassVar, Self

import torch
from torch import Tensor

from latentbench import Invariance, NotApplicableError, Score
from latentbench_metrics.pairs._codes import centered, constant_columns
from latentbench_metrics.pairs._fitted import FittedMetric, FittedSide, Placed, check_splits

__all__ = ["MatchedDimensions", "mcc"]


def mcc(x_train: Tensor, y_train: Tensor, x: Tensor, y: Tensor) -> float:
    """Mean absolute correlation of dimensions matched one to one; higher is better.

    Pearson's correlation; dimensions are matched so that the sum over training items is largest (Hungarian
    method), and scored on others. In [0, 1]; for unrelated spaces it is above 0, the more so the more dimensions
    and the fewer items there are. Symmetric. Swapping, flipping, shifting and scaling single dimensions changes
    nothing; a rotation does. The smaller number of dimensions are matched; those that are constant in training
    take no part; one that is constant where it is scored counts as 0.

    Source: Hyvärinen and Morioka 2016, who identify latent variables with it.

    Traps: any two spaces have a best match: read it beside that of permuted items. Rotated copies score 0.6 in
    eight dimensions.

    Args:
        x_train: codes of training items `(m, d)`.
        y_train: codes of the same items in the same order `(m, e)`.
        x: codes of other items `(n, d)`.
        y: codes of the same `(n, e)`.

    Raises:
        ValueError: unequal numbers of items or dimensions, fewer than 2 items, NaN or infinity.
        NotApplicableError: all training codes of a space are equal.

    >>> x = torch.tensor([[0.0, 0], [1, 0], [1, 2], [0, 4]])
    >>> y = x.flip(1) * torch.tensor([-3.0, 2])
    >>> round(mcc(x, y, x, y), 12)
    1.0
    """
    check_splits(x_train, y_train, x, y)
    return _matched(Placed(_Standardized.of(x_train, x)), Placed(_Standardized.of(y_train, y)))


class _Standardized(FittedSide):
    """Dimensions that vary in training, each split less its mean and of length 1."""

    @classmethod
    def of(cls, train: Tensor, test: Tensor) -> Self:
        varies = ~constant_columns(train)
        if not varies.any():
            raise NotApplicableError("all training codes of a space are equal")
        return cls(*(_standardized(codes, varies) for codes in (train, test)))


def _standardized(codes: Tensor, kept: Tensor) -> Tensor:
    """Return the kept dimensions, each less its mean and of length 1, or 0 where it is constant."""
    columns = [centered(column)[0] for column in torch.split(codes[:, kept.to(codes.device)], 1, dim=1)]
    whole = torch.cat(columns, 1)
    length = torch.linalg.vector_norm(whole, dim=0)
    flat = constant_columns(codes)[kept] | (length == 0)
    return torch.where(flat, 0.0, whole / torch.where(flat, 1.0, length))


def _matched(a: Placed[_Standardized], b: Placed[_Standardized]) -> float:
    from scipy.optimize import linear_sum_assignment

    on_train, on_test = a.products(b)
    rows, columns = linear_sum_assignment(on_train.abs().numpy(), maximize=True)
    return min(1.0, float(on_test.abs()[rows, columns].mean()))


class MatchedDimensions(FittedMetric):
    """Matched on at most 20,000 training items, or on halves of the items; rotated copies do not match."""

    score: ClassVar[Score] = Score("up", purpose="near", range=(0, 1))
    invariances: ClassVar[tuple[Invariance, ...]] = ("shift", "scale", "permutation", "axis_scale")
    side: ClassVar[type[FittedSide]] = _Standardized

    def compare(self, a: Placed[_Standardized], b: Placed[_Standardized]) -> float:
        """Return the mean correlation of matched dimensions."""
        return _matched(a, b)
