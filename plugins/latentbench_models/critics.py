"""What models with a critic share: who tells real from made, and by how much each side fails."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from torch import Tensor, nn
from torch.nn.functional import softplus

__all__ = ["AGAINST_CRITIC", "SLOPE", "fooling", "make_code_critic", "telling_apart"]

SLOPE = 0.2  # of a leaky ReLU below 0
AGAINST_CRITIC: Mapping[str, tuple[str, ...]] = {  # the players of an autoencoder that a critic looks at
    "autoencoder": ("encoder_net", "decoder_net", "likelihood"),
    "critic": ("critic_net",),
}


def make_code_critic(latent_dim: int, width: int, depth: int = 2) -> nn.Module:
    """Return a network from codes `(n, latent_dim)` to log odds `(n, 1)` that they are real."""
    layers: list[nn.Module] = []
    for before, after in pairwise([latent_dim, *[width] * depth]):
        layers += [nn.Linear(before, after), nn.LeakyReLU(SLOPE)]
    return nn.Sequential(*layers, nn.Linear(width, 1))


def telling_apart(real: Tensor, made: Tensor) -> Tensor:
    """Return -log D(real) - log(1 - D(made)), means over log odds, in nats: what a critic minimizes."""
    return softplus(-real).mean() + softplus(made).mean()


def fooling(made: Tensor) -> Tensor:
    """Return -log D(made), the mean over log odds, in nats: what the other side minimizes (non-saturating)."""
    return softplus(-made).mean()
