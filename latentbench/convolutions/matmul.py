"""Convolutions as matrix products, for stacks of weights.

Over a stack of weights a convolution becomes a grouped convolution, for which few fast kernels exist; with windows
laid out as rows it becomes one batched matrix product.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from latentbench.convolutions.calls import Call, ConvolutionMode, Pair

__all__ = ["Geometry", "MatmulConvolutions", "prepared"]

# Both are for CUDA, and guesses until `benchmarks/gpu.py` has measured them.
LONGEST = 2048  # rows that one product of a weight gradient adds up: longer ones keep few thread blocks busy
ALIGNED = 8  # columns of a product come in such numbers: tensor cores take no others in bfloat16


class MatmulConvolutions(ConvolutionMode):
    """Convolutions as matrix products, forwards and backwards, for `vmap` over stacked weights."""

    def convolve(self, call: Call) -> Tensor | None:
        """Return the result."""
        call, geometry = prepared(call)
        result: Tensor = _Matmul.apply(call.input, call.weight, geometry, call.transposed)
        return result if call.bias is None else result + call.bias.to(result.dtype).view(-1, 1, 1)


def prepared(call: Call) -> tuple[Call, Geometry]:
    """Return a convolution in the precision that autocast asks for, and its sizes."""
    device = call.input.device.type
    if torch.is_autocast_enabled(device):
        dtype = torch.get_autocast_dtype(device)
        call = call._replace(input=call.input.to(dtype), weight=call.weight.to(dtype))
    kernel = call.weight.shape[2], call.weight.shape[3]
    return call, Geometry(*_fine_size(call), *kernel, *call.stride, *call.padding)


def _fine_size(call: Call) -> Pair:
    """Height and width of the finer of input and output."""
    if not call.transposed:
        return call.input.shape[2], call.input.shape[3]
    height, width = (
        (call.input.shape[2 + side] - 1) * call.stride[side]
        - 2 * call.padding[side]
        + call.weight.shape[2 + side]
        + call.output_padding[side]
        for side in (0, 1)
    )
    return height, width


class Geometry(NamedTuple):
    """Size of the fine image, kernel, stride and padding of a convolution."""

    height: int
    width: int
    kernel_height: int
    kernel_width: int
    stride_down: int
    stride_right: int
    padding_down: int
    padding_right: int

    @property
    def taps(self) -> Pair:
        """Blocks of stride x stride pixels that a window touches."""
        return -(-self.kernel_height // self.stride_down), -(-self.kernel_width // self.stride_right)

    @property
    def coarse(self) -> Pair:
        """Size of the coarse image."""
        return (
            (self.height + 2 * self.padding_down - self.kernel_height) // self.stride_down + 1,
            (self.width + 2 * self.padding_right - self.kernel_width) // self.stride_right + 1,
        )

    @property
    def blocks(self) -> Pair:
        """Blocks of stride x stride pixels that the windows of the coarse image touch."""
        (down, right), (height, width) = self.taps, self.coarse
        return height + down - 1, width + right - 1

    def missing(self, height: int, width: int) -> Pair:
        """Pixels below and behind an image of whole blocks that no window reaches."""
        return max(0, self.height + self.padding_down - height), max(0, self.width + self.padding_right - width)


class _Matmul(torch.autograd.Function):
    """A convolution from the fine image to the coarse one, or the transposed one back.

    The gradient of either with respect to its input is the other, so no gradient has to be scattered. Weights have
    torch's layout (coarse, fine, h, w) in both directions.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(image: Tensor, weight: Tensor, geometry: Geometry, transposed: bool) -> Tensor:
        """Return the image after the convolution, `(n, c, h, w)`."""
        return _spread(image, weight, geometry) if transposed else _gather(image, weight, geometry)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:  # noqa: ARG004 - torch's signature
        """Keep what the gradient needs."""
        image, weight, ctx.geometry, ctx.transposed = inputs
        ctx.save_for_backward(image, weight)
        ctx.save_for_forward(image, weight)

    @staticmethod
    def jvp(ctx: Any, *directions: Tensor | None) -> Any:
        """Return the derivative in a direction of image and weight; the result is linear in both."""
        image, weight = ctx.saved_tensors
        along_image, along_weight, _, _ = directions
        parts = (along_image, weight), (image, along_weight)
        derivatives = [
            _Matmul.apply(*part, ctx.geometry, ctx.transposed)
            for part in parts
            if all(value is not None for value in part)
        ]
        return derivatives[0] if len(derivatives) == 1 else derivatives[0] + derivatives[1]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        """Return the gradients of image and weight."""
        image, weight = ctx.saved_tensors
        (gradient,) = gradients
        coarse, fine = (image, gradient) if ctx.transposed else (gradient, image)
        to_image = (
            _Matmul.apply(gradient, weight, ctx.geometry, not ctx.transposed) if ctx.needs_input_grad[0] else None
        )
        to_weight = _weight_product(coarse, fine, weight, ctx.geometry) if ctx.needs_input_grad[1] else None
        return to_image, to_weight, None, None


