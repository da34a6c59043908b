"""Digests of what models and metrics share and must not write into: tensors of a latent space, arrays of splits.

torch counts what it writes into a tensor; numpy, which may hold the same memory, does not. So contents are sealed
by a digest when they are made, or first handed out, and compared afterwards.
"""

from __future__ import annotations

import zlib
from functools import cached_property
from typing import Any, Self, TypeVar, overload

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from latentbench.dataset import Split
from latentbench.files.mapped import array_source, file_is_as_mapped, is_mapped
from latentbench.files.row_view import base_and_rows
from latentbench.model import Posterior

__all__ = ["Content", "Mark", "digest", "mark", "sealed_property", "seals_of", "split_digests"]

T = TypeVar("T")
Content = Tensor | Posterior | nn.Module | str
Mark = tuple[tuple[int, int], ...] | str  # of each tensor: writes that torch counted, digest
ROW = 4096  # words of eight bytes, each times an odd number of its own, are added up to one word
WEIGHTS = np.random.default_rng(0).integers(0, 2**63, ROW, dtype=np.uint64) * np.uint64(2) + np.uint64(1)


def digest(values: Tensor | npt.NDArray[Any]) -> int:
    """Return a number that another type, shape, order or bit of `values` changes, at the speed of memory.

    It always notices a change of one word of eight bytes, and all but surely one of several; it resists accidents,
    not intent.

    >>> digest(np.arange(4)) == digest(np.array([0, 1, 3, 2]))
    False
    """
    if isinstance(values, Tensor):
        kind = f"{values.dtype}{tuple(values.shape)}{values.stride()}"
        flat = _flat(values.detach()).view(torch.uint8)
        sums, rest = _sums(flat.numpy()) if flat.device.type == "cpu" else _sums_on_device(flat)
    else:
        kind = f"{values.dtype}{values.shape}{values.strides}"
        sums, rest = _sums(np.ascontiguousarray(values).reshape(-1).view(np.uint8))
    return zlib.crc32(rest, zlib.crc32(sums, zlib.crc32(kind.encode())))


def _flat(values: Tensor) -> Tensor:
    """Return all values in the order in which they lie in memory, where that can be had without a copy."""
    if (
        torch.empty_like(values, device="meta").stride() == values.stride()
    ):  # dense, whatever its dimensions' order
        return values.as_strided((values.numel(),), (1,))
    return values.reshape(-1).contiguous()


def _sums(data: npt.NDArray[np.uint8]) -> tuple[bytes, bytes]:
    """Return the weighted sum of each full row of words, and the bytes that are left."""
    full = len(data) // (8 * ROW) * (8 * ROW)
    words = data[:full].view(np.uint64).reshape(-1, ROW)
    return np.einsum("ij,j->i", words, WEIGHTS).tobytes(), data[full:].tobytes()


def _sums_on_device(data: Tensor) -> tuple[bytes, bytes]:
    """Return the sums of all rows, the last filled up with zeros, computed where the data lie in pieces."""
    weights = torch.from_numpy(WEIGHTS.view(np.int64)).to(data.device)
    filled = nn.functional.pad(data, (0, -len(data) % (8 * ROW)))
    words = filled.view(torch.int64).reshape(-1, ROW)
    sums = torch.cat([(piece * weights).sum(dim=1) for piece in torch.split(words, 1024)])
    return sums.cpu().numpy().tobytes(), b""


class sealed_property(cached_property[T]):  # noqa: N801 - used as cached_property is
    """A cached property of a latent space, whose value is sealed as soon as it is computed."""

    @overload
    def __get__(self, instance: None, owner: type[Any] | None = None) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type[Any] | None = None) -> T: ...
    def __get__(self, instance: Any, owner: type[Any] | None = None) -> Any:
        """Compute the value, and seal it."""
        value = super().__get__(instance, owner)
        if instance is not None and isinstance(value, Tensor | Posterior):
            seals_of(instance)[str(self.attrname)] = mark(value)
        return value


def mark(content: Content) -> Mark:
    """Return what tells whether a content has changed."""
    if isinstance(content, str):
        return content
    return tuple((_writes(tensor), digest(tensor)) for tensor in _tensors(content))


def _tensors(content: Tensor | Posterior | nn.Module) -> list[Tensor]:
    """Return what can be written into; of a model its weights, as buffers may be its own notes."""
    if isinstance(content, Tensor):
        return [content]
    values = content.parameters() if isinstance(content, nn.Module) else vars(content).values()
    return [value for value in values if isinstance(value, Tensor)]


def _writes(tensor: Tensor) -> int:
    """How often torch has written into a tensor."""
    return 0 if tensor.is_inference() else tensor._version


def split_digests(split: Split) -> dict[str, int]:
    """Return the digest of each array of a split; of one that is mapped, read-only, that of its file's state."""
    arrays = {"inputs": split.inputs, "labels": split.labels, "factors": split.factors}
    return {name: _array_digest(array) for name, array in arrays.items() if array is not None}


def _array_digest(array: npt.NDArray[Any]) -> int:
    base, rows = base_and_rows(array)
    if not is_mapped(base):
        return digest(array)
    state = f"{array_source(base)}{file_is_as_mapped(base)}".encode()
    return zlib.crc32(state, 0 if rows is None else digest(rows))


def seals_of(space: Any) -> dict[str, Mark]:
    """Return the seals that a latent space bears, by name; it is frozen, they are not."""
    seals: dict[str, Mark] = space.__dict__.setdefault("_seals", {})
    return seals
