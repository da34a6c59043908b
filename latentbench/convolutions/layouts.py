"""How images of a convolution are laid out as rows, and weights as matrices, for all members of a stack."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

from latentbench.convolutions.matmul import Geometry

__all__ = ["Layout", "WholeImages", "Windows", "layout_of"]

NOTHING_AFTER = 0, 0, 0, 1  # a row of zeros behind the others
MOST_NUMBERS = 2**15  # of a matrix between whole images, as those of 8 x 8 pixels (benchmarks/README.md)


@dataclass(frozen=True)
class Layout(ABC):
    """Rows of a finer and a coarser image `(m, n, c, h, w)`; a convolution is `fine rows @ matrices`.

    Attributes:
        geometry: sizes.
        coarse, fine: channels.
    """

    geometry: Geometry
    coarse: int
    fine: int

    @abstractmethod
    def fine_rows(self, images: Tensor) -> Tensor:
        """Lay out finer images."""

    @abstractmethod
    def fine_images(self, rows: Tensor, count: int) -> Tensor:
        """Add up rows to `count` finer images a member."""

    @abstractmethod
    def coarse_rows(self, images: Tensor) -> Tensor:
        """Lay out coarser images."""

    @abstractmethod
    def offsets(self, biases: Tensor) -> Tensor:
        """Lay out the biases `(m, coarse)` of coarser images as one row a member."""

    def coarse_images(self, rows: Tensor, count: int) -> Tensor:
        """View rows as `count` coarser images a member."""
        return rows.view(len(rows), count, *self.geometry.coarse, self.coarse).permute(0, 1, 4, 2, 3)

    @abstractmethod
    def matrices(self, weights: Tensor) -> Tensor:
        """Lay out weights `(m, coarse, fine, h, w)`."""

    @abstractmethod
    def weights(self, matrices: Tensor) -> Tensor:
        """Return the gradient of the weights, given that of the matrices."""


def layout_of(geometry: Geometry, coarse: int, fine: int) -> Layout:
    """Return the layout that takes less time.

    >>> layout = layout_of(Geometry(8, 8, 4, 4, 2, 2, 1, 1), 32, 1)
    >>> type(layout).__name__, tuple(layout.matrices(torch.zeros(5, 32, 1, 4, 4)).shape)
    ('WholeImages', (5, 64, 512))
    """
    height, width = geometry.coarse
    numbers = geometry.height * geometry.width * fine * height * width * coarse
    return (WholeImages if numbers <= MOST_NUMBERS else Windows)(geometry, coarse, fine)


class Windows(Layout):
    """The window of each pixel of the coarser image is a row."""

    def fine_rows(self, images: Tensor) -> Tensor:
        """Lay out windows as rows `(m, n * h * w, taps * steps * fine)`."""
        geometry = self.geometry
        (down, right), (rows, columns), (height, width) = geometry.taps, geometry.blocks, geometry.coarse
        steps = geometry.stride_down, geometry.stride_right
        below = rows * steps[0] - geometry.height - geometry.padding_down  # negative where no window reaches
        behind = columns * steps[1] - geometry.width - geometry.padding_right
        padding = 0, 0, geometry.padding_right, behind, geometry.padding_down, below
        image = functional.pad(images.permute(0, 1, 3, 4, 2), padding).contiguous()
        members, count, *_, channels = image.shape
        *outer, line, pixel, _ = image.stride()
        block = steps[0] * line, steps[1] * pixel
        shape = members, count, height, width, down, right, *steps, channels
        view = image.as_strided(shape, (*outer, *block, *block, line, pixel, 1))
        return view.reshape(members, count * height * width, -1)

    def fine_images(self, rows: Tensor, count: int) -> Tensor:
        """Add up windows to the images `(m, n, fine, h, w)` that they are of."""
        geometry = self.geometry
        (down, right), (high, wide), (height, width) = geometry.taps, geometry.blocks, geometry.coarse
        steps = geometry.stride_down, geometry.stride_right
        lead = len(rows), count
        parts = rows.view(*lead, height, width, down, right, -1)
        blocks = rows.new_zeros(*lead, high, wide, parts.shape[-1])
        for i in range(down):
            for j in range(right):
                blocks[:, :, i : i + height, j : j + width] += parts[:, :, :, :, i, j]
        image = blocks.view(*lead, high, wide, *steps, self.fine).transpose(3, 4)
        image = image.reshape(*lead, high * steps[0], wide * steps[1], self.fine)
        missing = geometry.missing(image.shape[2], image.shape[3])
        if any(missing):
            image = functional.pad(image, (0, 0, 0, missing[1], 0, missing[0]))
        top, left = geometry.padding_down, geometry.padding_right
        return image[:, :, top : top + geometry.height, left : left + geometry.width].permute(0, 1, 4, 2, 3)

    def coarse_rows(self, images: Tensor) -> Tensor:
        """View pixels as rows `(m, n * h * w, coarse)`."""
        return images.permute(0, 1, 3, 4, 2).reshape(len(images), -1, self.coarse)

    def offsets(self, biases: Tensor) -> Tensor:
        """View biases as `(m, 1, coarse)`."""
        return biases[:, None]

    def matrices(self, weights: Tensor) -> Tensor:
        """Lay out weights as `(m, taps * steps * fine, coarse)`, zeros where kernels end."""
        geometry = self.geometry
        (down, right), steps = geometry.taps, (geometry.stride_down, geometry.stride_right)
        missing = down * steps[0] - geometry.kernel_height, right * steps[1] - geometry.kernel_width
        if any(missing):
            weights = functional.pad(weights, (0, missing[1], 0, missing[0]))
        whole = weights.reshape(*weights.shape[:3], down, steps[0], right, steps[1])
        return whole.permute(0, 3, 5, 4, 6, 2, 1).reshape(len(weights), -1, self.coarse)

    def weights(self, matrices: Tensor) -> Tensor:
        """Undo `matrices`."""
        geometry = self.geometry
        (down, right), steps = geometry.taps, (geometry.stride_down, geometry.stride_right)
        whole = matrices.reshape(len(matrices), down, right, *steps, self.fine, self.coarse)
        whole = whole.permute(0, 6, 5, 1, 3, 2, 4)
        whole = whole.reshape(len(matrices), self.coarse, self.fine, down * steps[0], right * steps[1])
        return whole[..., : geometry.kernel_height, : geometry.kernel_width]


class WholeImages(Layout):
    """An image is a row, as for a dense layer: more products of numbers, and no windows to lay out and add up."""

    def fine_rows(self, images: Tensor) -> Tensor:
        """View images as rows `(m, n, h * w * fine)`."""
        return images.permute(0, 1, 3, 4, 2).flatten(2)

    def fine_images(self, rows: Tensor, count: int) -> Tensor:
        """View rows as images `(m, n, fine, h, w)`."""
        height, width = self.geometry.height, self.geometry.width
        return rows.view(len(rows), count, height, width, self.fine).permute(0, 1, 4, 2, 3)

    def coarse_rows(self, images: Tensor) -> Tensor:
        """View images as rows `(m, n, h * w * coarse)`."""
        return images.permute(0, 1, 3, 4, 2).flatten(2)

    def offsets(self, biases: Tensor) -> Tensor:
        """Repeat biases for each pixel, `(m, 1, h * w * coarse)`."""
        height, width = self.geometry.coarse
        return biases[:, None].repeat(1, 1, height * width)

    def matrices(self, weights: Tensor) -> Tensor:
        """Lay out weights as `(m, h * w * fine, h * w * coarse)`: the window of each coarser pixel, else zeros."""
        kernels = functional.pad(
            weights.permute(0, 3, 4, 2, 1).reshape(len(weights), -1, self.coarse), NOTHING_AFTER
        )
        height, width = self.geometry.coarse
        whole = kernels.index_select(1, _places(self.geometry, self.fine)[0])
        return whole.view(len(weights), -1, height * width * self.coarse)

    def weights(self, matrices: Tensor) -> Tensor:
        """Add up what each part of the kernels has become."""
        geometry, members = self.geometry, len(matrices)
        whole = functional.pad(matrices.view(members, -1, self.coarse), NOTHING_AFTER)
        parts = whole.index_select(1, _places(geometry, self.fine)[1])
        size = geometry.kernel_height, geometry.kernel_width, self.fine, -1, self.coarse
        return parts.view(members, *size).sum(4).permute(0, 4, 3, 1, 2)


@lru_cache(maxsize=64)
def _places(geometry: Geometry, fine: int) -> tuple[Tensor, Tensor]:
    """Return which row of kernels stands where in a matrix between whole images, and where each row stands.

    A row holds a number for each coarser channel. Those of kernels `(h, w, fine)` are numbered as they lie; the
    number after the last stands for zeros. A matrix has a row for each `(h, w, fine, h, w)`; there, each row of
    kernels stands at most once for each pixel of the coarser image.
    """
    height, width = geometry.coarse
    down = _taps(geometry.height, height, geometry.stride_down, geometry.padding_down)
    right = _taps(geometry.width, width, geometry.stride_right, geometry.padding_right)
    lines, columns = down[:, None, None, :, None], right[None, :, None, None, :]
    inside = (lines >= 0) & (lines < geometry.kernel_height) & (columns >= 0) & (columns < geometry.kernel_width)
    kernel = geometry.kernel_height * geometry.kernel_width * fine
    rows = (lines * geometry.kernel_width + columns) * fine + torch.arange(fine)[:, None, None]
    rows = torch.where(inside, rows, kernel).flatten()
    pixels = torch.arange(height * width).repeat(len(rows) // (height * width))
    places = torch.full((kernel + 1, height * width), len(rows))
    places[rows, pixels] = torch.arange(len(rows))
    return rows, places[:-1].flatten()


def _taps(side: int, windows: int, stride: int, padding: int) -> Tensor:
    """Return which line of each window a line of the image is, `(side, windows)`; some are of none."""
    return torch.arange(side)[:, None] - (torch.arange(windows) * stride - padding)