def _gather(fine: Tensor, weight: Tensor, geometry: Geometry) -> Tensor:
    """Convolve: each coarse pixel gathers its window."""
    height, width = geometry.coarse
    rows = _block_windows(fine, geometry) @ _as_matrix(weight, geometry)
    return rows.reshape(len(fine), height, width, -1).permute(0, 3, 1, 2)


def _spread(coarse: Tensor, weight: Tensor, geometry: Geometry) -> Tensor:
    """Convolve transposed: each block of fine pixels gathers the coarse pixels that reach it."""
    (down, right), (rows, columns), fine = geometry.taps, geometry.blocks, weight.shape[1]
    image = functional.pad(coarse.permute(0, 2, 3, 1), (0, 0, right - 1, right - 1, down - 1, down - 1))
    reach = [
        image[:, i : i + rows, j : j + columns] for i in reversed(range(down)) for j in reversed(range(right))
    ]
    step = geometry.stride_down, geometry.stride_right
    matrix = _as_matrix(weight, geometry).reshape(down * right, step[0] * step[1] * fine, -1).transpose(1, 2)
    blocks = _product(torch.cat(reach, -1).flatten(0, 2), matrix.flatten(0, 1))
    image = blocks.reshape(len(coarse), rows, columns, *step, fine).transpose(2, 3)
    image = image.reshape(len(coarse), rows * step[0], columns * step[1], fine)
    missing = geometry.missing(image.shape[1], image.shape[2])
    if any(missing):
        image = functional.pad(image, (0, 0, 0, missing[1], 0, missing[0]))
    top, left = geometry.padding_down, geometry.padding_right
    return image[:, top : top + geometry.height, left : left + geometry.width].permute(0, 3, 1, 2)


def _weight_product(coarse: Tensor, fine: Tensor, weight: Tensor, geometry: Geometry) -> Tensor:
    """Gradient of the weight: windows of the fine image times the coarse one."""
    (down, right), step = geometry.taps, (geometry.stride_down, geometry.stride_right)
    product = _long_product(_block_windows(fine, geometry), coarse.permute(0, 2, 3, 1).flatten(0, 2))
    whole = product.reshape(down, right, *step, weight.shape[1], -1).permute(5, 4, 0, 2, 1, 3)
    whole = whole.reshape(weight.shape[0], weight.shape[1], down * step[0], right * step[1])
    return whole[..., : geometry.kernel_height, : geometry.kernel_width]


def _product(rows: Tensor, matrix: Tensor) -> Tensor:
    """Multiply rows `(n, k)` by a matrix `(k, c)`, on a GPU with columns of zeros beside those of the matrix."""
    columns = matrix.shape[1]
    missing = -columns % ALIGNED if _on_gpu(rows) else 0
    return (rows @ functional.pad(matrix, (0, missing)))[:, :columns] if missing else rows @ matrix


def _long_product(left: Tensor, right: Tensor) -> Tensor:
    """Multiply `(n, k)`, transposed, by `(n, c)`; on a GPU in pieces of n at the same time, then added up."""
    rows = len(left)
    pieces = max(1, rows // LONGEST) if _on_gpu(left) else 1
    while rows % pieces:
        pieces -= 1
    if pieces == 1:
        return left.T @ right
    return (left.reshape(pieces, rows // pieces, -1).mT @ right.reshape(pieces, rows // pieces, -1)).sum(0)


def _on_gpu(tensor: Tensor) -> bool:
    return tensor.device.type == "cuda"


def _as_matrix(weight: Tensor, geometry: Geometry) -> Tensor:
    """Lay out the weight as `(taps * stride * fine channels, coarse channels)`, zeros where the kernel ends."""
    (down, right), step = geometry.taps, (geometry.stride_down, geometry.stride_right)
    missing = down * step[0] - geometry.kernel_height, right * step[1] - geometry.kernel_width
    if any(missing):
        weight = functional.pad(weight, (0, missing[1], 0, missing[0]))
    whole = weight.reshape(weight.shape[0], weight.shape[1], down, step[0], right, step[1])
    return whole.permute(2, 4, 3, 5, 1, 0).reshape(-1, weight.shape[0])


def _block_windows(fine: Tensor, geometry: Geometry) -> Tensor:
    """Lay out the window of each coarse pixel as a row of whole blocks `(n * h * w, taps * stride * channels)`."""
    (down, right), (rows, columns), (height, width) = geometry.taps, geometry.blocks, geometry.coarse
    step = geometry.stride_down, geometry.stride_right
    pad = (
        geometry.padding_right,
        columns * step[1] - geometry.width - geometry.padding_right,
        geometry.padding_down,
        rows * step[0] - geometry.height - geometry.padding_down,
    )
    image = functional.pad(fine.permute(0, 2, 3, 1), (0, 0, *pad))  # negative where no window reaches
    blocks = image.reshape(len(fine), rows, step[0], columns, step[1], -1).transpose(2, 3).flatten(3)
    windows = [blocks[:, i : i + height, j : j + width] for i in range(down) for j in range(right)]
    return torch.cat(windows, -1).flatten(0, 2)
