"""How similar two images look: peak signal-to-noise ratio, and structural similarity at one and three scales."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from latentbench import Invariance, LatentSpace, Metric, Need, NotApplicableError, Score, Tier
from latentbench_metrics._shared.item_errors import clipped, item_mean, per_item, squared_errors, unit_images

__all__ = [
    "ImageQuality",
    "MsSsim",
    "ms_ssim3",
    "ms_ssim3_per_image",
    "psnr",
    "psnr_per_image",
    "ssim",
    "ssim_per_image",
]

CHUNK = 2**16  # pixels of a chunk: what is made of them stays in the processor's cache
WINDOW, SIGMA = 11, 1.5  # Wang 2004
C1, C2 = 0.01**2, 0.03**2  # for images in [0, 1]
BETAS = (0.0448, 0.2856, 0.3001)  # the three finest scales of Wang 2003
SQUARE = 7  # side of the flat window of ms_ssim3
SMALLEST = SQUARE * 2 ** (len(BETAS) - 1)
MOST_DECIBELS = 100.0  # of one image in the psnr score; a copy would give infinity


def psnr(inputs: Tensor, reconstructions: Tensor, *, pooled: bool = False) -> float:
    """Peak signal-to-noise ratio for a range of 1, -10 log10 mse, mean over images; higher is better.

    In dB; above 0 for images in [0, 1], to which reconstructions of such images are clipped. A perfect copy gives
    infinity.

    Source: the usual definition. torchmetrics first pools the error of all images, as `pooled` does.

    Traps: a mean of logarithms rewards images that are easy anyway (two errors of .1 and .2: 16.99 dB, pooled
    16.02); copying half of the images pays more than halving every error.

    Args:
        inputs: `(n, *shape)`.
        reconstructions: likewise.
        pooled: take the mean error of all images before the logarithm.

    Raises:
        ValueError: unequal shapes.

    >>> errors = torch.tensor([0.1, 0.2]).reshape(2, 1, 1, 1)
    >>> round(psnr(torch.zeros(2, 1, 8, 8), errors.expand(2, 1, 8, 8)), 4)
    16.9897
    """
    if pooled:
        mean = item_mean(squared_errors(inputs, clipped(inputs, reconstructions)))
        return float(-10 * torch.tensor(mean).log10())
    return item_mean(psnr_per_image(inputs, reconstructions))


def psnr_per_image(inputs: Tensor, reconstructions: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of each image in dB, `(n,)`."""
    return -10 * squared_errors(inputs, clipped(inputs, reconstructions)).log10()


def ssim(inputs: Tensor, reconstructions: Tensor) -> float:
    """Structural similarity of images in [0, 1], mean over pixels, channels and images; higher is better.

    In [-1, 1]. Gaussian window of 11 pixels, sigma 1.5, at every pixel; images are mirrored at their edges. For
    images with a side under 11 pixels, the window is the largest odd number that fits (7 for 8x8 digits): not
    comparable with 11.

    Source: Wang et al. 2004; edges as in torchmetrics.

    Traps: an exactly black background counts as 1 and drops sharply under faint noise, so linear models score low
    (PCA-32 of Fashion-MNIST .64, at an r2 of .83).

    Args:
        inputs: `(n, c, h, w)`.
        reconstructions: likewise; clipped to [0, 1] when the inputs lie in it.

    Raises:
        ValueError: no images, or unequal shapes.

    >>> round(ssim(torch.full((1, 1, 16, 16), 0.5), torch.full((1, 1, 16, 16), 0.6)), 6)
    0.983609
    """
    return item_mean(ssim_per_image(inputs, reconstructions))


def ssim_per_image(inputs: Tensor, reconstructions: Tensor) -> Tensor:
    """Structural similarity of each image, `(n,)`.

    Raises:
        ValueError: inputs are not `(n, c, h, w)`.
    """
    if inputs.ndim != 4:
        raise ValueError(f"ssim needs images (n, c, h, w), got shape {tuple(inputs.shape)}")
    return per_item(_ssim, inputs, clipped(inputs, reconstructions), CHUNK)


def ms_ssim3(inputs: Tensor, reconstructions: Tensor) -> float:
    """Structural similarity at three scales, contrast^.0448 contrast^.2856 similarity^.3001; higher is better.

    In [0, 1]. Images are halved twice by 2x2 means; at each scale a flat 7x7 window. A negative mean contrast
    counts as 0. Mean over images.

    Source: Wang, Simoncelli and Bovik 2003, its first three exponents; window, halving and edges as
    `multiscale_structural_similarity_index_measure` of torchmetrics with `gaussian_kernel=False, kernel_size=7,
    normalize="relu"`. The five scales of the paper need sides above 160.

    Traps: not comparable with papers (three scales, exponents that add up to .63), and compressed towards 1:
    PCA-32 of Fashion-MNIST scores .945, with an ssim of .64.

    Args:
        inputs: `(n, c, h, w)`, sides of at least 28.
        reconstructions: likewise; clipped to [0, 1] when the inputs lie in it.

    Raises:
        ValueError: no images, sides under 28, or unequal shapes.

    >>> grey = torch.full((1, 1, 28, 28), 0.5)  # constants: contrast 1, similarity .6001 / .6101 at the last scale
    >>> round(ms_ssim3(grey, grey + 0.1), 5), round((0.6001 / 0.6101) ** 0.3001, 5)
    (0.99505, 0.99505)
    """
    return item_mean(ms_ssim3_per_image(inputs, reconstructions))


