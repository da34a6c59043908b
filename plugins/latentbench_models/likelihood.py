"""How a decoder's output is interpreted as a distribution over inputs; shared by the autoencoders."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from latentbench import DataSpec, LatentbenchError, Params
from latentbench_models.centering import Standard

__all__ = ["Likelihood", "LikelihoodParams"]

FIRST_SIGMA = 0.5
SIGMA_PACE = 10.0  # log sigma learns this many times as fast as a weight: it has further to go


class LikelihoodParams(Params):
    """Parameters of the reconstruction term."""

    likelihood: Literal["gaussian", "bernoulli"] = Field(
        default="gaussian", description="of an input given its code; bernoulli is for inputs in [0, 1]"
    )
    sigma: Literal["learned"] | Annotated[float, Field(gt=0)] = Field(
        default="learned", description="standard deviation of the gaussian: one learned number, or a fixed one"
    )

    @property
    def likelihood_name(self) -> str:
        """The likelihood in words, as "gaussian, sigma learned"."""
        if self.likelihood != "gaussian":
            return self.likelihood
        return "gaussian, sigma learned" if self.sigma == "learned" else f"gaussian, sigma {self.sigma}"


class Likelihood(nn.Module):
    """p(input | decoder output), in nats per input.

    The Gaussian has one standard deviation for all pixels, learned by default: sigma-VAE, Rybkin et al. 2021,
    "Simple and Effective VAE Training with Calibrated Decoders". Images come out of a sigmoid, so reconstructions
    lie in [0, 1]; other inputs are not bounded, and the network works on them less their mean, over their spread.
    A learned standard deviation starts at half of that spread.

    Raises:
        LatentbenchError: Bernoulli is asked for inputs that are no images.
    """

    def __init__(self, params: LikelihoodParams, data: DataSpec) -> None:
        super().__init__()
        self.bernoulli = params.likelihood == "bernoulli"
        self.images = data.dtype == "uint8"
        if self.bernoulli and not self.images:
            raise LatentbenchError(f"likelihood=bernoulli needs images in [0, 1], got {data.dtype} inputs")
        self.standard = Standard(data)
        first = FIRST_SIGMA if params.sigma == "learned" else params.sigma / data.spread
        start = torch.tensor(math.log(first) / SIGMA_PACE)
        if params.sigma == "learned" and not self.bernoulli:
            self.scaled_log_sigma = nn.Parameter(start)
        else:
            self.register_buffer("scaled_log_sigma", start)

    def mean(self, logits: Tensor) -> Tensor:
        """Turn decoder outputs into reconstructions."""
        return torch.sigmoid(logits) if self.images else self.standard.outward(logits)

    def nll(self, logits: Tensor, inputs: Tensor) -> Tensor:
        """Return -log p(input | logits) of each row in nats, `(n,)`."""
        if self.bernoulli:
            per_pixel = nn.functional.binary_cross_entropy_with_logits(logits, inputs, reduction="none")
            return per_pixel.flatten(1).sum(1)
        log_sigma = SIGMA_PACE * self.scaled_log_sigma
        outputs = torch.sigmoid(logits) if self.images else logits
        squared = (self.standard.inward(inputs) - outputs).square().flatten(1)
        log_unit = self.standard.scale.log() if self.standard.changes else 0.0
        constant = squared.shape[1] * (log_sigma + log_unit + 0.5 * math.log(2 * math.pi))
        return constant + 0.5 * squared.sum(1) * torch.exp(-2 * log_sigma)
