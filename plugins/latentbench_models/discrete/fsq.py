"""The autoencoder with finite scalar quantization."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from latentbench_models.ae import AE

__all__ = ["FSQ"]

GAIN = 10.0  # an encoder's outputs start near 0; were all of them rounded to it, the decoder would have no slope
MARGIN = 1e-3  # of the paper's code, beyond the outermost values, so that these are reached


class FSQ(AE):
    """FSQ: codes of few values each, to be stored in few bits or modeled as words, without a codebook.

    Each number of a code is bounded and rounded to one of a few values in [-1, 1]; gradients pass straight through
    the rounding. Ours: a code is one vector, not a grid of them, with the same number of values in each place;
    the encoder's outputs are multiplied by 10.

    Source: Mentzer et al. 2024, "Finite Scalar Quantization: VQ-VAE Made Simple".

    Loss: `-log p(x | z)`, where z is the rounded code of x.
    """

    label_params: ClassVar[tuple[str, ...]] = ("levels",)

    class Params(AE.Params):
        """Parameters of the autoencoder with finite scalar quantization."""

        levels: int = Field(default=8, ge=3, le=1024, description="values that each number of a code can take")

    params: Params

    def encode(self, inputs: Tensor) -> Tensor:
        """Map inputs to codes of values that lie evenly in [-1, 1]; an even number of them has none at 1."""
        half = self.params.levels // 2
        bounded = self._bounded(GAIN * super().encode(inputs))
        return (bounded.detach().round() + (bounded - bounded.detach())) / half

    def _bounded(self, outputs: Tensor) -> Tensor:
        """Squeeze numbers into the range that is rounded to as many whole numbers as there are levels."""
        reach = (self.params.levels - 1) * (1 + MARGIN) / 2
        shift = 0.5 if self.params.levels % 2 == 0 else 0.0
        return reach * torch.tanh(outputs + math.atanh(shift / reach)) - shift
