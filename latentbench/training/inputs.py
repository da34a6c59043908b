"""Where the inputs of a training lie: on its device, in a file, or on the host, from where batches are brought."""

from __future__ import annotations

import mmap
import resource
import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from latentbench.files.mapped import array_source, expect_order, is_mapped, map_of
from latentbench.files.row_view import RowView, base_and_rows

__all__ = ["FileInputs", "ResidentInputs", "StoredInputs", "StreamedInputs", "stored_inputs"]

Array = npt.NDArray[Any]
DEVICE_SHARE = 0.5  # of the free memory of a device may be data; weights, activations and graphs take the rest
PIECE_BYTES = 2**26  # copied to a device at once
BUFFERS = 2


class StoredInputs(ABC):
    """The inputs of the training split, as they are stored: uint8 or float32, not scaled."""

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of rows."""

    @abstractmethod
    def batch(self, rows: Tensor) -> Tensor:
        """Return rows `(b,)` or, of a stack, `(m, b)`, on the device: those that were staged last."""

    def begin(self, orders: Sequence[Tensor]) -> None:  # noqa: B027 - most need not know
        """Learn in which order each member sees the rows `(n,)` in the epoch that begins."""

    def stage(self, begin: int, size: int) -> None:  # noqa: B027 - likewise
        """Get `size` rows of each order, from `begin` on, ready for `batch`."""


class ResidentInputs(StoredInputs):
    """All rows on the device."""

    def __init__(self, inputs: Tensor) -> None:
        self.inputs = inputs

    def __len__(self) -> int:
        return len(self.inputs)

    def batch(self, rows: Tensor) -> Tensor:
        """Return rows."""
        return self.inputs[rows]


class HostRows:
    """Rows of an array on the host, in memory or in a file."""

    def __init__(self, inputs: Array) -> None:
        base, numbers = base_and_rows(inputs)
        self.base = _tensor(base)
        self.numbers = None if numbers is None else torch.from_numpy(numbers)

    def __len__(self) -> int:
        return len(self.base) if self.numbers is None else len(self.numbers)

    def numbered(self, rows: Tensor) -> Tensor:
        """Return which rows of the array these are."""
        return rows if self.numbers is None else self.numbers[rows]

    def take(self, rows: Tensor) -> Tensor:
        """Return rows, laid out as those of an array in memory are."""
        return self.base[self.numbered(rows)].contiguous()


class FileInputs(StoredInputs):
    """Rows of a mapped array, for a training on the CPU; what it waits for is asked of the disk one step ahead."""

    def __init__(self, inputs: Array) -> None:
        self.rows = HostRows(inputs)
        self._base = base_and_rows(inputs)[0]
        self._ahead = _Ahead(self._base)
        self._orders: Sequence[Tensor] = ()

    def __len__(self) -> int:
        return len(self.rows)

    def begin(self, orders: Sequence[Tensor]) -> None:
        """Learn the orders, which are random."""
        expect_order(self._base, random=True)
        self._orders = orders

    def stage(self, begin: int, size: int) -> None:
        """Ask the disk for the rows of the step after this one, where reading has had to wait for it."""
        if self._ahead.is_wanted():
            for order in self._orders:
                self._ahead.ask(self.rows.numbered(order[begin + size : begin + 2 * size]))

    def batch(self, rows: Tensor) -> Tensor:
        """Return rows."""
        return self.rows.take(rows)


class StreamedInputs(StoredInputs):
    """Rows on the host, of which each step's are brought to the place on the device where the step looks for them.

    The host gathers the rows of a step while the device computes the one before.
    """

    def __init__(self, inputs: Array, lead: tuple[int, ...], batch_size: int, device: torch.device) -> None:
        self.rows, self.device, self.members = HostRows(inputs), device, len(lead)
        pinned = device.type == "cuda"
        shape, kind = (*lead, batch_size, *inputs.shape[1:]), self.rows.base.dtype
        self._place = torch.zeros(shape, dtype=kind, device=device)
        self._buffers = [torch.zeros(shape, dtype=kind, pin_memory=pinned) for _ in range(BUFFERS)]
        self._copied = [_event() if pinned else None for _ in range(BUFFERS)]
        self._turn, self._orders = 0, list[Tensor]()

    def __len__(self) -> int:
        return len(self.rows)

    def begin(self, orders: Sequence[Tensor]) -> None:
        """Learn the orders, once an epoch."""
        self._orders = [order.cpu() for order in orders]

    def stage(self, begin: int, size: int) -> None:
        """Gather the rows of a step and send them to their place."""
        buffer, copied = self._buffers[self._turn], self._copied[self._turn]
        if copied is not None:
            copied.synchronize()  # what was sent from this buffer has arrived
        for member, order in enumerate(self._orders):
            part = buffer[member] if self.members else buffer
            part[:size] = self.rows.take(order[begin : begin + size])
        self._at(size, self._place).copy_(self._at(size, buffer), non_blocking=True)
        if copied is not None:
            copied.record()
        self._turn = (self._turn + 1) % BUFFERS

    def batch(self, rows: Tensor) -> Tensor:
        """Return the rows that were staged; a copy, for the next ones come to the same place."""
        return self._at(rows.shape[-1], self._place).clone()

    def _at(self, size: int, tensor: Tensor) -> Tensor:
        return tensor[:, :size] if self.members else tensor[:size]


def stored_inputs(inputs: Array, lead: tuple[int, ...], batch_size: int, device: torch.device) -> StoredInputs:
    """Choose where the inputs `(n, *shape)` of a training lie.

    Args:
        inputs: an array in memory, a mapped one, or rows of one.
        lead: `(m,)` for a stack of m trainings, else `()`.
        batch_size: the most rows of a step.
        device: where the steps are computed.
    """
    if device.type == "cpu":
        on_file = isinstance(inputs, RowView) or is_mapped(inputs)
        return FileInputs(inputs) if on_file else ResidentInputs(_tensor(inputs))
    if inputs.nbytes > DEVICE_SHARE * torch.cuda.mem_get_info(device)[0]:
        return StreamedInputs(inputs, lead, batch_size, device)
    return ResidentInputs(_on_device(HostRows(inputs), device))


def _on_device(rows: HostRows, device: torch.device) -> Tensor:
    """Copy all rows to a device, piece by piece: the host needs no memory for a whole copy."""
    if rows.numbers is None:
        return rows.base.contiguous().to(device)
    placed = torch.empty((len(rows), *rows.base.shape[1:]), dtype=rows.base.dtype, device=device)
    size = max(1, PIECE_BYTES // max(1, rows.base[0].nbytes))
    for first in range(0, len(rows), size):
        numbers = torch.arange(first, min(first + size, len(rows)))
        placed[first : first + len(numbers)] = rows.take(numbers).to(device)
    return placed


def _tensor(array: Array) -> Tensor:
    """Return an array as a tensor that is only read; one in memory is copied where torch cannot take it."""
    if not is_mapped(array):
        return torch.from_numpy(np.require(array, requirements=["C", "W"]))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(array)


def _event() -> torch.cuda.Event:
    return torch.cuda.Event()  # type: ignore[no-untyped-call]


class _Ahead:
    """Asks the disk for rows before they are read, as long as reading has had to wait."""

    def __init__(self, base: Array) -> None:
        source, content = array_source(base), map_of(base)
        self._map, self._offset, self._row = content, source.offset, abs(base.strides[0])
        self._length = source.offset + len(base) * self._row
        self._waits = -1

    def is_wanted(self) -> bool:
        """Return whether this process has waited for the disk since the last time."""
        waits = resource.getrusage(resource.RUSAGE_SELF).ru_majflt
        waited, self._waits = waits != self._waits, waits
        return waited

    def ask(self, rows: Tensor) -> None:
        """Ask for rows, in the order in which they lie on the disk."""
        if self._map is None or not hasattr(mmap, "MADV_WILLNEED"):
            return
        page = mmap.PAGESIZE
        for row in rows.sort().values.tolist():
            start = (self._offset + row * self._row) // page * page
            stop = min(self._offset + (row + 1) * self._row, self._length)
            self._map.madvise(mmap.MADV_WILLNEED, start, stop - start)
