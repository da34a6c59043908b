"""What adversarial models share: who tells real from made, and by how much each side fails."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import softplus

__all__ = ["fooling", "make_code_critic", "telling_apart"]

SLOPE = 0.2  # of a leaky ReLU below 0


def make_code_critic(latent_dim: int, width: int) -> nn.Module:
    """Return a network from codes `(n, latent_dim)` to log odds `(n, 1)` that they are real."""
    return nn.Sequential(
        nn.Linear(latent_dim, width),
        nn.LeakyReLU(SLOPE),
        nn.Linear(width, width),
        nn.LeakyReLU(SLOPE),
        nn.Linear(width, 1),
    )


def telling_apart(real: Tensor, made: Tensor) -> Tensor:
    """Return -log D(real) - log(1 - D(made)), means over log odds, in nats: what a critic minimizes."""
    return softplus(-real).mean() + softplus(made).mean()


def fooling(made: Tensor) -> Tensor:
    """Return -log D(made), the mean over log odds, in nats: what the other side minimizes (non-saturating)."""
    return softplus(-made).mean()
