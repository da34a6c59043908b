"""The FactorVAE."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor

from latentbench import Batch, DataSpec, Draw, PerMember
from latentbench_models.critics import make_code_critic, telling_apart
from latentbench_models.vae import VAE

__all__ = ["FactorVAE"]


class FactorVAE(VAE):
    """FactorVAE: dimensions that are factors, by a price on their dependence, which a discriminator estimates.

    A discriminator tells codes from codes whose dimensions are shuffled over the batch; its log odds estimate the
    total correlation. Ours: it learns from new codes of the same batch, not of a second one, with the VAE's
    learning rate, and is smaller than the paper's six layers of 1000.

    Source: Kim and Mnih 2018, "Disentangling by Factorising".

    Loss: `-log p(x | z) + KL(q(z | x) || p(z)) + gamma * log(D(z) / (1 - D(z)))`, z drawn from q(z | x); of the
    discriminator D: `-(log D(z) + log(1 - D(s))) / 2`, where s are shuffled codes.
    """

    players: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "vae": ("encoder_net", "decoder_net", "likelihood"),
        "discriminator": ("discriminator_net",),
    }
    label_params: ClassVar[tuple[str, ...]] = ("gamma",)

    class Params(VAE.Params):
        """Parameters of the FactorVAE."""

        gamma: Annotated[float, PerMember] = Field(
            default=10.0, ge=0, description="weight of the total correlation, in nats per image"
        )
        discriminator_width: int = Field(default=256, ge=1, description="of each of the discriminator's layers")
        discriminator_depth: int = Field(default=3, ge=1, le=12, description="hidden layers of the discriminator")

    params: Params

    def __init__(self, params: Params, data: DataSpec) -> None:
        super().__init__(params, data)
        size = params.discriminator_width, params.discriminator_depth
        self.discriminator_net = make_code_critic(params.latent_dim, *size)

    def noise_spec(self) -> Mapping[str, Draw]:
        """Per image, normal vectors for a code of each player, and numbers that put each dimension in an order."""
        shape = (self.params.latent_dim,)
        return {"eps": Draw("normal", shape), "other": Draw("normal", shape), "order": Draw("uniform", shape)}

    def loss(self, batch: Batch, noise: Mapping[str, Tensor], player: str = "vae") -> dict[str, Tensor]:
        """Return distortion + rate + gamma * total correlation and the terms, or the discriminator's loss."""
        posterior = self.posterior(batch.inputs)
        if player == "discriminator":
            codes = posterior.sample(noise["other"]).detach()
            shuffled = codes.gather(0, noise["order"].argsort(dim=0))
            return {"total": telling_apart(self.discriminator_net(codes), self.discriminator_net(shuffled)) / 2}
        codes = posterior.sample(noise["eps"])
        distortion, rate = self.terms_of(posterior, codes, batch.inputs)
        correlation = self.discriminator_net(codes).mean()
        total = distortion + rate + self.params.gamma * correlation
        return {"total": total, "distortion": distortion, "rate": rate, "total_correlation": correlation}
