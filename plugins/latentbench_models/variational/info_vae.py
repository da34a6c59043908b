"""The InfoVAE."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor

from latentbench import Batch, Draw, PerMember
from latentbench_models.terms import Kernel, maximum_mean_discrepancy
from latentbench_models.vae import VAE

__all__ = ["InfoVAE"]


class InfoVAE(VAE):
    """InfoVAE: codes that follow the prior all together, so that each may still say much about its input.

    With the maximum mean discrepancy between codes and prior, the paper's MMD-VAE. Ours: an estimate of it without
    bias, with as many samples of the prior as there are codes; and a smaller strength than its 1000, with which
    codes of the digits collapse.

    Source: Zhao et al. 2019, "InfoVAE: Balancing Learning and Inference in Variational Autoencoders".

    Loss: `-log p(x | z) + (1 - alpha) * KL(q(z | x) || p(z)) + (alpha + strength - 1) * MMD^2`, z drawn from
    q(z | x), where MMD^2 is that of the batch's codes and as many draws of the prior.
    """

    label_params: ClassVar[tuple[str, ...]] = ("alpha", "strength")

    class Params(VAE.Params):
        """Parameters of the InfoVAE."""

        alpha: Annotated[float, PerMember] = Field(
            default=0.5, le=1, description="weight of the mutual information of inputs and codes; 1: no rate"
        )
        strength: Annotated[float, PerMember] = Field(
            default=10.0, ge=0, description="lambda, of the divergence of all codes from the prior"
        )
        kernel: Kernel = Field(default="gaussian", description="of the discrepancy")

    params: Params

    def noise_spec(self) -> Mapping[str, Draw]:
        """One standard normal vector per image for the posterior sample, another as a sample of the prior."""
        return {name: Draw("normal", (self.params.latent_dim,)) for name in ("eps", "prior")}

    def loss(self, batch: Batch, noise: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return distortion + (1 - alpha) * rate + (alpha + strength - 1) * discrepancy, and the three terms."""
        posterior = self.posterior(batch.inputs)
        codes = posterior.sample(noise["eps"])
        distortion, rate = self.terms_of(posterior, codes, batch.inputs)
        apart = maximum_mean_discrepancy(codes, noise["prior"], self.params.kernel)
        total = distortion + (1 - self.params.alpha) * rate
        total = total + (self.params.alpha + self.params.strength - 1) * apart
        return {"total": total, "distortion": distortion, "rate": rate, "discrepancy": apart}
