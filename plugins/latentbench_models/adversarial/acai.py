"""ACAI: adversarially constrained autoencoder interpolation."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Annotated, Any, ClassVar

from pydantic import Field
from torch import Tensor

from latentbench import Batch, DataSpec, Draw, PerMember
from latentbench_models.ae import AE
from latentbench_models.critics import AGAINST_CRITIC
from latentbench_models.nets import make_encoder

__all__ = ["ACAI"]

REAL_SHARE = 0.2  # of an input in what the critic shall call unmixed


class ACAI(AE):
    """ACAI: an autoencoder whose codes can be mixed, so that what lies between two items looks real.

    A critic guesses from a decoded mixture how much two codes were mixed, from 0 to 1/2; the autoencoder makes it
    guess 0. Ours: the paper's weight of 0.5 stands beside a mean square error; here the regularizer is times the
    numbers of an input and stands beside nats, where 0.5 becomes 0.5 / (2 sigma^2): 1 for the sigma that training
    starts from. With 10, right for a sigma that has been learned, codes of the digits lose what tells them apart.

    Source: Berthelot et al. 2019, "Understanding and Improving Interpolation in Autoencoders via an Adversarial
    Regularizer".

    Loss: `-log p(x | z) + strength * n * c(m)^2`, where z is the code of x, n the numbers of an input, and m the
    decoded mixture of a share a of z and 1 - a of another code, a even on [0, 1/2]; of the critic c:
    `(c(m) - a)^2 + c(0.2 * x + 0.8 * decode(z))^2`.
    """

    version: ClassVar[int] = 2  # since 2, with a smaller strength
    players: ClassVar[Mapping[str, tuple[str, ...]]] = AGAINST_CRITIC
    label_params: ClassVar[tuple[str, ...]] = ("strength",)

    class Params(AE.Params):
        """Parameters of ACAI."""

        strength: Annotated[float, PerMember] = Field(
            default=1.0, ge=0, description="weight of the critic's squared guess, times the numbers of an input"
        )

    params: Params

    def __init__(self, params: Params, data: DataSpec) -> None:
        super().__init__(params, data)
        self.critic_net = make_encoder(params.backbone, data.shape, 1, params.channels, params.hidden)

    def noise_spec(self) -> Mapping[str, Draw]:
        """One uniform number per image, half of which is the share of its code in a mixture."""
        return {"share": Draw("uniform", ())}

    def loss(self, batch: Batch, noise: Any, player: str = "autoencoder") -> dict[str, Tensor]:
        """Return what the player minimizes, and its terms, in nats per image or squared guesses."""
        share = noise["share"] / 2
        codes = self.encode(batch.inputs)
        logits = self.decoder_net(codes)
        mixed = self.decode(share[:, None] * codes + (1 - share[:, None]) * codes.roll(1, 0))
        if player == "critic":
            rebuilt = self.likelihood.mean(logits).detach()
            guess = self.guess(mixed.detach())
            plain = self.guess(REAL_SHARE * batch.inputs + (1 - REAL_SHARE) * rebuilt)
            wrong, unmixed = (guess - share).square().mean(), plain.square().mean()
            return {"total": wrong + unmixed, "wrong": wrong, "unmixed": unmixed}
        distortion = self.likelihood.nll(logits, batch.inputs).mean()
        guessed = self.guess(mixed).square().mean()
        weight = self.params.strength * prod(self.data.shape)
        return {"total": distortion + weight * guessed, "distortion": distortion, "guessed": guessed}

    def guess(self, inputs: Tensor) -> Tensor:
        """Return the critic's guess of the share of the smaller part, `(n,)`."""
        guesses: Tensor = self.critic_net(self.likelihood.standard.inward(inputs))[:, 0]
        return guesses
