"""Files that are whole or not there: written under another name, synced, renamed."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, TextIO

from latentbench.files.regular import is_regular
from latentbench.files.removing import discard

__all__ = ["open_to_append", "sync", "write_atomically"]


def write_atomically(
    path: Path, content: bytes | memoryview | Callable[[BinaryIO], None], *, durable: bool = True
) -> None:
    """Write a file under another name and rename it into place, so that no reader ever sees half a file.

    Args:
        path: the file to write; its folder exists.
        content: the bytes, or a function that writes them to an open file.
        durable: wait until the file is on the disk, which takes some milliseconds. Otherwise it survives the death
            of the process but may be lost or damaged by a system crash; choose this only for files whose damage is
            noticed and that can be made again.

    Raises:
        OSError: the file cannot be written; the one that was there before is untouched.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with part.open("wb") as file:
            if callable(content):
                content(file)
            else:
                file.write(content)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        part.replace(path)
    except BaseException as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno is not None:
            error.filename, error.filename2 = str(path), None  # not the name it was written under
        raise
    if durable:
        sync(path.parent)


def open_to_append(path: Path) -> TextIO:
    """Open a text file to add lines at its end; what cannot be encoded is escaped.

    What lies there and is no file goes: a pipe that nobody reads would be waited for.

    Raises:
        OSError: the file cannot be written.
    """
    if os.path.lexists(path) and not is_regular(path):
        discard(path)
    return path.open("a", buffering=1, encoding="utf-8", errors="backslashreplace")


def sync(path: Path) -> None:
    """Flush a file or folder to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
