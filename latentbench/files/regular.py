"""Regular files: no pipe is waited for, and no device read."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import BinaryIO

__all__ = ["IrregularFileError", "is_digested", "is_regular", "opened_regular", "read_regular"]

KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}

NONBLOCKING = getattr(os, "O_NONBLOCK", 0)  # a pipe that nobody writes to would be waited for


class IrregularFileError(ValueError):
    """Where a file should be there is something else; the message says what."""


def is_regular(path: Path) -> bool:
    """Whether a path leads to a regular file; a name that no file can have leads to none."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (OSError, ValueError):
        return False


def opened_regular(path: Path) -> BinaryIO:
    """Open a regular file for reading bytes; a pipe or a device, which may have no end, is never read.

    Raises:
        OSError: there is no such file, or it cannot be read.
        IrregularFileError: something else is there.
    """
    handle = os.open(path, os.O_RDONLY | NONBLOCKING)
    try:
        kind = stat.S_IFMT(os.fstat(handle).st_mode)
        if kind != stat.S_IFREG:
            raise IrregularFileError(f"{KINDS.get(kind, 'something else')} is there")
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def read_regular(path: Path, most: int | None = None) -> bytes:
    """Return the content of a regular file of at most `most` bytes.

    Raises:
        OSError: there is no such file, or it cannot be read.
        ValueError: it is no regular file, or it is larger.
    """
    with opened_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if most is not None and size > most:
            raise ValueError(f"{size:,} bytes are too many")
        return file.read()


def is_digested(path: Path, digest: str) -> bool:
    """Whether a regular file has the content of this sha256."""
    try:
        return hashlib.sha256(read_regular(path)).hexdigest() == digest
    except (OSError, ValueError, MemoryError):
        return False
