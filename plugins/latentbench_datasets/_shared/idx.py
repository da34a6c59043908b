"""Reads idx files, the format of MNIST and its relatives, gzipped or not.

An idx file is a header of big-endian numbers (two zero bytes, a type code, the number of dimensions, then each
dimension as 32 bits) and the values, big-endian, last dimension fastest.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import IO, Any, BinaryIO

import numpy as np
import numpy.typing as npt

from latentbench import DataError, check_unpacked, open_regular, reading

__all__ = ["read_idx"]

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
GZIP_MAGIC = b"\x1f\x8b"
LONGEST_HEADER = 4 + 4 * 255  # bytes
LARGE = 100_000_000  # bytes
PIECE = 2**20  # bytes read at once: a whole file in memory, and then its array, takes twice as long
MOST_PACKED = 1032  # times that deflate can pack at most
ADVICE = "delete it and fetch it again"


def read_idx(path: Path) -> npt.NDArray[Any]:
    """Return the array in an idx file, in the machine's byte order and writable.

    The first bytes of the file say whether it is gzipped, not its name.

    Raises:
        DataError: the file is missing, unreadable, truncated, too long or no idx file.
    """
    with open_regular(path) as file, reading(path, "an idx file", ADVICE):
        size = file.seek(0, 2)
        file.seek(0)
        packed = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
        file.seek(0)
        return _unpacked(path, file, size) if packed else _values(path, file, size)


def _unpacked(path: Path, file: BinaryIO, size: int) -> npt.NDArray[Any]:
    try:
        with gzip.open(file) as content:
            return _values(path, content, size, packed=True)
    except EOFError:
        raise DataError(
            f"{path} is a truncated gzip file: it ends after {size} bytes, before its end mark; {ADVICE}"
        ) from None
    except (OSError, zlib.error) as error:
        raise DataError(f"{path} is a damaged gzip file ({error}); {ADVICE}") from error


def _values(path: Path, file: IO[bytes] | gzip.GzipFile, size: int, *, packed: bool = False) -> npt.NDArray[Any]:
    """Return the array in an open file of `size` bytes; no more is read than its header promises, and a bit."""
    dtype, shape, start = _parse_header(path, file.read(LONGEST_HEADER))
    expected = math.prod(shape) * dtype.itemsize
    file.seek(start)
    if packed and expected > MOST_PACKED * size:
        values, rest = _filled(file, 0, LARGE)
    elif not packed and expected != size - start:
        values, rest = _filled(file, 0, 0)[0], size - start
    else:
        if packed:
            check_unpacked(path, size, expected)
        values, rest = _filled(file, expected)
    if rest != expected:
        kind = "is truncated" if rest < expected else "has trailing data"
        raise DataError(
            f"{path} {kind}: its header promises {expected} bytes of values for shape {shape}, "
            f"it holds {rest}; {ADVICE}"
        )
    return values.view(dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def _filled(
    file: IO[bytes] | gzip.GzipFile, expected: int, more: int = LONGEST_HEADER
) -> tuple[npt.NDArray[np.uint8], int]:
    """Return the next bytes of a file, and how many there were; of those behind, up to `more` are counted."""
    values, count = np.empty(expected, np.uint8), 0
    while piece := file.read(min(PIECE, expected - count)):
        values[count : count + len(piece)] = np.frombuffer(piece, np.uint8)
        count += len(piece)
    return values, count + len(file.read(more))


def _parse_header(path: Path, data: bytes) -> tuple[np.dtype[Any], tuple[int, ...], int]:
    """Return type, shape and where the values start."""
    if len(data) < 4:
        raise DataError(f"{path} is truncated: an idx file starts with 4 bytes, it has {len(data)}; {ADVICE}")
    zeros, code, ndim = struct.unpack_from(">HBB", data)
    if zeros or code not in TYPES or not ndim:
        raise DataError(
            f"{path} is no idx file: expected two zero bytes, a type code of 08 to 0e and a count of dimensions, "
            f"found {data[:4].hex(' ')}; check that it is the right file, else {ADVICE}"
        )
    start = 4 + 4 * ndim
    if len(data) < start:
        raise DataError(
            f"{path} is truncated: a header of {ndim} dimensions takes {start} bytes, it has {len(data)}; {ADVICE}"
        )
    return np.dtype(TYPES[code]), struct.unpack_from(f">{ndim}I", data, 4), start
