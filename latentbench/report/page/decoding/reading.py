"""Reads a decoder's program as the page does, in NumPy: what the page must compute, found in another way."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.special import erf

__all__ = ["decoded"]

Array = NDArray[Any]


def decoded(data: Mapping[str, Any], codes: Array) -> Array:
    """Return what a program, as `DecoderProgram.data` writes it, makes of codes `(n, d)`, one after the other."""
    constants = _constants(data)
    return np.concatenate([_run(data, constants, code[None]) for code in np.asarray(codes, np.float32)])


def _constants(data: Mapping[str, Any]) -> list[Array]:
    kind = {"float16": "<f2", "float32": "<f4"}[data["precision"]]
    weights = np.frombuffer(base64.b64decode(data["weights"]), kind).astype(np.float32)
    constants, start = [], 0
    for each in data["constants"]:
        if isinstance(each, list):
            constants.append(weights[start : start + prod(each)].reshape(each))
            start += prod(each)
        else:
            constants.append(np.array(each, np.float32))
    return constants


def _run(data: Mapping[str, Any], constants: Sequence[Array], code: Array) -> Array:
    values = [code, *constants]
    for operation in data["operations"]:
        inputs = [values[number] for number in operation["inputs"]]
        result = _KINDS[operation["kind"]](operation, *inputs)
        values.append(np.asarray(result, np.float32).reshape(operation["shape"]))
    output: Array = values[data["output"]]
    return output


def _matmul(_: Any, left: Array, right: Array, bias: Array | float = 0.0) -> Array:
    return np.asarray(left.reshape(-1, right.shape[-2]) @ right.reshape(right.shape[-2:]) + bias)


def _convolution(settings: Any, image: Array, weight: Array, bias: Array | float = 0.0) -> Array:
    """Multiply the windows of each group of channels with its kernels."""
    down, right = settings["padding"]
    padded = np.pad(image[0], ((0, 0), (down, down), (right, right)))
    reach = [gap * (size - 1) + 1 for gap, size in zip(settings["dilation"], weight.shape[2:], strict=True)]
    (high, wide), (skip, step) = settings["dilation"], settings["stride"]
    windows = sliding_window_view(padded, reach, axis=(1, 2))[:, ::skip, ::step, ::high, ::wide]
    groups = settings["groups"]
    parts = [
        np.tensordot(kernels, rows, axes=((1, 2, 3), (0, 3, 4)))
        for kernels, rows in zip(np.split(weight, groups), np.split(windows, groups), strict=True)
    ]
    return np.asarray(np.concatenate(parts) + np.reshape(bias, (-1, 1, 1)))


def _transposed_convolution(settings: Any, image: Array, weight: Array, bias: Array | float = 0.0) -> Array:
    """Convolve the image, zeros put between its pixels, with turned kernels."""
    _, _, height, width = settings["shape"]
    skip, step = settings["stride"]
    (high, wide), (down, right) = settings["dilation"], settings["padding"]
    reach = [gap * (size - 1) for gap, size in zip((high, wide), weight.shape[2:], strict=True)]
    before = reach[0] - down, reach[1] - right
    spread = np.zeros((image.shape[1], height + reach[0], width + reach[1]), np.float32)
    rows, columns = before[0] + skip * np.arange(image.shape[2]), before[1] + step * np.arange(image.shape[3])
    inside = [
        (places >= 0) & (places < size) for places, size in ((rows, spread.shape[1]), (columns, spread.shape[2]))
    ]
    spread[:, rows[inside[0]][:, None], columns[inside[1]]] = image[0][:, inside[0]][:, :, inside[1]]
    groups = settings["groups"]
    turned = [kernels.swapaxes(0, 1)[:, :, ::-1, ::-1] for kernels in np.split(weight, groups)]
    plain = {"padding": (0, 0), "stride": (1, 1), "dilation": (high, wide), "groups": groups}
    return _convolution(plain, spread[None], np.concatenate(turned), bias)


def _normalize(settings: Any, values: Array) -> Array:
    rows = values.reshape(settings["rows"], -1).astype(np.float64)
    centered = rows - rows.mean(1, keepdims=True)
    return np.asarray(centered / np.sqrt(rows.var(1, keepdims=True) + settings["eps"]))


def _upsample(settings: Any, image: Array) -> Array:
    for axis, ratio in zip((2, 3), settings["ratios"], strict=True):
        image = _stretched(image, axis, settings["shape"][axis], ratio, settings["mode"])
    return image


def _stretched(image: Array, axis: int, size: int, ratio: float, mode: str) -> Array:
    last = image.shape[axis] - 1
    if mode == "nearest":
        return np.asarray(image.take(np.minimum(np.arange(size) * ratio, last).astype(int), axis))
    places = np.arange(size) * ratio if mode == "aligned" else ((np.arange(size) + 0.5) * ratio - 0.5).clip(0)
    low = np.minimum(places.astype(int), last)
    share = (places - low).reshape(-1, *(1,) * (3 - axis))
    return np.asarray(image.take(low, axis) * (1 - share) + image.take(np.minimum(low + 1, last), axis) * share)


def _slice(settings: Any, values: Array) -> Array:
    axis, step = settings["axis"], settings["step"]
    count = settings["shape"][axis]
    return np.asarray(values.take(settings["start"] + step * np.arange(count), axis))


def _pad(settings: Any, values: Array) -> Array:
    after = [
        size - before - inner
        for size, before, inner in zip(settings["shape"], settings["before"], values.shape, strict=True)
    ]
    sides = list(zip(settings["before"], after, strict=True))
    return np.pad(values, sides, constant_values=settings["fill"])


def _elu(settings: Any, values: Array) -> Array:
    below = settings["alpha"] * np.expm1(np.minimum(values, 0) * settings["input_scale"])
    return np.asarray(settings["scale"] * np.where(values > 0, values, below))


def _softplus(settings: Any, values: Array) -> Array:
    scaled = values * settings["beta"]
    return np.where(scaled > settings["threshold"], values, np.logaddexp(0, scaled) / settings["beta"])


def _gelu_tanh(_: Any, values: Array) -> Array:
    inner = np.sqrt(2 / np.pi) * (values + 0.044715 * values**3)
    return np.asarray(0.5 * values * (1 + np.tanh(inner)))


def _sigmoid(values: Array) -> Array:
    return 0.5 + 0.5 * np.tanh(values / 2)


_KINDS: dict[str, Callable[..., Array]] = {
    "matmul": _matmul,
    "convolution": _convolution,
    "transposed_convolution": _transposed_convolution,
    "normalize": _normalize,
    "upsample": _upsample,
    "reshape": lambda _, x: x,
    "expand": lambda settings, x: np.broadcast_to(x, settings["shape"]),
    "permute": lambda settings, x: x.transpose(settings["axes"]),
    "slice": _slice,
    "concatenate": lambda settings, *parts: np.concatenate(parts, settings["axis"]),
    "pad": _pad,
    "add": lambda _, x, y: x + y,
    "subtract": lambda _, x, y: x - y,
    "multiply": lambda _, x, y: x * y,
    "divide": lambda _, x, y: x / y,
    "maximum": lambda _, x, y: np.maximum(x, y),
    "minimum": lambda _, x, y: np.minimum(x, y),
    "relu": lambda _, x: np.maximum(x, 0),
    "leaky_relu": lambda settings, x: np.where(x > 0, x, settings["slope"] * x),
    "elu": _elu,
    "silu": lambda _, x: x * _sigmoid(x),
    "gelu": lambda _, x: 0.5 * x * (1 + erf(x / np.sqrt(2))),
    "gelu_tanh": _gelu_tanh,
    "tanh": lambda _, x: np.tanh(x),
    "sigmoid": lambda _, x: _sigmoid(x),
    "softplus": _softplus,
    "clamp": lambda settings, x: x.clip(settings.get("min"), settings.get("max")),
    "exp": lambda _, x: np.exp(x),
    "sin": lambda _, x: np.sin(x),
    "cos": lambda _, x: np.cos(x),
    "abs": lambda _, x: np.abs(x),
    "negative": lambda _, x: -x,
    "sqrt": lambda _, x: np.sqrt(x),
}
