"""A generative adversarial network, with codes by optimization."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.func import grad

from latentbench import Batch, DataSpec, Draw, GradientModel, Model, PerMember, Posterior
from latentbench.latent.inversion import best_starts, fit_codes
from latentbench_models.centering import Standard
from latentbench_models.critics import fooling, telling_apart
from latentbench_models.nets import NetworkParams, make_decoder, make_encoder
from latentbench_models.terms import standard_normal

__all__ = ["GAN"]

CANDIDATES = 16  # codes that a fit may start from
FIT_SEED = 1_000_099  # of these candidates


class GAN(GradientModel):
    """Generative adversarial network: new items that look real; codes of given items are fitted to them.

    The generator turns draws of the standard normal into images, a critic tells them from those of the data. There
    is no encoder: `encode` fits codes to images by `fit_codes`, as Creswell and Bharath 2019 do, with a penalty
    that keeps them where the prior lies. Ours: the backbones of `ae`, without batch normalization; instead the
    critic pays for its slope at images of the data (Mescheder et al. 2018, "Which Training Methods for GANs Do
    Actually Converge?", R1), without which it goes astray at the rates that suit autoencoders.

    Source: Goodfellow et al. 2014, "Generative Adversarial Nets"; with convolutions: Radford et al. 2016 (DCGAN).

    Loss: of the critic D: `-log D(x) - log(1 - D(decode(z))) + slope_penalty * |ds/dx|^2 / 2`, where s are its log
    odds; of the generator: `-log D(decode(z))`, z drawn from the prior.
    """

    version: ClassVar[int] = 2  # since 2, with slope_penalty and longer fits
    encoder: ClassVar[Literal["amortized", "optimized", "none"]] = "optimized"
    players: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "critic": ("critic_net",),
        "generator": ("decoder_net",),
    }

    class Params(NetworkParams, Model.Params):
        """Parameters of the generative adversarial network."""

        slope_penalty: Annotated[float, PerMember] = Field(
            default=3.0,
            ge=0,
            description="weight of the critic's squared slope at the data, in inputs as they are",
        )
        fit_steps: int = Field(default=200, ge=1, description="steps of gradient descent from each start")
        fit_starts: int = Field(
            default=4, ge=1, le=CANDIDATES, description="number of codes that a fit starts from"
        )
        fit_learning_rate: float = Field(default=0.1, gt=0, description="of a fit")
        fit_penalty: float = Field(
            default=1e-3,
            ge=0,
            description="weight of a code's mean square beside that of the error",
        )

    params: Params

    def __init__(self, params: Params, data: DataSpec) -> None:
        super().__init__(params, data)
        network = params.backbone, data.shape
        self.decoder_net = make_decoder(*network, params.latent_dim, params.channels, params.hidden)
        self.critic_net = make_encoder(*network, 1, params.channels, params.hidden)
        self.standard = Standard(data)

    def noise_spec(self) -> Mapping[str, Draw]:
        """One draw of the prior per image."""
        return {"prior": Draw("normal", (self.params.latent_dim,))}

    def loss(self, batch: Batch, noise: Mapping[str, Tensor], player: str = "critic") -> dict[str, Tensor]:
        """Return what the player minimizes, in nats per image."""
        made = self._made(noise["prior"])
        if player == "generator":
            return {"total": fooling(self.critic_net(made))}
        real = self.standard.inward(batch.inputs)
        told = telling_apart(self.critic_net(real), self.critic_net(made.detach()))
        slope = grad(lambda inputs: self.critic_net(inputs).sum())(real).square().flatten(1).sum(1).mean()
        return {"total": told + self.params.slope_penalty * slope / 2, "told": told, "slope": slope}

    def encode(self, inputs: Tensor) -> Tensor:
        """Fit codes `(n, d)` to images, with the same budget for each and no randomness."""
        settings, wanted = self.params, self.standard.inward(inputs)
        generator = torch.Generator().manual_seed(FIT_SEED)
        drawn = torch.randn(CANDIDATES, settings.latent_dim, generator=generator).to(inputs)
        starts = best_starts(self._made, wanted, drawn, settings.fit_starts)
        return fit_codes(
            self._made,
            wanted,
            starts,
            steps=settings.fit_steps,
            learning_rate=settings.fit_learning_rate,
            penalty=lambda codes: settings.fit_penalty * codes.square().mean(1),
        )

    def decode(self, codes: Tensor) -> Tensor:
        """Map codes to images."""
        return self.standard.outward(self._made(codes))

    @property
    def prior(self) -> Posterior:
        """The standard normal."""
        return standard_normal(self.params.latent_dim, self.device)

    def _made(self, codes: Tensor) -> Tensor:
        """Return what codes generate, as the critic takes it."""
        logits: Tensor = self.decoder_net(codes)
        return torch.sigmoid(logits) if self.data.dtype == "uint8" else logits
