"""Calls of torch's convolutions, read as one kind of record, and the mode that catches them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

__all__ = ["Call", "ConvolutionMode", "Pair"]

Pair = tuple[int, int]


class Call(NamedTuple):
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
) -> Call | None:
    """Read the arguments of `conv2d`; None for what is left to torch."""
    if isinstance(padding, str) or _pair(dilation) != (1, 1) or groups != 1 or input.ndim != 4:
        return None
    return Call(input, weight, bias, _pair(stride), _pair(padding), (0, 0), False)


def _transposed(
    input: Tensor,  # noqa: A002 - torch's name
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    output_padding: int | Sequence[int] = 0,
    groups: int = 1,
    dilation: int | Sequence[int] = 1,
) -> Call | None:
    """Read the arguments of `conv_transpose2d`; None for what is left to torch."""
    if _pair(dilation) != (1, 1) or groups != 1 or input.ndim != 4:
        return None
    return Call(input, weight, bias, _pair(stride), _pair(padding), _pair(output_padding), True)


READERS: dict[Any, Callable[..., Call | None]] = {
    functional.conv2d: _convolution,
    torch.conv2d: _convolution,
    functional.conv_transpose2d: _transposed,
    torch.conv_transpose2d: _transposed,
}


class ConvolutionMode(TorchFunctionMode, ABC):
    """Sends the convolutions it can read to `convolve`."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        reader = READERS.get(func)
        call = reader(*args, **(kwargs or {})) if reader is not None else None
        result = None if call is None else self.convolve(call)
        return func(*args, **(kwargs or {})) if result is None else result

    @abstractmethod
    def convolve(self, call: Call) -> Tensor | None:
        """Return the result, or None to leave it to torch."""
