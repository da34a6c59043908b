"""Files taken over byte for byte: as a second name of the same file, or copied by the system where it can."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

from latentbench.files.regular import opened_regular

__all__ = ["copy_regular", "link_or_copy"]

PIECE = 2**30  # bytes


def link_or_copy(source: Path, target: Path) -> None:
    """Give a file that is never written in place a second name, which lives on without the first, or copy it.

    Making files is what takes the time where there are many, so that a copy takes ten times as long.

    Raises:
        OSError: it cannot be read or written.
        ValueError: something else than a file is there.
    """
    if not source.is_symlink():
        with suppress(OSError):  # on another disk, or one that has no such names
            os.link(source, target)
            return
    copy_regular(source, target)


def copy_regular(source: Path, target: Path) -> None:
    """Copy a regular file to a place where nothing is; the copy is independent of it, and not yet synced.

    Raises:
        OSError: it cannot be read or written.
        ValueError: something else than a file is there.
    """
    with opened_regular(source) as read, target.open("xb") as write:
        if not _copied_by_the_system(read.fileno(), write.fileno()):
            shutil.copyfileobj(read, write)


def _copied_by_the_system(read: int, write: int) -> bool:
    """Copy without a way through this process; False where the system cannot, and nothing was copied."""
    if not hasattr(os, "copy_file_range"):
        return False
    copied = False
    while True:
        try:
            size = os.copy_file_range(read, write, PIECE)
        except OSError:
            if copied:
                raise
            return False
        if not size:
            return copied or not os.fstat(read).st_size
        copied = True
