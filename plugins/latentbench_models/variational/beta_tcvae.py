"""The beta-TCVAE."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor

from latentbench import Batch, PerMember, Posterior
from latentbench_models.vae import VAE

__all__ = ["BetaTCVAE", "total_correlation"]


class BetaTCVAE(VAE):
    """beta-TCVAE: dimensions that are factors, by a price on their dependence alone.

    The total correlation is estimated by minibatch weighted sampling, the paper's equation S3. Ours: the rest of
    the rate is its closed form, not a sample, so that beta = 1 is the VAE.

    Source: Chen et al. 2018, "Isolating Sources of Disentanglement in Variational Autoencoders".

    Loss: `-log p(x | z) + KL(q(z | x) || p(z)) + (beta - 1) * (log q(z) - sum_k log q(z_k))`, z drawn from
    q(z | x), where q(z) and q(z_k) are those of all inputs, estimated from the batch.
    """

    label_params: ClassVar[tuple[str, ...]] = ("beta",)

    class Params(VAE.Params):
        """Parameters of the beta-TCVAE."""

        beta: Annotated[float, PerMember] = Field(
            default=6.0, ge=0, description="weight of the total correlation, in nats per image; 1: the VAE"
        )

    params: Params

    def loss(self, batch: Batch, noise: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return distortion + rate + (beta - 1) * total correlation, and the three terms."""
        posterior = self.posterior(batch.inputs)
        codes = posterior.sample(noise["eps"])
        distortion, rate = self.terms_of(posterior, codes, batch.inputs)
        correlation = total_correlation(codes, posterior, self.data.n_train)
        total = distortion + rate + (self.params.beta - 1) * correlation
        return {"total": total, "distortion": distortion, "rate": rate, "total_correlation": correlation}


def total_correlation(codes: Tensor, posterior: Posterior, n_train: int) -> Tensor:
    """Return the mean of log q(z) - sum_k log q(z_k) over a batch, in nats, 0-dim.

    q(z_i) is estimated by the sum over j of q(z_i | x_j), divided by N and the size of the batch.

    Args:
        codes: `(n, d)`, one drawn from each posterior.
        posterior: of the same `n` inputs.
        n_train: the number N of training items.
    """
    mean, variance = posterior.mean[None], posterior.variance[None]
    squared = (codes[:, None] - mean).square() / variance
    densities = -0.5 * (squared + variance.log() + math.log(2 * math.pi))
    whole = math.log(n_train * len(codes))
    joint = densities.sum(-1).logsumexp(1) - whole
    product = (densities.logsumexp(1) - whole).sum(-1)
    return (joint - product).mean()
