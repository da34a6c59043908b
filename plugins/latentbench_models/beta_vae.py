"""The beta-VAE."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor

from latentbench import Batch, PerMember
from latentbench_models.vae import VAE

__all__ = ["BetaVAE"]


class BetaVAE(VAE):
    """beta-VAE: reconstruction against closeness to the prior, in the hope of dimensions that are factors.

    The weight is on nats per image, as in the paper, not on a mean over pixels.

    Source: Higgins et al. 2017, "beta-VAE: Learning Basic Visual Concepts with a Constrained Variational
    Framework".

    Loss: `-log p(x | z) + beta * KL(q(z | x) || p(z))`, z drawn from q(z | x).
    """

    label_params: ClassVar[tuple[str, ...]] = ("beta",)

    class Params(VAE.Params):
        """Parameters of the beta-VAE."""

        beta: Annotated[float, PerMember] = Field(
            default=4.0, ge=0, description="weight of the rate, in nats per image"
        )

    params: Params

    def loss(self, batch: Batch, noise: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return distortion + beta * rate, and both terms."""
        terms = self.elbo_terms(batch, noise)
        total = terms.distortion + self.params.beta * terms.rate
        return {"total": total, "distortion": terms.distortion, "rate": terms.rate}
