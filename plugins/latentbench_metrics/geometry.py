"""How many dimensions and directions of the codes are in use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor

from latentbench import Invariance, LatentSpace, Metric, NotApplicableError, Score
from latentbench_metrics._shared.rounding import coincide

__all__ = ["ActiveUnits", "ParticipationRatio", "active_units", "codebook_perplexity", "participation_ratio"]

ACTIVE = 0.01


def active_units(codes: Tensor) -> int:
    """Number of dimensions whose variance over the data is more than 0.01, from 0 to d; no better direction.

    Source: Burda, Grosse and Salakhutdinov 2016, section 5.2.

    Traps: meant for posterior means under a standard normal prior; for other codes it depends on their scale, and
    for an autoencoder it is meaningless. Read `rate` or `participation_ratio` beside it.

    Args:
        codes: `(n, d)`.

    >>> import torch
    >>> active_units(torch.tensor([[0.0, 5.0], [1.0, 5.0]]))
    1
    """
    return int((codes.double().var(0) > ACTIVE).sum())


def participation_ratio(codes: Tensor) -> float:
    """Number of directions that share the variance, (sum λ)² / sum λ²; no better direction.

    λ are the eigenvalues of the covariance. From 1 (all variance along one line) to d (equally much in all
    directions), in directions.

    Source: the inverse participation ratio of physics, applied to the spectrum of the covariance.

    Traps: one direction much wider than the rest hides them all: 7.9 for the pixels of Fashion-MNIST, whose
    intrinsic dimension is 16. It counts directions, not dimensions: a bent line may fill all of them.

    Args:
        codes: `(n, d)`, n at least 2.

    Raises:
        NotApplicableError: all codes are equal.

    >>> import torch
    >>> round(participation_ratio(torch.tensor([[1.0, 0], [-1, 0], [0, 1], [0, -1]])), 6)
    2.0
    """
    if coincide(codes):
        raise NotApplicableError("all codes are equal")
    exact = codes.double()
    centered = exact - exact.mean(0)
    covariance = centered.T @ centered
    return float(covariance.trace().square() / covariance.square().sum())


def codebook_perplexity(counts: Tensor) -> float:
    """Number of codebook entries in even use, exp of the entropy of their shares p; higher is better.

    exp(-sum p ln p), from 1 (a single entry is used) to K (all are used equally often), in entries.

    Source: as reported for VQ-VAE (van den Oord, Vinyals and Kavukcuoglu 2017).

    Traps: it cannot exceed the number of counted items: count many times K. A perplexity of K says that all
    entries are used, not that they differ.

    Args:
        counts: how often each entry is used, `(K,)`; shares will do.

    Raises:
        ValueError: a negative count, or none above 0.

    >>> import torch
    >>> round(codebook_perplexity(torch.tensor([5, 5, 5, 5, 0])), 6)
    4.0
    """
    if counts.ndim != 1 or not bool((counts >= 0).all()) or not bool((counts > 0).any()):
        raise ValueError(f"counts must be (K,), none negative and not all 0, got {counts.tolist()}")
    shares = counts.double() / counts.double().sum()
    return float((-shares.xlogy(shares).sum()).exp())


class ActiveUnits(Metric):
    """A dimension whose mean hardly varies carries no information about the input."""

    scores: ClassVar[Mapping[str, Score]] = {
        "active_units": Score("none", purpose="use", headline=True, range=(0, float("inf"))),
    }
    invariances: ClassVar[tuple[Invariance, ...]] = ("shift",)

    def compute(self, space: LatentSpace) -> Mapping[str, float]:
        """Return the count."""
        return {"active_units": float(active_units(space.codes))}


class ParticipationRatio(Metric):
    """Unlike active units, it does not depend on the scale of the codes."""

    scores: ClassVar[Mapping[str, Score]] = {
        "participation_ratio": Score(
            "none",
            purpose="use",
            range=(1, float("inf")),
            floor="untrained",
            ceiling="pixels",
        ),
    }
    version: ClassVar[int] = 2
    invariances: ClassVar[tuple[Invariance, ...]] = ("shift", "scale", "rotation")

    def compute(self, space: LatentSpace) -> Mapping[str, float]:
        """Return the ratio."""
        return {"participation_ratio": participation_ratio(space.codes)}
