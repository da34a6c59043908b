"""Work on inputs, done once for all models on a data set, as tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy.typing as npt
import torch
from torch import Tensor

from latentbench import LatentSpace, computed_once

__all__ = ["once"]


def once(
    space: LatentSpace,
    function: Callable[..., Tensor],
    *arguments: Any,
    shape: tuple[int, ...],
    dtype: npt.DTypeLike,
) -> Tensor:
    """Return `function(*arguments)` as `latentbench.computed_once` does, as a tensor that may be written into.

    On another device than the CPU it is always computed: that takes less time than to look for it.
    """
    if space.device.type != "cpu":
        return function(*arguments)
    return torch.from_numpy(computed_once(space, function, *arguments, shape=shape, dtype=dtype).copy())
