"""What is done to inputs before a user's own network sees them: channels, size, mean and standard deviation."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import torch
from pydantic import Field, field_validator, model_validator
from torch import Tensor, nn

from latentbench import DataError, DataSpec, Params

__all__ = ["InputParams", "Preparation", "preparation"]

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
GREY, COLOR = 1, 3  # channels


class InputParams(Params):
    """Parameters of what is done to inputs."""

    size: tuple[int, ...] = Field(
        default=(),
        max_length=2,
        description="images are resized to this side, or height and width (bilinear, antialias); none: as is",
    )
    mean: tuple[float, ...] = Field(
        default=(), description="taken off inputs in [0, 1]: one number, or one a channel; none: nothing"
    )
    std: tuple[float, ...] = Field(default=(), description="divides inputs after that, likewise")
    transform: str = Field(
        default="",
        description="imagenet (its mean and std), or torchvision weights, as ResNet18_Weights.DEFAULT (their own "
        "resize, crop, mean and std)",
    )

    @field_validator("size")
    @classmethod
    def _check_size(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if any(side < 1 for side in value):
            raise ValueError("should hold sides of at least 1")
        return value

    @field_validator("std")
    @classmethod
    def _check_std(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if any(number <= 0 for number in value):
            raise ValueError("should hold numbers above 0")
        return value

    @field_validator("transform")
    @classmethod
    def _check_transform(cls, value: str) -> str:
        """Return the name that stands for the same transform in every version of torchvision."""
        return value if value in ("", "imagenet") else str(_weights(value))

    @model_validator(mode="after")
    def _check_together(self) -> Any:
        """Refuse what contradicts itself.

        Raises:
            DataError: mean and std are not alike, or stand beside a transform that has its own.
        """
        if len(self.mean) != len(self.std):
            raise DataError(
                "network.mean and network.std must hold as many numbers as each other, got "
                f"{len(self.mean)} and {len(self.std)}"
            )
        taken = ["mean", "std"] * bool(self.mean) + ["size"] * bool(self.size and self.transform != "imagenet")
        if self.transform and taken:
            both = " and ".join(f"network.{name}" for name in taken)
            raise DataError(f"network.transform={self.transform} has its own; leave out {both}")
        return self


@dataclass(frozen=True)
class Preparation:
    """From inputs `(n, *shape)`, images in [0, 1], to what the network gets; each part may be left out.

    Attributes:
        colored: grey images become three equal channels.
        size: height and width, or the only side of a square.
        mean: one number, or one a channel; `std` likewise.
        own: the transform of torchvision weights.
    """

    colored: bool = False
    size: tuple[int, ...] = ()
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    own: Callable[[Tensor], Tensor] | None = None

    @property
    def changes(self) -> bool:
        """Whether inputs are changed at all."""
        return self != Preparation()

    def in_color(self) -> Preparation:
        """Return the same for grey images that a network of color images gets."""
        return replace(self, colored=True)

    def __call__(self, inputs: Tensor) -> Tensor:
        """Return what the network gets."""
        if self.colored:
            inputs = inputs.expand(-1, COLOR, -1, -1)
        if self.own is not None:
            return self.own(inputs)
        if self.size:
            sides = self.size if len(self.size) > 1 else self.size * 2
            inputs = nn.functional.interpolate(inputs, sides, mode="bilinear", antialias=True)
        return self._normalized(inputs) if self.mean else inputs

    def _normalized(self, inputs: Tensor) -> Tensor:
        mean, std = (
            torch.tensor(numbers).reshape(-1, *[1] * (inputs.ndim - 2)) for numbers in (self.mean, self.std)
        )
        return (inputs - mean) / std

    def shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of what the network gets for an input of `shape`."""
        return tuple(self(torch.zeros(1, *shape)).shape[1:])

    def rows(self, shape: tuple[int, ...], numbers: int) -> int:
        """Return how many inputs of `shape` become at most so many numbers; at least one."""
        return max(1, numbers // prod(self.shape(shape)))


def preparation(params: InputParams, data: DataSpec) -> Preparation:
    """Return what is done to these data; grey images become three channels where the parameters say so.

    Raises:
        DataError: the data are no images where it takes images, or have another number of channels.
    """
    image = len(data.shape) == 3
    if not image and (params.size or params.transform):
        name = "transform" if params.transform else "size"
        raise DataError(f"network.{name} needs images (c, h, w), got inputs of shape {data.shape}; leave it out")
    mean, std = IMAGENET if params.transform == "imagenet" else (params.mean, params.std)
    own = None if params.transform in ("", "imagenet") else _weights(params.transform).transforms()
    wanted = COLOR if own is not None else len(mean)
    colored = image and data.shape[0] == GREY and wanted == COLOR
    if wanted > 1 and not colored and data.shape[0] != wanted:
        name = "network.transform" if params.transform else "network.mean"
        raise DataError(f"{name} is for {wanted} channels, got inputs of shape {data.shape}")
    return Preparation(colored, params.size, mean, std, own)


def _weights(name: str) -> Any:
    """Return torchvision's entry for weights of a classifier; nothing is downloaded.

    Raises:
        ValueError: there is no such entry.
    """
    from torchvision import models

    classifiers = models.list_models(module=models)
    names = [str(entry) for model in classifiers for entry in models.get_model_weights(model)]
    with suppress(AttributeError, KeyError, TypeError, ValueError):
        weights = models.get_weight(name)
        if str(weights) in names:
            return weights
    near = " or ".join(difflib.get_close_matches(name, names, n=2, cutoff=0.0))
    raise ValueError(f"should be imagenet or the weights of a classifier in torchvision, as {near}")
