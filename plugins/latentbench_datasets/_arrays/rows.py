"""What a file of arrays holds, before it is split."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Columns", "InputRows"]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Columns:
    """The columns of a table, as they were reduced before they became float32.

    Attributes:
        names: d names.
        scale: `(d,)`, what each was divided by, a power of two.
        noise: `(d,)`, by how much equal numbers of a reduced column may differ from rounding.
    """

    names: tuple[str, ...]
    scale: npt.NDArray[np.float64]
    noise: npt.NDArray[np.float64]

    def take(self, block: slice) -> Columns:
        """Return some of them."""
        return Columns(self.names[block], self.scale[block], self.noise[block])


@dataclass(frozen=True)
class InputRows:
    """What a file holds: `inputs` as a split holds them, `labels` as they are written, `remarks` for people.

    `columns` are those of a table that is to be standardized, whose `inputs` are reduced. `identity` decides which
    rows go to test, where that is not `inputs`.
    """

    inputs: Array
    labels: Array | None = None
    factors: Array | None = None
    factor_names: tuple[str, ...] = ()
    factor_sizes: tuple[int, ...] = ()
    remarks: tuple[str, ...] = ()
    columns: Columns | None = None
    identity: Array | None = None
