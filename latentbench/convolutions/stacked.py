"""Convolutions and dense layers of stacked weights on a CPU, as matrix products of all members at once.

A step on small images takes as long as its operations take to be called, not to be computed. So `vmap`, which
would call several for each, is left out: rows are laid out and multiplied for all members at once.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.nn import functional

from latentbench.convolutions.calls import Call
from latentbench.convolutions.layouts import Layout, layout_of
from latentbench.convolutions.matmul import Geometry, MatmulConvolutions, prepared

__all__ = ["StackedLayers"]

# Parts of torch that it does not promise to keep; without them a member's products are as right, and slower.
with suppress(ImportError):
    from torch._functorch.pyfunctorch import retrieve_current_functorch_interpreter
INSIDE = "get_interpreter_stack", "is_batchedtensor", "_unwrap_batched", "_add_batch_dim"
IS_OPEN = (
    "retrieve_current_functorch_interpreter" in globals()
    and all(hasattr(getattr(torch._C, "_functorch", None), name) for name in INSIDE)
    and hasattr(forward_ad, "_current_level")
)


class StackedLayers(MatmulConvolutions):
    """Convolutions and dense layers as matrix products for `vmap` over stacked weights, on a CPU."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = _dense(*args, **(kwargs or {})) if func is functional.linear else None
        return super().__torch_function__(func, types, args, kwargs) if result is None else result

    def convolve(self, call: Call) -> Tensor | None:
        """Return the result; by the matrix products of one member where more than `vmap` is at work."""
        if not _is_stacked(call.weight):
            return super().convolve(call)
        call, geometry = prepared(call)
        bias = None if call.bias is None else call.bias.to(call.weight.dtype)
        return _convolution(call._replace(bias=bias), geometry)


def _is_stacked(weight: Tensor) -> bool:
    """Whether `vmap` over stacked weights is all that is at work of torch.func and of forward derivatives."""
    if not IS_OPEN:
        return False
    transforms = torch._C._functorch.get_interpreter_stack() or []
    alone = len(transforms) == 1 and forward_ad._current_level < 0
    return alone and torch._C._functorch.is_batchedtensor(weight)


def _dense(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor | None:  # noqa: A002 - torch's name
    """Return a dense layer of rows, in one product; None for what is left to torch."""
    if input.ndim != 2 or bias is None or not _is_stacked(weight):
        return None
    if torch.is_autocast_enabled("cpu"):  # which leaves the bias as it is inside a stack, and so all that follows
        dtype = torch.get_autocast_dtype("cpu")
        input, weight, bias = input.to(dtype), weight.to(dtype), bias.to(dtype)  # noqa: A001 - torch's name
    return _for_all(_rows_times_matrices, input, weight, bias)


def _rows_times_matrices(rows: Tensor, matrices: Tensor, biases: Tensor) -> Tensor:
    return torch.baddbmm(biases[:, None], rows, matrices.mT)


def _convolution(call: Call, geometry: Geometry) -> Tensor:
    """Convolve what `vmap` has split for all members."""

    def convolve(images: Tensor, weights: Tensor, biases: Tensor | None) -> Tensor:
        layout = layout_of(geometry, *weights.shape[1:3])
        result: Tensor = _Products.apply(images, weights, biases, layout, call.transposed)
        return result

    return _for_all(convolve, call.input, call.weight, call.bias)


def _for_all(
    layer: Callable[[Tensor, Tensor, Any], Tensor],
    rows: Tensor,
    weight: Tensor,
    bias: Tensor | None,
) -> Tensor:
    """Call a layer with the stacks behind what one member sees.

    It is no rule for `vmap`, which would take as long to be found as to compute.
    """
    mapping = retrieve_current_functorch_interpreter()
    level = mapping.level()
    weights = _stack_behind(weight, level)
    inputs = _for_each(rows, len(weights), level)
    biases = None if bias is None else _for_each(bias, len(weights), level)
    with mapping.lower():
        result = layer(inputs, weights, biases)
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

    The finer image, which is the result of a transposed convolution, and the coarser one are laid out as rows, the
    weights as matrices between them.
    """

    @staticmethod
    def forward(
        ctx: Any, image: Tensor, weight: Tensor, bias: Tensor | None, layout: Layout, transposed: bool
    ) -> Tensor:
        """Return the images after the convolutions."""
        ctx.layout, ctx.transposed = layout, transposed
        matrix = layout.matrices(weight)
        rows = layout.coarse_rows(image) if transposed else layout.fine_rows(image)
        ctx.save_for_backward(image, weight, rows, matrix)
        if transposed:
            result = layout.fine_images(rows @ matrix.mT, image.shape[1])
            return result if bias is None else result + bias[:, None, :, None, None]
        products = rows @ matrix if bias is None else torch.baddbmm(layout.offsets(bias), rows, matrix)
        return layout.coarse_images(products, image.shape[1])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        """Return the gradients of images, weights and biases."""
        image, weight, rows, matrix = ctx.saved_tensors
        layout, transposed = ctx.layout, ctx.transposed
        if torch.is_grad_enabled():  # what was saved on the way has no history, which second derivatives need
            matrix = layout.matrices(weight)
            rows = layout.coarse_rows(image) if transposed else layout.fine_rows(image)
        slopes = layout.fine_rows(gradients[0]) if transposed else layout.coarse_rows(gradients[0])
        need_image, need_weight, need_bias = ctx.needs_input_grad[:3]
        fine, coarse = (slopes, rows) if transposed else (rows, slopes)
        count = image.shape[1]
        to_image = None
        if need_image and transposed:
            to_image = layout.coarse_images(slopes @ matrix, count)
        elif need_image:
            to_image = layout.fine_images(slopes @ matrix.mT, count)
        to_weight = layout.weights(fine.mT @ coarse) if need_weight else None
        to_bias = gradients[0].sum((1, 3, 4)) if need_bias else None
        return to_image, to_weight, to_bias, None, None
