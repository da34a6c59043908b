"""The machine a trial runs on: threads, memory, output, and the record of its environment."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import logging
import os
import platform
import random
import sys
import warnings
from collections.abc import Iterator
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
import psutil
import torch
from threadpoolctl import ThreadpoolController

from latentbench.convolutions.choice import chosen_convolutions
from latentbench.errors import RequestError
from latentbench.files.writing import open_to_append

__all__ = [
    "MemoryMeter",
    "available_cores",
    "best_precision",
    "choose_device",
    "environment",
    "free_memory",
    "freeze_memory",
    "limited_threads",
    "logged_to",
    "seeded",
]

OUTPUT = 1, 2  # the descriptors of standard output and standard error
PROCESS = Path("/proc/self")  # only on Linux; psutil has neither the high-water mark nor a way to restart it


def available_cores() -> int:
    """Return how many cores this process may use, or the machine's where a process cannot be bound to some."""
    process = psutil.Process()
    if hasattr(process, "cpu_affinity"):
        return len(process.cpu_affinity())
    return psutil.cpu_count() or 1


@contextlib.contextmanager
def limited_threads(threads: int) -> Iterator[None]:
    """Compute on this many threads, on which results depend."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with _thread_pools(len(sys.modules)).limit(limits=threads):
            yield
    finally:
        torch.set_num_threads(before)


@lru_cache(maxsize=1)
def _thread_pools(modules: int) -> ThreadpoolController:  # noqa: ARG001 - more modules may have more pools
    """Return the libraries with threads of their own; to look for them takes some milliseconds."""
    return ThreadpoolController()


@contextlib.contextmanager
def logged_to(path: Path, *, descriptors: bool = False) -> Iterator[None]:
    """Send everything that plugins print, warn and log to the trial's log.

    Args:
        path: the log; what is written is added.
        descriptors: send there what C libraries and other programs print, too; for a process of its own.
    """
    with (
        open_to_append(path) as log,
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("default")
        warnings.showwarning = lambda message, category, *_: print(f"{category.__name__}: {message}", file=log)
        handler = logging.StreamHandler(log)
        logging.getLogger().addHandler(handler)
        output = _output_to(log.fileno()) if descriptors else contextlib.nullcontext()
        try:
            with output, contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
                yield
        finally:
            logging.getLogger().removeHandler(handler)


@contextlib.contextmanager
def _output_to(descriptor: int) -> Iterator[None]:
    """Write to a descriptor what is written to standard output and standard error."""
    before = [os.dup(number) for number in OUTPUT]
    try:
        for number in OUTPUT:
            os.dup2(descriptor, number)
        yield
    finally:
        for number, kept in zip(OUTPUT, before, strict=True):
            os.dup2(kept, number)
            os.close(kept)


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed the generators that all share (torch's on the CPU, numpy's, Python's), and restore them afterwards."""
    numpy_state, python_state = np.random.get_state(), random.getstate()
    with torch.random.fork_rng(devices=[]):
        _seed_torch(seed)
        np.random.seed(seed % 2**32)
        random.seed(seed)
        try:
            yield
        finally:
            np.random.set_state(numpy_state)
            random.setstate(python_state)


def _seed_torch(seed: int) -> None:
    """Seed all generators of torch; where there is no accelerator, torch would keep a note of each seed for it."""
    if torch.accelerator.is_available():
        torch.manual_seed(seed)
    else:
        torch.default_generator.manual_seed(seed)


def choose_device(requested: str, *, here: bool = True) -> str:
    """Return "cuda" or "cpu": the requested device, for "auto" the better one of this machine.

    Args:
        requested: "auto", "cpu" or "cuda".
        here: it is used on this machine; on others, CUDA may be there that is not here.

    Raises:
        RequestError: CUDA is requested and not available.
    """
    available = torch.cuda.is_available()
    if requested == "cuda" and here and not available:
        raise RequestError("--device cuda: torch sees no CUDA device here; use --device cpu")
    if requested not in ("auto", "cpu", "cuda"):
        raise RequestError(f"--device must be auto, cpu or cuda, got {requested!r}")
    return requested if requested != "auto" else "cuda" if available else "cpu"


