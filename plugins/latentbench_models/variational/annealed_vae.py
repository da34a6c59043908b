"""The AnnealedVAE."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor

from latentbench import Batch, PerMember
from latentbench_models.vae import VAE

__all__ = ["AnnealedVAE"]


class AnnealedVAE(VAE):
    """AnnealedVAE: dimensions that are factors, with more said about an input as training goes on.

    The rate is held at a capacity that rises from 0; where it rises faster than the decoder learns, variances
    make up a rate that says nothing. Ours: it rises over a share of the training, whatever the number of steps.

    Source: Burgess et al. 2018, "Understanding Disentangling in beta-VAE".

    Loss: `-log p(x | z) + gamma * |R - C|`, z drawn from q(z | x), where R is the mean of KL(q(z | x) || p(z))
    over the batch and C rises evenly from 0 to `capacity`.
    """

    version: ClassVar[int] = 4  # since 4, with a smaller gamma
    label_params: ClassVar[tuple[str, ...]] = ("capacity",)

    class Params(VAE.Params):
        """Parameters of the AnnealedVAE."""

        capacity: Annotated[float, PerMember] = Field(
            default=25.0, ge=0, description="rate at the end, in nats per image; choose less than the vae's"
        )
        gamma: Annotated[float, PerMember] = Field(
            default=20.0,
            ge=0,
            description="of the distance between rate and capacity; 1000 in the paper, for many more steps: in "
            "few, a large one keeps the decoder from learning",
        )
        rise: float = Field(
            default=0.5, gt=0, le=1, description="share of the training over which the capacity rises"
        )

    params: Params

    def loss(self, batch: Batch, noise: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return distortion + gamma * |rate - capacity so far|, and the three."""
        distortion, rate = self.elbo_terms(batch, noise)
        capacity = self.params.capacity * (batch.progress / self.params.rise).clamp(max=1)
        total = distortion + self.params.gamma * (rate - capacity).abs()
        return {"total": total, "distortion": distortion, "rate": rate, "capacity": capacity}
