"""Convolutions of stacked weights on a CPU, as matrix products of all members at once.

A step on small images takes as long as its operations take to be called, not to be computed. So `vmap`, which
would call several for each, is left out: windows are laid out, multiplied and added up for all members at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.nn import functional

from latentbench.convolutions.calls import Call
from latentbench.convolutions.matmul import Geometry, MatmulConvolutions, prepared

__all__ = ["StackedConvolutions"]

# Parts of torch that it does not promise to keep; without them a member's products are as right, and slower.
with suppress(ImportError):
    from torch._functorch.pyfunctorch import retrieve_current_functorch_interpreter
INSIDE = "get_interpreter_stack", "is_batchedtensor", "_unwrap_batched", "_add_batch_dim"
IS_OPEN = (
    "retrieve_current_functorch_interpreter" in globals()
    and all(hasattr(getattr(torch._C, "_functorch", None), name) for name in INSIDE)
    and hasattr(forward_ad, "_current_level")
)


class StackedConvolutions(MatmulConvolutions):
    """Convolutions as matrix products for `vmap` over stacked weights, on a CPU."""

    def convolve(self, call: Call) -> Tensor | None:
        """Return the result; by the matrix products of one member where more than `vmap` is at work."""
        if not _is_stacked(call.weight):
            return super().convolve(call)
        call, geometry = prepared(call)
        bias = None if call.bias is None else call.bias.to(call.weight.dtype)
        return _of_members(call._replace(bias=bias), geometry)


def _is_stacked(weight: Tensor) -> bool:
    """Whether `vmap` over stacked weights is all that is at work of torch.func and of forward derivatives."""
    if not IS_OPEN:
        return False
    transforms = torch._C._functorch.get_interpreter_stack() or []
    alone = len(transforms) == 1 and forward_ad._current_level < 0
    return alone and torch._C._functorch.is_batchedtensor(weight)


def _of_members(call: Call, geometry: Geometry) -> Tensor:
    """Convolve what `vmap` has split for all members: a vmap rule would take as long to be found as to compute."""
    mapping = retrieve_current_functorch_interpreter()
    level = mapping.level()
    weight = _stack_behind(call.weight, level)
    image = _for_each(call.input, len(weight), level)
    bias = None if call.bias is None else _for_each(call.bias, len(weight), level)
    with mapping.lower():
        result = _Products.apply(image, weight, bias, geometry, call.transposed)
    return torch._C._functorch._add_batch_dim(result, 0, level)


def _for_each(value: Tensor, members: int, level: int) -> Tensor:
    """Return the stack behind what one member sees; of what all share, as many views."""
    if torch._C._functorch.is_batchedtensor(value):
        return _stack_behind(value, level)
    return value.expand(members, *value.shape)


def _stack_behind(value: Tensor, level: int) -> Tensor:
    """Return the stack `(m, ...)` of which one member sees its part."""
    stack, dimension = torch._C._functorch._unwrap_batched(value, level)
    return stack.movedim(dimension, 0) if dimension else stack


class _Products(torch.autograd.Function):
    """Convolutions of images `(m, n, c, h, w)` with weights `(m, coarse, fine, h, w)`.

    Windows of the finer image, which is the result of a transposed convolution, are rows; each belongs to a pixel
    of the coarser one.
    """

    @staticmethod
    def forward(
        ctx: Any, image: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry, transposed: bool
    ) -> Tensor:
        """Return the images after the convolutions."""
        ctx.geometry, ctx.transposed = geometry, transposed
        matrix = _as_matrices(weight, geometry)
        rows = _rows(image) if transposed else _windows(image, geometry)
        ctx.save_for_backward(image, weight, rows, matrix)
        if transposed:
            result = _added_up(rows @ matrix.mT, image.shape[1], weight.shape[2], geometry)
            return result if bias is None else result + bias[:, None, :, None, None]
        products = rows @ matrix if bias is None else torch.baddbmm(bias[:, None], rows, matrix)
        return _as_images(products, image.shape[1], geometry.coarse)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        """Return the gradients of images, weights and biases."""
        image, weight, rows, matrix = ctx.saved_tensors
        geometry, transposed = ctx.geometry, ctx.transposed
        if torch.is_grad_enabled():  # what was saved on the way has no history, which second derivatives need
            matrix = _as_matrices(weight, geometry)
            rows = _rows(image) if transposed else _windows(image, geometry)
        slopes = _windows(gradients[0], geometry) if transposed else _rows(gradients[0])
        need_image, need_weight, need_bias = ctx.needs_input_grad[:3]
        to_image = _to_images(slopes, matrix, image.shape, geometry, transposed) if need_image else None
        windows, coarse = (slopes, rows) if transposed else (rows, slopes)
        to_weight = _as_weights(windows.mT @ coarse, weight.shape, geometry) if need_weight else None
        to_bias = gradients[0].sum((1, 3, 4)) if need_bias else None
        return to_image, to_weight, to_bias, None, None


def _to_images(
    slopes: Tensor, matrix: Tensor, shape: Sequence[int], geometry: Geometry, transposed: bool
) -> Tensor:
    """Return the gradient of the images from rows of that of the result."""
    if transposed:
        return _as_images(slopes @ matrix, shape[1], geometry.coarse)
    return _added_up(slopes @ matrix.mT, shape[1], shape[2], geometry)


def _rows(images: Tensor) -> Tensor:
    """View images `(m, n, c, h, w)` as rows `(m, n * h * w, c)`."""
    return images.permute(0, 1, 3, 4, 2).reshape(len(images), -1, images.shape[2])


def _as_images(rows: Tensor, count: int, size: Sequence[int]) -> Tensor:
    """View rows `(m, n * h * w, c)` as images `(m, n, c, h, w)`, n = `count`."""
    return rows.view(len(rows), count, *size, rows.shape[2]).permute(0, 1, 4, 2, 3)


def _windows(fine: Tensor, geometry: Geometry) -> Tensor:
    """Lay out the windows of images `(m, n, c, h, w)` as rows `(m, n * h * w, taps * steps * c)`."""
    (down, right), (rows, columns), (height, width) = geometry.taps, geometry.blocks, geometry.coarse
    steps = geometry.stride_down, geometry.stride_right
    below = rows * steps[0] - geometry.height - geometry.padding_down  # negative where no window reaches
    behind = columns * steps[1] - geometry.width - geometry.padding_right
    padding = 0, 0, geometry.padding_right, behind, geometry.padding_down, below
    image = functional.pad(fine.permute(0, 1, 3, 4, 2), padding).contiguous()
    members, count, *_, channels = image.shape
    *outer, line, pixel, _ = image.stride()
    block = steps[0] * line, steps[1] * pixel
    shape = members, count, height, width, down, right, *steps, channels
    view = image.as_strided(shape, (*outer, *block, *block, line, pixel, 1))
    return view.reshape(members, count * height * width, -1)


def _added_up(products: Tensor, count: int, channels: int, geometry: Geometry) -> Tensor:
    """Add up windows `(m, n * h * w, taps * steps * c)` to the images `(m, n, c, h, w)` that they are of."""
    (down, right), (rows, columns), (height, width) = geometry.taps, geometry.blocks, geometry.coarse
    steps = geometry.stride_down, geometry.stride_right
    lead = len(products), count
    parts = products.view(*lead, height, width, down, right, -1)
    blocks = products.new_zeros(*lead, rows, columns, parts.shape[-1])
    for i in range(down):
        for j in range(right):
            blocks[:, :, i : i + height, j : j + width] += parts[:, :, :, :, i, j]
    image = blocks.view(*lead, rows, columns, *steps, channels).transpose(3, 4)
    image = image.reshape(*lead, rows * steps[0], columns * steps[1], channels)
    missing = geometry.missing(image.shape[2], image.shape[3])
    if any(missing):
        image = functional.pad(image, (0, 0, 0, missing[1], 0, missing[0]))
    top, left = geometry.padding_down, geometry.padding_right
    return image[:, :, top : top + geometry.height, left : left + geometry.width].permute(0, 1, 4, 2, 3)


def _as_matrices(weights: Tensor, geometry: Geometry) -> Tensor:
    """Lay out weights `(m, coarse, fine, h, w)` as `(m, taps * steps * fine, coarse)`, zeros where kernels end."""
    (down, right), steps = geometry.taps, (geometry.stride_down, geometry.stride_right)
    missing = down * steps[0] - geometry.kernel_height, right * steps[1] - geometry.kernel_width
    if any(missing):
        weights = functional.pad(weights, (0, missing[1], 0, missing[0]))
    whole = weights.reshape(*weights.shape[:3], down, steps[0], right, steps[1])
    return whole.permute(0, 3, 5, 4, 6, 2, 1).reshape(len(weights), -1, weights.shape[1])


def _as_weights(matrices: Tensor, shape: Sequence[int], geometry: Geometry) -> Tensor:
    """Undo `_as_matrices`, for weights of this shape."""
    (down, right), steps = geometry.taps, (geometry.stride_down, geometry.stride_right)
    members, coarse, fine = shape[:3]
    whole = matrices.reshape(members, down, right, *steps, fine, coarse).permute(0, 6, 5, 1, 3, 2, 4)
    whole = whole.reshape(members, coarse, fine, down * steps[0], right * steps[1])
    return whole[..., : geometry.kernel_height, : geometry.kernel_width]
