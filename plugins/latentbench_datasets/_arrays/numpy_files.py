"""Opens .npy and .npz files: sizes are checked before anything is allocated, pickles are never loaded."""

from __future__ import annotations

import math
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from latentbench import (
    DataError,
    check_memory,
    check_unpacked,
    is_large,
    mapped_array,
    open_regular,
    reading,
)

__all__ = ["MAGIC", "Header", "load_numpy", "pickled", "read_array", "read_header"]

Array = npt.NDArray[Any]
T = TypeVar("T")
MAGIC = b"\x93NUMPY"
ZIP_MAGIC = b"PK"
LONGEST_HEADER = 10_000  # bytes, as in numpy.load
ENCRYPTED = 1
MOST_PACKED = {zipfile.ZIP_STORED: 1, zipfile.ZIP_DEFLATED: 1032}  # times that is possible at all


class Header(NamedTuple):
    """What an array is: its shape, whether columns come first, and its type."""

    shape: tuple[int, ...]
    in_columns: bool
    dtype: np.dtype[Any]

    @property
    def stored_shape(self) -> tuple[int, ...]:
        """The shape in which its values lie one after another."""
        return self.shape[::-1] if self.in_columns else self.shape


def load_numpy(path: Path, take: Callable[[Any], T], *, in_file: bool = False) -> T:
    """Return `take(content)` of a .npy or .npz file, whose content is an array or an NpzFile.

    Args:
        path: the file.
        take: what is wanted of its content.
        in_file: a large array in a .npy file stays there.

    Raises:
        DataError: the file is missing, damaged, holds pickled objects, or promises more than it has.
    """
    with open_regular(path) as file, reading(path, "a NumPy file", "save it again"):
        size = file.seek(0, 2)
        file.seek(0)
        start = file.read(len(MAGIC))
        file.seek(0)
        if start == MAGIC:
            return take(read_array(path, file, size, in_file=in_file))
        if not start.startswith(ZIP_MAGIC):
            raise pickled(path)
        with np.load(file, allow_pickle=False) as content:
            for member in content.zip.infolist():
                _check_member(path, member, size)
            return take(content)


def read_array(path: Path, file: IO[bytes], size: int, *, in_file: bool = False) -> Array:
    """Return the array of an open .npy file of `size` bytes; `in_file`: a large one stays there.

    Raises:
        DataError: it holds pickled objects, or does not fit into memory.
        ValueError: it is damaged.
    """
    header = read_header(file, size)
    if header.dtype.hasobject:
        raise pickled(path)
    if in_file and is_large(size):
        lying = mapped_array(path, header.dtype, header.stored_shape, file.tell())
        return lying.T if header.in_columns else lying
    check_memory(path, size)
    file.seek(0)
    array: Array = np.lib.format.read_array(file, allow_pickle=False)
    return array


def pickled(path: Path) -> DataError:
    """Return the error of a file that holds Python objects."""
    return DataError(
        f"{path} must be a NumPy file of plain arrays, it is none or holds pickled objects, which are never "
        "loaded; save numbers, or text as dtype 'U'"
    )


def read_header(file: IO[bytes], size: int) -> Header:
    """Return what array a file holds next.

    Args:
        file: an open .npy file, at its start.
        size: bytes of it.

    Raises:
        ValueError: the header is damaged, or promises more bytes than there are.
    """
    version = np.lib.format.read_magic(file)
    width, form = (2, "<H") if version == (1, 0) else (4, "<I")
    length = struct.unpack(form, file.read(width))[0]
    if length > LONGEST_HEADER:
        raise ValueError(f"its header is {length:,} bytes long")
    file.seek(len(MAGIC) + 2)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, in_columns, dtype = read(file)
    if any(isinstance(each, bool) or each < 0 for each in shape):
        raise ValueError(f"its header has the shape {shape}")
    rest = size - len(MAGIC) - 2 - width - length
    expected = math.prod(shape) * max(dtype.itemsize, 1)  # text of no letters may not be endless either
    if expected > rest and not dtype.hasobject:
        raise ValueError(f"its header promises {expected:,} bytes for the shape {shape}, {rest:,} are there")
    return Header(shape, in_columns, dtype)


def _check_member(path: Path, member: zipfile.ZipInfo, size: int) -> None:
    """Refuse a member of an archive that is encrypted, or unpacks to more than it can."""
    if member.flag_bits & ENCRYPTED:
        raise ValueError(f"{member.filename!r} is encrypted")
    packed = min(member.compress_size, size)
    most = MOST_PACKED.get(member.compress_type)
    if most is not None and member.file_size > packed * most:
        raise ValueError(f"{member.filename!r} promises {member.file_size:,} bytes, packed into {packed:,}")
    check_unpacked(path, packed, member.file_size)
