"""Small networks that find a clean input in a noisy one, from the share of noise and a code."""

from __future__ import annotations

import math
from itertools import pairwise
from math import prod

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, silu

from latentbench_models.nets import Backbone, uses_mlp

__all__ = ["ConvDenoiser", "MlpDenoiser", "make_denoiser", "time_features"]

FREQUENCIES = 8
COARSEST = 7  # halve until the shorter side is at most this, as the backbones do
WIDER = 8  # features of times, and the mlp's layers, in channels


def make_denoiser(backbone: Backbone, shape: tuple[int, ...], latent_dim: int, channels: int) -> nn.Module:
    """Return a network from noisy inputs `(n, *shape)`, times `(n,)` and codes `(n, d)` to `(n, *shape)`."""
    chosen = MlpDenoiser if uses_mlp(backbone, shape) else ConvDenoiser
    return chosen(shape, latent_dim, channels)


def time_features(times: Tensor) -> Tensor:
    """Return sines and cosines of pi, 2 pi, ... times the times `(n,)`, `(n, 16)`."""
    angles = times[:, None] * math.pi * torch.arange(1, FREQUENCIES + 1, device=times.device)
    return torch.cat([angles.sin(), angles.cos()], dim=1)


class MlpDenoiser(nn.Module):
    """Dense layers over everything at once."""

    def __init__(self, shape: tuple[int, ...], latent_dim: int, channels: int) -> None:
        super().__init__()
        wide, size = WIDER * channels, prod(shape)
        self.layers = nn.Sequential(
            nn.Linear(size + latent_dim + 2 * FREQUENCIES, wide),
            nn.SiLU(),
            nn.Linear(wide, wide),
            nn.SiLU(),
            nn.Linear(wide, size),
            nn.Unflatten(1, shape),
        )

    def forward(self, noisy: Tensor, times: Tensor, codes: Tensor) -> Tensor:
        """Return clean inputs, before what bounds them."""
        clean: Tensor = self.layers(torch.cat([noisy.flatten(1), codes, time_features(times)], dim=1))
        return clean


class ConvDenoiser(nn.Module):
    """A U-Net: halved and back, the code added where the image is smallest, times as scales and offsets."""

    def __init__(self, shape: tuple[int, ...], latent_dim: int, channels: int) -> None:
        super().__init__()
        self.sizes, widths = [(shape[1], shape[2])], [channels]
        while min(self.sizes[-1]) > COARSEST:
            height, width = self.sizes[-1]
            self.sizes.append(((height + 1) // 2, (width + 1) // 2))
            widths.append(min(2 * widths[-1], 4 * channels))
        wide = WIDER * channels
        self.of_times = nn.Sequential(nn.Linear(2 * FREQUENCIES, wide), nn.SiLU())
        self.of_codes = nn.Linear(latent_dim, widths[-1] * prod(self.sizes[-1]))
        self.first = nn.Conv2d(shape[0], channels, 3, padding=1)
        self.down = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in pairwise(widths))
        self.up = nn.ModuleList(nn.Conv2d(b, a, 3, padding=1) for a, b in pairwise(widths))
        self.blocks = nn.ModuleList(_Block(width, wide) for width in widths)
        self.last = nn.Conv2d(channels, shape[0], 3, padding=1)

    def forward(self, noisy: Tensor, times: Tensor, codes: Tensor) -> Tensor:
        """Return clean inputs, before what bounds them."""
        features = self.of_times(time_features(times))
        maps = [self.first(noisy)]
        for down in self.down:
            maps.append(down(silu(maps[-1])))
        inner = maps[-1] + self.of_codes(codes).reshape(maps[-1].shape)
        for place in reversed(range(len(self.down))):
            inner = self.blocks[place + 1](inner, features)
            inner = maps[place] + interpolate(self.up[place](inner), size=self.sizes[place])
        clean: Tensor = self.last(silu(self.blocks[0](inner, features)))
        return clean


class _Block(nn.Module):
    """A convolution added to its input, normalized over all numbers of an item, scaled and moved by features."""

    def __init__(self, width: int, features: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, width)
        self.scale = nn.Linear(features, 2 * width)
        self.conv = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, inner: Tensor, features: Tensor) -> Tensor:
        """Return maps of the same shape `(n, c, h, w)`."""
        scale, offset = self.scale(features)[:, :, None, None].chunk(2, dim=1)
        added: Tensor = self.conv(silu(self.norm(inner) * (1 + scale) + offset))
        return inner + added
