"""The random generators that all of a process share."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import torch

from latentbench.machine import seeded

__all__ = ["touched"]

SEED = 7_340_033  # nobody's own: one that a plugin uses would hide that it seeds


@contextlib.contextmanager
def touched() -> Iterator[list[str]]:
    """Yield a list that afterwards names the shared generators that something drew from or seeded meanwhile."""
    names: list[str] = []
    with seeded(SEED):
        before = _states()
        yield names
        after = _states()
    names += [name for name, state in before.items() if state != after[name]]


def _states() -> dict[str, Any]:
    numpy_state = cast("tuple[Any, ...]", np.random.get_state())
    return {
        "torch": torch.get_rng_state().numpy().tobytes(),
        "numpy": (numpy_state[1].tobytes(), *numpy_state[2:]),
        "random": random.getstate(),
    }
