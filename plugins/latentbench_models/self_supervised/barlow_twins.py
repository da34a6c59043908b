"""Barlow Twins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor

from latentbench import Batch, PerMember
from latentbench_models.self_supervised.two_views import TwoViews

__all__ = ["BarlowTwins", "cross_correlation"]

TINY = 1e-5


class BarlowTwins(TwoViews):
    """Barlow Twins: codes that changes of the input leave alone, without repeating themselves.

    Over a batch, each number of the projection of one view shall be correlated with the same number of the other
    view and with no other number. Ours: the backbones of `ae`, a head of three layers of one width.

    Source: Zbontar et al. 2021, "Barlow Twins: Self-Supervised Learning via Redundancy Reduction".

    Loss: `sum_i (1 - R_ii)^2 + redundancy * sum_ij R_ij^2`, the second sum over i other than j, where R are the
    correlations of the projections of two views over the batch.
    """

    label_params: ClassVar[tuple[str, ...]] = ("redundancy",)

    class Params(TwoViews.Params):
        """Parameters of Barlow Twins."""

        redundancy: Annotated[float, PerMember] = Field(
            default=0.005, ge=0, description="weight of the squared correlations of different numbers"
        )

    params: Params

    def head_widths(self, width: int) -> tuple[int, ...]:
        """Return three layers of one width."""
        return width, width, width

    def loss(self, batch: Batch, noise: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return invariance + redundancy weight * redundancy, and both terms, sums over numbers."""
        first, second = (self.head_net(self.encoder_net(view)) for view in self.both_views(batch.inputs, noise))
        correlations = cross_correlation(first, second)
        same = correlations.diagonal()
        invariance = (1 - same).square().sum()
        redundancy = correlations.square().sum() - same.square().sum()
        total = invariance + self.params.redundancy * redundancy
        return {"total": total, "invariance": invariance, "redundancy": redundancy}


def cross_correlation(first: Tensor, second: Tensor) -> Tensor:
    """Return the correlations `(k, k)` of the columns of two projections `(n, k)` over the batch."""
    one, other = (
        centered / (centered.square().mean(0) + TINY).sqrt()
        for centered in (first - first.mean(0), second - second.mean(0))
    )
    return one.T @ other / len(first)
