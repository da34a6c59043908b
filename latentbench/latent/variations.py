"""Variations of one input: codes from the neighborhood of its code."""

from __future__ import annotations

import math
import operator

import torch
from torch import Tensor

from latentbench.errors import NotApplicableError
from latentbench.latent.sampling import training_codes
from latentbench.latent.space import LatentSpace
from latentbench.model import Posterior

__all__ = ["neighborhood_name", "variations"]

NEIGHBORS = 20


def neighborhood_name(space: LatentSpace) -> str:
    """Return the name of what `variations` draws from."""
    if "posterior" in space.supplies:
        return "its posterior"
    return f"a Gaussian with the covariance of its {NEIGHBORS} nearest codes"


def variations(space: LatentSpace, item: int | Tensor, count: int, seed: int, width: float = 1.0) -> Tensor:
    """Draw `count` codes `(count, d)` around the code of one input; decoded, they vary it.

    They come from its posterior, if there is one, with the standard deviation times `width`. Otherwise they come
    from a Gaussian around the input's code, with the covariance of its 20 nearest codes in the training split
    (among the other items if there is no training split), widened likewise. A width of 0 gives the code itself, so
    the decoded variations are the reconstruction.

    Args:
        space: the latent space.
        item: row number of an item, of any integer type, or an input `(*shape)`.
        count: number of codes.
        seed: seed of the noise.
        width: width of the neighborhood as a multiple of the measured one, finite and at least 0.

    Raises:
        NotApplicableError: an input for a space without encoder, or fewer than 20 neighbors.
        ValueError: there is no such item, or the width is negative or not finite.
    """
    if not 0 <= width < math.inf:
        raise ValueError(f"width must be at least 0 and finite, got {width}")
    item = item if isinstance(item, Tensor) and item.ndim else operator.index(item)
    if isinstance(item, int) and not 0 <= item < len(space):
        raise ValueError(f"item must be from 0 to {len(space) - 1}, got {item}")
    generator = torch.Generator().manual_seed(seed)
    if "posterior" in space.supplies:
        noise = width * torch.randn((count, space.dim), generator=generator).to(space.device)
        return _posterior(space, item).sample(noise)
    code = space.codes[item] if isinstance(item, int) else space.encode(item[None])[0]
    apart = _neighbors(space, item, code)
    noise = torch.randn((count, len(apart)), generator=generator).to(apart)
    drawn: Tensor = code + width * (noise @ apart / (len(apart) - 1) ** 0.5).float()
    return drawn


def _posterior(space: LatentSpace, item: int | Tensor) -> Posterior:
    if isinstance(item, int):
        return space.posterior.take(torch.tensor([item], device=space.device))
    return space.posterior_of(item[None])


def _neighbors(space: LatentSpace, item: int | Tensor, code: Tensor) -> Tensor:
    """Return the 20 codes nearest to a code, centered, `(20, d)` in float64: a root of their covariance."""
    bank = training_codes(space)
    apart = torch.linalg.vector_norm(bank - code, dim=1)
    if "train" not in space.supplies and isinstance(item, int):
        apart[item] = torch.inf
    if int(torch.isfinite(apart).sum()) < NEIGHBORS:
        raise NotApplicableError(f"a neighborhood needs at least {NEIGHBORS} other codes")
    near = bank[apart.topk(NEIGHBORS, largest=False).indices].double()
    return near - near.mean(0)
