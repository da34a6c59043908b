"""Convolutions that are faster than torch's own, without the models knowing.

Both are function modes: inside one, whatever calls `conv2d` or `conv_transpose2d`, a module of torch or a bare
function, gets the same numbers (within rounding) by another way. What they do not cover goes to torch.

`FastConvolutions` is for CPUs: there torch's gradient of the weights in bfloat16 takes two to three times as long
as laying out the windows as rows and one matrix product, and its doubling of an image to few channels two to three
times as long as another arrangement of the same sums (benchmarks/README.md).
`MatmulConvolutions` is for stacked trials: a convolution over a stack of weights becomes a grouped convolution,
for which few fast kernels exist; laid out as rows it becomes one batched matrix product.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

__all__ = ["FastConvolutions", "MatmulConvolutions"]

Pair = tuple[int, int]
SMALLEST_WINDOW = 64  # numbers in a window of the smaller side; under it torch's own gradient is as fast
FEW_CHANNELS = 4


class _Call(NamedTuple):
    """One convolution; `weight` is (out, in, h, w), for a transposed one (in, out, h, w)."""

    input: Tensor
    weight: Tensor
    bias: Tensor | None
    stride: Pair
    padding: Pair
    output_padding: Pair
    transposed: bool


def _pair(value: int | Sequence[int]) -> Pair:
    return (value, value) if isinstance(value, int) else (value[0], value[-1])


def _convolution(
    input: Tensor,  # noqa: A002 - torch's name
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | str | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> _Call | None:
    """Read the arguments of `conv2d`; None for what is left to torch."""
    if isinstance(padding, str) or _pair(dilation) != (1, 1) or groups != 1 or input.ndim != 4:
        return None
    return _Call(input, weight, bias, _pair(stride), _pair(padding), (0, 0), False)


def _transposed(
    input: Tensor,  # noqa: A002 - torch's name
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    output_padding: int | Sequence[int] = 0,
    groups: int = 1,
    dilation: int | Sequence[int] = 1,
) -> _Call | None:
    """Read the arguments of `conv_transpose2d`; None for what is left to torch."""
    if _pair(dilation) != (1, 1) or groups != 1 or input.ndim != 4:
        return None
    return _Call(input, weight, bias, _pair(stride), _pair(padding), _pair(output_padding), True)


READERS: dict[Any, Callable[..., _Call | None]] = {
    functional.conv2d: _convolution,
    torch.conv2d: _convolution,
    functional.conv_transpose2d: _transposed,
    torch.conv_transpose2d: _transposed,
}


class _ConvolutionMode(TorchFunctionMode):
    """Sends the convolutions it can read to `convolve`."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        reader = READERS.get(func)
        call = reader(*args, **(kwargs or {})) if reader is not None else None
        made = None if call is None else self.convolve(call)
        return func(*args, **(kwargs or {})) if made is None else made

    def convolve(self, call: _Call) -> Tensor | None:
        """Return the result, or None to leave it to torch."""
        raise NotImplementedError


class FastConvolutions(_ConvolutionMode):
    """On a CPU: images doubled to few channels by another way, and in bfloat16 faster gradients of weights."""

    def convolve(self, call: _Call) -> Tensor | None:
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


def _doubles(call: _Call) -> bool:
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
        if _doubles(_Call(input, weight, bias, stride, padding, output_padding, transposed)):
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


class MatmulConvolutions(_ConvolutionMode):
    """Convolutions as matrix products, forwards and backwards, for `vmap` over stacked weights."""

    def convolve(self, call: _Call) -> Tensor | None:
        """Return the result."""
        device = call.input.device.type
        if torch.is_autocast_enabled(device):
            dtype = torch.get_autocast_dtype(device)
            call = call._replace(input=call.input.to(dtype), weight=call.weight.to(dtype))
        kernel = call.weight.shape[2], call.weight.shape[3]
        geometry = _Geometry(*_fine_size(call), *kernel, *call.stride, *call.padding)
        made: Tensor = _Matmul.apply(call.input, call.weight, geometry, call.transposed)
        return made if call.bias is None else made + call.bias.to(made.dtype).view(-1, 1, 1)


