"""The VAE with a VampPrior."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from latentbench import Batch, DataSpec
from latentbench_models.vae import VAE
from latentbench_models.variational.mixtures import NormalMixture, PosteriorOfMixture

__all__ = ["VampVAE"]


class VampVAE(VAE):
    """VampPrior VAE: a prior that goes where the codes are, so that draws of it look like the data.

    The prior is the mixture of the posteriors of learned pseudo-inputs. Ours: of one layer of codes; pseudo-inputs
    come out of a sigmoid where the data are images, and are fewer than the paper's 500.

    Source: Tomczak and Welling 2018, "VAE with a VampPrior".

    Loss: `-log p(x | z) + log q(z | x) - log((1 / K) * sum_k q(z | u_k))`, z drawn from q(z | x), where u_k are
    the K pseudo-inputs.
    """

    label_params: ClassVar[tuple[str, ...]] = ("pseudo_inputs",)

    class Params(VAE.Params):
        """Parameters of the VAE with a VampPrior."""

        pseudo_inputs: int = Field(
            default=50, ge=1, le=5000, description="components of the prior; each is encoded in every step"
        )

    params: Params

    def __init__(self, params: Params, data: DataSpec) -> None:
        super().__init__(params, data)
        self.pseudo = nn.Parameter(torch.randn(params.pseudo_inputs, *data.shape))

    def loss(self, batch: Batch, noise: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the negative evidence lower bound and its two terms; the rate is that of the codes drawn."""
        posterior = self.posterior(batch.inputs)
        codes = posterior.sample(noise["eps"])
        distortion = -self.log_likelihood(batch.inputs, codes).mean()
        rate = -posterior.log_ratio(noise["eps"], self._mixture()).mean()
        return {"total": distortion + rate, "distortion": distortion, "rate": rate}

    def posterior(self, inputs: Tensor) -> PosteriorOfMixture:
        """Return the diagonal normal q(code | input)."""
        normal = super().posterior(inputs)
        return PosteriorOfMixture(normal.mean, normal.variance)

    @property
    def prior(self) -> NormalMixture:
        """The mixture of the pseudo-inputs' posteriors."""
        with torch.no_grad():
            return self._mixture()

    def _mixture(self) -> NormalMixture:
        images = self.likelihood.images
        inputs = torch.sigmoid(self.pseudo) if images else self.likelihood.standard.outward(self.pseudo)
        return NormalMixture.of(self.posterior(inputs))
