"""How much of an input survives its code: reconstruction error, image quality and rate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

import torch
from torch import Tensor

from latentbench import LatentSpace, Metric, NotApplicableError, Posterior, Score
from latentbench_metrics.subsets import some_rows

__all__ = [
    "ExplainedVariance",
    "ImageQuality",
    "Rate",
    "Reconstruction",
    "absolute_errors",
    "kl_normal",
    "mae",
    "mse",
    "pixel_variance",
    "psnr",
    "psnr_per_image",
    "r2",
    "rate",
    "squared_errors",
    "ssim",
    "ssim_per_image",
]

CHUNK = 1024
WINDOW, SIGMA = 11, 1.5  # Wang 2004
C1, C2 = 0.01**2, 0.03**2  # for images in [0, 1]
MOST_DECIBELS = 100.0  # of one image in the psnr score; a copy would give infinity


def mse(inputs: Tensor, reconstructions: Tensor) -> float:
    """Mean squared error over items and input elements; lower is better.

    Args:
        inputs: `(n, *shape)`.
        reconstructions: likewise.

    >>> round(mse(torch.zeros(2, 1, 4, 4), torch.full((2, 1, 4, 4), 0.1)), 6)
    0.01
    """
    return _mean(squared_errors(inputs, reconstructions))


def mae(inputs: Tensor, reconstructions: Tensor) -> float:
    """Mean absolute error over items and input elements; lower is better.

    >>> round(mae(torch.zeros(2, 3), torch.full((2, 3), 0.1)), 6)
    0.1
    """
    return _mean(absolute_errors(inputs, reconstructions))


def r2(inputs: Tensor, reconstructions: Tensor, train_variance: float) -> float:
    """1 - mse / variance: the share of variance kept; 1 is a copy, 0 no better than the mean training image.

    Args:
        inputs: `(n, *shape)`.
        reconstructions: likewise.
        train_variance: `pixel_variance` of the training inputs.

    >>> r2(torch.tensor([[0.0], [2.0]]), torch.tensor([[1.0], [1.0]]), train_variance=1.0)
    0.0
    """
    return 1 - mse(inputs, reconstructions) / train_variance


def squared_errors(inputs: Tensor, reconstructions: Tensor) -> Tensor:
    """Mean squared error of each item, `(n,)`."""
    return _per_item(lambda x, y: (x - y).square().flatten(1).mean(1), inputs, reconstructions)


def absolute_errors(inputs: Tensor, reconstructions: Tensor) -> Tensor:
    """Mean absolute error of each item, `(n,)`."""
    return _per_item(lambda x, y: (x - y).abs().flatten(1).mean(1), inputs, reconstructions)


def pixel_variance(inputs: Tensor) -> float:
    """Variance of each input element over the n items, averaged over elements; computed in chunks.

    >>> pixel_variance(torch.tensor([[0.0, 5.0], [2.0, 5.0]]))
    0.5
    """
    mean = sum(chunk.double().sum(0) for chunk in torch.split(inputs, CHUNK)) / len(inputs)
    squares = sum((chunk - mean).square().sum(0) for chunk in torch.split(inputs, CHUNK)) / len(inputs)
    return float(torch.as_tensor(squares).mean())


def psnr(inputs: Tensor, reconstructions: Tensor, *, pooled: bool = False) -> float:
    """Peak signal-to-noise ratio in dB for a range of 1, -10 log10 mse; higher is better.

    The mean over images; `pooled` takes the mean error of all images first, as torchmetrics does. When the
    inputs are images in [0, 1] the reconstructions are clipped to it. A perfect copy gives infinity.

    >>> errors = torch.tensor([0.1, 0.2]).reshape(2, 1, 1, 1)
    >>> round(psnr(torch.zeros(2, 1, 8, 8), errors.expand(2, 1, 8, 8)), 4)
    16.9897
    """
    if pooled:
        return float(-10 * torch.tensor(mse(inputs, _clipped(inputs, reconstructions))).log10())
    return _mean(psnr_per_image(inputs, reconstructions))


def psnr_per_image(inputs: Tensor, reconstructions: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of each image in dB, `(n,)`."""
    return -10 * squared_errors(inputs, _clipped(inputs, reconstructions)).log10()


