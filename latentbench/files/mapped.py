"""Arrays that lie in files: the system keeps of them what is used, and all processes share it.

They are mapped read-only. What is not used for long is dropped and read again when it is asked for, so that data
may be larger than memory.
"""

from __future__ import annotations

import math
import mmap
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from latentbench.errors import DataError, RequestError
from latentbench.files.reading import open_regular

__all__ = [
    "LARGE_FROM",
    "FileArray",
    "array_source",
    "expect_order",
    "file_is_as_mapped",
    "is_large",
    "is_mapped",
    "large_bytes",
    "map_of",
    "mapped_array",
]

LARGE_FROM = "LATENTBENCH_LARGE_FROM"  # variable of the environment: megabytes from which an array is large
LARGE_MEGABYTES = 512.0

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class FileArray:
    """Where a mapped array lies, and the state of its file when it was mapped.

    Attributes:
        path: the file.
        size: of the file, in bytes.
        changed: when the file was last written, in nanoseconds.
        disk: on which it lies (device).
        number: of the file there (inode).
        offset: where the array starts, in bytes.
        dtype: of the array, as NumPy writes it.
        shape: of the array.
        strides: of the array, in bytes.
    """

    path: Path
    size: int
    changed: int
    disk: int
    number: int
    offset: int
    dtype: str
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def key(self) -> dict[str, Any]:
        """What decides the numbers of the array, as JSON holds it; another name of the file does not."""
        return {**vars(self), "path": "", "shape": list(self.shape), "strides": list(self.strides)}


@dataclass(frozen=True)
class _MappedFile:
    path: Path
    size: int
    changed: int
    disk: int
    number: int


_FILES: WeakKeyDictionary[mmap.mmap, _MappedFile] = WeakKeyDictionary()


def large_bytes() -> float:
    """Return from what size on an array is left in its file: 512 MB, or `$LATENTBENCH_LARGE_FROM` megabytes.

    Raises:
        RequestError: the variable is no such number.
    """
    text = os.environ.get(LARGE_FROM, str(LARGE_MEGABYTES))
    try:
        megabytes = float(text)
    except ValueError:
        megabytes = -1.0
    if not megabytes >= 0:
        raise RequestError(f"{LARGE_FROM} must be a number of megabytes from 0, got {text!r}; correct or unset it")
    return megabytes * 1e6


def is_large(size: int) -> bool:
    """Return whether an array of this many bytes is better left in its file."""
    return size >= large_bytes()


def mapped_array(path: Path, dtype: npt.DTypeLike, shape: Sequence[int], offset: int = 0) -> Array:
    """Return an array in a file, mapped read-only.

    Args:
        path: the file; what is written into it later is seen, and a file that is cut off ends the process, so that
            files are replaced, not rewritten.
        dtype: as it is stored.
        shape: of the array, whose rows lie one after another.
        offset: where it starts, in bytes.

    Raises:
        DataError: the file is missing, cannot be read, or holds fewer bytes.
    """
    kind, size = np.dtype(dtype), math.prod(shape) * np.dtype(dtype).itemsize
    with open_regular(path) as file:
        state = os.fstat(file.fileno())
        if state.st_size < offset + size:
            raise DataError(
                f"{path} must hold {size:,} bytes after the first {offset:,} for an array of shape "
                f"{tuple(shape)}, it has {state.st_size:,} in all; save it again"
            )
        if not size:
            return np.empty(shape, kind)
        content = mmap.mmap(file.fileno(), offset + size, access=mmap.ACCESS_READ)
    _FILES[content] = _MappedFile(path, state.st_size, state.st_mtime_ns, state.st_dev, state.st_ino)
    return np.ndarray(tuple(shape), kind, buffer=content, offset=offset)


def map_of(array: Any) -> mmap.mmap | None:
    """Return the map in which an array of `mapped_array`, or a view of it, lies; None for any other."""
    base = array
    while isinstance(base, np.ndarray):
        base = base.base
    return base if isinstance(base, mmap.mmap) and base in _FILES else None


def is_mapped(array: Any) -> bool:
    """Return whether an array lies in a file, read-only, and not in memory."""
    return map_of(array) is not None


def array_source(array: Array) -> FileArray:
    """Return where an array of `mapped_array`, or a view of it, lies.

    Raises:
        KeyError: it is not mapped.
    """
    content = map_of(array)
    if content is None:
        raise KeyError("the array is not mapped")
    file = _FILES[content]
    start = np.frombuffer(content, np.uint8).__array_interface__["data"][0]
    offset = array.__array_interface__["data"][0] - start
    return FileArray(**vars(file), offset=offset, dtype=array.dtype.str, shape=array.shape, strides=array.strides)


def expect_order(array: Array, *, random: bool) -> None:
    """Tell the system in which order rows of a mapped array will be read; nothing for one in memory.

    Read in random order, only what is asked for comes from the disk: reading on, which systems do up to megabytes
    at a time, would displace what is used soon where the file is larger than memory.
    """
    content = map_of(array)
    if content is not None and hasattr(mmap, "MADV_RANDOM"):
        content.madvise(mmap.MADV_RANDOM if random else mmap.MADV_NORMAL)


def file_is_as_mapped(array: Array) -> bool:
    """Return whether nothing has written into the file of a mapped array since.

    It may be gone, or another one may have its name by now: what is mapped lives on.
    """
    source = array_source(array)
    try:
        state = source.path.stat()
    except OSError:
        return True
    same_file = (state.st_dev, state.st_ino) == (source.disk, source.number)
    return not same_file or (state.st_size, state.st_mtime_ns) == (source.size, source.changed)
