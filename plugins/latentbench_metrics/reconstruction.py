"""How much of an input survives its code: reconstruction errors and the explained variance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from latentbench import Invariance, LatentSpace, Metric, Need, NotApplicableError, Score
from latentbench.latent.shown import shown_inputs
from latentbench.latent.split_inputs import SplitInputs, parts_of
from latentbench_metrics._shared.item_errors import absolute_errors, item_mean, squared_errors
from latentbench_metrics._shared.rounding import coincide

__all__ = ["ExplainedVariance", "Reconstruction", "mae", "mse", "pixel_variance", "r2"]

CHUNK = 1024


def mse(inputs: Tensor, reconstructions: Tensor) -> float:
    """Mean squared error over items and input elements; lower is better.

    In [0, inf), in squared units of the inputs; reconstructions are not clipped.

    Source: the usual definition; printed per input element, not summed over an image.

    Traps: blurred images win, and it depends on the variance of the inputs: read `r2` beside it, and compare with
    PCA of the same width.

    Args:
        inputs: `(n, *shape)`.
        reconstructions: likewise.

    Raises:
        ValueError: unequal shapes.

    >>> round(mse(torch.zeros(2, 1, 4, 4), torch.full((2, 1, 4, 4), 0.1)), 6)
    0.01
    """
    return item_mean(squared_errors(inputs, reconstructions))


def mae(inputs: Tensor, reconstructions: Tensor) -> float:
    """Mean absolute error over items and input elements; lower is better.

    In [0, inf), in units of the inputs; reconstructions are not clipped.

    Source: the usual definition; printed per input element, not summed over an image.

    Traps: the best constant is the median, so on images with a black background it favors models that leave out
    thin lines.

    Args:
        inputs: `(n, *shape)`.
        reconstructions: likewise.

    Raises:
        ValueError: unequal shapes.

    >>> round(mae(torch.zeros(2, 3), torch.full((2, 3), 0.1)), 6)
    0.1
    """
    return item_mean(absolute_errors(inputs, reconstructions))


def r2(inputs: Tensor, reconstructions: Tensor, train_variance: float) -> float:
    """1 - mse / variance of the training inputs: the share of variance kept; higher is better.

    In (-inf, 1]: 1 is a copy, 0 is as good as the mean training image.

    Source: the coefficient of determination, with the variance of the training inputs.

    Traps: a few high-variance pixels dominate, and blurred images score well; read `ssim` beside it.

    Args:
        inputs: `(n, *shape)`.
        reconstructions: likewise.
        train_variance: `pixel_variance` of the training inputs.

    Raises:
        ValueError: unequal shapes.
        NotApplicableError: the variance is 0.

    >>> r2(torch.tensor([[0.0], [2.0]]), torch.tensor([[1.0], [1.0]]), train_variance=1.0)
    0.0
    """
    if not train_variance > 0:
        raise NotApplicableError("the training inputs do not vary")
    return 1 - mse(inputs, reconstructions) / train_variance


def pixel_variance(inputs: Tensor | SplitInputs) -> float:
    """Variance of each input element over the n items, averaged over elements; computed in chunks.

    >>> pixel_variance(torch.tensor([[0.0, 5.0], [2.0, 5.0]]))
    0.5
    """
    mean = sum(chunk.double().sum(0) for chunk in parts_of(inputs, CHUNK)) / len(inputs)  # float64 from here on
    squares = sum((chunk - mean).square().sum(0) for chunk in parts_of(inputs, CHUNK)) / len(inputs)
    return float(torch.as_tensor(squares).mean())


class Reconstruction(Metric):
    """Per input element; reconstructions are not clipped."""

    scores: ClassVar[Mapping[str, Score]] = {
        "mse": Score(
            "down",
            "mean squared error per input element",
            purpose="keep",
            range=(0, float("inf")),
            floor="random_projection",
            ceiling="pixels",
        ),
        "mae": Score(
            "down",
            "mean absolute error per input element",
            purpose="keep",
            range=(0, float("inf")),
            floor="random_projection",
            ceiling="pixels",
        ),
    }
    version: ClassVar[int] = 2
    needs: ClassVar[tuple[Need, ...]] = ("inputs", "decoder")
    invariances: ClassVar[tuple[Invariance, ...]] = ("shift", "scale", "rotation", "permutation", "axis_scale")

    def compute(self, space: LatentSpace) -> Mapping[str, Tensor]:
        """Return the errors of each item."""
        both = space.inputs, space.reconstructions
        return {"mse": squared_errors(*both), "mae": absolute_errors(*both)}


class ExplainedVariance(Metric):
    """The mean squared error, relative to the variance of the training inputs."""

    scores: ClassVar[Mapping[str, Score]] = {
        "r2": Score(
            "up",
            purpose="keep",
            headline=True,
            range=(-float("inf"), 1),
            floor=0.0,
            ceiling="pixels",
        ),
    }
    version: ClassVar[int] = 2
    needs: ClassVar[tuple[Need, ...]] = ("inputs", "decoder", "train")
    invariances: ClassVar[tuple[Invariance, ...]] = ("shift", "scale", "rotation", "permutation", "axis_scale")

    def compute(self, space: LatentSpace) -> Mapping[str, Tensor]:
        """Return 1 - error / variance of each item; their mean is r2."""
        train = shown_inputs(space.train)
        if coincide(torch.cat([_extremes(part.flatten(1)) for part in parts_of(train, CHUNK)])):
            raise NotApplicableError("the training inputs do not vary")
        variance = pixel_variance(train)
        return {"r2": 1 - squared_errors(space.inputs, space.reconstructions) / variance}


def _extremes(rows: Tensor) -> Tensor:
    """Return the lowest and the highest number of each column of rows `(n, d)`, `(2, d)`."""
    return torch.stack([rows.amin(0), rows.amax(0)])
