"""Whether two spaces are the same up to a rotation: Procrustes."""

from __future__ import annotations

from typing import ClassVar, Self

import torch
from torch import Tensor

from latentbench import Invariance, Score
from latentbench_metrics.pairs._codes import check_varies
from latentbench_metrics.pairs._fitted import FittedMetric, FittedSide, Placed, check_splits

__all__ = ["Procrustes", "procrustes"]

ROUNDING = 1e-12  # of products of codes, relative to the lengths of both


def procrustes(x_train: Tensor, y_train: Tensor, x: Tensor, y: Tensor) -> float:
    """Cosine between x, rotated, and y; the rotation and both means are those of training items; higher is better.

    Both spaces are taken as one long vector each, less the means of the training codes: tr(Qᵀ xᵀ y) / (|x| |y|)
    with the orthogonal Q that is best on training items. The narrower space is filled up with zeros. In [-1, 1];
    about 0 for spaces that have nothing to do with each other. Symmetric; rotating, shifting or scaling either
    space, in both splits, changes nothing. Directions that the training codes leave open, as where these are fewer
    than there are dimensions, count as 0, which is what a random rotation of them scores in the mean.

    Source: Schönemann 1966; as a distance between representations, Williams et al. 2021, whose angle is the
    arccosine of this, fitted on training items and scored on others.

    Traps: axes of large variance decide it, as they do `cka`. Fitted and scored on the same items it is far above
    0 for unrelated spaces.

    Args:
        x_train: codes of training items `(m, d)`.
        y_train: codes of the same items in the same order `(m, e)`.
        x: codes of other items `(n, d)`.
        y: codes of the same `(n, e)`.

    Raises:
        ValueError: unequal numbers of items or dimensions, fewer than 2 items, NaN or infinity.
        NotApplicableError: all codes of a space are equal, in training or among those that are scored.

    >>> x, turn = torch.tensor([[0.0, 0], [1, 0], [1, 2]]), torch.tensor([[0.0, 1], [-1, 0]])
    >>> round(procrustes(x, 5 * x @ turn + 1, x, 5 * x @ turn + 1), 12)
    1.0
    """
    check_splits(x_train, y_train, x, y)
    return _cosine(Placed(_Rotated.of(x_train, x)), Placed(_Rotated.of(y_train, y)))


class _Rotated(FittedSide):
    """Codes less the mean of the training codes."""

    @classmethod
    def of(cls, train: Tensor, test: Tensor) -> Self:
        check_varies(train, test)
        return super().of(train, test)


def _cosine(a: Placed[_Rotated], b: Placed[_Rotated]) -> float:
    on_train, on_test = a.products(b)
    train_length, length = (one * other for one, other in zip(a.side.lengths, b.side.lengths, strict=True))
    left, sizes, right = torch.linalg.svd(on_train, full_matrices=False)
    known = sizes > ROUNDING * train_length
    turn = left[:, known] @ right[known]
    return min(1.0, max(-1.0, float((turn * on_test).sum()) / length))


class Procrustes(FittedMetric):
    """The rotation is fitted on at most 20,000 training items, or on halves of the items."""

    score: ClassVar[Score] = Score("up", purpose="near", range=(-1, 1), floor=0.0)
    invariances: ClassVar[tuple[Invariance, ...]] = ("shift", "scale", "rotation")
    side: ClassVar[type[FittedSide]] = _Rotated

    def compare(self, a: Placed[_Rotated], b: Placed[_Rotated]) -> float:
        """Return the cosine."""
        return _cosine(a, b)
