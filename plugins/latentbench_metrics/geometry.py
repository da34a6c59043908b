"""The shape of the cloud of codes: how many of its dimensions are in use; neighborhoods are next door."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor

from latentbench import LatentSpace, Metric, NotApplicableError, Score
from latentbench_metrics.neighborhoods import (
    continuity,
    distance_correlation,
    neighbor_recall,
    trustworthiness,
)

__all__ = [
    "ActiveUnits",
    "ParticipationRatio",
    "active_units",
    "continuity",
    "distance_correlation",
    "neighbor_recall",
    "participation_ratio",
    "trustworthiness",
]

ACTIVE = 0.01


def active_units(codes: Tensor) -> int:
    """Number of dimensions whose variance over the data is more than 0.01 (Burda 2016, section 5.2).

    Meant for posterior means under a standard normal prior; of other codes it depends on their scale.

    Args:
        codes: `(n, d)`.

    >>> import torch
    >>> active_units(torch.tensor([[0.0, 5.0], [1.0, 5.0]]))
    1
    """
    return int((codes.double().var(0) > ACTIVE).sum())


def participation_ratio(codes: Tensor) -> float:
    """Number of directions that share the variance, (sum λ)² / sum λ² of the covariance's eigenvalues λ.

    From 1 (all variance along one line) to d (equally much in all directions); no better side.

    Args:
        codes: `(n, d)`, n at least 2.

    Raises:
        NotApplicableError: all codes are equal.

    >>> import torch
    >>> round(participation_ratio(torch.tensor([[1.0, 0], [-1, 0], [0, 1], [0, -1]])), 6)
    2.0
    """
    if bool((codes == codes[0]).all()):
        raise NotApplicableError("all codes are equal")
    centered = codes.double() - codes.double().mean(0)
    covariance = centered.T @ centered
    return float(covariance.trace().square() / covariance.square().sum())


class ActiveUnits(Metric):
    """Dimensions of the code that say something about the input."""

    scores: ClassVar[Mapping[str, Score]] = {
        "active_units": Score("none", "dimensions with variance over 0.01", "use", True, (0, float("inf"))),
    }
    invariances: ClassVar[tuple[str, ...]] = ("shift",)

    def compute(self, space: LatentSpace) -> Mapping[str, float]:
        """Return the count."""
        return {"active_units": float(active_units(space.codes))}


class ParticipationRatio(Metric):
    """Directions that share the variance of the codes; unlike active units it does not depend on their scale."""

    scores: ClassVar[Mapping[str, Score]] = {
        "participation_ratio": Score("none", "directions that share the variance", "use", range=(1, float("inf"))),
    }
    invariances: ClassVar[tuple[str, ...]] = ("shift", "scale", "rotation")

    def compute(self, space: LatentSpace) -> Mapping[str, float]:
        """Return the ratio."""
        return {"participation_ratio": participation_ratio(space.codes)}
