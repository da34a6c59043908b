"""Traversals: one dimension of a code runs through the range of the data, the others stay fixed."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from latentbench.latent.space import LatentSpace
from latentbench.model import Posterior

__all__ = ["LOWEST", "activity", "activity_unit", "most_active", "quantile_levels", "traverse"]

LOWEST = 0.05  # quantile at which a traversal begins; it ends at 1 - LOWEST


def activity(space: LatentSpace) -> Tensor:
    """Return how much information each dimension carries about an item, `(d,)` in float64; at least 0.

    With diagonal normal posteriors and prior: the mean Kullback-Leibler divergence of each dimension, in nats.
    With other distributions, or none: the variance of the codes. See `activity_unit`.

    Source: Burda 2016, "Importance Weighted Autoencoders", section 5.2, for active units; the divergence per
    dimension as in Burgess 2018, "Understanding disentangling in beta-VAE".

    >>> activity(LatentSpace.from_arrays(codes=[[0.0, 1.0], [2.0, 1.0]]))
    tensor([1., 0.], dtype=torch.float64)
    """
    if not _has_rates(space):
        return space.codes.double().var(0, correction=0)
    posterior, prior = space.posterior, space.prior
    columns = Posterior(posterior.mean.double().reshape(-1, 1), posterior.variance.double().reshape(-1, 1))
    broadcast = Posterior(
        prior.mean.double().expand_as(posterior.mean).reshape(-1, 1),
        prior.variance.double().expand_as(posterior.mean).reshape(-1, 1),
    )
    return columns.kl(broadcast).reshape(posterior.mean.shape).mean(0)


def activity_unit(space: LatentSpace) -> str:
    """Return the unit of `activity`: "nats" or "variance"."""
    return "nats" if _has_rates(space) else "variance"


def most_active(space: LatentSpace, count: int | None = None) -> list[int]:
    """Return the numbers of the `count` most active dimensions (None: of all), ties in their order."""
    order = activity(space).sort(descending=True, stable=True).indices.tolist()
    return order[:count]


def quantile_levels(steps: int) -> Tensor:
    """Return evenly spaced levels `(steps,)` from 0.05 to 0.95.

    >>> quantile_levels(3)
    tensor([0.0500, 0.5000, 0.9500], dtype=torch.float64)

    Raises:
        ValueError: fewer than two steps.
    """
    if steps < 2:
        raise ValueError(f"a traversal needs at least 2 steps, got {steps}")
    return torch.linspace(LOWEST, 1 - LOWEST, steps, dtype=torch.float64)


def traverse(
    space: LatentSpace, item: int | None = None, dims: Sequence[int] | None = None, steps: int = 9
) -> Tensor:
    """Return codes `(k, steps, d)`: in row i only dimension `dims[i]` differs from the start.

    The dimension runs through quantiles of the aggregated posterior from 5 to 95 %: of one sample of each item's
    posterior, or of the codes where there is no posterior. So each step stays within the data, in that dimension.

    Args:
        space: the latent space.
        item: row of the code to start from; None: the mean of all codes.
        dims: numbers of k dimensions; None: all, the most active first.
        steps: codes per dimension, at least 2.

    Raises:
        ValueError: fewer than two steps.
        IndexError: no such item or dimension.

    >>> space = LatentSpace.from_arrays(codes=[[float(i), 1.0] for i in range(101)])
    >>> traverse(space, item=0, dims=[0], steps=3)
    tensor([[[ 5.,  1.],
             [50.,  1.],
             [95.,  1.]]])
    """
    levels = quantile_levels(steps).to(space.device)
    chosen = most_active(space) if dims is None else [_known("dims", dim, space.dim) for dim in dims]
    sampled = space.code_samples if "posterior" in space.supplies else space.codes
    start = space.codes.mean(0) if item is None else space.codes[_known("item", item, len(space))]
    codes = start.repeat(len(chosen), steps, 1)
    for row, dim in enumerate(chosen):
        codes[row, :, dim] = torch.quantile(sampled[:, dim].double(), levels).to(codes)
    return codes


def _known(what: str, number: int, count: int) -> int:
    if not 0 <= number < count:
        raise IndexError(f"{what} must be from 0 to {count - 1}, got {number}")
    return number


def _has_rates(space: LatentSpace) -> bool:
    """Whether posteriors and prior are diagonal normals, whose divergence is a sum over dimensions."""
    if not {"posterior", "prior"} <= space.supplies:
        return False
    return type(space.posterior) is Posterior and type(space.prior) is Posterior
