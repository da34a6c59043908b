"""Inputs of a split as a latent space uses them: all at once, some rows, or batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt
import torch
from torch import Tensor

from latentbench.files.mapped import expect_order
from latentbench.files.row_view import base_and_rows, stays_in_file, take_rows
from latentbench.model import as_inputs

__all__ = ["SplitInputs", "parts_of"]


@dataclass(frozen=True, eq=False)
class SplitInputs:
    """Inputs `(n, *shape)` of a split, converted for a model whenever they are asked for.

    Attributes:
        stored: as the split holds them.
        device: where they are wanted.
    """

    stored: npt.NDArray[Any]
    device: torch.device

    def __len__(self) -> int:
        return len(self.stored)

    def __call__(self) -> Tensor:
        """Return all of them."""
        return as_inputs(self.stored, self.device)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of all of them."""
        return tuple(self.stored.shape)

    @property
    def stays_in_file(self) -> bool:
        """Whether they are so many that they are better converted a part at a time."""
        return stays_in_file(self.stored)

    def take(self, rows: Tensor) -> SplitInputs:
        """Return these rows, not converted yet."""
        return SplitInputs(take_rows(self.stored, rows.cpu().numpy()), self.device)

    def split(self, at_once: int) -> Iterator[Tensor]:
        """Yield `at_once` rows after each other, converted."""
        expect_order(base_and_rows(self.stored)[0], random=False)
        for first in range(0, len(self), at_once):
            yield as_inputs(self.stored[first : first + at_once], self.device)


def parts_of(rows: Tensor | SplitInputs, at_once: int) -> Iterator[Tensor]:
    """Yield `at_once` rows after each other."""
    yield from rows.split(at_once) if isinstance(rows, SplitInputs) else torch.split(rows, at_once)
