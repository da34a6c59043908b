"""The sliced Wasserstein autoencoder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor

from latentbench import Batch, Draw, PerMember, Posterior
from latentbench_models.ae import AE
from latentbench_models.terms import standard_normal

__all__ = ["SWAE"]


class SWAE(AE):
    """SWAE: codes that follow a prior all together, by their distances along random directions.

    Ours: as many random directions as a batch has rows, a standard normal prior, and the reconstruction term of
    `ae` in nats per image.

    Source: Kolouri et al. 2019, "Sliced Wasserstein Auto-Encoders".

    Loss: `-log p(x | z) + strength * SW^2`, where z is the code of x and SW^2 the mean squared distance, along
    random directions, between the sorted codes of the batch and as many sorted draws of the prior.
    """

    label_params: ClassVar[tuple[str, ...]] = ("strength",)

    class Params(AE.Params):
        """Parameters of the SWAE."""

        strength: Annotated[float, PerMember] = Field(
            default=100.0, ge=0, description="weight of the divergence of all codes from the prior"
        )

    params: Params

    def noise_spec(self) -> Mapping[str, Draw]:
        """Two standard normal vectors per image: a sample of the prior, and a direction."""
        return {name: Draw("normal", (self.params.latent_dim,)) for name in ("prior", "direction")}

    def loss(self, batch: Batch, noise: Mapping[str, Tensor]) -> dict[str, Tensor]:  # type: ignore[override]
        """Return distortion + strength * squared sliced Wasserstein distance, and both terms."""
        codes = self.encode(batch.inputs)
        distortion = -self.log_likelihood(batch.inputs, codes).mean()
        apart = sliced_wasserstein(codes, noise["prior"], noise["direction"])
        total = distortion + self.params.strength * apart
        return {"total": total, "distortion": distortion, "sliced_wasserstein": apart}

    @property
    def prior(self) -> Posterior:
        """The standard normal."""
        return standard_normal(self.params.latent_dim, self.device)


def sliced_wasserstein(codes: Tensor, samples: Tensor, directions: Tensor) -> Tensor:
    """Return the mean squared 2-Wasserstein distance of two batches `(n, d)` along directions `(m, d)`, 0-dim."""
    units = directions / directions.square().sum(1, keepdim=True).sqrt()
    one, other = ((rows[:, None] * units[None]).sum(-1).sort(dim=0).values for rows in (codes, samples))
    return (one - other).square().mean()
