"""Random new codes: from the prior where a model has one, else from a density fitted to its codes."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from latentbench.errors import NotApplicableError, UnknownNameError, near_matches
from latentbench.latent.space import LatentSpace

if TYPE_CHECKING:
    from sklearn.mixture import GaussianMixture

__all__ = [
    "SOURCES",
    "Mixture",
    "Source",
    "fit_gaussian",
    "fit_mixture",
    "sample_codes",
    "sampler_name",
    "training_codes",
]

Source = Literal["auto", "prior", "gaussian", "mixture"]
SOURCES: tuple[Source, ...] = ("auto", "prior", "gaussian", "mixture")
PARTS = 10  # components of a mixture
MIXTURE_ROWS = 20_000  # most codes that a mixture is fitted to
MIXTURE_ELEMENTS = 4_000_000  # most rows times varying dimensions: a step costs these times d
FIT_SEED = 0  # the fitted density does not depend on the seed of the draws


@dataclass(frozen=True)
class Mixture:
    """A mixture of normal distributions over codes.

    Attributes:
        weights: the weight `(k,)` of each component, float64, with sum 1.
        means: `(k, d)`.
        roots: `(k, d, d)`, R Rᵀ = covariance.
    """

    weights: Tensor
    means: Tensor
    roots: Tensor

    def sample(self, noise: Tensor, generator: torch.Generator) -> Tensor:
        """Turn standard normal `noise` `(n, d)` into codes `(n, d)`; `generator` chooses the component of each."""
        parts = torch.multinomial(self.weights.cpu(), len(noise), replacement=True, generator=generator)
        moved = torch.empty_like(noise, dtype=torch.float64)
        for part in range(len(self.weights)):
            rows = (parts == part).to(noise.device)
            moved[rows] = self.means[part] + noise[rows].double() @ self.roots[part].T
        return moved


def sampler_name(space: LatentSpace, how: Source = "auto") -> str:
    """Return the name of what `sample_codes` draws from; errors as there."""
    names = {
        "prior": "the prior",
        "gaussian": "a full Gaussian fitted to the training codes",
        "mixture": f"a mixture of {PARTS} full Gaussians fitted to the training codes",
    }
    return names[_chosen(space, how)]


def sample_codes(space: LatentSpace, count: int, seed: int, how: Source = "auto") -> Tensor:
    """Draw `count` new codes `(count, d)`.

    "auto" draws from the prior of a model that has one, and otherwise like "gaussian": from a Gaussian with full
    covariance fitted to the training codes (to the space's own codes without a training split), as RAE (Ghosh
    2020) and pythae do. "mixture" draws from `fit_mixture` of the same codes.

    Raises:
        UnknownNameError: there is no such `how`.
        ValueError: a count below 0.
        NotApplicableError: "prior" for a model without one, or too few codes for a mixture.
    """
    if count < 0:
        raise ValueError(f"count must be at least 0, got {count}")
    chosen = _chosen(space, how)
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn((count, space.dim), generator=generator).to(space.device)
    if chosen == "prior":
        return space.prior.sample(noise)
    if chosen == "mixture":
        return fit_mixture(training_codes(space)).sample(noise, generator).float()
    mean, root = fit_gaussian(training_codes(space))
    return (mean + noise.double() @ root.T).float()


def training_codes(space: LatentSpace) -> Tensor:
    """Return the codes of the training split, or of the space itself if it has none."""
    return (space.train if "train" in space.supplies else space).codes


def fit_gaussian(codes: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean `(d,)` and a root `(d, d)` of the covariance, R Rᵀ = C, in float64.

    The root is computed from eigenvectors, so dimensions without any spread, or a single code, are allowed.
    """
    centered = codes.double() - codes.double().mean(0)
    covariance = centered.T @ centered / max(len(codes) - 1, 1)
    values, vectors = torch.linalg.eigh(covariance)
    return codes.double().mean(0), vectors * values.clamp_min(0).sqrt()


def fit_mixture(codes: Tensor, parts: int = PARTS, seed: int = FIT_SEED) -> Mixture:
    """Fit a mixture of `parts` normal distributions with full covariances to codes `(n, d)`, by scikit-learn.

    Expectation maximization, initialized by k-means, takes at most 100 steps on codes divided by the spread of
    each dimension. It uses at most 20,000 codes, or 4,000,000 numbers, chosen by `seed`. A dimension without
    spread keeps its value.

    Raises:
        NotApplicableError: fewer than two codes per component.
    """
    if len(codes) < 2 * parts:
        raise NotApplicableError(f"a mixture of {parts} parts needs at least {2 * parts} codes, got {len(codes)}")
    exact = codes.double()
    mean, spread = exact.mean(0), exact.std(0)
    varies = (spread > 0).nonzero()[:, 0]
    means, roots = mean.repeat(parts, 1), torch.zeros(parts, len(mean), len(mean), dtype=torch.float64)
    roots = roots.to(codes.device)
    if not len(varies):
        return Mixture(torch.full((parts,), 1 / parts, dtype=torch.float64), means, roots)
    size = spread[varies]
    rows = min(MIXTURE_ROWS, max(2 * parts, MIXTURE_ELEMENTS // len(varies)))
    chosen = torch.randperm(len(codes), generator=torch.Generator().manual_seed(seed))[:rows].to(codes.device)
    fitted = _expectation_maximization((exact[chosen][:, varies] - mean[varies]) / size, parts, seed)
    means[:, varies] += torch.from_numpy(fitted.means_).to(size) * size
    covariances = torch.from_numpy(fitted.covariances_).to(size)
    roots[:, varies[:, None], varies] = size[:, None] * torch.linalg.cholesky(covariances)
    return Mixture(torch.from_numpy(fitted.weights_).to(size), means, roots)


def _expectation_maximization(codes: Tensor, parts: int, seed: int) -> GaussianMixture:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", ConvergenceWarning
        )  # stopped early, or fitted to few distinct codes, it is still a mixture
        return GaussianMixture(parts, covariance_type="full", random_state=seed).fit(codes.cpu().numpy())


def _chosen(space: LatentSpace, how: Source) -> Literal["prior", "gaussian", "mixture"]:
    if how not in SOURCES:
        near = near_matches(how, SOURCES)
        raise UnknownNameError(f"there is no source {how!r}{near}; there are {', '.join(SOURCES)}")
    if how == "auto":
        return "prior" if "prior" in space.supplies else "gaussian"
    return how
