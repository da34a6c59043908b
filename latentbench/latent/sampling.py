"""Draws of new codes: from the prior where a model has one, else from a density fitted to its codes."""

from __future__ import annotations

import torch
from torch import Tensor

from latentbench.latent.space import LatentSpace

__all__ = ["fit_gaussian", "sample_codes", "sampler_name"]


def sampler_name(space: LatentSpace) -> str:
    """Say where `sample_codes` draws from."""
    return "the prior" if "prior" in space.supplies else "a full Gaussian fitted to the training codes"


def sample_codes(space: LatentSpace, count: int, seed: int) -> Tensor:
    """Draw `count` new codes `(count, d)`.

    A model with a prior draws from it. Others draw from a Gaussian with full covariance fitted to the training
    codes (to the codes themselves where there is no training split), as RAE and pythae do.
    """
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn((count, space.dim), generator=generator).to(space.device)
    if "prior" in space.supplies:
        return space.prior.sample(noise)
    mean, root = fit_gaussian((space.train or space).codes)
    return (mean + noise.double() @ root.T).float()


def fit_gaussian(codes: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean `(d,)` and a root `(d, d)` of the covariance, R Rᵀ = C, in float64.

    The root is made from eigenvectors, so dimensions without any spread are no trouble.
    """
    centered = codes.double() - codes.double().mean(0)
    covariance = centered.T @ centered / (len(codes) - 1)
    values, vectors = torch.linalg.eigh(covariance)
    return codes.double().mean(0), vectors * values.clamp_min(0).sqrt()
