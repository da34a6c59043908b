"""How each operation of torch is written in those that the page knows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, NamedTuple

from latentbench.errors import NotApplicableError
from latentbench.report.page.decoding.program import ProgramBuilder

__all__ = ["TRANSLATORS", "Target", "Value"]

Shape = tuple[int, ...]


class Value(NamedTuple):
    """A value that the builder knows.

    Attributes:
        number: the builder's.
        shape: its shape.
    """

    number: int
    shape: Shape


class Target(NamedTuple):
    """Where the translation of one call goes, and what its result is.

    Attributes:
        builder: collects the operations.
        shape: of the result.
        place: of the result among those of the call.
        name: of the call, for messages.
    """

    builder: ProgramBuilder
    shape: Shape
    place: int
    name: str

    def make(self, kind: str, *inputs: int, shape: Sequence[int] | None = None, **settings: Any) -> int:
        """Add an operation; return the number of its result."""
        return self.builder.operation(kind, inputs, self.shape if shape is None else shape, **settings)

    def refuse(self, why: str) -> NotApplicableError:
        """Return the error that says what the page does not know."""
        return NotApplicableError(f"its decoder computes {self.name} {why}, which the page does not know")

    def number(self, value: Value | float) -> int:
        """Return the number of a value; a plain number becomes a constant."""
        return value.number if isinstance(value, Value) else self.builder.constant(float(value))


def _matmul(to: Target, left: Value, right: Value) -> int:
    if len(right.shape) == 3 and right.shape[0] > 1:
        raise to.refuse("of several matrices")
    return to.make("matmul", left.number, right.number)


def _addmm(to: Target, bias: Value, left: Value, right: Value, *, beta: float = 1, alpha: float = 1) -> int:
    if beta != 1 or alpha != 1:
        raise to.refuse("with beta or alpha")
    if bias.shape == to.shape[-1:]:
        return to.make("matmul", left.number, right.number, bias.number)
    return to.make("add", to.make("matmul", left.number, right.number), bias.number)


def _convolution(
    to: Target,
    image: Value,
    weight: Value,
    bias: Value | None,
    stride: Shape,
    padding: Shape,
    dilation: Shape,
    transposed: bool,
    output_padding: Shape,  # noqa: ARG001 - the shape of the result holds it
    groups: int,
) -> int:
    if len(image.shape) != 4:
        raise to.refuse(f"in {len(image.shape) - 2} dimensions")
    pairs = {"stride": stride, "padding": padding, "dilation": dilation}
    settings = {name: [pair[0], pair[-1]] for name, pair in pairs.items()}
    inputs = [each.number for each in (image, weight, bias) if each is not None]
    return to.make("transposed_convolution" if transposed else "convolution", *inputs, **settings, groups=groups)


def _affine(to: Target, normalized: int, weight: Value | None, bias: Value | None, shape: Shape) -> int:
    for kind, value in (("multiply", weight), ("add", bias)):
        if value is not None:
            normalized = to.make(kind, normalized, to.make("reshape", value.number, shape=shape))
    return normalized


def _group_norm(
    to: Target,
    image: Value,
    weight: Value | None,
    bias: Value | None,
    rows: int,
    channels: int,
    pixels: int,  # noqa: ARG001 - the shape holds it
    groups: int,
    eps: float,
) -> int:
    if to.place:
        raise to.refuse("and uses its statistics")
    normalized = to.make("normalize", image.number, rows=rows * groups, eps=eps)
    return _affine(to, normalized, weight, bias, (channels, *(1,) * (len(to.shape) - 2)))


def _layer_norm(
    to: Target, value: Value, normalized: Shape, weight: Value | None, bias: Value | None, eps: float
) -> int:
    if to.place:
        raise to.refuse("and uses its statistics")
    rows = prod(value.shape) // prod(normalized)
    return _affine(to, to.make("normalize", value.number, rows=rows, eps=eps), weight, bias, tuple(normalized))


def _batch_norm(
    to: Target,
    image: Value,
    weight: Value | None,
    bias: Value | None,
    mean: Value,
    variance: Value,
    *rest: Any,
) -> int:
    *training, _, eps = rest
    if to.place or any(training):
        raise to.refuse("over a batch; call .eval() on the network")
    shape = (to.shape[1], *(1,) * (len(to.shape) - 2))
    centered = to.make("subtract", image.number, to.make("reshape", mean.number, shape=shape))
    widened = to.make("add", variance.number, to.number(eps), shape=variance.shape)
    spread = to.make("reshape", to.make("sqrt", widened, shape=variance.shape), shape=shape)
    return _affine(to, to.make("divide", centered, spread), weight, bias, shape)


def _upsample(mode: str) -> Callable[..., int]:
    def translate(to: Target, image: Value, size: Any, *rest: Any) -> int:  # noqa: ARG001 - as above
        aligned = mode == "linear" and bool(rest[0])
        scales = (*rest[mode == "linear" :], None, None)
        ratios = [
            1 / scale if scale else before / after
            for before, after, scale in zip(image.shape[2:], to.shape[2:], scales, strict=False)
        ]
        if aligned:
            ratios = [
                (before - 1) / max(1, after - 1)
                for before, after in zip(image.shape[2:], to.shape[2:], strict=True)
            ]
        return to.make("upsample", image.number, mode="aligned" if aligned else mode, ratios=ratios)

    return translate


def _function(kind: str, **defaults: Any) -> Callable[..., int]:
    """Translate a function of single numbers; its arguments are settings in the order of `defaults`."""

    def translate(to: Target, value: Value, *given: Any, **named: Any) -> int:
        settings = {**defaults, **dict(zip(defaults, given, strict=False)), **named}
        if any(isinstance(each, Value) for each in settings.values()):
            raise to.refuse("with limits that are tensors")
        return to.make(kind, value.number, **{name: each for name, each in settings.items() if each is not None})

    return translate


def _gelu(to: Target, value: Value, *, approximate: str = "none") -> int:
    return to.make("gelu" if approximate == "none" else "gelu_tanh", value.number)


def _combination(kind: str, swapped: bool = False) -> Callable[..., int]:
    def translate(to: Target, left: Any, right: Any, alpha: float = 1, *, rounding_mode: Any = None) -> int:
        if rounding_mode is not None:
            raise to.refuse("with rounding")
        first, second = to.number(left), to.number(right)
        if swapped:
            first, second = second, first
        if alpha != 1:
            raise to.refuse("with alpha")
        return to.make(kind, first, second)

    return translate


def _power(to: Target, value: Value, exponent: Any) -> int:
    if exponent == 2:
        return to.make("multiply", value.number, value.number)
    if exponent == 0.5:
        return to.make("sqrt", value.number)
    raise to.refuse(f"of {exponent}" if isinstance(exponent, int | float) else "of a tensor")


def _same(to: Target, value: Value, *_: Any, **__: Any) -> int:  # noqa: ARG001 - all translators take it
    return value.number


def _reshape(to: Target, value: Value, *_: Any, **__: Any) -> int:
    return to.make("reshape", value.number)


def _expand(to: Target, value: Value, *_: Any, **__: Any) -> int:
    return to.make("reshape" if prod(value.shape) == prod(to.shape) else "expand", value.number)


def _permute(to: Target, value: Value, axes: Sequence[int]) -> int:
    return to.make("permute", value.number, axes=[axis % len(value.shape) for axis in axes])


def _transpose(to: Target, value: Value, first: int = 0, second: int = 1) -> int:
    axes = list(range(len(value.shape)))
    if len(axes) < 2:
        return value.number
    axes[first], axes[second] = axes[second], axes[first]
    return to.make("permute", value.number, axes=axes)


def _slice(
    to: Target, value: Value, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> int:
    axis = dim % len(value.shape)
    first, _, _ = slice(start, end).indices(value.shape[axis])
    return to.make("slice", value.number, axis=axis, start=first, step=step)


def _select(to: Target, value: Value, dim: int, index: int) -> int:
    axis = dim % len(value.shape)
    shape = (*value.shape[:axis], 1, *value.shape[axis + 1 :])
    part = to.make("slice", value.number, shape=shape, axis=axis, start=index % value.shape[axis], step=1)
    return to.make("reshape", part)


def _unbind(to: Target, value: Value, dim: int = 0) -> int:
    return _select(to, value, dim, to.place)


def _split(to: Target, value: Value, sizes: Any, dim: int = 0) -> int:
    start = to.place * sizes if isinstance(sizes, int) else sum(sizes[: to.place])
    return to.make("slice", value.number, axis=dim % len(value.shape), start=start, step=1)


def _concatenate(to: Target, values: Sequence[Value], dim: int = 0) -> int:
    filled = [value.number for value in values if prod(value.shape)]
    return filled[0] if len(filled) == 1 else to.make("concatenate", *filled, axis=dim % len(to.shape))


def _stack(to: Target, values: Sequence[Value], dim: int = 0) -> int:
    axis = dim % len(to.shape)
    shape = (*to.shape[:axis], 1, *to.shape[axis + 1 :])
    return to.make("concatenate", *(to.make("reshape", value.number, shape=shape) for value in values), axis=axis)


def _pixel_shuffle(to: Target, image: Value, times: int) -> int:
    *_, height, width = image.shape
    channels = to.shape[1]
    parts = to.make("reshape", image.number, shape=(channels, times, times, height, width))
    shape = (channels, height, times, width, times)
    return to.make("reshape", to.make("permute", parts, shape=shape, axes=[0, 3, 1, 4, 2]))


def _pad(to: Target, value: Value, pads: Sequence[int], fill: float = 0) -> int:
    if min(pads) < 0:
        raise to.refuse("that cuts off")
    before = [0] * (len(to.shape) - len(pads) // 2) + list(pads[-2::-2])
    return to.make("pad", value.number, before=before, fill=float(fill))


_BY_NAMES: dict[str, Callable[..., int]] = {
    "mm bmm matmul": _matmul,
    "addmm": _addmm,
    "convolution": _convolution,
    "native_group_norm": _group_norm,
    "native_layer_norm": _layer_norm,
    "native_batch_norm _native_batch_norm_legit_no_training": _batch_norm,
    "upsample_nearest2d": _upsample("nearest"),
    "upsample_bilinear2d": _upsample("linear"),
    "relu": _function("relu"),
    "leaky_relu": _function("leaky_relu", slope=0.01),
    "elu": _function("elu", alpha=1.0, scale=1.0, input_scale=1.0),
    "silu": _function("silu"),
    "gelu": _gelu,
    "tanh": _function("tanh"),
    "sigmoid": _function("sigmoid"),
    "softplus": _function("softplus", beta=1.0, threshold=20.0),
    "hardtanh": _function("clamp", min=-1.0, max=1.0),
    "clamp": _function("clamp", min=None, max=None),
    "clamp_min": _function("clamp", min=None),
    "clamp_max": _function("clamp", max=None),
    "exp": _function("exp"),
    "sin": _function("sin"),
    "cos": _function("cos"),
    "abs": _function("abs"),
    "neg": _function("negative"),
    "sqrt": _function("sqrt"),
    "pow": _power,
    "add": _combination("add"),
    "sub": _combination("subtract"),
    "rsub": _combination("subtract", swapped=True),
    "mul": _combination("multiply"),
    "div": _combination("divide"),
    "maximum": _combination("maximum"),
    "minimum": _combination("minimum"),
    "alias detach clone contiguous _to_copy lift_fresh": _same,
    "view _unsafe_view reshape _reshape_alias unsqueeze squeeze flatten unflatten": _reshape,
    "expand": _expand,
    "permute": _permute,
    "t transpose": _transpose,
    "slice": _slice,
    "select": _select,
    "unbind": _unbind,
    "split split_with_sizes unsafe_split": _split,
    "cat": _concatenate,
    "stack": _stack,
    "pixel_shuffle": _pixel_shuffle,
    "constant_pad_nd": _pad,
}
TRANSLATORS = {f"aten.{name}": translate for names, translate in _BY_NAMES.items() for name in names.split()}
