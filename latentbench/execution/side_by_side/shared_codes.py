"""Codes of the training split, which a process and its forks compute together."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from latentbench.errors import ContractError
from latentbench.execution.side_by_side.turns import Turns
from latentbench.latent.arithmetic import BATCH
from latentbench.latent.digests import sealed_property
from latentbench.latent.space import LatentSpace
from latentbench.latent.split_inputs import SplitInputs
from latentbench.model import Posterior

__all__ = ["SharedRows", "with_shared_codes"]

PARTS = 32  # about; each is a whole number of batches, so that codes have the bits they have in one process
MOST_BYTES = 2**30  # of codes
HANGING = "arranged", "supplies"


def with_shared_codes(space: LatentSpace) -> LatentSpace:
    """Return the space with training codes that this process and those forked from it compute together.

    To encode the training split takes longer than most metrics do, and several of them need its codes. What has
    been computed of the space is kept, but not what hangs on its other splits. A split whose inputs stay in their
    file, or whose codes are there or are searched for, is left as it is.
    """
    train = space.others.train
    if train is None or not _is_encoded(train) or not hasattr(os, "memfd_create"):
        return space
    family = type(space.posterior) if callable(train.maps.posterior) else None
    width = space.dim * (1 if family is None else 2)
    if len(train) * width * space.codes.itemsize > MOST_BYTES or (family and not _is_even(space.posterior)):
        return space
    together = SharedRows(len(train), width, space.codes.dtype, train.rows_at_once or BATCH)
    again = space.replaced(train=_SharedCodes(**_given(train), family=family, together=together))
    left = {*_given(space), *HANGING}
    vars(again).update({name: value for name, value in vars(space).items() if name not in left})
    return again


def _is_even(posterior: Posterior) -> bool:
    mean, variance = posterior.mean, posterior.variance
    return (mean.shape, mean.dtype) == (variance.shape, variance.dtype)


def _is_encoded(split: LatentSpace) -> bool:
    inputs, posterior = split.data.inputs, split.maps.posterior
    encodes = split.data.codes is None and (callable(posterior) or split.maps.encode is not None)
    in_memory = isinstance(inputs, SplitInputs) and not inputs.stays_in_file
    return encodes and in_memory and not {"codes", "posterior"} & vars(split).keys()


def _given(space: LatentSpace) -> dict[str, Any]:
    return {name: getattr(space, name) for name in LatentSpace.__dataclass_fields__}


class SharedRows:
    """Rows of numbers that a process and its forks compute together: each takes the next part that none has.

    Nobody waits for another: a part that is not there in the end is computed again, as whoever took it may have
    ended. What is shared is touched by system calls alone, so that all see the same.

    Args:
        rows: how many.
        width: numbers in a row.
        dtype: their type.
        at_once: how many belong together.
    """

    def __init__(self, rows: int, width: int, dtype: torch.dtype, at_once: int) -> None:
        self._none = torch.empty(0, width, dtype=dtype)
        size = max(1, -(-rows // (PARTS * at_once))) * at_once
        self._parts = [(start, min(start + size, rows)) for start in range(0, rows, size)]
        self._turns = Turns(len(self._parts))
        self._memory = os.memfd_create("codes")  # first a mark for each part, then all rows
        weakref.finalize(self, os.close, self._memory)
        os.ftruncate(self._memory, len(self._parts) + rows * self._bytes)

    @property
    def _bytes(self) -> int:
        """Of a row."""
        return self._none.shape[1] * self._none.itemsize

    def filled(self, compute: Callable[[int, int], Tensor]) -> Tensor:
        """Return all rows, of which `compute(start, stop)` returns some."""
        for part in self._turns.taken():
            self._fill(part, compute)
        for part, done in enumerate(os.pread(self._memory, len(self._parts), 0)):
            if not done:
                self._fill(part, compute)
        content = bytearray(os.pread(self._memory, self._parts[-1][1] * self._bytes, len(self._parts)))
        return torch.frombuffer(content, dtype=self._none.dtype).view(-1, self._none.shape[1])

    def _fill(self, part: int, compute: Callable[[int, int], Tensor]) -> None:
        start, stop = self._parts[part]
        rows, shape = compute(start, stop), (stop - start, *self._none.shape[1:])
        if (rows.shape, rows.dtype) != (shape, self._none.dtype):
            raise ContractError(
                f"training codes must be like those of the test split, here {self._none.dtype} of {shape}, got "
                f"{rows.dtype} of {tuple(rows.shape)}"
            )
        content = rows.contiguous().numpy().reshape(-1).view(np.uint8)
        os.pwrite(self._memory, content.data, len(self._parts) + start * self._bytes)
        os.pwrite(self._memory, b"\x01", part)


@dataclass(frozen=True, eq=False, repr=False)
class _SharedCodes(LatentSpace):
    """See `with_shared_codes`."""

    family: type[Posterior] | None = field(kw_only=True)
    together: SharedRows = field(kw_only=True)

    @sealed_property
    def posterior(self) -> Posterior:
        if self.family is None:
            return self._supplied("posterior", None)
        mean, variance = self.together.filled(self._means_and_variances).chunk(2, dim=1)
        return self.family(mean.contiguous(), variance.contiguous())

    def _computed_codes(self) -> Tensor:
        if self.family is not None:
            return self.posterior.mean
        inputs = self.inputs
        return self.together.filled(lambda start, stop: self.encode(inputs[start:stop]))

    def _means_and_variances(self, start: int, stop: int) -> Tensor:
        posterior = self.posterior_of(self.inputs[start:stop])
        return torch.cat([posterior.mean, posterior.variance], 1)