def ms_ssim3_per_image(inputs: Tensor, reconstructions: Tensor) -> Tensor:
    """Structural similarity at three scales of each image, `(n,)`.

    Raises:
        ValueError: inputs are not `(n, c, h, w)` with sides of at least 28.
    """
    if inputs.ndim != 4 or min(inputs.shape[-2:]) < SMALLEST:
        raise ValueError(
            f"ms_ssim3 needs images (n, c, h, w) with sides of at least {SMALLEST}, got {tuple(inputs.shape)}"
        )
    return per_item(_ms_ssim3, inputs, clipped(inputs, reconstructions), CHUNK)


def _ssim(x: Tensor, y: Tensor) -> Tensor:
    luminance, contrast = _similarity(x, y, _gaussian(min(WINDOW, *x.shape[-2:])))
    return (luminance * contrast).flatten(1).mean(1)


def _ms_ssim3(x: Tensor, y: Tensor) -> Tensor:
    x, y = x.double(), y.double()
    weights = torch.full((SQUARE,), 1 / SQUARE, dtype=torch.float64)
    edge = SQUARE // 2
    product = torch.ones(len(x), dtype=torch.float64, device=x.device)
    for scale, beta in enumerate(BETAS, start=1):
        luminance, contrast = _similarity(x, y, weights)
        if scale < len(BETAS):  # contrast where the window needs no mirrored edge
            value = contrast[..., edge:-edge, edge:-edge]
            x, y = (torch.nn.functional.avg_pool2d(images, 2) for images in (x, y))
        else:
            value = luminance * contrast
        product *= value.flatten(1).mean(1).clamp_min(0).pow(beta)
    return product


def _similarity(x: Tensor, y: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Return luminance and contrast `(n, c, h, w)`, in float64: variances are differences of large numbers."""
    x, y = x.double(), y.double()
    down, across = (_mirrored_window(weights, side).to(x.device) for side in x.shape[-2:])
    mean_x, mean_y, square_x, square_y, product = (
        down @ (planes @ across.T) for planes in (x, y, x * x, y * y, x * y)
    )
    variances = (square_x - mean_x**2).clamp_min(0) + (square_y - mean_y**2).clamp_min(0)
    luminance = (2 * mean_x * mean_y + C1) / (mean_x**2 + mean_y**2 + C1)
    return luminance, (2 * (product - mean_x * mean_y) + C2) / (variances + C2)


def _gaussian(side: int) -> Tensor:
    half = (side - 1) // 2
    weights = torch.exp(-0.5 * (torch.arange(-half, half + 1, dtype=torch.float64) / SIGMA).square())
    return weights / weights.sum()


def _mirrored_window(weights: Tensor, side: int) -> Tensor:
    """Return the matrix `(side, side)` that takes weighted means along a line mirrored at its ends.

    As a matrix product, the filter is ten times as fast as a convolution in float64.
    """
    half = len(weights) // 2
    places = (torch.arange(side)[:, None] + torch.arange(-half, half + 1)).abs()
    places = (side - 1) - ((side - 1) - places).abs()
    return torch.zeros(side, side, dtype=weights.dtype).scatter_add_(1, places, weights.expand(side, -1))


class ImageQuality(Metric):
    """For images in [0, 1]; a single image contributes at most 100 dB to the PSNR."""

    scores: ClassVar[Mapping[str, Score]] = {
        "psnr": Score(
            "up",
            "peak signal-to-noise ratio, mean over images, at most 100 each",
            purpose="keep",
            range=(0, MOST_DECIBELS),
            unit="dB",
            floor="random_projection",
            ceiling="pixels",
        ),
        "ssim": Score(
            "up",
            "structural similarity",
            purpose="keep",
            range=(-1, 1),
            floor="random_projection",
            ceiling="pixels",
        ),
    }
    needs: ClassVar[tuple[Need, ...]] = ("inputs", "decoder")
    tier: ClassVar[Tier] = "full"
    version: ClassVar[int] = 2
    invariances: ClassVar[tuple[Invariance, ...]] = ("shift", "scale", "rotation", "permutation", "axis_scale")
    max_items: ClassVar[int | None] = 2000

    def compute(self, space: LatentSpace) -> Mapping[str, Tensor]:
        """Return both of each image."""
        inputs, reconstructions = _images(space)
        decibels = psnr_per_image(inputs, reconstructions).clamp_max(MOST_DECIBELS)
        return {"psnr": decibels, "ssim": ssim_per_image(inputs, reconstructions)}


class MsSsim(Metric):
    """For images in [0, 1] with sides of at least 28 pixels."""

    scores: ClassVar[Mapping[str, Score]] = {
        "ms_ssim3": Score(
            "up",
            purpose="keep",
            range=(0, 1),
            floor="random_projection",
            ceiling="pixels",
        ),
    }
    needs: ClassVar[tuple[Need, ...]] = ("inputs", "decoder")
    tier: ClassVar[Tier] = "full"
    invariances: ClassVar[tuple[Invariance, ...]] = ("shift", "scale", "rotation", "permutation", "axis_scale")
    max_items: ClassVar[int | None] = 2000

    def compute(self, space: LatentSpace) -> Mapping[str, Tensor]:
        """Return the similarity of each image."""
        inputs, reconstructions = _images(space)
        if min(inputs.shape[-2:]) < SMALLEST:
            sides = "x".join(map(str, inputs.shape[-2:]))
            raise NotApplicableError(f"needs images with sides of at least {SMALLEST}, they are {sides}")
        return {"ms_ssim3": ms_ssim3_per_image(inputs, reconstructions)}


def _images(space: LatentSpace) -> tuple[Tensor, Tensor]:
    if not unit_images(space.inputs):
        raise NotApplicableError("inputs are not images in [0, 1]")
    return space.inputs, space.reconstructions
