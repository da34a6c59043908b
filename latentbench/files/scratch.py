"""Room for intermediate results: in memory, or, where they are far too large, in a nameless file of the cache."""

from __future__ import annotations

import math
import mmap
import os
import tempfile
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from latentbench.errors import DataError
from latentbench.files.cache import cache_dir
from latentbench.files.mapped import large_bytes

__all__ = ["in_scratch", "roomy"]

TIMES = 4  # large images of one byte a pixel are float32 once a model looks at them


def in_scratch(size: int) -> bool:
    """Return whether an array of this many bytes is put into a file."""
    return size >= TIMES * large_bytes()


def roomy(shape: Sequence[int], dtype: npt.DTypeLike = np.float32) -> npt.NDArray[Any]:
    """Return a writable array whose values are not set yet.

    One of 2 GB and more lies in a file without a name: the system may write it to the disk when memory is scarce,
    and the file ends with the array, or with the process however it ends.

    Raises:
        DataError: the disk of the cache has no room for it.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if not size or not in_scratch(size):
        return np.empty(shape, dtype)
    try:
        cache_dir().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=cache_dir(), prefix=".scratch-") as file:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)  # a full disk would end the process later
            else:
                file.truncate(size)
            return np.ndarray(tuple(shape), np.dtype(dtype), buffer=mmap.mmap(file.fileno(), size))
    except OSError as error:
        raise DataError(
            f"intermediate results of {size / 1e9:,.1f} GB cannot be written to the cache {cache_dir()} "
            f"({error.strerror or error}); free some room there, or set LATENTBENCH_CACHE to another folder"
        ) from error
