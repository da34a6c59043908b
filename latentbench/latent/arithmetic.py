"""How a model's maps are computed: without gradients, in full float32, in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from latentbench.convolutions.choice import convolutions_for_codes
from latentbench.errors import ContractError

__all__ = ["batches", "exact_arithmetic", "in_batches"]

BATCH = 128  # rows at once on a CPU: the outputs of a layer stay in its caches
LARGE_BATCH = 2048  # on other devices


@contextmanager
def exact_arithmetic() -> Iterator[None]:
    """Compute without gradients and in full float32: no autocast, no TF32; convolutions by the fast kernels."""
    matmul, cudnn = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    try:
        no_autocast = torch.autocast("cpu", enabled=False), torch.autocast("cuda", enabled=False)
        with torch.no_grad(), no_autocast[0], no_autocast[1], convolutions_for_codes():
            yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = matmul, cudnn


def in_batches(function: Callable[[Tensor], Tensor], rows: Tensor, at_once: int | None = None) -> Tensor:
    """Apply a function of rows to all of them, `at_once` at a time, in exact arithmetic.

    Raises:
        ContractError: it returns something else than tensors.
    """
    with exact_arithmetic():
        parts = [function(batch) for batch in batches(rows, at_once)]
    for part in parts:
        if not isinstance(part, Tensor):
            name = getattr(function, "__qualname__", repr(function))
            raise ContractError(f"{name} must return a tensor, got {type(part).__name__}; use torch.as_tensor")
    return torch.cat(parts)


def batches(rows: Tensor, at_once: int | None = None) -> Iterator[Tensor]:
    """Yield copies of rows, `at_once` at a time; None: batches of the size that suits a network on their device.

    They are copies because a model may work in place on what it is given.
    """
    default = BATCH if rows.device.type == "cpu" else LARGE_BATCH
    for batch in torch.split(rows, default if at_once is None else at_once):
        yield batch.clone()
