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
from typing import Any

import numpy as np
import numpy.typing as npt

from latentbench import DataError

__all__ = ["read_idx"]

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
GZIP_MAGIC = b"\x1f\x8b"
ADVICE = "delete it and fetch it again"


def read_idx(path: Path) -> npt.NDArray[Any]:
    """Return the array in an idx file, in the machine's byte order and writable.

    The first bytes of the file say whether it is gzipped, not its name.

    Raises:
        DataError: the file is missing, unreadable, truncated, too long or no idx file.
    """
    data = _read_bytes(path)
    dtype, shape, start = _parse_header(path, data)
    expected = math.prod(shape) * dtype.itemsize
    if len(data) - start != expected:
        kind = "is truncated" if len(data) - start < expected else "has trailing data"
        raise DataError(
            f"{path} {kind}: its header promises {expected} bytes of values for shape {shape}, "
            f"it holds {len(data) - start}; {ADVICE}"
        )
    values = np.frombuffer(data, dtype, offset=start).reshape(shape)
    return values.astype(dtype.newbyteorder("="))


def _read_bytes(path: Path) -> bytes:
    """Read a file, unpacked if it is gzipped."""
    try:
        data = path.read_bytes()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        present = "a folder" if path.is_dir() else "nothing"
        raise DataError(f"{path} must be an idx file, found {present}; check the path") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}; check its permissions and disk") from error
    if not data.startswith(GZIP_MAGIC):
        return data
    try:
        return gzip.decompress(data)
    except EOFError:
        raise DataError(
            f"{path} is a truncated gzip file: it ends after {len(data)} bytes, before its end mark; {ADVICE}"
        ) from None
    except (OSError, zlib.error) as error:
        raise DataError(f"{path} is a damaged gzip file ({error}); {ADVICE}") from error


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
