"""The position within a training: numbers on the host, or tensors on the device that captured steps update."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import torch
from torch import Tensor

__all__ = ["Cursor", "DeviceCursor", "HostCursor", "learning_rate_share"]

WARM_UP = 0.05  # share of the steps in which the learning rate rises; without it VAEs collapse at 4e-3


def learning_rate_share(progress: float) -> float:
    """Return the learning rate as a share of the maximum: a rise over 5 % of the steps, then a half cosine.

    >>> [round(learning_rate_share(p), 3) for p in (0.0, 0.025, 0.05, 0.5, 1.0)]
    [0.02, 0.519, 0.994, 0.5, 0.0]
    """
    rising = min(1.0, (progress + 1e-3) / WARM_UP)
    return rising * 0.5 * (1 + math.cos(math.pi * progress))


class Cursor(Protocol):
    """The position in the loaded rows, and the share of the training that is done."""

    def rewind(self) -> None:
        """Go to the first of the rows just loaded."""
        ...

    def rows(self, size: int) -> slice | Tensor:
        """Return an index of the next `size` rows."""
        ...

    def advance(self, size: int) -> None:
        """Go past them; a step is done."""
        ...

    def jump(self, step: int) -> None:
        """Go on from after so many steps."""
        ...

    def progress(self, device: torch.device) -> Tensor:
        """Return the share of the steps that is done, 0-dim, in [0, 1)."""
        ...

    def learning_rate(self, highest: float) -> float | Tensor:
        """Return the learning rate that an optimizer is created with."""
        ...

    def set_learning_rate(self, optimizers: Iterable[torch.optim.Optimizer], highest: float) -> None:
        """Give optimizers the learning rate of the next step."""
        ...


class HostCursor:
    """Counts in Python."""

    def __init__(self, steps: int) -> None:
        self.steps, self.step, self.at = steps, 0, 0

    def rewind(self) -> None:
        """Go to the first of the rows just loaded."""
        self.at = 0

    def rows(self, size: int) -> slice:
        """Return a slice."""
        return slice(self.at, self.at + size)

    def advance(self, size: int) -> None:
        """Go past them; a step is done."""
        self.at += size
        self.step += 1

    def jump(self, step: int) -> None:
        """Go on from after so many steps."""
        self.step = step

    def progress(self, device: torch.device) -> Tensor:
        """Return the share of the steps that is done."""
        return torch.full((), self.step / self.steps, device=device)  # torch.tensor would wait for a GPU

    def learning_rate(self, highest: float) -> float:
        """Return the number itself."""
        return highest

    def set_learning_rate(self, optimizers: Iterable[torch.optim.Optimizer], highest: float) -> None:
        """Write a number into the optimizers."""
        rate = highest * learning_rate_share(self.step / self.steps)
        for group in _groups(optimizers):
            group["lr"] = rate


class DeviceCursor:
    """Counts in tensors on the device: a captured step finds its rows and its learning rate without the host."""

    def __init__(self, steps: int, device: torch.device) -> None:
        self.steps, self.device = steps, device
        self._at = torch.zeros((), dtype=torch.int64, device=device)
        self._step = torch.zeros((), dtype=torch.float64, device=device)

    def rewind(self) -> None:
        """Go to the first of the rows just loaded."""
        self._at.zero_()

    def rows(self, size: int) -> Tensor:
        """Return row numbers `(size,)`."""
        return self._at + torch.arange(size, device=self.device)

    def advance(self, size: int) -> None:
        """Go past them; a step is done."""
        self._at += size
        self._step += 1

    def jump(self, step: int) -> None:
        """Go on from after so many steps."""
        self._step.fill_(step)

    def progress(self, device: torch.device) -> Tensor:  # noqa: ARG002 - it has its own
        """Return the share of the steps that is done."""
        return (self._step / self.steps).float()

    def learning_rate(self, highest: float) -> Tensor:
        """Return a tensor on the device."""
        return torch.tensor(highest, device=self.device)

    def set_learning_rate(self, optimizers: Iterable[torch.optim.Optimizer], highest: float) -> None:
        """Write into the optimizers' tensors, which are computed once a step, not once a player."""
        progress = self._step / self.steps
        rising = ((progress + 1e-3) / WARM_UP).clamp(max=1.0)
        rate = highest * rising * 0.5 * (1 + torch.cos(math.pi * progress))
        for group in _groups(optimizers):
            group["lr"].copy_(rate)


def _groups(optimizers: Iterable[torch.optim.Optimizer]) -> Iterator[dict[str, Any]]:
    for optimizer in optimizers:
        yield from optimizer.param_groups
