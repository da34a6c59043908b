"""Whether one model's decoder can read another model's codes."""

from __future__ import annotations

from functools import cached_property
from typing import ClassVar

import torch
from torch import Tensor

from latentbench import Invariance, LatentSpace, Need, NotApplicableError, PairMetric, Score, Tier
from latentbench_metrics._shared.rounding import coincide
from latentbench_metrics._shared.subsets import some_rows
from latentbench_metrics.pairs._codes import centered
from latentbench_metrics.pairs._fitted import TRAIN_ITEMS
from latentbench_metrics.pairs.linear_maps import span
from latentbench_metrics.reconstruction import pixel_variance, r2

__all__ = ["Stitching", "stitched_codes", "stitched_r2"]

ITEMS = 1000


def stitched_r2(a: LatentSpace, b: LatentSpace) -> float:
    """Share of the inputs' variance that the second model's decoder keeps, given the first model's codes.

    Codes of the first space go through the linear map, with an offset, that takes its training codes closest to
    those of the second, and through the second's decoder: 1 - mse / variance of the inputs about their mean. In
    (-inf, 1]; higher is better; at best about what the second model keeps of its own codes: read it beside that.
    Not symmetric. At most 20,000 training items are used, chosen by a fixed seed.

    Source: stitching, Lenc and Vedaldi 2015; by a linear map fitted to codes, Moschella et al. 2023.

    Traps: a decoder is nonlinear, so that a good map may give bad images far from the codes it has seen.

    Args:
        a: the space that encodes, with a training split.
        b: that of the same items in the same order that decodes, with inputs, a decoder and a training split.

    Raises:
        ValueError: unequal numbers of items.
        NotApplicableError: a training split, inputs or a decoder is missing, the training splits have unequally
            many items, or the inputs do not vary.

    >>> codes, train = torch.tensor([[1.0], [2], [4]]), LatentSpace.from_arrays(codes=[[0.0], [1], [2]])
    >>> a = LatentSpace.from_arrays(codes=codes, train=train)
    >>> b = LatentSpace.from_arrays(codes=3 * codes, inputs=3 * codes, decode=torch.abs,
    ...     train=LatentSpace.from_arrays(codes=[[0.0], [3], [6]]))
    >>> round(stitched_r2(a, b), 6)
    1.0
    """
    if len(a) != len(b):
        raise ValueError(f"both spaces must hold the same items in the same order, got {len(a)} and {len(b)}")
    return _Stitched(b).r2_of(stitched_codes(a, b))


def stitched_codes(a: LatentSpace, b: LatentSpace) -> Tensor:
    """Return the codes of `a` in the space of `b` `(n, e)`, by the linear map that fits training codes best.

    Raises:
        NotApplicableError: a training split is missing, or they have unequally many items.
    """
    train, target = a.train.codes, b.train.codes
    if len(train) != len(target):
        raise NotApplicableError(f"the training splits have {len(train):,} and {len(target):,} items")
    rows = some_rows(len(train), TRAIN_ITEMS)
    train, exact = train[rows.to(train.device)], target[rows.to(target.device)].to("cpu", torch.float64)
    moved, scored = centered(train, a.codes)
    coordinates, mean = span(train, moved), exact.mean(0)
    fitted = (moved @ coordinates).T @ (exact - mean)
    return (scored @ coordinates @ fitted + mean).to(b.device, b.codes.dtype)


class _Stitched:
    """A space whose decoder reads other codes."""

    def __init__(self, space: LatentSpace) -> None:
        self.space = space

    def r2_of(self, codes: Tensor) -> float:
        """Return the share of the inputs' variance that is kept by decoding these codes `(n, d)`."""
        variance = self.variance  # first, as the reason why there is none is told before anything is decoded
        return r2(self.space.inputs, self.space.decode(codes), variance)

    @cached_property
    def variance(self) -> float:
        """Variance of the inputs about their mean."""
        if coincide(self.space.inputs.flatten(1)):
            raise NotApplicableError("the inputs do not vary")
        return pixel_variance(self.space.inputs)

    @cached_property
    def own(self) -> float:
        """What the space keeps by decoding its own codes."""
        return self.r2_of(self.space.codes)  # reconstructions would be made of all items


class Stitching(PairMetric):
    """Fitted on at most 20,000 training items; the note says what the second model keeps of its own codes."""

    score: ClassVar[Score] = Score("up", purpose="keep", range=(-float("inf"), 1), floor=0.0)
    symmetric: ClassVar[bool] = False
    needs: ClassVar[tuple[Need, ...]] = ("train",)
    needs_second: ClassVar[tuple[Need, ...]] = ("inputs", "decoder")
    invariances: ClassVar[tuple[Invariance, ...]] = ("shift", "scale", "rotation")
    tier: ClassVar[Tier] = "full"
    tolerance: ClassVar[float] = 1e-3
    max_items: ClassVar[int | None] = ITEMS
    min_items: ClassVar[int] = 10
    has_null: ClassVar[bool] = False

    def prepare(self, space: LatentSpace) -> _Stitched:
        """Hold the space, so that what it keeps of its own codes is computed once."""
        return _Stitched(space)

    def compute(self, a: _Stitched, b: _Stitched) -> tuple[float, str]:
        """Return what the second model's decoder keeps, given the first one's codes."""
        return b.r2_of(stitched_codes(a.space, b.space)), f"r2 of its own codes: {b.own:.3f}"
