"""Stages of the residual backbone: halve or double an image, and refine it where it is the smaller one."""

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["ResidualBlock", "doubling", "halving"]

MOST_GROUPS = 8
FEWEST_TOGETHER = 4  # channels: one alone would lose how strong it is beside the others


class ResidualBlock(nn.Module):
    """Two convolutions of 3x3 that are added to their input, each after a group normalization and a SiLU.

    What runs past the block is not normalized, so that brightness and contrast reach the code and the image.

    Source: He et al. 2016, "Identity Mappings in Deep Residual Networks"; Wu and He 2018, "Group Normalization",
    in place of their batch normalization.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        groups = _groups(channels)
        self.first_norm = nn.GroupNorm(groups, channels)
        self.first = nn.Conv2d(channels, channels, 3, padding=1, bias=False)  # the next norm has offsets
        self.second_norm = nn.GroupNorm(groups, channels)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        """Return an image of the same shape `(n, c, h, w)`."""
        silu = nn.functional.silu
        inner = self.first(silu(self.first_norm(image)))
        added: Tensor = self.second(silu(self.second_norm(inner)))
        return image + added


def halving(before: int, after: int, kernel: tuple[int, int]) -> list[nn.Module]:
    """Return layers from `(n, before, h, w)` to `(n, after, h / 2, w / 2)`, sides rounded up."""
    return [nn.Conv2d(before, after, kernel, stride=2, padding=1), ResidualBlock(after)]


def doubling(before: int, after: int, kernel: tuple[int, int]) -> list[nn.Module]:
    """Return layers that lead back from `(n, before, h / 2, w / 2)` to `(n, after, h, w)`."""
    return [ResidualBlock(before), nn.SiLU(), nn.ConvTranspose2d(before, after, kernel, stride=2, padding=1)]


def _groups(channels: int) -> int:
    """Return the most groups of equal size, up to 8 and of 4 channels or more; 1 where there are none."""
    most = min(MOST_GROUPS, max(channels // FEWEST_TOGETHER, 1))
    return next(count for count in range(most, 0, -1) if channels % count == 0)
