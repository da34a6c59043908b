"""The importance weighted autoencoder."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field
from torch import Tensor

from latentbench import Batch, Draw, Posterior
from latentbench_models.vae import VAE

__all__ = ["IWAE"]


class IWAE(VAE):
    """IWAE: a tighter bound on the density than the VAE's, for a better model of the data.

    The paper's model of one stochastic layer; its bound, equation 8, through reparametrized samples.

    Source: Burda et al. 2016, "Importance Weighted Autoencoders".

    Loss: `-log (1 / k) * sum_i p(x | z_i) * p(z_i) / q(z_i | x)`, over k = `samples` codes z_i drawn from q(z |
    x).
    """

    label_params: ClassVar[tuple[str, ...]] = ("samples",)

    class Params(VAE.Params):
        """Parameters of the IWAE."""

        samples: int = Field(
            default=5, ge=1, description="k, codes drawn per image in training; each is decoded, which costs time"
        )

    params: Params

    def noise_spec(self) -> Mapping[str, Draw]:
        """As many standard normal vectors per image as samples are drawn."""
        return {"eps": Draw("normal", (self.params.samples, self.params.latent_dim))}

    def loss(self, batch: Batch, noise: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the negative importance weighted bound, mean distortion of the samples, and rate."""
        posterior = self.posterior(batch.inputs)
        spread = Posterior(posterior.mean[:, None], posterior.variance[:, None])
        codes = spread.sample(noise["eps"])
        inputs = batch.inputs.repeat_interleave(self.params.samples, dim=0)
        distortions = -self.log_likelihood(inputs, codes.flatten(0, 1)).reshape(codes.shape[:2])
        log_weights = self.prior.log_prob(codes) - spread.log_prob(codes) - distortions
        bound = log_weights.logsumexp(1).mean() - math.log(self.params.samples)
        return {"total": -bound, "distortion": distortions.mean(), "rate": posterior.kl(self.prior).mean()}
