"""Views of inputs: random changes as pure functions of inputs and declared uniform draws."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from latentbench import DataSpec, Draw, LatentbenchError

__all__ = ["VIEWS", "Views", "blur", "brightness", "crop", "erase", "flip", "mask", "shift"]

LEAST_AREA = 0.6  # of a crop, as a share of the image: smaller ones find neighbors worse on images of 28 pixels
RATIO = math.log(4 / 3)  # of a crop's sides, at most, either way
FARTHEST = 0.125  # of a shift, as a share of the side
STRENGTH = 0.4  # of brightness and contrast
FINEST, COARSEST = 0.1, 1 / 28  # of a blur: in pixels, and as a share of the side
NO_BLUR = 0.05  # pixels: the weights of all others are 0 in float32
ERASED = 0.02, 0.25  # share of the image
ERASED_RATIO = math.log(3)
MASKED = 0.3  # share of the numbers


def crop(images: Tensor, draws: Tensor) -> Tensor:
    """Stretch a part of each image `(n, c, h, w)` to the whole: SimCLR's random resized crop.

    `draws` `(n, 4)` say the share of the area, from 0.6 to 1, the ratio of sides, from 3/4 to 4/3, and where.
    """
    area, ratio, top, left = _scaled(draws, (LEAST_AREA, -RATIO, 0, 0), (1, RATIO, 1, 1))
    height, width = ((area * (sign * ratio).exp()).sqrt().clamp_max(1) for sign in (-1, 1))
    return _resampled(images, _stretched(images, 2, height, top), _stretched(images, 3, width, left))


def flip(images: Tensor, draws: Tensor) -> Tensor:
    """Mirror images left to right where `draws` `(n, 1)` are below 1/2."""
    return torch.where(draws[:, :, None, None] < 0.5, images.flip(3), images)


def shift(images: Tensor, draws: Tensor) -> Tensor:
    """Move images by whole pixels, at most an eighth of a side, repeating the edge; `draws` `(n, 2)`."""
    moved = [
        torch.arange(images.shape[axis], device=images.device)
        - (FARTHEST * images.shape[axis] * (2 * draws[:, axis - 2, None] - 1)).round()
        for axis in (2, 3)
    ]
    return _resampled(images, *moved)


def brightness(images: Tensor, draws: Tensor) -> Tensor:
    """Change brightness and contrast of images in [0, 1] by 0.6 to 1.4 times; `draws` `(n, 2)`."""
    light, contrast = (1 + STRENGTH * (2 * draws[:, (which,), None, None] - 1) for which in (0, 1))
    brighter = light * images
    middle = brighter.mean((1, 2, 3), keepdim=True)
    return (middle + contrast * (brighter - middle)).clamp(0, 1)


def blur(images: Tensor, draws: Tensor) -> Tensor:
    """Blur every other image, by a Gaussian of up to a 28th of its side; `draws` `(n, 2)`: how much, whether."""
    sides = images.shape[2:]
    coarsest = max(COARSEST * min(sides), FINEST)
    sigma = torch.where(draws[:, 1] < 0.5, FINEST + (coarsest - FINEST) * draws[:, 0], NO_BLUR)
    rows, columns = (_gaussian(side, sigma) for side in sides)
    return rows @ images @ columns.transpose(-1, -2)


def erase(images: Tensor, draws: Tensor) -> Tensor:
    """Set a rectangle to 0 in every other image: Zhong et al. 2020, "Random Erasing Data Augmentation".

    `draws` `(n, 5)` say the share of the area, from 0.02 to 0.25, the ratio of sides, from 1/3 to 3, where, and
    whether.
    """
    low, high = (ERASED[0], -ERASED_RATIO, 0, 0, 0), (ERASED[1], ERASED_RATIO, 1, 1, 1)
    area, ratio, top, left, whether = _scaled(draws, low, high)
    height, width = ((area * (sign * ratio).exp()).sqrt().clamp_max(1) for sign in (-1, 1))
    inside_rows, inside_columns = _inside(images, 2, height, top), _inside(images, 3, width, left)
    gone = inside_rows[:, None, :, None] & inside_columns[:, None, None, :] & (whether < 0.5)[:, None, None, None]
    return torch.where(gone, 0, images)


def mask(inputs: Tensor, draws: Tensor) -> Tensor:
    """Set three numbers of ten to 0, which is their mean where inputs are no images; `draws` as the inputs."""
    return torch.where(draws < MASKED, 0, inputs)


class InputChange(NamedTuple):
    """A change of inputs `(n, *shape)` by draws `(n, *numbers)`, and what it takes.

    `numbers` is empty where a draw is needed for each number of an input.
    """

    apply: Callable[[Tensor, Tensor], Tensor]
    numbers: tuple[int, ...]
    takes: str


VIEWS: Mapping[str, InputChange] = {
    "crop": InputChange(crop, (4,), "grids"),
    "flip": InputChange(flip, (1,), "grids"),
    "shift": InputChange(shift, (2,), "grids"),
    "brightness": InputChange(brightness, (2,), "images"),
    "blur": InputChange(blur, (2,), "grids"),
    "erase": InputChange(erase, (5,), "grids"),
    "mask": InputChange(mask, (), "all"),
}
AUTO = {"images": "crop+flip+brightness", "grids": "crop+flip+erase", "all": "mask"}
IN_WORDS = {"images": "images in [0, 1] (c, h, w)", "grids": "inputs (c, h, w)"}


class Views:
    """The changes that make a view, one after the other in the order of `VIEWS`.

    Args:
        text: names joined by +, or "auto".
        data: what inputs are.

    Raises:
        LatentbenchError: a change that does not suit the data.
    """

    def __init__(self, text: str, data: DataSpec) -> None:
        grid = len(data.shape) == 3
        kind = "images" if grid and data.dtype == "uint8" else "grids" if grid else "all"
        suited = {"images": ("images", "grids", "all"), "grids": ("grids", "all"), "all": ("all",)}[kind]
        self.names = (AUTO[kind] if text == "auto" else text).split("+")
        self.shape = data.shape
        for name in self.names:
            if VIEWS[name].takes not in suited:
                fitting = ", ".join(other for other, change in VIEWS.items() if change.takes in suited)
                raise LatentbenchError(
                    f"views={name} takes {IN_WORDS[VIEWS[name].takes]}, got {data.dtype} inputs of shape "
                    f"{data.shape}; choose from {fitting}"
                )

    def draws(self, view: str) -> dict[str, Draw]:
        """Declare the numbers that a view needs."""
        return {f"{view}_{name}": Draw("uniform", VIEWS[name].numbers or self.shape) for name in self.names}

    def seen(self, inputs: Tensor, noise: Mapping[str, Tensor], view: str) -> Tensor:
        """Return a view of inputs `(n, *shape)`."""
        for name in self.names:
            inputs = VIEWS[name].apply(inputs, noise[f"{view}_{name}"])
        return inputs


def _scaled(draws: Tensor, low: tuple[float, ...], high: tuple[float, ...]) -> tuple[Tensor, ...]:
    """Bring each column of uniform draws `(n, k)` into its range, `(n,)` each."""
    columns = zip(draws.unbind(1), low, high, strict=True)
    return tuple(least + (most - least) * drawn for drawn, least, most in columns)


def _stretched(images: Tensor, axis: int, share: Tensor, start: Tensor) -> Tensor:
    """Return where the pixels of a side come from, `(n, side)`, when a share of it becomes the whole."""
    side = images.shape[axis]
    middles = (torch.arange(side, device=images.device) + 0.5) / side
    return side * (start * (1 - share) + share * middles[:, None]).T - 0.5


def _resampled(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Interpolate linearly at rows `(n, h)` and columns `(n, w)`, in pixels; beyond the edge lies the edge."""
    down, across = (_linear(places, side) for places, side in zip((rows, columns), images.shape[2:], strict=True))
    return down @ images @ across.transpose(-1, -2)


def _linear(places: Tensor, side: int) -> Tensor:
    """Return the weights `(n, 1, places, side)` of linear interpolation."""
    pixels = torch.arange(side, device=places.device)
    return (1 - (places.clamp(0, side - 1)[:, :, None] - pixels).abs()).clamp_min(0)[:, None]


def _gaussian(side: int, sigma: Tensor) -> Tensor:
    """Return the weights `(n, 1, side, side)` of a blur, each row of sum 1 at the edge too."""
    pixels = torch.arange(side, device=sigma.device)
    apart = (pixels[:, None] - pixels).square() / sigma[:, None, None].square()
    return torch.softmax(-0.5 * apart, dim=2)[:, None]


def _inside(images: Tensor, axis: int, share: Tensor, start: Tensor) -> Tensor:
    """Return which pixels' middles of a side lie in a part of it, `(n, side)`."""
    side = images.shape[axis]
    middles = (torch.arange(side, device=images.device) + 0.5) / side
    first = (start * (1 - share))[:, None]
    return (middles >= first) & (middles < first + share[:, None])
