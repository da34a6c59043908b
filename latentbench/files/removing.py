"""Places cleared for what is to be written there, whatever lies in them."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

__all__ = ["clear_way", "discard", "make_folder"]


def discard(path: Path) -> None:
    """Remove what lies there, whatever it is; a link goes, not what it leads to."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def clear_way(path: Path) -> None:
    """Remove a folder that lies where a file is to be written."""
    if path.is_dir() and not path.is_symlink():
        discard(path)


def make_folder(path: Path) -> None:
    """Make a folder; a link or a file in its place goes."""
    if path.is_symlink() or not path.is_dir():
        discard(path)
    path.mkdir(exist_ok=True)
