"""How a model's maps are computed: without gradients, in full float32, in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain

import torch
from torch import Tensor

from latentbench.convolutions.choice import convolutions_for_codes
from latentbench.errors import ContractError
from latentbench.files.scratch import in_scratch, roomy
from latentbench.latent.split_inputs import SplitInputs, parts_of

__all__ = ["batches", "exact_arithmetic", "full_precision", "in_batches", "rows_of"]

BATCH = 128  # rows at once on a CPU: the outputs of a layer stay in its caches
LARGE_BATCH = 2048  # on other devices


@contextmanager
def exact_arithmetic() -> Iterator[None]:
    """Compute without gradients and in full float32: no autocast, no TF32; convolutions by the fast kernels."""
    with full_precision(), convolutions_for_codes():
        yield


@contextmanager
def full_precision() -> Iterator[None]:
    """The same for what has no convolutions: looking for them in every operation takes as long as a small one."""
    matmul, cudnn = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    try:
        no_autocast = torch.autocast("cpu", enabled=False), torch.autocast("cuda", enabled=False)
        with torch.no_grad(), no_autocast[0], no_autocast[1]:
            yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = matmul, cudnn


def in_batches(
    function: Callable[[Tensor], Tensor], rows: Tensor | SplitInputs, at_once: int | None = None
) -> Tensor:
    """Apply a function of rows to all of them, `at_once` at a time, in exact arithmetic.

    Raises:
        ContractError: it returns something else than tensors.
    """

    def parts() -> Iterator[Tensor]:
        for batch in batches(rows, at_once):
            part = function(batch)
            if not isinstance(part, Tensor):
                name = getattr(function, "__qualname__", repr(function))
                raise ContractError(f"{name} must return a tensor, got {type(part).__name__}; use torch.as_tensor")
            yield part

    with exact_arithmetic():
        return _joined(parts(), len(rows))


def batches(rows: Tensor | SplitInputs, at_once: int | None = None) -> Iterator[Tensor]:
    """Yield copies of rows, `at_once` at a time; None: batches of the size that suits a network on their device.

    They are copies because a model may work in place on what it is given.
    """
    default = BATCH if rows.device.type == "cpu" else LARGE_BATCH
    size = default if at_once is None else at_once
    for batch in parts_of(rows, size):
        yield batch.clone() if isinstance(rows, Tensor) else batch


def rows_of(tensor: Tensor, rows: Tensor) -> Tensor:
    """Return `tensor[rows]`; where that is very large, in a file."""
    if not _is_huge(tensor[:1], len(rows)):
        return tensor[rows]
    return _joined((tensor[part] for part in torch.split(rows, LARGE_BATCH)), len(rows))


def _joined(parts: Iterator[Tensor], rows: int) -> Tensor:
    """Return `torch.cat` of parts of `rows` rows in all; where that is very large, in a file."""
    first = next(parts)
    if not _is_huge(first, rows):
        return torch.cat([first, *parts])
    channels_last = first.ndim == 4 and not first.is_contiguous()  # as torch.cat would lay them out
    order = (0, 2, 3, 1) if channels_last else tuple(range(first.ndim))
    kind = torch.empty(0, dtype=first.dtype).numpy().dtype
    room = torch.from_numpy(roomy([rows, *(first.shape[axis] for axis in order[1:])], kind))
    whole = room.permute([order.index(axis) for axis in range(first.ndim)])
    done = 0
    for part in chain([first], parts):
        whole[done : done + len(part)] = part
        done += len(part)
    return whole[:done]


def _is_huge(first: Tensor, rows: int) -> bool:
    """Return whether `rows` rows like those of `first` are better put into a file."""
    return first.device.type == "cpu" and len(first) > 0 and in_scratch(rows * first.nbytes // len(first))
