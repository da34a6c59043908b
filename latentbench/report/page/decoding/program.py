"""A decoder as a list of operations on arrays, and its form in JSON, which the page reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from latentbench.errors import NotApplicableError
from latentbench.report.page.embedding import base64_text

__all__ = ["CODE", "DecoderProgram", "Operation", "Precision", "ProgramBuilder"]

CODE = 0  # number of the value that is the code
Precision = Literal["float16", "float32"]


@dataclass(frozen=True)
class Operation:
    """One step: it makes a value of this shape from the values of these numbers.

    Attributes:
        kind: what it computes; `reading.py` and `decoder.js` say how.
        inputs: numbers of values.
        shape: of the result.
        settings: what else decides the result, as the stride of a convolution.
    """

    kind: str
    inputs: tuple[int, ...]
    shape: tuple[int, ...]
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class DecoderProgram:
    """Operations that turn one code `(1, dim)` into its reconstruction.

    Values are numbered: 0 is the code, then come the constants, then the results of the operations in order.

    Attributes:
        dim: length of a code.
        constants: weights and other arrays that do not depend on the code.
        operations: in an order in which each can be computed.
        output: number of the value that is the reconstruction.
    """

    dim: int
    constants: tuple[NDArray[Any], ...]
    operations: tuple[Operation, ...]
    output: int

    def data(self, precision: Precision) -> dict[str, Any]:
        """Return the program for JSON; weights are little-endian numbers of this precision in base64.

        Raises:
            NotApplicableError: a weight is no finite number in this precision.
        """
        with np.errstate(over="ignore"):
            weights = [np.asarray(array, f"<{precision[0]}{int(precision[-2:]) // 8}") for array in self._arrays]
        if not all(np.isfinite(array).all() for array in weights):
            raise NotApplicableError(f"it has weights that are no finite numbers in {precision}")
        return {
            "dim": self.dim,
            "precision": precision,
            "constants": [list(array.shape) if array.ndim else float(array) for array in self.constants],
            "weights": base64_text(b"".join(array.tobytes() for array in weights)),
            "operations": [
                {"kind": each.kind, "inputs": list(each.inputs), "shape": list(each.shape), **each.settings}
                for each in self.operations
            ],
            "output": self.output,
        }

    @property
    def _arrays(self) -> list[NDArray[Any]]:
        """The constants but for single numbers, which stand in the JSON itself."""
        return [array for array in self.constants if array.ndim]


class ProgramBuilder:
    """Collects constants and operations; until `finish`, constants have numbers below 0."""

    def __init__(self, dim: int) -> None:
        self.dim = dim
        self._constants: list[NDArray[Any]] = []
        self._known: dict[tuple[tuple[int, ...], bytes], int] = {}
        self._operations: list[Operation] = []

    def constant(self, values: Any) -> int:
        """Add an array or a number unless it is there already; return its number."""
        array = np.asarray(values)
        key = array.shape, array.tobytes()
        if key not in self._known:
            self._constants.append(array)
            self._known[key] = -len(self._constants)
        return self._known[key]

    def operation(self, kind: str, inputs: Sequence[int], shape: Sequence[int], **settings: Any) -> int:
        """Add an operation; return the number of its result."""
        self._operations.append(Operation(kind, tuple(inputs), tuple(shape), settings))
        return len(self._operations)

    def finish(self, output: int) -> DecoderProgram:
        """Return the program that ends with this value."""

        def final(number: int) -> int:
            return -number if number <= 0 else len(self._constants) + number

        operations = tuple(
            Operation(each.kind, tuple(map(final, each.inputs)), each.shape, each.settings)
            for each in self._operations
        )
        return DecoderProgram(self.dim, tuple(self._constants), operations, final(output))