def best_precision(device: str) -> Literal["float32", "bfloat16"]:
    """Return the precision to train in: bfloat16 where the chip multiplies in it, else float32."""
    half = torch.cuda.is_bf16_supported() if device == "cuda" else "avx512_bf16" in _processor_flags()
    return "bfloat16" if half else "float32"


def environment(
    device: str, threads: int, concurrency: int, group_size: int = 1, executor: str = "local"
) -> dict[str, Any]:
    """Describe what a trial ran on; recorded with it, never part of its key.

    `convolutions` is recorded only if not "fast": such environments equal those recorded before it existed.
    """
    convolutions = chosen_convolutions()
    return {
        "device": torch.cuda.get_device_name() if device == "cuda" else _processor(),
        "latentbench": _version(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda if device == "cuda" else "",
        "numpy": np.__version__,
        "python": platform.python_version(),
        "threads": threads,
        "concurrency": concurrency,
        "group_size": group_size,
        "executor": executor,
        "node": platform.node(),
        **({} if convolutions == "fast" else {"convolutions": convolutions}),
    }


@lru_cache
def _version() -> str:
    return version("latentbench")


@lru_cache
def _cpuinfo() -> dict[str, str]:
    """Read how Linux describes the first processor: psutil knows neither its name nor its instructions."""
    with contextlib.suppress(OSError):
        first = Path("/proc/cpuinfo").read_text(encoding="utf-8").partition("\n\n")[0]
        pairs = (line.partition(":") for line in first.splitlines())
        return {name.strip(): value.strip() for name, _, value in pairs}
    return {}


def _processor() -> str:
    return _cpuinfo().get("model name") or platform.processor() or platform.machine()


def _processor_flags() -> list[str]:
    return _cpuinfo().get("flags", "").split()


def freeze_memory() -> None:
    """Spare the garbage collector what is there by now, which is most of all there will be: imported modules."""
    gc.collect()
    gc.freeze()


def _uses_gpu() -> bool:
    """Whether this process uses a GPU already; asking whether there is one tells nothing of that."""
    return bool(torch.cuda.is_initialized())  # type: ignore[no-untyped-call]


def free_memory() -> None:
    """Return unused memory to the system, and to the GPU if this process uses it."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # a C library without it
        ctypes.CDLL(None).malloc_trim(0)
    if _uses_gpu():
        torch.cuda.empty_cache()


class MemoryMeter:
    """Peak memory since this object was made: of the GPU for what is trained there, else of this process.

    It asks nothing of a GPU that this process does not use yet: to ask makes a context, which takes its memory.

    Args:
        device: "cpu" or "cuda".
    """

    def __init__(self, device: str = "cpu") -> None:
        free_memory()
        self._before = _restarted_high_water_mark()
        self._on_gpu = device == "cuda" and _uses_gpu()
        if self._on_gpu:
            torch.cuda.reset_peak_memory_stats()

    def peak(self) -> float | None:
        """Return bytes: the most that torch allocated on the GPU, or by how much the process grew.

        None where the system keeps no high-water mark of a process that can be restarted.
        """
        if self._on_gpu:
            return float(torch.cuda.max_memory_allocated())
        return None if self._before is None else _high_water_mark() - self._before


def _restarted_high_water_mark() -> float | None:
    """Set the high-water mark to the memory in use and return it; None where the system has no such mark."""
    try:
        (PROCESS / "clear_refs").write_text("5", encoding="ascii")
        return _high_water_mark()
    except OSError:
        return None


def _high_water_mark() -> float:
    lines = (PROCESS / "status").read_text(encoding="ascii").splitlines()
    return next(float(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
