"""Inputs that are no images, brought to mean 0: float32 has no digits left for what varies far from 0."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from latentbench import DataSpec, Split, as_inputs

__all__ = ["Center", "Standard"]


@dataclass(frozen=True)
class Center:
    """The mean of the training inputs, taken off and put back.

    Attributes:
        mean: `(D,)`; float32 for images, which lie in [0, 1], otherwise float64.
    """

    mean: Tensor

    @classmethod
    def of(cls, train: Split) -> Self:
        """Take the mean of a training split."""
        if train.inputs.dtype == np.uint8:
            return cls(as_inputs(train.inputs).flatten(1).mean(0))
        mean = DataSpec.of(train).mean
        return cls(torch.from_numpy(np.asarray(mean, dtype=np.float64)).flatten())

    @classmethod
    def of_state(cls, mean: npt.NDArray[Any]) -> Self:
        """Take back what `mean.numpy()` stored."""
        return cls(torch.from_numpy(np.array(mean)))

    def taken_off(self, inputs: Tensor) -> Tensor:
        """Return inputs `(n, *shape)` less the mean, `(n, D)` in float32."""
        return (inputs.flatten(1) - self.mean).float()

    def put_back(self, flat: Tensor) -> Tensor:
        """Return `flat` `(n, D)` plus the mean, in float32."""
        return (flat + self.mean).float()


class Standard(nn.Module):
    """Float inputs less their training mean, over one scale for all numbers; images stay as they are.

    The mean is kept as two float32 numbers, of which the second is the rounding of the first.
    """

    scale: Tensor
    high: Tensor
    low: Tensor

    def __init__(self, data: DataSpec) -> None:
        super().__init__()
        self.changes = data.mean is not None
        if data.mean is not None:
            exact = torch.from_numpy(np.asarray(data.mean, dtype=np.float64))
            self.register_buffer("high", exact.float())
            self.register_buffer("low", (exact - exact.float().double()).float())
            self.register_buffer("scale", torch.tensor(data.spread, dtype=torch.float32))

    def inward(self, inputs: Tensor) -> Tensor:
        """Bring inputs `(n, *shape)` to mean 0 and mean variance 1."""
        return (inputs - self.high - self.low) / self.scale if self.changes else inputs

    def outward(self, outputs: Tensor) -> Tensor:
        """Bring a network's outputs `(n, *shape)` back to the units of the inputs."""
        return outputs * self.scale + self.low + self.high if self.changes else outputs
