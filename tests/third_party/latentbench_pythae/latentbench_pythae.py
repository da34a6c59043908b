"""pythae's VAE, network and loss, as a model for latentbench."""

import math

import torch
from pydantic import Field
from pythae.models import VAE, VAEConfig

from latentbench import Draw, GradientModel, Posterior, hookimpl


class PythaeVAE(GradientModel):
    """The VAE of pythae with its default networks; noise is declared, which pythae draws inside `forward`."""

    class Params(GradientModel.Params):
        """Parameters of pythae's VAEConfig."""

        latent_dim: int = Field(default=16, ge=1, description="length of a code")

    def __init__(self, params, data):
        super().__init__(params, data)
        self.vae = VAE(VAEConfig(input_dim=data.shape, latent_dim=params.latent_dim))

    @property
    def prior(self):
        zeros = torch.zeros(self.params.latent_dim, device=self.device)
        return Posterior(zeros, torch.ones_like(zeros))

    def posterior(self, inputs):
        found = self.vae.encoder(inputs)
        return Posterior(found.embedding, found.log_covariance.exp())

    def encode(self, inputs):
        return self.posterior(inputs).mean

    def decode(self, codes):
        return self.vae.decoder(codes)["reconstruction"]

    def log_likelihood(self, inputs, codes):
        squared = (inputs - self.decode(codes)).square()
        return -0.5 * (squared + math.log(2 * math.pi)).flatten(1).sum(1)

    @classmethod
    def likelihood_name(cls, params):
        return "gaussian, sigma 1"

    def noise_spec(self):
        return {"eps": Draw("normal", (self.params.latent_dim,))}

    def loss(self, batch, noise):
        posterior = self.posterior(batch.inputs)
        decoded = self.decode(posterior.sample(noise["eps"]))
        parts = self.vae.loss_function(decoded, batch.inputs, posterior.mean, posterior.variance.log(), None)
        return dict(zip(("total", "distortion", "rate"), parts, strict=True))


@hookimpl
def register_models(register):
    register("pythae_vae", PythaeVAE, summary="pythae's VAE")