def _fine_size(call: _Call) -> Pair:
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


class _Geometry(NamedTuple):
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


class _Matmul(torch.autograd.Function):
    """A convolution from the fine image to the coarse one, or the transposed one back.

    The gradient of either by its input is the other one, so no gradient has to be scattered. Weights are those of
    torch: (coarse, fine, h, w) in both directions.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(image: Tensor, weight: Tensor, geometry: _Geometry, transposed: bool) -> Tensor:
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
        made = [
            _Matmul.apply(*part, ctx.geometry, ctx.transposed)
            for part in parts
            if all(value is not None for value in part)
        ]
        return made[0] if len(made) == 1 else made[0] + made[1]

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


def _gather(fine: Tensor, weight: Tensor, geometry: _Geometry) -> Tensor:
    """Convolve: each coarse pixel gathers its window."""
    height, width = geometry.coarse
    made = _block_windows(fine, geometry) @ _as_matrix(weight, geometry)
    return made.reshape(len(fine), height, width, -1).permute(0, 3, 1, 2)


def _spread(coarse: Tensor, weight: Tensor, geometry: _Geometry) -> Tensor:
    """Convolve transposed: each block of fine pixels gathers the coarse pixels that reach it."""
    (down, right), (rows, columns), fine = geometry.taps, geometry.blocks, weight.shape[1]
    image = functional.pad(coarse.permute(0, 2, 3, 1), (0, 0, right - 1, right - 1, down - 1, down - 1))
    reach = [
        image[:, i : i + rows, j : j + columns] for i in reversed(range(down)) for j in reversed(range(right))
    ]
    step = geometry.stride_down, geometry.stride_right
    matrix = _as_matrix(weight, geometry).reshape(down * right, step[0] * step[1] * fine, -1).transpose(1, 2)
    blocks = torch.cat(reach, -1).flatten(0, 2) @ matrix.flatten(0, 1)
    image = blocks.reshape(len(coarse), rows, columns, *step, fine).transpose(2, 3)
    image = image.reshape(len(coarse), rows * step[0], columns * step[1], fine)
    missing = (
        max(0, geometry.height + geometry.padding_down - image.shape[1]),
        max(0, geometry.width + geometry.padding_right - image.shape[2]),
    )
    if any(missing):
        image = functional.pad(image, (0, 0, 0, missing[1], 0, missing[0]))
    top, left = geometry.padding_down, geometry.padding_right
    return image[:, top : top + geometry.height, left : left + geometry.width].permute(0, 3, 1, 2)


def _weight_product(coarse: Tensor, fine: Tensor, weight: Tensor, geometry: _Geometry) -> Tensor:
    """Gradient of the weight: windows of the fine image times the coarse one."""
    (down, right), step = geometry.taps, (geometry.stride_down, geometry.stride_right)
    product = _block_windows(fine, geometry).T @ coarse.permute(0, 2, 3, 1).flatten(0, 2)
    whole = product.reshape(down, right, *step, weight.shape[1], -1).permute(5, 4, 0, 2, 1, 3)
    whole = whole.reshape(weight.shape[0], weight.shape[1], down * step[0], right * step[1])
    return whole[..., : geometry.kernel_height, : geometry.kernel_width]


def _as_matrix(weight: Tensor, geometry: _Geometry) -> Tensor:
    """Lay out the weight as `(taps * stride * fine channels, coarse channels)`, zeros where the kernel ends."""
    (down, right), step = geometry.taps, (geometry.stride_down, geometry.stride_right)
    missing = down * step[0] - geometry.kernel_height, right * step[1] - geometry.kernel_width
    if any(missing):
        weight = functional.pad(weight, (0, missing[1], 0, missing[0]))
    whole = weight.reshape(weight.shape[0], weight.shape[1], down, step[0], right, step[1])
    return whole.permute(2, 4, 3, 5, 1, 0).reshape(-1, weight.shape[0])


def _block_windows(fine: Tensor, geometry: _Geometry) -> Tensor:
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
