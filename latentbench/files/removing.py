"""Places cleared for what is to be written there, whatever lies in them."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

__all__ = ["clear_way", "discard", "in_the_way", "make_folder"]


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


def in_the_way(path: Path) -> Path | None:
    """Return what lies where a file should be and is none, or in place of its folder; None where nothing does."""
    if os.path.lexists(path):
        return path
    return path.parent if os.path.lexists(path.parent) and not path.parent.is_dir() else None


def make_folder(path: Path) -> None:
    """Make a folder; a link or a file in its place goes."""
    if path.is_symlink() or not path.is_dir():
        discard(path)
    path.mkdir(exist_ok=True)
