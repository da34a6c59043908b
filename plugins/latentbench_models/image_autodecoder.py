"""An auto-decoder of images: codes without an encoder."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from latentbench import Batch, DataSpec, GradientModel, Model
from latentbench.latent.inversion import best_starts, fit_codes
from latentbench.latent.sampling import fit_gaussian
from latentbench_models.ae import AutoencoderParams
from latentbench_models.likelihood import Likelihood, LikelihoodParams
from latentbench_models.nets import make_decoder

__all__ = ["ImageAutodecoder"]

CODE_PACE = 10.0  # codes learn this many times as fast as a weight: each is in one batch of an epoch only
CANDIDATES = 64  # codes that a fit may start from
FIT_SEED = 1_000_099  # of these candidates


class ImageAutodecoder(GradientModel):
    """Auto-decoder of images (GLO): a code for each image, learned without an encoder.

    Each training image has its own code inside the unit ball, learned together with the weights; there is no
    encoder, so `encode` fits codes to any images by `fit_codes`. As in the paper, codes start as normal vectors
    projected into the ball, and new codes come from a Gaussian fitted to them, so there is no `prior`. Ours: the
    reconstruction term is that of `ae`, nats per image, and the parametrization keeps codes in the ball.

    Source: Bojanowski et al. 2018, "Optimizing the Latent Space of Generative Networks".

    Loss: `-log p(x | z)`, where z is the image's own code, at most 1 long.
    """

    version: ClassVar[int] = 2  # since 2, inputs that are no images are standardized
    encoder: ClassVar[Literal["amortized", "optimized", "none"]] = "optimized"

    class Params(AutoencoderParams, Model.Params):
        """Parameters of the auto-decoder."""

        fit_steps: int = Field(default=100, ge=1, description="steps of gradient descent from each start")
        fit_starts: int = Field(
            default=1, ge=1, le=CANDIDATES, description="number of codes that a fit starts from"
        )
        fit_learning_rate: float = Field(
            default=0.1, gt=0, description="of a fit, in standard deviations of the training codes"
        )

    params: Params

    def __init__(self, params: Params, data: DataSpec) -> None:
        super().__init__(params, data)
        self.code_table = nn.Embedding(data.n_train, params.latent_dim)
        nn.init.normal_(self.code_table.weight, std=params.latent_dim**-0.5 / CODE_PACE)
        network = params.backbone, data.shape
        self.decoder_net = make_decoder(*network, params.latent_dim, params.channels, params.hidden)
        self.likelihood = Likelihood(params, data)

    def loss(self, batch: Batch, noise: object) -> dict[str, Tensor]:  # noqa: ARG002 - draws nothing
        """Return the reconstruction term in nats per image."""
        codes = _in_ball(CODE_PACE * self.code_table(batch.rows))
        distortion = self.likelihood.nll(self.decoder_net(codes), batch.inputs).mean()
        return {"total": distortion, "distortion": distortion}

    def encode(self, inputs: Tensor) -> Tensor:
        """Fit codes `(n, d)` to images, with the same budget for each and no randomness."""
        learned = _in_ball(CODE_PACE * self.code_table.weight.detach())
        mean, root = (part.to(inputs) for part in fit_gaussian(learned))

        def codes(units: Tensor) -> Tensor:
            return _in_ball(mean + units @ root.T)

        def decode(units: Tensor) -> Tensor:
            logits: Tensor = self.decoder_net(codes(units))
            return logits

        generator = torch.Generator().manual_seed(FIT_SEED)
        drawn = torch.randn(CANDIDATES, self.params.latent_dim, generator=generator).to(inputs)
        starts = best_starts(decode, inputs, drawn, self.params.fit_starts, error=self.likelihood.nll)
        fitted = fit_codes(
            decode,
            inputs,
            starts,
            steps=self.params.fit_steps,
            learning_rate=self.params.fit_learning_rate,
            error=self.likelihood.nll,
        )
        return codes(fitted)

    def decode(self, codes: Tensor) -> Tensor:
        """Map codes to reconstructions."""
        return self.likelihood.mean(self.decoder_net(codes))

    @classmethod
    def likelihood_name(cls, params: LikelihoodParams) -> str:
        """Return the likelihood that the parameters choose."""
        return params.likelihood_name

    def log_likelihood(self, inputs: Tensor, codes: Tensor) -> Tensor:
        """Return log p(inputs | codes) in nats."""
        return -self.likelihood.nll(self.decoder_net(codes), inputs)


def _in_ball(codes: Tensor) -> Tensor:
    """Shorten codes `(n, d)` that are longer than 1."""
    lengths: Tensor = torch.linalg.vector_norm(codes, dim=1, keepdim=True)
    return codes / lengths.clamp_min(1)
