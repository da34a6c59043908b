"""Which files this process has used, and whether they are still the same: code, data, settings."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any

__all__ = ["files_below", "last_change", "noted_files", "state_of", "used_modules"]

SYSTEM = ("/proc/", "/sys/", "/dev/")  # files that are never the same twice

_noting: list[set[str]] = []


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    """Note what is opened for reading, and the folders that are listed; Python calls this for every event."""
    if not _noting or event not in ("open", "os.listdir", "os.scandir") or not arguments:
        return
    path = arguments[0]
    writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
    if isinstance(path, str | bytes | os.PathLike) and not writes:
        _noting[-1].add(os.fsdecode(path))


_hooked: list[bool] = []


@contextmanager
def noted_files() -> Iterator[set[str]]:
    """Note the absolute paths of all files that Python opens for reading within, and of the folders it lists.

    What a library opens by itself, in its own C code, is not seen: name that besides.
    """
    if not _hooked:
        sys.addaudithook(_note)  # stays until the process ends
        _hooked.append(True)
    seen: set[str] = set()
    home = Path.cwd()
    _noting.append(seen)
    try:
        yield seen
    finally:
        _noting.remove(seen)
        paths = {os.path.normpath(home / path) for path in seen}
        seen.clear()
        seen |= {path for path in paths if not path.startswith(SYSTEM)}


def used_modules() -> set[str]:
    """Return the files of all modules that this process has imported."""
    files = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    return {os.path.abspath(file) for file in files if isinstance(file, str)}  # noqa: PTH100 - not resolved


def files_below(path: str) -> set[str]:
    """Return a path, and all that lies below it where it is a folder."""
    found = {path}
    for folder, folders, files in os.walk(path):
        found |= {os.path.join(folder, name) for name in (*folders, *files)}  # noqa: PTH118 - of hundreds of thousands
    return found


def state_of(paths: Iterable[str]) -> str:
    """Return what identifies the state of files and folders: number, size, times; also of what is missing."""
    state = blake2b(digest_size=20)
    for path in sorted(paths):
        state.update(f"{path}\0{_status(path)}\0".encode(errors="surrogateescape"))
    return state.hexdigest()


def last_change(paths: Iterable[str]) -> float:
    """Return when the youngest of some files changed, in seconds since 1970; 0 without any."""
    return max((status[-1] for path in paths if (status := _status(path))), default=0) / 1e9


def _status(path: str) -> tuple[int, ...]:
    try:
        status = os.stat(path)  # noqa: PTH116 - of thousands
    except (OSError, ValueError):
        return ()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
