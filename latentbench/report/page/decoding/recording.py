"""Records which operations of torch decode a code, in whatever Python a decoder is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from latentbench.errors import NotApplicableError
from latentbench.latent.arithmetic import full_precision

__all__ = ["Made", "RecordedCall", "Recording", "record"]


@dataclass(frozen=True, eq=False)
class Made:
    """A tensor of a recording: the code, a constant, or what a call made.

    Attributes:
        tensor: its values, for this code.
        call: what made it; None for the code and for constants.
        place: its place among the results of that call.
        depends: whether it depends on the code.
        source_size: how many numbers the constants hold that it was made from.
    """

    tensor: Tensor
    call: RecordedCall | None = None
    place: int = 0
    depends: bool = False
    source_size: int = 0

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the tensor."""
        return tuple(self.tensor.shape)


@dataclass(frozen=True, eq=False)
class RecordedCall:
    """A call of one of torch's operations; tensors among its arguments stand as `Made`.

    Attributes:
        name: of the operation, without its overload and the underscore of work in place: "aten.relu".
        args: by position.
        kwargs: by name.
    """

    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    tensors: tuple[Made, ...] = field(default=())


@dataclass(frozen=True)
class Recording:
    """How a code was decoded.

    Attributes:
        code: where it starts.
        output: the reconstruction.
    """

    code: Made
    output: Made


def record(decode: Callable[[Tensor], Tensor], code: Tensor) -> Recording:
    """Decode one code `(1, d)` and record how.

    What a decoder does depending on the values of a code, and not by operations on tensors, cannot be recorded;
    whoever uses a recording compares it with the decoder at other codes.

    Raises:
        NotApplicableError: the reconstruction does not depend on the code by operations of torch.
    """
    with full_precision():
        recorder = _Recorder(code.detach().clone())
        with recorder:
            output = decode(recorder.code.tensor)
    made = recorder.known.get(id(output))
    if made is None or not made.depends:
        raise NotApplicableError("its reconstructions are not made from the code by torch")
    return Recording(recorder.code, made)


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes each operation below autograd, where modules and functions have become few basic ones.

    Tensors are known by identity, and all are kept, so that no identity is used twice.
    """

    def __init__(self, code: Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.code = Made(code, depends=True)
        self.known: dict[int, Made] = {id(code): self.code}
        self._kept: list[Any] = [code]

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Say that nobody compiles a recording: torch would import its compiler, which takes two seconds."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation and note it."""
        kwargs = kwargs or {}
        noted = self._noted(args)
        noted_by_name = self._noted(kwargs)
        outputs = func(*args, **kwargs)
        tensors = tuple(_made_in((noted, noted_by_name)))
        if tensors:
            in_place = func._schema.is_mutable
            name = str(func.overloadpacket).removesuffix("_" * in_place)
            self._note(RecordedCall(name, noted, noted_by_name, tensors), outputs, args if in_place else ())
        return outputs

    def _note(self, call: RecordedCall, outputs: Any, changed: Any) -> None:
        depends = any(made.depends for made in call.tensors)
        source_size = sum(made.source_size for made in call.tensors)
        several = outputs if isinstance(outputs, tuple | list) else (outputs,)
        for place, tensor in enumerate(several):
            if isinstance(tensor, Tensor):
                made = Made(tensor, call, place, depends, source_size)
                for each in (tensor, *changed[:1]):
                    self._kept.append(each)
                    self.known[id(each)] = made

    def _noted(self, value: Any) -> Any:
        """Return arguments with `Made` in the place of tensors; those not met before are constants."""
        if isinstance(value, Tensor):
            if id(value) not in self.known:
                self._kept.append(value)
                self.known[id(value)] = Made(value, source_size=value.numel())
            return self.known[id(value)]
        if isinstance(value, tuple | list):
            return tuple(map(self._noted, value))
        if isinstance(value, dict):
            return {name: self._noted(inner) for name, inner in value.items()}
        return value


def _made_in(value: Any) -> Iterator[Made]:
    if isinstance(value, Made):
        yield value
    elif isinstance(value, tuple):
        for inner in value:
            yield from _made_in(inner)
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _made_in(inner)
