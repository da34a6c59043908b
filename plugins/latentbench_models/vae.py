"""The variational autoencoder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, NamedTuple

from torch import Tensor

from latentbench import Batch, DataSpec, Draw, GradientModel, Model, Posterior
from latentbench_models.ae import AutoencoderParams
from latentbench_models.likelihood import Likelihood, LikelihoodParams
from latentbench_models.nets import make_decoder, make_encoder
from latentbench_models.terms import standard_normal

__all__ = ["VAE", "ElboTerms"]

LOG_VARIANCE_LIMIT = 15.0


class ElboTerms(NamedTuple):
    """The two parts of the negative evidence lower bound, 0-dim, nats per image, means over the batch."""

    distortion: Tensor
    rate: Tensor


class VAE(GradientModel):
    """Variational autoencoder: an autoencoder and a density in one, so that new items can be drawn from a prior.

    Source: Kingma and Welling 2014, "Auto-Encoding Variational Bayes".

    Loss: `-log p(x | z) + KL(q(z | x) || p(z))`, z drawn from q(z | x).
    """

    class Params(AutoencoderParams, Model.Params):
        """Parameters of the variational autoencoder."""

    params: Params
    version: ClassVar[int] = 3  # as of AE

    def __init__(self, params: Params, data: DataSpec) -> None:
        super().__init__(params, data)
        network = params.backbone, data.shape
        self.encoder_net = make_encoder(*network, 2 * params.latent_dim, params.channels, params.hidden)
        self.decoder_net = make_decoder(*network, params.latent_dim, params.channels, params.hidden)
        self.likelihood = Likelihood(params, data)

    def noise_spec(self) -> Mapping[str, Draw]:
        """One standard normal vector per image, for the posterior sample."""
        return {"eps": Draw("normal", (self.params.latent_dim,))}

    def loss(self, batch: Batch, noise: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the negative evidence lower bound and its two terms."""
        terms = self.elbo_terms(batch, noise)
        return {"total": terms.distortion + terms.rate, "distortion": terms.distortion, "rate": terms.rate}

    def elbo_terms(self, batch: Batch, noise: Mapping[str, Tensor]) -> ElboTerms:
        """Return distortion and rate, with one posterior sample per image."""
        posterior = self.posterior(batch.inputs)
        return self.terms_of(posterior, posterior.sample(noise["eps"]), batch.inputs)

    def terms_of(self, posterior: Posterior, codes: Tensor, inputs: Tensor) -> ElboTerms:
        """Return distortion and rate of inputs from their posteriors and one code `(n, d)` drawn from each."""
        distortion = self.likelihood.nll(self.decoder_net(codes), inputs).mean()
        return ElboTerms(distortion, posterior.kl(self.prior).mean())

    def posterior(self, inputs: Tensor) -> Posterior:
        """Return the diagonal normal q(code | input)."""
        mean, log_variance = self.encoder_net(self.likelihood.standard.inward(inputs)).chunk(2, dim=1)
        return Posterior(mean, log_variance.clamp(-LOG_VARIANCE_LIMIT, LOG_VARIANCE_LIMIT).exp())

    @property
    def prior(self) -> Posterior:
        """The standard normal."""
        return standard_normal(self.params.latent_dim, self.device)

    def encode(self, inputs: Tensor) -> Tensor:
        """Map inputs to posterior means."""
        return self.posterior(inputs).mean

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
