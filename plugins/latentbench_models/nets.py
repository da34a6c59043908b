"""Backbones shared by the models: from inputs to a flat vector, and from codes back to the shape of inputs.

No batch normalization anywhere: its buffers would couple the rows of a batch and the trials of a group.
"""

from __future__ import annotations

from math import prod
from typing import Literal

from pydantic import Field
from torch import Tensor, nn

from latentbench import LatentbenchError, Params
from latentbench_models.residual import doubling, halving

__all__ = ["Backbone", "NetworkParams", "make_decoder", "make_encoder", "uses_mlp"]

Backbone = Literal["auto", "conv", "residual", "mlp"]
SMALLEST = 8  # shortest side the conv backbone takes
SMALLEST_RESIDUAL = 16  # below, convolutions would see mostly the edges of a few pixels
COARSEST = 7  # halve until the shorter side is at most this


class NetworkParams(Params):
    """Parameters of every model whose networks are made here."""

    latent_dim: int = Field(default=16, ge=1, le=4096, description="length of a code")
    backbone: Backbone = Field(
        default="auto",
        description="network; auto: conv for images of 8x8 or more, mlp for anything else; residual: deeper, "
        "for images of 16x16 or more",
    )
    channels: int = Field(
        default=32, ge=1, description="channels of the first convolution; the mlp is 8 times as wide"
    )
    hidden: int = Field(
        default=0, ge=0, description="width of a dense layer between convolutions and code; 0: none"
    )


def make_encoder(
    backbone: Backbone, shape: tuple[int, ...], outputs: int, channels: int, hidden: int = 0
) -> nn.Module:
    """Return a network from inputs `(n, *shape)` to `(n, outputs)`.

    Args:
        backbone: "conv" (strided convolutions, halving the image until its shorter side is at most 7), "residual"
            (likewise, with a residual block after each), "mlp", or "auto": "conv" for images with sides of at
            least 8, "mlp" for anything else.
        shape: shape of one input; `(c, h, w)` with sides of at least 8 for "conv", and 16 for "residual".
        outputs: length of the result.
        channels: channels of the first convolution, doubled at each halving up to four times; the mlp's layers
            are 8 times as wide.
        hidden: width of a dense layer between the convolutions and the result; 0: none. The mlp has its own.

    Raises:
        LatentbenchError: the shape is no image that the backbone can take.
    """
    if uses_mlp(backbone, shape):
        wide = 8 * channels
        return nn.Sequential(nn.Flatten(), nn.Linear(prod(shape), wide), *_hidden(wide), nn.Linear(wide, outputs))
    sizes, widths = _plan(backbone, shape, channels)
    layers: list[nn.Module] = []
    for size, before, after in zip(sizes, widths, widths[1:], strict=False):
        layers += _halving(backbone, before, after, _kernel(size))
    flat = widths[-1] * prod(sizes[-1])
    dense = [nn.Linear(flat, hidden), nn.ReLU()] if hidden else []
    return nn.Sequential(*layers, _FlattenPixels(), *dense, nn.Linear(hidden or flat, outputs))


def make_decoder(
    backbone: Backbone, shape: tuple[int, ...], latent_dim: int, channels: int, hidden: int = 0
) -> nn.Module:
    """Return a network from codes `(n, latent_dim)` to `(n, *shape)`; the mirror image of the encoder."""
    if uses_mlp(backbone, shape):
        wide = 8 * channels
        return nn.Sequential(
            nn.Linear(latent_dim, wide), *_hidden(wide), nn.Linear(wide, prod(shape)), nn.Unflatten(1, shape)
        )
    sizes, widths = _plan(backbone, shape, channels)
    layers: list[nn.Module] = [
        *([nn.Linear(latent_dim, hidden), nn.ReLU()] if hidden else []),
        nn.Linear(hidden or latent_dim, widths[-1] * prod(sizes[-1])),
        _UnflattenPixels(widths[-1], *sizes[-1]),
    ]
    for stage in reversed(range(len(sizes) - 1)):
        before, after, kernel = widths[stage + 1], widths[stage], _kernel(sizes[stage])
        layers += _doubling(backbone, before, after, kernel)
    return nn.Sequential(*layers)


class _FlattenPixels(nn.Module):
    """Flatten an image pixel by pixel, without a copy where channels lie last, as they do during training."""

    def forward(self, image: Tensor) -> Tensor:
        """Map `(n, c, h, w)` to `(n, h * w * c)`."""
        return image.permute(0, 2, 3, 1).flatten(1)


class _UnflattenPixels(nn.Module):
    """Undo `_FlattenPixels`."""

    def __init__(self, channels: int, height: int, width: int) -> None:
        super().__init__()
        self.size = height, width, channels

    def forward(self, flat: Tensor) -> Tensor:
        """Map `(n, h * w * c)` to `(n, c, h, w)`."""
        return flat.reshape(-1, *self.size).permute(0, 3, 1, 2)


def uses_mlp(backbone: Backbone, shape: tuple[int, ...]) -> bool:
    """Whether networks for inputs of this shape are dense layers, not convolutions."""
    image = len(shape) == 3 and min(shape[1:]) >= SMALLEST
    return backbone == "mlp" or (backbone == "auto" and not image)


def _kernel(size: tuple[int, int]) -> tuple[int, int]:
    """A stride of 2 halves even sides exactly with 4 taps, and odd sides (rounded up) with 3."""
    return 4 - size[0] % 2, 4 - size[1] % 2


def _hidden(wide: int) -> tuple[nn.Module, ...]:
    return nn.ReLU(), nn.Linear(wide, wide), nn.ReLU()


def _halving(backbone: Backbone, before: int, after: int, kernel: tuple[int, int]) -> list[nn.Module]:
    if backbone == "residual":
        return halving(before, after, kernel)
    return [nn.Conv2d(before, after, kernel, stride=2, padding=1), nn.ReLU()]


def _doubling(backbone: Backbone, before: int, after: int, kernel: tuple[int, int]) -> list[nn.Module]:
    if backbone == "residual":
        return doubling(before, after, kernel)
    return [nn.ReLU(), nn.ConvTranspose2d(before, after, kernel, stride=2, padding=1)]


def _plan(backbone: Backbone, shape: tuple[int, ...], channels: int) -> tuple[list[tuple[int, int]], list[int]]:
    """Return the image sizes and channel counts of all stages, from the input to the coarsest."""
    residual = backbone == "residual"
    smallest = SMALLEST_RESIDUAL if residual else SMALLEST
    if len(shape) != 3 or min(shape[1:]) < smallest:
        raise LatentbenchError(
            f"the {'residual' if residual else 'conv'} backbone takes images (c, h, w) with sides of at least "
            f"{smallest}, got inputs of shape {shape}; choose backbone={'auto' if residual else 'mlp'}"
        )
    sizes, widths = [(shape[1], shape[2])], [shape[0]]
    while min(sizes[-1]) > COARSEST:
        height, width = sizes[-1]
        sizes.append(((height + 1) // 2, (width + 1) // 2))
        widths.append(channels * 2 ** min(len(widths) - 1, 2))
    return sizes, widths
