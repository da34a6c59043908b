"""The autoencoder, and the parameters all autoencoders here share."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from latentbench import Batch, DataSpec, GradientModel, Model
from latentbench_models.likelihood import Likelihood, LikelihoodParams
from latentbench_models.nets import NetworkParams, make_decoder, make_encoder

__all__ = ["AE", "AutoencoderParams"]


class AutoencoderParams(NetworkParams, LikelihoodParams):
    """Parameters of every autoencoder."""


class AE(GradientModel):
    """Autoencoder: a code, and a network that reconstructs the input from it; most others here add to it.

    Trained by the same likelihood as the VAE, so that their losses are in the same unit (nats per image).

    Source: Hinton and Salakhutdinov 2006, "Reducing the Dimensionality of Data with Neural Networks".

    Loss: `-log p(x | z)`, where z is the code of x.
    """

    class Params(AutoencoderParams, Model.Params):
        """Parameters of the autoencoder."""

    params: Params
    version: ClassVar[int] = 3  # since 3, inputs that are no images are standardized

    def __init__(self, params: Params, data: DataSpec) -> None:
        super().__init__(params, data)
        network = params.backbone, data.shape
        self.encoder_net = make_encoder(*network, params.latent_dim, params.channels, params.hidden)
        self.decoder_net = make_decoder(*network, params.latent_dim, params.channels, params.hidden)
        self.likelihood = Likelihood(params, data)

    def loss(self, batch: Batch, noise: object) -> dict[str, Tensor]:  # noqa: ARG002 - draws nothing
        """Return the reconstruction term in nats per image."""
        distortion = self.likelihood.nll(self.decoder_net(self.encode(batch.inputs)), batch.inputs).mean()
        return {"total": distortion, "distortion": distortion}

    def encode(self, inputs: Tensor) -> Tensor:
        """Map inputs to codes."""
        codes: Tensor = self.encoder_net(self.likelihood.standard.inward(inputs))
        return codes

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
