"""Regular files, read whole: no pipe is waited for, and no device read."""

from __future__ import annotations

import os
import stat
from pathlib import Path

__all__ = ["is_regular", "read_regular"]

NONBLOCKING = getattr(os, "O_NONBLOCK", 0)  # a pipe that nobody writes to would be waited for


def is_regular(path: Path) -> bool:
    """Whether a path leads to a regular file; a name that no file can have leads to none."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (OSError, ValueError):
        return False


def read_regular(path: Path, most: int | None = None) -> bytes:
    """Return the content of a regular file of at most `most` bytes; a pipe or a device is not opened to be read.

    Raises:
        OSError: there is no such file, or it cannot be read.
        ValueError: it is no regular file, or it is larger.
    """
    with os.fdopen(os.open(path, os.O_RDONLY | NONBLOCKING), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("it is no regular file")
        if most is not None and status.st_size > most:
            raise ValueError(f"{status.st_size:,} bytes are too many")
        return file.read()