def ssim(inputs: Tensor, reconstructions: Tensor) -> float:
    """Structural similarity (Wang et al. 2004) of images in [0, 1], in [-1, 1]; higher is better.

    Gaussian window of 11 pixels, sigma 1.5, at every pixel, images mirrored at their edges, as torchmetrics does.
    On images with a side under 11 pixels the window is the largest odd number that fits (7 for 8x8 digits): not
    comparable with 11.

    Args:
        inputs: `(n, c, h, w)`.
        reconstructions: likewise; clipped to [0, 1] when the inputs lie in it.

    >>> round(ssim(torch.full((1, 1, 16, 16), 0.5), torch.full((1, 1, 16, 16), 0.6)), 6)
    0.983609
    """
    return _mean(ssim_per_image(inputs, reconstructions))


def ssim_per_image(inputs: Tensor, reconstructions: Tensor) -> Tensor:
    """Structural similarity of each image, `(n,)`.

    Raises:
        ValueError: inputs are not `(n, c, h, w)`.
    """
    if inputs.ndim != 4:
        raise ValueError(f"ssim needs images (n, c, h, w), got shape {tuple(inputs.shape)}")
    return _per_item(_ssim, inputs, _clipped(inputs, reconstructions))


def kl_normal(mean: Tensor, variance: Tensor) -> float:
    """Kullback-Leibler divergence of diagonal normals `(n, d)` from N(0, I), in nats, mean over items.

    >>> kl_normal(torch.ones(1, 1), torch.ones(1, 1))
    0.5
    """
    return rate(Posterior(mean, variance), Posterior(torch.zeros_like(mean[0]), torch.ones_like(mean[0])))


def rate(posterior: Posterior, prior: Posterior) -> float:
    """Mean divergence of the posteriors from the prior, in nats per item: what a code tells about its input.

    >>> one = torch.ones(1, 2)
    >>> rate(Posterior(one, one), Posterior(torch.zeros(2), torch.ones(2)))
    1.0
    """
    return _mean(posterior.kl(prior))


def _per_item(score: Callable[[Tensor, Tensor], Tensor], inputs: Tensor, reconstructions: Tensor) -> Tensor:
    if inputs.shape != reconstructions.shape:
        raise ValueError(f"inputs {tuple(inputs.shape)} and reconstructions {tuple(reconstructions.shape)} differ")
    both = zip(torch.split(inputs, CHUNK), torch.split(reconstructions, CHUNK), strict=True)
    return torch.cat([score(x, y) for x, y in both])


def _mean(values: Tensor) -> float:
    return float(values.double().mean())


def _clipped(inputs: Tensor, reconstructions: Tensor) -> Tensor:
    return reconstructions.clamp(0, 1) if _unit_images(inputs) else reconstructions


def _unit_images(inputs: Tensor) -> bool:
    return inputs.ndim == 4 and bool(inputs.min() >= 0) and bool(inputs.max() <= 1)


def _ssim(x: Tensor, y: Tensor) -> Tensor:
    x, y = x.double(), y.double()  # variances are small differences of large numbers
    window = _window(x)
    mean_x, mean_y = _blur(x, window), _blur(y, window)
    var_x, var_y = _blur(x * x, window) - mean_x**2, _blur(y * y, window) - mean_y**2
    covariance = _blur(x * y, window) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + C1) / (mean_x**2 + mean_y**2 + C1)
    structure = (2 * covariance + C2) / (var_x + var_y + C2)
    return (luminance * structure).flatten(1).mean(1)


def _window(images: Tensor) -> Tensor:
    side = min(WINDOW, *images.shape[-2:])
    half = (side - 1) // 2
    offsets = torch.arange(-half, half + 1, dtype=images.dtype, device=images.device)
    weights = torch.exp(-0.5 * (offsets / SIGMA).square())
    return weights / weights.sum()


