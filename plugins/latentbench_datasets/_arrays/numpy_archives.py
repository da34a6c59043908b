"""All arrays of a .npz file: in memory, or, where they are large, left in their files."""

from __future__ import annotations

import math
import struct
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from latentbench import DataError, array_source, check_memory, filled_array, is_large, mapped_array
from latentbench_datasets._arrays.numpy_files import MAGIC, Header, pickled, read_array, read_header

__all__ = ["read_members"]

Array = npt.NDArray[Any]
LOCAL_HEADER = 30  # bytes before the name of a member, the lengths of name and extra field at its end
PIECE = 2**24  # bytes read at once


def read_members(path: Path, content: np.lib.npyio.NpzFile, *, in_file: bool = False) -> dict[str, Array]:
    """Return all arrays of a .npz file by their names.

    Args:
        path: the file.
        content: the same, opened.
        in_file: large arrays stay there, those that are packed in a copy in the cache.

    Raises:
        DataError: one is no plain array, or all take more memory than there is.
    """
    archive = content.zip
    if archive is None:
        raise ValueError("it is closed")
    members = archive.infolist()
    large = [member for member in members if in_file and is_large(member.file_size)]
    check_memory(path, sum(member.file_size for member in members if member not in large))
    arrays = {}
    for member in members:
        with archive.open(member) as file:
            if file.read(len(MAGIC)) != MAGIC:
                raise DataError(
                    f"{path} must hold arrays alone, {member.filename!r} in it is none; save it by numpy.savez"
                )
            file.seek(0)
            read = _left(path, member, file) if member in large else read_array(path, file, member.file_size)
            arrays[member.filename.removesuffix(".npy")] = read
    return arrays


def _left(path: Path, member: zipfile.ZipInfo, file: IO[bytes]) -> Array:
    """Return a large array: mapped where it lies, or from the cache into which it is unpacked once."""
    header = read_header(file, member.file_size)
    if header.dtype.hasobject:
        raise pickled(path)
    if not header.shape or not math.prod(header.shape):  # nothing that could be mapped
        file.seek(0)
        return read_array(path, file, member.file_size)
    start = file.tell()
    place = _place(path, member) + start
    if member.compress_type == zipfile.ZIP_STORED and place % header.dtype.itemsize == 0:
        array = mapped_array(path, header.dtype, header.stored_shape, place)
        _check(member, array, file)
    else:
        array = _unpacked(path, member, file, header)
    return array.T if header.in_columns else array


def _place(path: Path, member: zipfile.ZipInfo) -> int:
    """Return where the content of a member starts in its archive."""
    with path.open("rb") as archive:
        archive.seek(member.header_offset)
        name, extra = struct.unpack("<HH", archive.read(LOCAL_HEADER)[-4:])
    return member.header_offset + LOCAL_HEADER + int(name) + int(extra)


def _check(member: zipfile.ZipInfo, array: Array, file: IO[bytes]) -> None:
    """Read a member to its end, once: then its checksum is compared."""

    def read(start: int, stop: int) -> Array:
        while file.read(PIECE):
            pass
        return np.ones(stop - start, np.uint8)

    filled_array(f"check of {member.filename}", ["member", 1, array_source(array).key], (1,), np.uint8, read)


def _unpacked(path: Path, member: zipfile.ZipInfo, file: IO[bytes], header: Header) -> Array:
    start, shape = file.tell(), header.stored_shape
    row = math.prod(shape[1:]) * header.dtype.itemsize

    def fill(first: int, stop: int) -> Array:
        if file.tell() != start + first * row:
            file.seek(start + first * row)
        content = file.read((stop - first) * row)
        if stop == shape[0]:
            file.read(1)  # past the end: then the checksum is compared
        return np.frombuffer(content, header.dtype).reshape(stop - first, *shape[1:])

    state = path.stat()
    key = ["member", 1, member.CRC, member.file_size, member.filename, state.st_size, state.st_mtime_ns]
    return filled_array(f"{member.filename} of {path.name}", key, shape, header.dtype, fill)
