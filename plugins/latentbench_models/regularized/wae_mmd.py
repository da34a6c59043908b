"""The Wasserstein autoencoder with the maximum mean discrepancy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor

from latentbench import Batch, Draw, PerMember, Posterior
from latentbench_models.ae import AE
from latentbench_models.terms import Kernel, maximum_mean_discrepancy, standard_normal

__all__ = ["WAEMMD"]


class WAEMMD(AE):
    """WAE-MMD: codes that follow a prior all together, by the maximum mean discrepancy.

    Ours: the reconstruction term is that of `ae`, nats per image; the paper's is a squared error, so that its
    strength of 10 is a smaller one.

    Source: Tolstikhin et al. 2018, "Wasserstein Auto-Encoders".

    Loss: `-log p(x | z) + strength * MMD^2`, where z is the code of x and MMD^2 that of the batch's codes and as
    many draws of the prior.
    """

    label_params: ClassVar[tuple[str, ...]] = ("strength",)

    class Params(AE.Params):
        """Parameters of the WAE-MMD."""

        strength: Annotated[float, PerMember] = Field(
            default=100.0, ge=0, description="weight of the divergence of all codes from the prior"
        )
        kernel: Kernel = Field(default="imq", description="of the discrepancy")

    params: Params

    def noise_spec(self) -> Mapping[str, Draw]:
        """One standard normal vector per image, as a sample of the prior."""
        return {"prior": Draw("normal", (self.params.latent_dim,))}

    def loss(self, batch: Batch, noise: Mapping[str, Tensor]) -> dict[str, Tensor]:  # type: ignore[override]
        """Return distortion + strength * discrepancy, and both terms."""
        codes = self.encode(batch.inputs)
        distortion = -self.log_likelihood(batch.inputs, codes).mean()
        apart = maximum_mean_discrepancy(codes, noise["prior"], self.params.kernel)
        return {
            "total": distortion + self.params.strength * apart,
            "distortion": distortion,
            "discrepancy": apart,
        }

    @property
    def prior(self) -> Posterior:
        """The standard normal."""
        return standard_normal(self.params.latent_dim, self.device)
