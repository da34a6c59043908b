"""Which convolutions to use: those of this package, or torch's own where a user asks for them."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from typing import Literal

from latentbench.convolutions.cpu import FastConvolutions
from latentbench.errors import RequestError

__all__ = ["chosen_convolutions", "convolutions_for_codes"]

VARIABLE = "LATENTBENCH_CONVOLUTIONS"
_THREAD = threading.local()


def chosen_convolutions() -> Literal["fast", "torch"]:
    """Return what the environment variable LATENTBENCH_CONVOLUTIONS asks for, "fast" when it is not set.

    Raises:
        RequestError: its value is neither fast nor torch.
    """
    value = os.environ.get(VARIABLE, "fast")
    if value not in ("fast", "torch"):
        raise RequestError(f"{VARIABLE} must be fast or torch, got {value!r}")
    return "torch" if value == "torch" else "fast"


@contextlib.contextmanager
def convolutions_for_codes() -> Iterator[None]:
    """Encode and decode within; once is enough: a second mode would look at every operation again."""
    if chosen_convolutions() != "fast" or getattr(_THREAD, "within", False):
        yield
        return
    _THREAD.within = True
    try:
        with FastConvolutions():
            yield
    finally:
        _THREAD.within = False
