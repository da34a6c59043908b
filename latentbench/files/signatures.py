"""Whether the files of a folder are the ones that were there before, told without reading them.

A file counts as unchanged while its name, number (inode), size, and the times of its last change stay the same.
The system itself sets one of these times (`ctime`) whenever content, name or rights change, and no program can set
it back: what keeps its size, or gets its old date again, is noticed all the same.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path

__all__ = ["YOUNG", "signature"]

YOUNG = 2.0  # seconds; no file system's clock is coarser: what changes later has another time
USABLE = os.name == "posix"  # elsewhere `ctime` is something else

Entry = tuple[str, int, int, int, int, int]


def signature(folder: Path, *inner: str, chosen: Callable[[str], bool] = bool) -> str:
    """Return what identifies the state of the regular files in a folder, and in folders of these names inside it.

    Take it before the files are read: it then belongs to what is read, or to nothing. Only files of `chosen` names
    count.

    Returns:
        A digest; "" where nothing can be said: a file is no older than `YOUNG`, so that it could change again
        without another time; a link or something else that is no file lies there; a folder cannot be read; or the
        system keeps no time that programs cannot set.
    """
    if not USABLE:
        return ""
    latest = int((time.time() - YOUNG) * 1e9)
    place = os.fspath(folder)
    try:
        files, folders = _entries(place, latest, inner, chosen)
        listed: list[object] = [files]
        for name in folders:
            if name in inner:
                files, unexpected = _entries(f"{place}/{name}", latest, (), chosen)
                if unexpected:
                    return ""
                listed.append((name, files))
    except (OSError, _UnclearError):
        return ""
    return blake2b(repr(listed).encode(errors="surrogateescape"), digest_size=20).hexdigest()


class _UnclearError(Exception):
    """The state of the files cannot be told by their times."""


def _entries(
    folder: str, latest: int, inner: tuple[str, ...], chosen: Callable[[str], bool]
) -> tuple[list[Entry], list[str]]:
    """Return the state of each file, and the names of the folders, sorted.

    Raises:
        OSError: the folder cannot be read.
        _UnclearError: there is something else, or a file that changed after `latest`.
    """
    files: list[Entry] = []
    folders: list[str] = []
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for name in sorted(os.listdir(handle)):  # noqa: PTH208 - pathlib takes no handle
            if name not in inner and not chosen(name):
                continue
            status = os.stat(name, dir_fd=handle, follow_symlinks=False)
            mode, inode, device, _, _, _, size, _, _, _ = status
            changed = status.st_ctime_ns
            if stat.S_ISDIR(mode):
                folders.append(name)
            elif not stat.S_ISREG(mode) or changed > latest:
                raise _UnclearError
            else:
                files.append((name, device, inode, size, status.st_mtime_ns, changed))
    finally:
        os.close(handle)
    return files, folders
