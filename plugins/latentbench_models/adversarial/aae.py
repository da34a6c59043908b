"""The adversarial autoencoder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field
from torch import Tensor

from latentbench import Batch, DataSpec, Draw, PerMember, Posterior
from latentbench_models.ae import AE
from latentbench_models.critics import AGAINST_CRITIC, fooling, make_code_critic, telling_apart
from latentbench_models.terms import standard_normal

__all__ = ["AAE"]

WIDER = 8  # layers of the critic, in channels: as wide as the mlp backbone


class AAE(AE):
    """Adversarial autoencoder: codes that follow the prior all together, without a density of each.

    A critic tells codes from draws of the standard normal, and the encoder fools it, so that all codes together
    follow the prior. Ours: encoder and decoder minimize distortion and fooling in one step, not in two phases.

    Source: Makhzani et al. 2016, "Adversarial Autoencoders".

    Loss: `-log p(x | z) - strength * log D(z)`, where z is the code of x; of the critic D:
    `-log D(s) - log(1 - D(z))`, s drawn from the prior.
    """

    version: ClassVar[int] = 2  # since 2, with a smaller strength
    players: ClassVar[Mapping[str, tuple[str, ...]]] = AGAINST_CRITIC
    label_params: ClassVar[tuple[str, ...]] = ("strength",)

    class Params(AE.Params):
        """Parameters of the adversarial autoencoder."""

        strength: Annotated[float, PerMember] = Field(
            default=1.0,
            ge=0,
            description="weight of fooling the critic, in nats per image; from 3 on, codes of digits collapse",
        )

    params: Params

    def __init__(self, params: Params, data: DataSpec) -> None:
        super().__init__(params, data)
        self.critic_net = make_code_critic(params.latent_dim, WIDER * params.channels)

    def noise_spec(self) -> Mapping[str, Draw]:
        """One draw of the prior per image."""
        return {"prior": Draw("normal", (self.params.latent_dim,))}

    def loss(self, batch: Batch, noise: Any, player: str = "autoencoder") -> dict[str, Tensor]:
        """Return what the player minimizes, and its terms, in nats per image."""
        if player == "critic":
            codes = self.encode(batch.inputs).detach()
            return {"total": telling_apart(self.critic_net(noise["prior"]), self.critic_net(codes))}
        codes = self.encode(batch.inputs)
        distortion = self.likelihood.nll(self.decoder_net(codes), batch.inputs).mean()
        fooled = fooling(self.critic_net(codes))
        return {
            "total": distortion + self.params.strength * fooled,
            "distortion": distortion,
            "fooling": fooled,
        }

    @property
    def prior(self) -> Posterior:
        """The standard normal."""
        return standard_normal(self.params.latent_dim, self.device)
