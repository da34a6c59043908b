"""The DIP-VAE."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from latentbench import Batch, PerMember, Posterior
from latentbench_models.vae import VAE

__all__ = ["DIPVAE"]


class DIPVAE(VAE):
    """DIP-VAE: dimensions that are factors, by codes without correlations.

    The covariance is that of one batch, as in the paper. Ours: the weight of the variances is said as a multiple
    of the other one, so that one number is the strength.

    Source: Kumar et al. 2018, "Variational Inference of Disentangled Latent Concepts from Unlabeled Observations".

    Loss: `-log p(x | z) + KL(q(z | x) || p(z)) + strength * (sum_ij C_ij^2 + diagonal * sum_i (C_ii - 1)^2)`, z
    drawn from q(z | x), the first sum over i other than j, where C is the covariance of the means of q(z | x) over
    the batch and, with II, the mean of its variances on the diagonal.
    """

    label_params: ClassVar[tuple[str, ...]] = ("kind", "strength")
    compared_params: ClassVar[tuple[str, ...]] = ("kind",)

    class Params(VAE.Params):
        """Parameters of the DIP-VAE."""

        kind: Literal["I", "II"] = Field(
            default="I", description="I: covariance of the posterior means; II: of codes drawn from posteriors"
        )
        strength: Annotated[float, PerMember] = Field(
            default=10.0, ge=0, description="weight of the squared covariances, in nats per image"
        )
        diagonal: Annotated[float, PerMember] = Field(
            default=10.0,
            ge=0,
            description="weight of the squared distances of variances from 1, over strength; the paper uses 10 "
            "with I, 1 with II",
        )

    params: Params

    def loss(self, batch: Batch, noise: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return distortion + rate + strength * (off_diagonal + diagonal * its term), and the four terms."""
        posterior = self.posterior(batch.inputs)
        distortion, rate = self.terms_of(posterior, posterior.sample(noise["eps"]), batch.inputs)
        covariance = _covariance(posterior, self.params.kind)
        variances = torch.diagonal(covariance)
        off_diagonal = (covariance - torch.diag_embed(variances)).square().sum()
        diagonal = (variances - 1).square().sum()
        total = distortion + rate + self.params.strength * (off_diagonal + self.params.diagonal * diagonal)
        terms = {"distortion": distortion, "rate": rate, "off_diagonal": off_diagonal, "diagonal": diagonal}
        return {"total": total, **terms}


def _covariance(posterior: Posterior, kind: str) -> Tensor:
    """Return the covariance `(d, d)` of means, with II plus the mean of the posteriors' own."""
    centered = posterior.mean - posterior.mean.mean(0)
    covariance = (centered[:, :, None] * centered[:, None, :]).mean(0)
    return covariance if kind == "I" else covariance + torch.diag_embed(posterior.variance.mean(0))
