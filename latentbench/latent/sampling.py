"""Draws of new codes: from the prior where a model has one, else from a density fitted to its codes."""

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
PARTS = 10  # of a mixture
MIXTURE_ROWS = 20_000  # codes a mixture is fitted to, at most
MIXTURE_ELEMENTS = 4_000_000  # the same, as rows times the dimensions that vary: a step costs these times d
FIT_SEED = 0  # a density is the same whatever is drawn from it


@dataclass(frozen=True)
class Mixture:
    """A mixture of normal distributions over codes.

    Attributes:
        weights: share `(k,)` of each part, float64, of sum 1.
        means: `(k, d)`.
        roots: `(k, d, d)`, R Rᵀ = covariance.
    """

    weights: Tensor
    means: Tensor
    roots: Tensor

    def sample(self, noise: Tensor, generator: torch.Generator) -> Tensor:
        """Turn standard normal `noise` `(n, d)` into codes `(n, d)`; `generator` chooses the part of each."""
        parts = torch.multinomial(self.weights.cpu(), len(noise), replacement=True, generator=generator)
        moved = torch.empty_like(noise, dtype=torch.float64)
        for part in range(len(self.weights)):
            rows = (parts == part).to(noise.device)
            moved[rows] = self.means[part] + noise[rows].double() @ self.roots[part].T
        return moved


def sampler_name(space: LatentSpace, how: Source = "auto") -> str:
    """Say where `sample_codes` draws from; its errors are those of `sample_codes`."""
    names = {
        "prior": "the prior",
        "gaussian": "a full Gaussian fitted to the training codes",
        "mixture": f"a mixture of {PARTS} full Gaussians fitted to the training codes",
    }
    return names[_chosen(space, how)]


def sample_codes(space: LatentSpace, count: int, seed: int, how: Source = "auto") -> Tensor:
    """Draw `count` new codes `(count, d)`.

    "auto" draws from the prior of a model that has one. For others it draws as "gaussian" does: from a Gaussian
    with full covariance fitted to the training codes (to the codes themselves where there is no training split),
    as RAE (Ghosh 2020) and pythae do. "mixture" is `fit_mixture`, likewise.

    Raises:
        UnknownNameError: another `how`.
        ValueError: a count below 0.
        NotApplicableError: no prior where one was asked for, or too few codes for a mixture.
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
    """Return the codes of the training split, of the space itself where there is none."""
    return (space.train if "train" in space.supplies else space).codes


def fit_gaussian(codes: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean `(d,)` and a root `(d, d)` of the covariance, R Rᵀ = C, in float64.

    The root is made from eigenvectors, so dimensions without any spread are no trouble. One code has none.
    """
    centered = codes.double() - codes.double().mean(0)
    covariance = centered.T @ centered / max(len(codes) - 1, 1)
    values, vectors = torch.linalg.eigh(covariance)
    return codes.double().mean(0), vectors * values.clamp_min(0).sqrt()


def fit_mixture(codes: Tensor, parts: int = PARTS, seed: int = FIT_SEED) -> Mixture:
    """Fit a mixture of `parts` normal distributions with full covariances to codes `(n, d)`, by scikit-learn.

    Expectation maximization from k-means, at most 100 steps, on codes divided by the spread of each dimension; of
    many codes a part, chosen by `seed`, is looked at: 20,000, or 4,000,000 numbers. A dimension without spread
    stays where it is.

    Raises:
        NotApplicableError: fewer than two codes a part.
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
        warnings.simplefilter("ignore", ConvergenceWarning)  # cut short, or of few distinct codes, it is one still
        return GaussianMixture(parts, covariance_type="full", random_state=seed).fit(codes.cpu().numpy())


def _chosen(space: LatentSpace, how: Source) -> Literal["prior", "gaussian", "mixture"]:
    if how not in SOURCES:
        near = near_matches(how, SOURCES)
        raise UnknownNameError(f"nothing draws from {how!r}{near}; there are {', '.join(SOURCES)}")
    if how == "auto":
        return "prior" if "prior" in space.supplies else "gaussian"
    return how
