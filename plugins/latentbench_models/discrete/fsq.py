"""The autoencoder with finite scalar quantization."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from latentbench import Batch, DataSpec
from latentbench_models.ae import AE

__all__ = ["FSQ"]

START = 0.1  # spread of the outputs of an encoder that has learned nothing yet, about
KEPT = 0.9  # share of a running mean that a step keeps
LEAST = 1e-3  # spread; outputs that are all alike are not blown up without end
MARGIN = 1e-3  # of the paper's code, beyond the outermost values, so that these are reached


class FSQ(AE):
    """FSQ: codes of few values each, to be stored in few bits or modeled as words, without a codebook.

    Each number of a code is bounded and rounded to one of a few values in [-1, 1]; gradients pass straight through
    the rounding. Ours: a code is one vector, not a grid of them, with the same number of values in each place; the
    encoder's outputs are first standardized by their running mean and spread, as bounds have no slope far outside.

    Source: Mentzer et al. 2024, "Finite Scalar Quantization: VQ-VAE Made Simple".

    Loss: `-log p(x | z)`, where z is the rounded code of x.
    """

    version: ClassVar[int] = 2  # since 2, with outputs that are standardized
    label_params: ClassVar[tuple[str, ...]] = ("levels",)

    class Params(AE.Params):
        """Parameters of the autoencoder with finite scalar quantization."""

        levels: int = Field(default=8, ge=3, le=1024, description="values that each number of a code can take")

    params: Params
    center: Tensor
    spread: Tensor

    def __init__(self, params: Params, data: DataSpec) -> None:
        super().__init__(params, data)
        self.register_buffer("center", torch.zeros(params.latent_dim))
        self.register_buffer("spread", torch.full((params.latent_dim,), START))

    def update(self, state: dict[str, Tensor], batch: Batch, noise: object) -> dict[str, Tensor]:  # noqa: ARG002
        """Renew the running mean and spread of the encoder's outputs."""
        outputs = super().encode(batch.inputs)
        center = torch.lerp(outputs.mean(0), state["center"], KEPT)
        variance = torch.lerp((outputs - center).square().mean(0), state["spread"].square(), KEPT)
        return {**state, "center": center, "spread": variance.sqrt().clamp_min(LEAST)}

    def encode(self, inputs: Tensor) -> Tensor:
        """Map inputs to codes of values that lie evenly in [-1, 1]; an even number of them has none at 1."""
        half = self.params.levels // 2
        bounded = self._bounded((super().encode(inputs) - self.center) / self.spread)
        return (bounded.detach().round() + (bounded - bounded.detach())) / half

    def _bounded(self, outputs: Tensor) -> Tensor:
        """Squeeze numbers into the range that is rounded to as many whole numbers as there are levels."""
        reach = (self.params.levels - 1) * (1 + MARGIN) / 2
        shift = 0.5 if self.params.levels % 2 == 0 else 0.0
        return reach * torch.tanh(outputs + math.atanh(shift / reach)) - shift
