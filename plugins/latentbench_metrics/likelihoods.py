"""How probable inputs are under a model, in nats: likelihoods of reconstructions, the rate, and two bounds.

A likelihood of real-valued inputs is a density: it may exceed 1, its logarithm may exceed 0, and it cannot be
compared with the probabilities of a Bernoulli likelihood.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from latentbench import Invariance, LatentSpace, Metric, Need, NotApplicableError, Posterior, Score, Tier
from latentbench.latent.part import part_of
from latentbench.latent.space import SAMPLE_SEED
from latentbench_metrics._shared.item_errors import in_unit_range, item_mean, per_item, squared_errors
from latentbench_metrics._shared.subsets import some_rows

__all__ = [
    "ImportanceWeighted",
    "Likelihoods",
    "Rate",
    "bernoulli_excess",
    "bernoulli_nll",
    "elbo",
    "gaussian_nll",
    "iwae",
    "kl_normal",
    "log_weights",
    "rate",
]

ITEMS = 500  # fixed test items of iwae
SAMPLES = 50  # importance samples of each: 500 take ten times as long and raise the bound by .6 to 9 nats
LEAST_LOG = -100.0  # of a probability of 0, as in torch's binary cross entropy


def bernoulli_nll(inputs: Tensor, probabilities: Tensor) -> float:
    """-Σ x log p + (1 - x) log(1 - p) over input elements, mean over items; lower is better.

    In nats per item, [0, inf). A probability of exactly 0 or 1 costs nothing where the input equals it, and at
    most 100 nats elsewhere.

    Source: the usual definition; logarithms are clamped at -100, as in torch's `binary_cross_entropy`.

    Traps: on grey inputs it is not a likelihood, and its minimum is their own entropy, not 0 (189.86 nats for
    Fashion-MNIST): use `bernoulli_excess`. Elements are summed, so it grows with the image.

    Args:
        inputs: `(n, *shape)` in [0, 1].
        probabilities: likewise.

    Raises:
        ValueError: unequal shapes, or values outside [0, 1].

    >>> round(bernoulli_nll(torch.ones(2, 784), torch.full((2, 784), 0.5)), 4)
    543.4274
    """
    _check_unit_range(inputs=inputs, probabilities=probabilities)
    return item_mean(per_item(_cross_entropy, inputs, probabilities))


def bernoulli_excess(inputs: Tensor, probabilities: Tensor) -> float:
    """`bernoulli_nll` minus its minimum, the inputs' own entropy, mean over items; lower is better.

    Σ x log(x / p) + (1 - x) log((1 - x) / (1 - p)) in nats per item, [0, inf): 0 for a copy.

    Source: cross-entropy minus entropy is the Kullback-Leibler divergence.

    Traps: on grey inputs it is a sensible loss, but still not a likelihood of the data: it cannot be compared with
    nats of another likelihood.

    Args:
        inputs: `(n, *shape)` in [0, 1].
        probabilities: likewise.

    Raises:
        ValueError: unequal shapes, or values outside [0, 1].

    >>> grey = torch.full((1, 10), 0.5)
    >>> bernoulli_excess(grey, grey), round(bernoulli_nll(grey, grey), 4)
    (0.0, 6.9315)
    """
    _check_unit_range(inputs=inputs, probabilities=probabilities)
    return item_mean(
        per_item(lambda x, p: (_cross_entropy(x, p) - _cross_entropy(x, x)).clamp_min(0), inputs, probabilities)
    )


def gaussian_nll(inputs: Tensor, reconstructions: Tensor, sigma: float) -> float:
    """D/2 ln(2πσ²) + squared error / 2σ², mean over items of D elements; lower is better.

    In nats per item, of a density: below 0 when sigma is small.

    Source: the normal density with one standard deviation for all elements; it can be learned as in Rybkin et al.
    2021.

    Traps: with a sigma that was not learned it is `mse` in disguise; and on inputs with few distinct values, such
    as 8-bit images, a small sigma makes it as low as one likes.

    Args:
        inputs: `(n, *shape)`.
        reconstructions: likewise.
        sigma: standard deviation, in units of the inputs.

    Raises:
        ValueError: unequal shapes, or sigma not above 0.

    >>> x = torch.zeros(2, 784)
    >>> round(gaussian_nll(x, x, sigma=1.0), 3)
    720.448
    """
    if not 0 < sigma < math.inf:
        raise ValueError(f"sigma must be above 0 and finite, got {sigma}")
    errors = per_item(lambda x, y: squared_errors(x.double(), y.double()), inputs, reconstructions)
    elements = inputs[0].numel()
    return 0.5 * elements * (math.log(2 * math.pi * sigma**2) + item_mean(errors) / sigma**2)


def kl_normal(mean: Tensor, variance: Tensor) -> float:
    """Kullback-Leibler divergence of diagonal normals `(n, d)` from N(0, I), mean over items; no better direction.

    In nats per item, [0, inf).

    Source: the closed form, as in Kingma and Welling 2014.

    Traps: see `rate`.

    Args:
        mean: `(n, d)`.
        variance: likewise, above 0.

    >>> kl_normal(torch.ones(1, 1), torch.ones(1, 1))
    0.5
    """
    return rate(Posterior(mean, variance), Posterior(torch.zeros_like(mean[0]), torch.ones_like(mean[0])))


def rate(posterior: Posterior, prior: Posterior) -> float:
    """Mean divergence of the posteriors from the prior: the information a code carries; no better direction.

    In nats per item, [0, inf).

    Source: the rate of Alemi et al. 2018.

    Traps: 0 is a collapsed posterior, whose means can still look informative (kNN .775 on means, .114 on samples);
    reconstruction errors are only comparable at equal rates.

    Args:
        posterior: mean and variance `(n, d)`.
        prior: mean and variance `(d,)`.

    >>> one = torch.ones(1, 2)
    >>> rate(Posterior(one, one), Posterior(torch.zeros(2), torch.ones(2)))
    1.0
    """
    return item_mean(posterior.kl(prior))


def elbo(space: LatentSpace, seed: int = 0, samples: int = 1) -> float:
    """Evidence lower bound E_q[log p(x|z) + log p(z) - log q(z|x)], mean over items; higher is better.

    In nats per item, unbounded for densities. E_q[log p(x|z)] - KL(q || p), with the KL estimated from the same
    posterior samples as the likelihood: free of noise where the posterior is exact. With seed 0 the first sample
    is `space.code_samples`.

    Source: Kingma and Welling 2014; the estimator is the one of Roeder et al. 2017.

    Traps: compares only models with the same likelihood. It lies KL(q || true posterior) below log p(x), so a
    better encoder raises it with the same decoder: read `iwae` beside it.

    Args:
        space: with inputs, posterior, prior and likelihood.
        seed: of the posterior samples.
        samples: posterior samples an item; each costs one decoding of all items.

    Raises:
        NotApplicableError: no posterior, prior or likelihood (a deterministic model), or infinite values.
        ValueError: samples under 1.

    >>> zero, one = torch.zeros(4, 1), torch.ones(4, 1)
    >>> collapsed = dict(posterior=Posterior(zero, one), prior=Posterior(zero[0], one[0]))
    >>> space = LatentSpace.from_arrays(inputs=one, codes=zero, **collapsed)
    >>> coin = space.replaced(likelihood=lambda x, z: torch.full((len(z),), 0.5).log())
    >>> round(elbo(coin), 4)
    -0.6931
    """
    return item_mean(log_weights(space, samples, seed))


def iwae(space: LatentSpace, k: int = SAMPLES, seed: int = 0) -> float:
    """Importance-weighted bound log 1/k Σ p(x, z_i) / q(z_i|x), mean over items; higher is better.

    In nats per item, unbounded for densities. On 500 fixed items, or all where there are fewer; k = 1 is their
    evidence lower bound. Rises with k toward log p(x).

    Source: Burda et al. 2016, who train with k up to 50 and report k = 5000; logarithms of sums are computed in
    float64.

    Traps: compares only models with the same likelihood, at one k. From k = 50 to 500 it rises by 0.6 nats for a
    Bernoulli VAE of Fashion-MNIST, by 4.2 and 8.7 for Gaussian ones of 16 and 64 dimensions, and by 6.7 at beta 4:
    beside other work, take its k. The sampling error of the mean is far smaller: 0.06 to 0.3 nats at k = 50, where
    that over images is 3 to 14. A posterior that is too narrow keeps the bound low however large k is, and nothing
    in the value reveals that.

    Args:
        space: with inputs, posterior, prior and likelihood.
        k: posterior samples an item; each costs one decoding of the items.
        seed: of the posterior samples.

    Raises:
        NotApplicableError: no posterior, prior or likelihood (a deterministic model), or infinite values.
        ValueError: k under 1.

    >>> zero, one = torch.zeros(4, 1), torch.ones(4, 1)
    >>> collapsed = dict(posterior=Posterior(zero, one), prior=Posterior(zero[0], one[0]))
    >>> space = LatentSpace.from_arrays(inputs=one, codes=zero, **collapsed)
    >>> coin = space.replaced(likelihood=lambda x, z: torch.full((len(z),), 0.5).log())
    >>> round(iwae(coin, k=9), 4)
    -0.6931
    """
    some = part_of(space, some_rows(len(space), ITEMS))
    return item_mean(_iwae_per_item(some, k, seed))


def log_weights(space: LatentSpace, samples: int, seed: int = 0) -> Tensor:
    """Return log p(x|z) + log p(z) - log q(z|x) of posterior samples, `(samples, n)` in float64, nats.

    Args:
        space: with inputs, posterior, prior and likelihood.
        samples: posterior samples an item.
        seed: of them; with seed 0 the first ones are `space.code_samples`.

    Raises:
        NotApplicableError: no posterior, prior or likelihood, or infinite values.
        ValueError: samples under 1.
    """
    if samples < 1:
        raise ValueError(f"needs at least 1 posterior sample an item, got {samples}")
    inputs, posterior, prior = space.inputs, space.posterior, space.prior
    generator = torch.Generator().manual_seed(SAMPLE_SEED + seed)
    weights = torch.empty(samples, len(space), dtype=torch.float64, device=posterior.mean.device)
    for weight in weights:
        codes = posterior.sample(space.noise(generator).to(posterior.mean))
        ratio = prior.log_prob(codes).double() - posterior.log_prob(codes).double()
        weight.copy_(ratio + space.log_likelihood(inputs, codes).double())
    bad = int((~torch.isfinite(weights)).any(0).sum())
    if bad:
        raise NotApplicableError(f"{bad} of {len(space)} items have no finite likelihood or posterior density")
    return weights


def _iwae_per_item(space: LatentSpace, k: int, seed: int) -> Tensor:
    return log_weights(space, k, seed).logsumexp(0) - math.log(k)


def _cross_entropy(x: Tensor, p: Tensor) -> Tensor:
    x, p = x.double(), p.double()
    hit, miss = p.log().clamp_min(LEAST_LOG), torch.log1p(-p).clamp_min(LEAST_LOG)
    return -(x * hit + (1 - x) * miss).flatten(1).sum(1)


def _check_unit_range(**tensors: Tensor) -> None:
    for name, values in tensors.items():
        if values.numel() and not in_unit_range(values):
            low, high = float(values.min()), float(values.max())
            raise ValueError(f"{name} must lie in [0, 1], got values from {low:g} to {high:g}")


class Rate(Metric):
    """Below 1 nat the posterior has collapsed onto the prior."""

    scores: ClassVar[Mapping[str, Score]] = {
        "rate": Score(
            "none",
            purpose="use",
            headline=True,
            range=(0, float("inf")),
            unit="nats",
            flag_below=1.0,
            flag="collapsed",
        ),
    }
    needs: ClassVar[tuple[Need, ...]] = ("posterior", "prior")
    invariances: ClassVar[tuple[Invariance, ...]] = ("shift", "scale", "rotation", "permutation", "axis_scale")

    def compute(self, space: LatentSpace) -> Mapping[str, Tensor]:
        """Return the divergence of each item's posterior from the prior."""
        rates = space.posterior.kl(space.prior)
        bad = int((~torch.isfinite(rates)).sum())
        if bad:
            raise NotApplicableError(
                f"{bad} of {len(rates)} items have no finite rate: a variance is 0 or too large"
            )
        return {"rate": rates}


