"""Whether the similarities of items in two spaces go together: centered kernel alignment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from latentbench import Invariance, LatentSpace, NotApplicableError, Score
from latentbench_metrics.pairs._codes import centered, check, check_varies, cross
from latentbench_metrics.pairs._ordered import OrderedMetric

__all__ = ["KernelAlignment", "cka"]

LEAST = 4  # items, of which the unbiased estimator is made
ROUNDING = 1e-10  # of a kernel's own value, relative to its parts


def cka(x: Tensor, y: Tensor) -> float:
    """Linear centered kernel alignment from the unbiased HSIC: higher is more alike.

    HSIC(x, y) / sqrt(HSIC(x, x) HSIC(y, y)), where each is the unbiased estimate for the products of codes. In
    [-1, 1], 0 in the mean for spaces that have nothing to do with each other, whatever n and the widths are: the
    textbook formula with n x n kernels centered by their means gives 1/3 for 200 items in 100 dimensions.
    Symmetric; rotating, shifting or scaling either space changes nothing. Computed from the d x e products of the
    codes: O(n d e) time, O(n (d + e)) memory.

    Source: Kornblith et al. 2019; the estimator is that of Song et al. 2012, used for it by Nguyen et al. 2021.

    Traps: a few items far from all others, or the axes of the largest variance, decide it: read `mutual_knn`
    beside it (Davari et al. 2022).

    Args:
        x: codes `(n, d)`.
        y: codes `(n, e)` of the same items in the same order.

    Raises:
        ValueError: unequal n, fewer than 4 items, NaN or infinity.
        NotApplicableError: all codes of a space are equal, or equally far from each other.

    >>> square = torch.tensor([[0.0, 0], [1, 0], [1, 1], [0, 1], [2, 3]])
    >>> round(cka(square, 3 * square.flip(1) + 1), 12), round(cka(square, square[:, :1]), 3)
    (1.0, 0.503)
    """
    check(LEAST, x=x, y=y)
    check_varies(x, y)
    return _alignment(_Kernel.of(x), _Kernel.of(y))


@dataclass(frozen=True, eq=False)
class _Kernel:
    """The products of centered codes, never formed.

    Attributes:
        codes: `(n, d)`, whose items are in another order where there is one.
        squares: squared lengths `(n,)`, likewise.
        size: root of the unbiased HSIC of the kernel with itself.
        order: row numbers `(n,)`; None: as they are.
    """

    codes: Tensor
    squares: Tensor
    size: float
    order: Tensor | None = None

    @classmethod
    def of(cls, codes: Tensor) -> _Kernel:
        (codes,) = centered(codes)
        if codes.shape[1] > len(codes):  # turned so that all further dimensions are 0
            codes = torch.linalg.qr(codes.T, mode="r").R.T
        squares = codes.square().sum(1)
        inner = float((codes.T @ codes).square().sum())
        own = _hsic(inner, squares, squares)
        if not own > ROUNDING * inner:
            raise NotApplicableError("all items of a space are equally far from each other")
        return cls(codes, squares, own**0.5)


def _alignment(a: _Kernel, b: _Kernel) -> float:
    inner = float(cross(a.codes, b.codes, a.order, b.order).square().sum())
    squares = (kernel.squares if kernel.order is None else kernel.squares[kernel.order] for kernel in (a, b))
    return min(1.0, max(-1.0, _hsic(inner, *squares) / (a.size * b.size)))  # rounding may end just beyond


def _hsic(inner: float, squares: Tensor, other_squares: Tensor) -> float:
    """Return n (n - 3) times the unbiased HSIC of centered codes.

    The sum of products of two kernels over pairs of different items is `inner`, the squared entries of their cross
    products, less that of the diagonals; the rows of a kernel without its diagonal add up to minus its diagonal,
    as codes are centered.

    Args:
        inner: sum of the squares of the products of both spaces' dimensions.
        squares: the diagonal of one kernel `(n,)`.
        other_squares: that of the other.
    """
    n = len(squares)
    diagonals, sums = float(squares @ other_squares), float(squares.sum() * other_squares.sum())
    return inner - diagonals * n / (n - 2) + sums / ((n - 1) * (n - 2))


class KernelAlignment(OrderedMetric):
    """Linear, 0 in the mean for unrelated spaces; few items can move it: read mutual_knn beside it."""

    score: ClassVar[Score] = Score("up", purpose="near", range=(-1, 1), floor=0.0)
    invariances: ClassVar[tuple[Invariance, ...]] = ("shift", "scale", "rotation")
    min_items: ClassVar[int] = LEAST

    def prepare(self, space: LatentSpace) -> _Kernel:
        """Center the codes."""
        check_varies(space.codes)
        return _Kernel.of(space.codes)

    def compute(self, a: _Kernel, b: _Kernel) -> float:
        """Return the alignment."""
        return _alignment(a, b)
