"""Convolutions for CPUs (benchmarks/README.md has the figures).

In bfloat16, on chips with AMX, torch's gradient of the weights takes two to three times as long as laying out the
windows as rows and one matrix product; on others it is slower for small images alone. For images of one channel
the same is true of every pass. The windows are laid out once and also serve the convolution, or the gradient of a
transposed one. The gradient of a bias is a sum of rows, which takes torch longer everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from latentbench.convolutions.calls import Call, ConvolutionMode, Pair

__all__ = ["FastConvolutions"]

SMALLEST_WINDOW = 64  # numbers in a window of bfloat16; below this torch's own gradient is as fast
MOST_PIXELS = 25  # of the coarser image; above this torch's own gradient is faster, on chips without AMX
FEW_CHANNELS = 4
MOST_COPIES = 4  # of each pixel, in windows laid out for more than one matrix product
# taps of a 4 x 4 kernel that reach a pixel's first and second child from the previous pixel, itself and the next
TAPS = torch.tensor([[3, 1, 4], [4, 2, 0]])  # 4: none


class FastConvolutions(ConvolutionMode):
    """Faster on a CPU: convolutions of images with few channels, and gradients in bfloat16."""

    def convolve(self, call: Call) -> Tensor | None:
        """Return the result, or None where torch is as fast."""
        if call.input.device.type != "cpu":
            return None
        if torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") == torch.bfloat16:
            bias = None if call.bias is None else call.bias.bfloat16()
            call = call._replace(input=call.input.bfloat16(), weight=call.weight.bfloat16(), bias=bias)
        if not _plain_autograd():
            return _doubled(call.input, call.weight, call.bias) if _doubles(call) else None
        if not (_pays(call) or _doubles(call)):
            return None
        image, weight = (value.contiguous(memory_format=torch.channels_last) for value in call[:2])
        result: Tensor = _FastConvolution.apply(image, weight, *call[2:])
        return result


def _pays(call: Call) -> bool:
    """Whether it is faster to compute the parts of the gradient apart, in whatever way."""
    return _has_one_channel(call) or (
        call.weight.dtype == torch.bfloat16 and call.weight.shape[1:].numel() >= SMALLEST_WINDOW
    )


def _lays_out(call: Call) -> bool:
    """Whether laying out windows pays even if only the gradient of the weights uses them."""
    if _has_one_channel(call) or _multiplies_tiles():
        return _pays(call)
    height, width = call.input.shape[2:] if call.transposed else _coarse_size(call, call.input)
    return _pays(call) and height * width <= MOST_PIXELS


def _multiplies_tiles() -> bool:
    """Whether the chip multiplies whole tiles of bfloat16 (AMX)."""
    return bool(torch.cpu.get_capabilities().get("amx_bf16"))


def _has_one_channel(call: Call) -> bool:
    """Whether the finer image has one channel and its windows overlap little."""
    return call.weight.shape[1] == 1 and _copies(call) <= MOST_COPIES


def _copies(call: Call) -> float:
    """In how many windows a pixel lies."""
    return call.weight.shape[2] * call.weight.shape[3] / (call.stride[0] * call.stride[1])


def _doubles(call: Call) -> bool:
    """Whether a transposed convolution exactly doubles the size of an image and returns few channels."""
    shape = *call.weight.shape[2:], *call.stride, *call.padding, *call.output_padding
    return call.transposed and shape == (4, 4, 2, 2, 1, 1, 0, 0) and call.weight.shape[1] <= FEW_CHANNELS


def _doubled(image: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Double an image: compute the four children of each pixel from its 3 x 3 neighbors, then interleave them.

    Torch's transposed convolution to few channels takes two to three times as long on a CPU.
    """
    kernels = functional.pad(weight, (0, 1, 0, 1))[:, :, TAPS][..., TAPS]
    kernels = kernels.permute(1, 2, 4, 0, 3, 5).reshape(4 * weight.shape[1], len(weight), 3, 3)
    shifts = None if bias is None else bias.repeat_interleave(4)
    return functional.pixel_shuffle(functional.conv2d(image, kernels, shifts, padding=1), 2)


def _plain_autograd() -> bool:
    """Whether no transform of torch.func is active and no forward derivative is computed."""
    transformed: bool = torch._C._are_functorch_transforms_active()
    return not transformed and torch.autograd.forward_ad._current_level < 0


