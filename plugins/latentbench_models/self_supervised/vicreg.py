"""VICReg."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor

from latentbench import Batch, PerMember
from latentbench_models.self_supervised.two_views import TwoViews

__all__ = ["VICReg", "covariance_term", "variance_term"]

SPREAD = 1.0  # standard deviation that each number shall have
TINY = 1e-4


class VICReg(TwoViews):
    """VICReg: codes that changes of the input leave alone, each number of which varies and says something else.

    Two views shall give one projection, whose numbers vary and are not correlated. As in the paper's algorithm 1,
    the invariance is a mean over numbers, too. Ours: the backbones of `ae`, a head of three layers of one width.

    Source: Bardes, Ponce and LeCun 2022, "VICReg: Variance-Invariance-Covariance Regularization for
    Self-Supervised Learning".

    Loss: `invariance * |u - v|^2 / k + variance * (S(u) + S(v)) + covariance * (C(u) + C(v))`, where u and v are
    the projections of two views, of k numbers, S is the mean of what their standard deviations over the batch lack
    of 1, and C the sum of their squared covariances, over k.
    """

    label_params: ClassVar[tuple[str, ...]] = ("invariance",)

    class Params(TwoViews.Params):
        """Parameters of VICReg."""

        invariance: Annotated[float, PerMember] = Field(
            default=25.0, ge=0, description="weight of the squared distance of two views"
        )
        variance: Annotated[float, PerMember] = Field(
            default=25.0, ge=0, description="weight of what standard deviations lack of 1"
        )
        covariance: Annotated[float, PerMember] = Field(
            default=1.0, ge=0, description="weight of the squared covariances of different numbers"
        )

    params: Params

    def head_widths(self, width: int) -> tuple[int, ...]:
        """Return three layers of one width."""
        return width, width, width

    def loss(self, batch: Batch, noise: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the weighted sum of the three terms, and the terms."""
        first, second = (self.head_net(self.encoder_net(view)) for view in self.both_views(batch.inputs, noise))
        invariance = (first - second).square().mean()
        variance = variance_term(first) + variance_term(second)
        covariance = covariance_term(first) + covariance_term(second)
        weights = self.params
        total = weights.invariance * invariance + weights.variance * variance + weights.covariance * covariance
        return {"total": total, "invariance": invariance, "variance": variance, "covariance": covariance}


def variance_term(rows: Tensor) -> Tensor:
    """Return the mean of max(0, 1 - standard deviation) over the columns of `(n, k)`."""
    centered = rows - rows.mean(0)
    variances = centered.square().sum(0) / max(1, len(rows) - 1)
    return (SPREAD - (variances + TINY).sqrt()).clamp_min(0).mean()


def covariance_term(rows: Tensor) -> Tensor:
    """Return the sum of squared covariances of different columns of `(n, k)`, over k."""
    centered = rows - rows.mean(0)
    covariances = centered.T @ centered / max(1, len(rows) - 1)
    return (covariances.square().sum() - covariances.diagonal().square().sum()) / rows.shape[1]