class Likelihoods(Metric):
    """The evidence lower bound (ELBO), estimated from one posterior sample per item.

    It has no floor and no ceiling: no reference model has a likelihood and a posterior.
    """

    scores: ClassVar[Mapping[str, Score]] = {
        "elbo": Score("up", purpose="keep", unit="nats", per_likelihood=True),
    }
    needs: ClassVar[tuple[Need, ...]] = ("inputs", "posterior", "prior", "likelihood")
    tier: ClassVar[Tier] = "full"
    invariances: ClassVar[tuple[Invariance, ...]] = ("shift", "scale", "rotation", "permutation", "axis_scale")
    max_items: ClassVar[int | None] = 2000

    def compute(self, space: LatentSpace) -> Mapping[str, Tensor]:
        """Return the bound of each item."""
        return {"elbo": log_weights(space, 1)[0]}

    def note(self, space: LatentSpace) -> str:  # noqa: ARG002 - the same for every space
        """Say that only models with the same likelihood can be compared."""
        return (
            "nats of the model's own likelihood: values of models with another one cannot be compared (Gaussian "
            "density against Bernoulli)"
        )


class ImportanceWeighted(Likelihoods):
    """From 50 posterior samples of each of 500 fixed items; compare only models with the same likelihood.

    A bound at another k lies elsewhere: 50 samples give 0.6 to 9 nats less than 500 do on Fashion-MNIST, most for
    wide codes and large beta. `latentbench_metrics.likelihoods.iwae(space, k)` computes the one at any k.
    """

    scores: ClassVar[Mapping[str, Score]] = {
        "iwae_k50": Score("up", purpose="keep", unit="nats", per_likelihood=True),
    }
    version: ClassVar[int] = 2
    max_items: ClassVar[int | None] = ITEMS

    def compute(self, space: LatentSpace) -> Mapping[str, Tensor]:
        """Return the bound of each item."""
        return {"iwae_k50": _iwae_per_item(space, SAMPLES, 0)}
