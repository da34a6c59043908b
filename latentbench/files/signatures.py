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
from struct import Struct

__all__ = ["YOUNG", "signature"]

YOUNG = 2.0  # seconds; no file system's clock is coarser: what changes later has another time
USABLE = os.name == "posix"  # elsewhere `ctime` is something else

STATE = Struct("<5Q")  # of a file: device, number, size, time of its content, time of its last change
REGULAR = stat.S_IFREG
LOWEST = 2**64 - 1  # bits: a time before 1970 is negative


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
        listed, folders = _entries(place, latest, inner, chosen)
        for name in folders:
            if name in inner:
                files, unexpected = _entries(f"{place}/{name}", latest, (), chosen)
                if unexpected:
                    return ""
                listed += os.fsencode(f"//{name}/") + files  # no name of a file is empty
    except (OSError, _UnclearError):
        return ""
    return blake2b(listed, digest_size=20).hexdigest()


class _UnclearError(Exception):
    """The state of the files cannot be told by their times."""


def _entries(
    folder: str, latest: int, inner: tuple[str, ...], chosen: Callable[[str], bool]
) -> tuple[bytes, list[str]]:
    """Return the names of the files and then their states, and the names of the folders, sorted.

    Raises:
        OSError: the folder cannot be read.
        _UnclearError: there is something else, or a file that changed after `latest`.
    """
    names: list[str] = []
    states: list[bytes] = []
    folders: list[str] = []
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for name in sorted(os.listdir(handle)):  # noqa: PTH208 - pathlib takes no handle
            if name not in inner and not chosen(name):
                continue
            status = os.stat(name, dir_fd=handle, follow_symlinks=False)
            mode, number, device, _, _, _, size, _, _, _ = status
            changed = status.st_ctime_ns
            if stat.S_IFMT(mode) == REGULAR and changed <= latest:
                names.append(name)
                states.append(STATE.pack(device, number, size, status.st_mtime_ns & LOWEST, changed & LOWEST))
            elif stat.S_ISDIR(mode):
                folders.append(name)
            else:
                raise _UnclearError
    finally:
        os.close(handle)
    return os.fsencode("/".join(names)) + b"//" + b"".join(states), folders
