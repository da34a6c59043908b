"""Convolutions for CPUs (benchmarks/README.md has the figures).

Torch's gradient of the weights in bfloat16 takes two to three times as long as laying out the windows as rows and
one matrix product; its doubling of an image to few channels takes as much longer than another order of the sums.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from latentbench.convolutions.calls import Call, ConvolutionMode, Pair

__all__ = ["FastConvolutions"]

SMALLEST_WINDOW = 64  # numbers in a window of the smaller side; under it torch's own gradient is as fast
FEW_CHANNELS = 4


class FastConvolutions(ConvolutionMode):
    """On a CPU: images doubled to few channels by another way, and in bfloat16 faster gradients of weights."""

    def convolve(self, call: Call) -> Tensor | None:
        """Return the result where this pays."""
        if call.input.device.type != "cpu":
            return None
        half = torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") == torch.bfloat16
        if half:
            bias = None if call.bias is None else call.bias.bfloat16()
            call = call._replace(input=call.input.bfloat16(), weight=call.weight.bfloat16(), bias=bias)
        doubles = _doubles(call)
        if not _plain_autograd():
            return _doubled(call.input, call.weight, call.bias) if doubles else None
        if not (half or doubles):
            return None
        image, weight = (value.contiguous(memory_format=torch.channels_last) for value in call[:2])
        settings = call.stride, call.padding, call.output_padding, call.transposed
        result: Tensor = _FastConvolution.apply(image, weight, call.bias, *settings)
        return result


def _doubles(call: Call) -> bool:
    """Whether a transposed convolution doubles an image exactly, to few channels."""
    shape = *call.weight.shape[2:], *call.stride, *call.padding, *call.output_padding
    return call.transposed and shape == (4, 4, 2, 2, 1, 1, 0, 0) and call.weight.shape[1] <= FEW_CHANNELS


def _doubled(image: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Double an image: each pixel's four children from its 3 x 3 neighbors at once, then set side by side.

    Torch's transposed convolution to few channels takes two to three times as long on a CPU.
    """
    # taps of the 4 x 4 kernel that reach the first and the second child from the pixel before, itself and the next
    taps = torch.tensor([[3, 1, 4], [4, 2, 0]])  # 4: none
    kernels = functional.pad(weight, (0, 1, 0, 1))[:, :, taps][..., taps]
    kernels = kernels.permute(1, 2, 4, 0, 3, 5).reshape(4 * weight.shape[1], len(weight), 3, 3)
    shifts = None if bias is None else bias.repeat_interleave(4)
    return functional.pixel_shuffle(functional.conv2d(image, kernels, shifts, padding=1), 2)


def _plain_autograd() -> bool:
    """Whether no transform of torch.func is at work and no forward derivative is taken."""
    transformed: bool = torch._C._are_functorch_transforms_active()
    return not transformed and torch.autograd.forward_ad._current_level < 0


class _FastConvolution(torch.autograd.Function):
    """torch's convolution with another way to the gradients of weight and bias."""

    @staticmethod
    def forward(
        ctx: Any,
        input: Tensor,  # noqa: A002 - torch's name
        weight: Tensor,
        bias: Tensor | None,
        stride: Pair,
        padding: Pair,
        output_padding: Pair,
        transposed: bool,
    ) -> Tensor:
        """Convolve; what is saved must be what was given, or second derivatives would miss it."""
        ctx.save_for_backward(input, weight)
        ctx.settings = stride, padding, (1, 1), transposed, output_padding, 1
        if _doubles(Call(input, weight, bias, stride, padding, output_padding, transposed)):
            return _doubled(input, weight, bias)
        result: Tensor = torch.ops.aten.convolution(input, weight, bias, *ctx.settings)
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        """Return the gradients of input, weight and bias."""
        input, weight = ctx.saved_tensors  # noqa: A001
        gradient = gradients[0].contiguous(memory_format=torch.channels_last)
        to_input, to_weight, to_bias = None, None, None
        if ctx.needs_input_grad[0]:
            to_input = _own_gradient(ctx, gradient, input, weight, 0)
        if ctx.needs_input_grad[1]:
            to_weight = _weight_gradient(ctx, gradient, input, weight)
        if ctx.needs_input_grad[2]:
            rows = _rows(gradient)
            to_bias = (rows.new_ones(1, len(rows)) @ rows)[0]
        return to_input, to_weight, to_bias, None, None, None, None


def _own_gradient(ctx: Any, gradient: Tensor, input: Tensor, weight: Tensor, which: int) -> Tensor:  # noqa: A002
    """Torch's gradient of the input (0) or the weight (1)."""
    mask = [which == 0, which == 1, False]
    found = torch.ops.aten.convolution_backward(gradient, input, weight, None, *ctx.settings, mask)
    result: Tensor = found[which]
    return result


def _weight_gradient(ctx: Any, gradient: Tensor, input: Tensor, weight: Tensor) -> Tensor:  # noqa: A002
    """Gradient of the weight: rows of the coarse image times windows of the fine one."""
    stride, padding, dilation, transposed, _, _ = ctx.settings
    coarse, fine = (input, gradient) if transposed else (gradient, input)
    rows, (height, width), channels = coarse.shape[1], weight.shape[2:], weight.shape[1]
    if channels * height * width >= SMALLEST_WINDOW and fine.dtype == torch.bfloat16:
        product = _rows(coarse).T @ _windows(fine, coarse, (height, width), stride, padding)
        return product.view(rows, height, width, channels).permute(0, 3, 1, 2)
    if transposed:
        return _own_gradient(ctx, gradient, input, weight, 1)
    swapped = stride, padding, dilation, True, _left_over(fine, coarse, (height, width), stride, padding), 1
    found: Tensor = torch.ops.aten.convolution_backward(
        fine, coarse, weight, None, *swapped, [False, True, False]
    )[1]
    return found


def _left_over(fine: Tensor, coarse: Tensor, kernel: Pair, stride: Pair, padding: Pair) -> Pair:
    """Rows and columns of the fine image that no window reaches; the output padding of the transposed one."""
    height, width = (
        fine.shape[2 + side] + 2 * padding[side] - kernel[side] - (coarse.shape[2 + side] - 1) * stride[side]
        for side in (0, 1)
    )
    return height, width


def _rows(image: Tensor) -> Tensor:
    """View an image `(n, c, h, w)`, channels last, as rows `(n * h * w, c)`."""
    return image.permute(0, 2, 3, 1).reshape(-1, image.shape[1])


def _windows(fine: Tensor, coarse: Tensor, kernel: Pair, stride: Pair, padding: Pair) -> Tensor:
    """Lay out the window of each coarse pixel as a row `(n * h * w, kernel height * kernel width * c)`."""
    image = fine.permute(0, 2, 3, 1)
    if any(padding):
        image = functional.pad(image, (0, 0, padding[1], padding[1], padding[0], padding[0]))
    image = image.contiguous()
    across, down, right, _ = image.stride()
    (n, _, height, width), channels = coarse.shape, image.shape[3]
    view = image.as_strided(
        (n, height, width, kernel[0], kernel[1] * channels), (across, stride[0] * down, stride[1] * right, down, 1)
    )
    return view.reshape(n * height * width, -1)
