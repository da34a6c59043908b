"""The hierarchical VAE of two levels."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor, nn

from latentbench import DataSpec, NotApplicableError
from latentbench_models.vae import LOG_VARIANCE_LIMIT, VAE

__all__ = ["HierarchicalVAE", "Levels"]

WIDER = 8  # layers of the conditional prior, in channels


class Levels(nn.Module):
    """Decode both levels: the top one foretells the lower one, and the item is decoded from both."""

    def __init__(self, top: int, latent_dim: int, wide: int, decoder: nn.Module) -> None:
        super().__init__()
        self.top = top
        lower = 2 * (latent_dim - top)
        self.prior_net = nn.Sequential(nn.Linear(top, wide), nn.ReLU(), nn.Linear(wide, lower))
        self.decoder_net = decoder

    def lower(self, codes: Tensor) -> Tensor:
        """Return the lower level of codes `(n, d)`: the mean that the top foretells, and deviations from it."""
        top, deviations = codes[:, : self.top], codes[:, self.top :]
        mean, log_variance = self.prior_net(top).chunk(2, dim=1)
        spread = torch.exp(0.5 * log_variance.clamp(-LOG_VARIANCE_LIMIT, LOG_VARIANCE_LIMIT))
        lower: Tensor = mean + spread * deviations
        return lower

    def forward(self, codes: Tensor) -> Tensor:
        """Map codes `(n, d)` to what the decoder gives."""
        logits: Tensor = self.decoder_net(torch.cat([codes[:, : self.top], self.lower(codes)], dim=1))
        return logits


class HierarchicalVAE(VAE):
    """Hierarchical VAE: a VAE of two levels, whose lower one need not be normal, as it depends on the upper one.

    A code holds both levels, as the top alone does not reconstruct: the top's numbers u, and by how many standard
    deviations of p(w | u) the lower level w lies from its mean. So the prior of a code is the standard normal, and
    a draw of it decodes to w drawn from p(w | u). Ours: of the paper, two levels of vectors; how far q(w | x, u)
    lies from p(w | u), in its units, depends on x alone, so that the posterior of a code is a diagonal normal.

    Source: Vahdat and Kautz 2020, "NVAE: A Deep Hierarchical Variational Autoencoder", its residual normal
    distributions (section 3.2).

    Loss: `-log p(x | u, w) + KL(q(u | x) || p(u)) + KL(q(w | x, u) || p(w | u))`, u drawn from q(u | x) and w from
    q(w | x, u), whose mean is m + s * d(x) and whose variance is s^2 * v(x), with m and s^2 those of p(w | u).
    """

    class Params(VAE.Params):
        """Parameters of the hierarchical VAE."""

        top: int = Field(default=0, ge=0, description="numbers of a code that are the top level; 0: half of them")

    params: Params

    def __init__(self, params: Params, data: DataSpec) -> None:
        super().__init__(params, data)
        top = params.top or params.latent_dim // 2
        if not 0 < top < params.latent_dim:
            raise NotApplicableError(
                f"hierarchical_vae needs a number for each level, got top={params.top} and "
                f"latent_dim={params.latent_dim}; choose latent_dim of at least 2 and a smaller top"
            )
        self.decoder_net = Levels(top, params.latent_dim, WIDER * params.channels, self.decoder_net)
