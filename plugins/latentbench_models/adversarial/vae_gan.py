"""The VAE-GAN."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.func import grad

from latentbench import Batch, DataSpec, Draw, PerMember
from latentbench_models.critics import SLOPE, fooling
from latentbench_models.nets import make_encoder
from latentbench_models.vae import VAE

__all__ = ["VAEGAN"]

WIDER = 8  # the critic's dense layer, in channels
TINY = 1e-12  # least variance of features


class VAEGAN(VAE):
    """VAE-GAN: a VAE that compares images by what a critic sees in them, for sharper ones.

    A critic tells images from reconstructions and from decoded draws of the prior; images are compared by its
    features, those before its dense layers. Ours: distances are in units of the features' variance over a batch,
    where the paper's have batch normalization; the critic pays for its slope at images of the data, as that of
    `gan`; the decoder fools it by the loss that does not saturate. The likelihood is that of `vae`, its sigma
    fitted to the reconstructions without an influence on them.

    Source: Larsen et al. 2016, "Autoencoding Beyond Pixels Using a Learned Similarity Metric".

    Loss: of the encoder: `|h(r) - h(x)|^2 / (2 * v) + KL(q(z | x) || p(z))`, where z is drawn from q(z | x),
    r = decode(z), h are the critic's features, and v is their mean variance over the batch; of the decoder:
    `similarity * |h(r) - h(x)|^2 / (2 * v) - (log D(r) + log D(s)) / 2`, where s is decoded from a draw of the
    prior; of the critic D:
    `-log D(x) - log(1 - D(r)) - log(1 - D(s)) + slope_penalty * |do/dx|^2 / 2`, where o are its log odds.
    """

    version: ClassVar[int] = 2  # since 2, with features of convolutions, their variance, and slope_penalty
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
        slope_penalty: Annotated[float, PerMember] = Field(
            default=3.0, ge=0, description="weight of the critic's squared slope at the data"
        )

    params: Params

    def __init__(self, params: Params, data: DataSpec) -> None:
        super().__init__(params, data)
        wide = WIDER * params.channels
        layers = make_encoder(params.backbone, data.shape, wide, params.channels, params.hidden)
        assert isinstance(layers, nn.Sequential)  # noqa: S101 - for the type checker: make_encoder returns no other
        self.features_net = layers[:-1]
        self.critic_net = nn.Sequential(layers[-1], nn.LeakyReLU(SLOPE), nn.Linear(wide, 1))

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
        features, wanted = self._features(self.likelihood.mean(logits)), self._features(batch.inputs).detach()
        variance = (wanted - wanted.mean(0)).square().mean().clamp_min(TINY)
        apart = 0.5 * (features - wanted).square().sum(1).mean() / variance
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
        real = self.likelihood.standard.inward(inputs)
        wrong = [fooling(-self.critic_net(self._features(self.likelihood.mean(logits)))) for logits in made]
        told = fooling(self._odds(real)) + wrong[0] + wrong[1]
        slope = grad(lambda shown: self._odds(shown).sum())(real).square().flatten(1).sum(1).mean()
        return {"total": told + self.params.slope_penalty * slope / 2, "told": told, "slope": slope}

    def _odds(self, real: Tensor) -> Tensor:
        """Return the critic's log odds of inputs as its networks take them, `(n, 1)`."""
        odds: Tensor = self.critic_net(self.features_net(real))
        return odds

    def _features(self, inputs: Tensor) -> Tensor:
        """Return the critic's features of inputs, `(n, k)`."""
        features: Tensor = self.features_net(self.likelihood.standard.inward(inputs))
        return features