def _blur(images: Tensor, window: Tensor) -> Tensor:
    edge = len(window) // 2
    planes = torch.nn.functional.pad(images, (edge,) * 4, mode="reflect").flatten(0, 1).unsqueeze(1)
    rows = torch.nn.functional.conv2d(planes, window.reshape(1, 1, -1, 1))
    blurred = torch.nn.functional.conv2d(rows, window.reshape(1, 1, 1, -1))
    return torch.unflatten(blurred, 0, images.shape[:2])


class Reconstruction(Metric):
    """Mean squared and mean absolute error, per input element, unclipped."""

    scores: ClassVar[Mapping[str, Score]] = {
        "mse": Score("down", "mean squared error per input element", "keep", range=(0, float("inf"))),
        "mae": Score("down", "mean absolute error per input element", "keep", range=(0, float("inf"))),
    }
    needs: ClassVar[tuple[str, ...]] = ("inputs", "decoder")
    invariances: ClassVar[tuple[str, ...]] = ("shift", "scale", "rotation")

    def compute(self, space: LatentSpace) -> Mapping[str, Tensor]:
        """Return the errors of each item."""
        both = space.inputs, space.reconstructions
        return {"mse": squared_errors(*both), "mae": absolute_errors(*both)}


class ExplainedVariance(Metric):
    """r2: mean squared error against the variance of the training inputs."""

    scores: ClassVar[Mapping[str, Score]] = {
        "r2": Score(
            "up",
            "share of the inputs' variance kept",
            "keep",
            True,
            (-float("inf"), 1),
            floor=0.0,
            ceiling="pixels",
        ),
    }
    needs: ClassVar[tuple[str, ...]] = ("inputs", "decoder", "train")
    invariances: ClassVar[tuple[str, ...]] = ("shift", "scale", "rotation")

    def compute(self, space: LatentSpace) -> Mapping[str, Tensor]:
        """Return 1 - error / variance of each item; their mean is r2."""
        train = space.train
        variance = 0.0 if train is None else pixel_variance(train.inputs)
        if variance == 0:
            raise NotApplicableError("the training inputs do not vary")
        return {"r2": 1 - squared_errors(space.inputs, space.reconstructions) / variance}


class ImageQuality(Metric):
    """PSNR and SSIM of images in [0, 1]; the PSNR of one image counts at most 100 dB."""

    scores: ClassVar[Mapping[str, Score]] = {
        "psnr": Score(
            "up", "mean over images of the PSNR, each at most 100", "keep", range=(0, MOST_DECIBELS), unit="dB"
        ),
        "ssim": Score("up", "structural similarity", "keep", range=(-1, 1), ceiling="pixels"),
    }
    needs: ClassVar[tuple[str, ...]] = ("inputs", "decoder")
    invariances: ClassVar[tuple[str, ...]] = ("shift", "scale", "rotation")
    max_items: ClassVar[int | None] = 2000

    def compute(self, space: LatentSpace) -> Mapping[str, Tensor]:
        """Return both of each image."""
        if not _unit_images(space.inputs):
            raise NotApplicableError("inputs are not images in [0, 1]")
        rows = some_rows(len(space), self.max_items)
        both = space.inputs[rows], space.reconstructions[rows]
        return {"psnr": psnr_per_image(*both).clamp_max(MOST_DECIBELS), "ssim": ssim_per_image(*both)}


class Rate(Metric):
    """The rate; under 1 nat the posterior has collapsed onto the prior."""

    scores: ClassVar[Mapping[str, Score]] = {
        "rate": Score(
            "none", "nats a code tells about its input", "use", True, (0, float("inf")), "nats",
            flag_below=1.0, flag="collapsed",
        ),
    }  # fmt: skip
    needs: ClassVar[tuple[str, ...]] = ("posterior", "prior")

    def compute(self, space: LatentSpace) -> Mapping[str, Tensor]:
        """Return the divergence of each item's posterior from the prior."""
        return {"rate": space.posterior.kl(space.prior)}
