"""From recorded operations of torch to the fewer ones that the page knows."""

from __future__ import annotations

from typing import Any

from latentbench.errors import NotApplicableError
from latentbench.report.page.decoding.program import CODE, DecoderProgram, ProgramBuilder
from latentbench.report.page.decoding.recording import Made, Recording
from latentbench.report.page.decoding.torch_operations import TRANSLATORS, Target, Value

__all__ = ["program_of"]


def program_of(recording: Recording) -> DecoderProgram:
    """Translate a recording.

    What does not depend on the code is computed here, unless the result is larger than what it is made from: the
    page computes such values once.

    Raises:
        NotApplicableError: the decoder uses an operation that the page does not know.
    """
    builder = ProgramBuilder(recording.code.shape[1])
    numbers = {id(recording.code): CODE}
    pending = [recording.output]
    while pending:
        made = pending[-1]
        inputs = () if made.call is None or _is_constant(made) else made.call.tensors
        missing = [each for each in inputs if id(each) not in numbers]
        if id(made) in numbers or not missing:
            pending.pop()
            if id(made) not in numbers:
                numbers[id(made)] = _translated(builder, made, numbers)
        pending += missing
    return builder.finish(numbers[id(recording.output)])


def _is_constant(made: Made) -> bool:
    return not made.depends and made.tensor.numel() <= made.source_size


def _translated(builder: ProgramBuilder, made: Made, numbers: dict[int, int]) -> int:
    if made.call is None or _is_constant(made):
        return builder.constant(made.tensor.detach().float().cpu().numpy())
    call = made.call
    translate = TRANSLATORS.get(call.name)
    name = call.name.removeprefix("aten.")
    if translate is None:
        raise NotApplicableError(f"its decoder computes {name}, which the page does not know")
    if not made.tensor.is_floating_point():
        raise NotApplicableError(f"its decoder makes {made.tensor.dtype} by {name}; the page knows floats alone")

    def value(argument: Any) -> Any:
        if isinstance(argument, Made):
            return Value(numbers[id(argument)], argument.shape)
        return tuple(map(value, argument)) if isinstance(argument, tuple) else argument

    kwargs = {name: value(argument) for name, argument in call.kwargs.items()}
    return translate(Target(builder, made.shape, made.place, name), *value(call.args), **kwargs)
