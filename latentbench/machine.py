"""The machine a trial runs on: threads, memory, output, and what is recorded of it."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import logging
import platform
import warnings
from collections.abc import Iterator
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from latentbench.errors import RequestError

__all__ = [
    "MemoryMeter",
    "best_precision",
    "choose_device",
    "environment",
    "free_memory",
    "limited_threads",
    "logged_to",
    "seeded",
]


@contextlib.contextmanager
def limited_threads(threads: int) -> Iterator[None]:
    """Compute on this many threads: results depend on it."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with threadpool_limits(threads):
            yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def logged_to(path: Path) -> Iterator[None]:
    """Send what plugins print, warn and log to the trial's log."""
    with path.open("a", encoding="utf-8") as log, warnings.catch_warnings():
        warnings.simplefilter("default")
        warnings.showwarning = lambda message, category, *_: print(f"{category.__name__}: {message}", file=log)
        handler = logging.StreamHandler(log)
        logging.getLogger().addHandler(handler)
        try:
            with contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
                yield
        finally:
            logging.getLogger().removeHandler(handler)


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch's own generator on the CPU, and put it back as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def choose_device(asked: str) -> str:
    """Return "cuda" or "cpu" for "auto", or what was asked for.

    Raises:
        RequestError: CUDA is asked for and there is none.
    """
    there = torch.cuda.is_available()
    if asked == "cuda" and not there:
        raise RequestError("--device cuda: torch sees no CUDA device here; use --device cpu")
    if asked not in ("auto", "cpu", "cuda"):
        raise RequestError(f"--device must be auto, cpu or cuda, got {asked!r}")
    return asked if asked != "auto" else "cuda" if there else "cpu"


def best_precision(device: str) -> Literal["float32", "bfloat16"]:
    """Return the precision to train in: bfloat16 where the chip multiplies in it, else float32."""
    half = torch.cuda.is_bf16_supported() if device == "cuda" else "avx512_bf16" in _processor_flags()
    return "bfloat16" if half else "float32"


def environment(device: str, threads: int, concurrency: int, group_size: int = 1) -> dict[str, Any]:
    """Describe what a trial ran on; recorded with it, never part of its key."""
    return {
        "device": torch.cuda.get_device_name() if device == "cuda" else _processor(),
        "latentbench": version("latentbench"),
        "torch": torch.__version__,
        "cuda": torch.version.cuda if device == "cuda" else "",
        "numpy": np.__version__,
        "python": platform.python_version(),
        "threads": threads,
        "concurrency": concurrency,
        "group_size": group_size,
        "executor": "local",
    }


@lru_cache
def _cpuinfo() -> dict[str, str]:
    """Read what Linux says of the first processor."""
    with contextlib.suppress(OSError):
        first = Path("/proc/cpuinfo").read_text(encoding="utf-8").partition("\n\n")[0]
        pairs = (line.partition(":") for line in first.splitlines())
        return {name.strip(): value.strip() for name, _, value in pairs}
    return {}


def _processor() -> str:
    return _cpuinfo().get("model name") or platform.processor() or platform.machine()


def _processor_flags() -> list[str]:
    return _cpuinfo().get("flags", "").split()


def free_memory() -> None:
    """Give back what nothing uses any more, to the system and to the GPU."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # a C library without it
        ctypes.CDLL(None).malloc_trim(0)
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


class MemoryMeter:
    """The most memory taken since it was made: on the GPU where one is in use, else by this process."""

    def __init__(self) -> None:
        free_memory()
        with contextlib.suppress(OSError):  # start a new high-water mark, where the system lets us
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        self._before = _status_bytes("VmRSS") or 0.0
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()

    def peak(self) -> float | None:
        """Return bytes: all that torch holds of a GPU, or what the process took beyond what it had."""
        if torch.cuda.is_available():
            return float(torch.cuda.max_memory_allocated())
        highest = _status_bytes("VmHWM")
        return None if highest is None else max(0.0, highest - self._before)


def _status_bytes(name: str) -> float | None:
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith(f"{name}:"):
                return float(line.split()[1]) * 1024
    return None
