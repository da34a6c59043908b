"""The machine a trial runs on: threads, memory, output, and what is recorded of it."""

from __future__ import annotations

import contextlib
import logging
import platform
import warnings
from collections.abc import Iterator
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits

__all__ = ["environment", "limited_threads", "logged_to", "peak_memory", "reset_peak_memory", "seeded"]


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


def environment(device: str, threads: int, concurrency: int) -> dict[str, Any]:
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
        "group_size": 1,
        "executor": "local",
    }


@lru_cache
def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def reset_peak_memory() -> None:
    """Start a new high-water mark of this process's memory, where the system lets us."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()


def peak_memory() -> float | None:
    """Peak bytes since the last reset: of the GPU where one is in use, else of the process."""
    if torch.cuda.is_available():
        return float(torch.cuda.max_memory_allocated())
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM"):
                return float(line.split()[1]) * 1024
    return None
