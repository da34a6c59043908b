"""The VAE-GAN."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from latentbench import Batch, DataSpec, Draw, PerMember
from latentbench_models.critics import SLOPE, fooling
from latentbench_models.nets import make_encoder
from latentbench_models.vae import VAE

__all__ = ["VAEGAN"]

WIDER = 8  # features of the critic, in channels


class VAEGAN(VAE):
    """VAE-GAN: a VAE that compares images by what a critic sees in them, for sharper ones.

    A critic tells images from reconstructions and from decoded draws of the prior; images are compared by its
    features. Ours: features of a dense layer; the decoder fools the critic by the loss that does not saturate. The
    likelihood is that of `vae`, its sigma fitted to the reconstructions without an influence on them.

    Source: Larsen et al. 2016, "Autoencoding Beyond Pixels Using a Learned Similarity Metric".

    Loss: of the encoder: `|h(r) - h(x)|^2 / 2 + KL(q(z | x) || p(z))`, where z is drawn from q(z | x), r =
    decode(z) and h are the critic's features; of the decoder: `similarity * |h(r) - h(x)|^2 / 2 - (log D(r) + log
    D(s)) / 2`, where s is decoded from a draw of the prior; of the critic D: `-log D(x) - log(1 - D(r)) - log(1 -
    D(s))`.
    """

    version: ClassVar[int] = 1
    players: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "encoder": ("encoder_net",),
        "decoder": ("decoder_net", "likelihood"),
        "critic": ("features_net", "critic_net"),
    }
    label_params: ClassVar[tuple[str, ...]] = ("similarity",)

    class Params(VAE.Params):
        """Parameters of the VAE-GAN."""

        similarity: Annotated[float, PerMember] = Field(
            default=1.0, ge=0, description="weight of equal features beside fooling, for the decoder"
        )

    params: Params

    def __init__(self, params: Params, data: DataSpec) -> None:
        super().__init__(params, data)
        wide = WIDER * params.channels
        self.features_net = make_encoder(params.backbone, data.shape, wide, params.channels, params.hidden)
        self.critic_net = nn.Sequential(nn.LeakyReLU(SLOPE), nn.Linear(wide, 1))

    def noise_spec(self) -> Mapping[str, Draw]:
        """Standard normal vectors for the posterior sample and for a draw of the prior."""
        draw = Draw("normal", (self.params.latent_dim,))
        return {"eps": draw, "prior": draw}

    def loss(self, batch: Batch, noise: Mapping[str, Tensor], player: str = "encoder") -> dict[str, Tensor]:
        """Return what the player minimizes, and its terms, in nats per image."""
        posterior = self.posterior(batch.inputs)
        logits = self.decoder_net(posterior.sample(noise["eps"]))
        made = [logits, self.decoder_net(noise["prior"])]
        if player == "critic":
            return self._telling(batch.inputs, [some.detach() for some in made])
        features = self._features(self.likelihood.mean(logits))
        apart = 0.5 * (features - self._features(batch.inputs)).square().sum(1).mean()
        if player == "encoder":
            rate = posterior.kl(self.prior).mean()
            return {"total": apart + rate, "features": apart, "rate": rate}
        others = self._features(self.likelihood.mean(made[1]))
        fooled = fooling(self.critic_net(torch.cat([features, others])))
        distortion = self.likelihood.nll(logits.detach(), batch.inputs).mean()
        total = self.params.similarity * apart + fooled + distortion
        return {"total": total, "fooling": fooled, "distortion": distortion}

    def _telling(self, inputs: Tensor, made: list[Tensor]) -> dict[str, Tensor]:
        """Return how badly the critic tells inputs from what was made, in nats, the sum over all three."""
        real = fooling(self.critic_net(self._features(inputs)))
        wrong = [fooling(-self.critic_net(self._features(self.likelihood.mean(logits)))) for logits in made]
        return {"total": real + wrong[0] + wrong[1]}

    def _features(self, inputs: Tensor) -> Tensor:
        """Return the critic's features of inputs, `(n, k)`."""
        features: Tensor = self.features_net(self.likelihood.standard.inward(inputs))
        return features