class _FastConvolution(torch.autograd.Function):
    """torch's convolution by windows of the finer image, laid out once.

    The finer image is the input, or the output of a transposed convolution; each window belongs to a pixel of the
    coarser one.
    """

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
        """Convolve."""
        ctx.settings = stride, padding, output_padding, transposed
        call = Call(input, weight, bias, *ctx.settings)
        if _doubles(call):
            ctx.save_for_backward(input, weight)
            return _doubled(input, weight, bias)
        serves = _has_one_channel(call) or (ctx.needs_input_grad[1] and _copies(call) <= MOST_COPIES)
        if transposed or not (serves and _lays_out(call)):
            ctx.save_for_backward(input, weight)
            return _usual(call)
        windows, matrix = _windows(call, input), _as_matrix(weight)
        ctx.save_for_backward(input, weight, windows)
        rows = windows @ matrix if bias is None else torch.addmm(bias, windows, matrix)
        return _as_image(rows, _coarse_size(call, input))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        """Return the gradients of input, weight and bias."""
        input, weight, *saved_windows = ctx.saved_tensors  # noqa: A001
        call = Call(input, weight, None, *ctx.settings)
        gradient = gradients[0].contiguous(memory_format=torch.channels_last)
        coarse, fine = (input, gradient) if call.transposed else (gradient, input)
        need_input, need_weight, need_bias = ctx.needs_input_grad[:3]
        to_input, to_weight = None, None
        if _lays_out(call) and (need_weight or call.transposed):
            # saved windows have no history, which second derivatives need
            again = not saved_windows or torch.is_grad_enabled()
            windows = _windows(call, fine) if again else saved_windows[0]
            to_weight = _weight_gradient(coarse, windows, weight) if need_weight else None
            if need_input and call.transposed:
                to_input = _as_image(windows @ _as_matrix(weight), input.shape[2:])
        rest = need_input and to_input is None, need_weight and to_weight is None
        if any(rest):
            usual = _usual_gradients(call, gradient, rest)
            to_input, to_weight = usual[0] if rest[0] else to_input, usual[1] if rest[1] else to_weight
        to_bias = _rows(gradient).sum(0) if need_bias else None
        return to_input, to_weight, to_bias, None, None, None, None


def _usual(call: Call) -> Tensor:
    """Torch's convolution."""
    image, weight, bias, stride, padding, output_padding, transposed = call
    settings = stride, padding, (1, 1), transposed, output_padding, 1
    result: Tensor = torch.ops.aten.convolution(image, weight, bias, *settings)
    return result


def _usual_gradients(call: Call, gradient: Tensor, needed: Sequence[bool]) -> Sequence[Tensor | None]:
    """Torch's gradients of input and weight."""
    image, weight, _, stride, padding, output_padding, transposed = call
    settings = stride, padding, (1, 1), transposed, output_padding, 1
    gradients: Sequence[Tensor | None] = torch.ops.aten.convolution_backward(
        gradient, image, weight, None, *settings, [*needed, False]
    )
    return gradients[:2]


def _weight_gradient(coarse: Tensor, windows: Tensor, weight: Tensor) -> Tensor:
    """Gradient of the weight `(coarse channels, fine channels, height, width)`."""
    rows, (across, fine, height, width) = _rows(coarse), weight.shape
    product = rows.T @ windows if windows.is_contiguous() else (windows.T @ rows).T
    return product.reshape(across, height, width, fine).permute(0, 3, 1, 2)


def _rows(image: Tensor) -> Tensor:
    """View an image `(n, c, h, w)`, channels last, as rows `(n * h * w, c)`."""
    return image.permute(0, 2, 3, 1).reshape(-1, image.shape[1])


def _as_image(rows: Tensor, size: Sequence[int]) -> Tensor:
    """View rows `(n * h * w, c)` as images `(n, c, h, w)` of this height and width."""
    return rows.view(-1, *size, rows.shape[1]).permute(0, 3, 1, 2)


def _coarse_size(call: Call, fine: Tensor) -> Pair:
    """Return height and width of the image that has a pixel for each window."""
    height, width = (
        (fine.shape[2 + side] + 2 * call.padding[side] - call.weight.shape[2 + side]) // call.stride[side] + 1
        for side in (0, 1)
    )
    return height, width


def _windows(call: Call, fine: Tensor) -> Tensor:
    """Lay out each coarse pixel's window as a row `(n * h * w, kernel height * kernel width * channels)`.

    Rows are contiguous, except for one channel, where columns are: copying is fast along neighbors in memory.
    """
    kernel, size = call.weight.shape[2:], _coarse_size(call, fine)
    if any(call.padding):
        down, right = call.padding
        fine = functional.pad(fine, (right, right, down, down))
    if fine.shape[1] == 1:
        across, _, down, right = fine.stride()
        order = down, right, across, call.stride[0] * down, call.stride[1] * right
        return fine.as_strided((*kernel, len(fine), *size), order).reshape(kernel.numel(), -1).T
    image = fine.permute(0, 2, 3, 1).contiguous()
    across, down, right, _ = image.stride()
    steps = across, call.stride[0] * down, call.stride[1] * right, down
    run = kernel[1] * image.shape[3]
    rows = image.as_strided((len(fine), *size, kernel[0], run), (*steps, 1))
    return rows.reshape(-1, kernel[0] * run)


def _as_matrix(weight: Tensor) -> Tensor:
    """Lay out weights as `(height * width * fine channels, coarse channels)`, like a window each."""
    return weight.permute(0, 2, 3, 1).reshape(len(weight), -1).T
