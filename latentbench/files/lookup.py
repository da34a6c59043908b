"""Files whose names were typed in another form of the same letters."""

from __future__ import annotations

import os
from pathlib import Path

from latentbench.files.reading import is_there
from latentbench.text import normalized

__all__ = ["existing"]


def existing(path: Path) -> Path:
    """Return the path of what is meant: itself, or the one there is whose letters are written in another form.

    An accent is one character or two (Unicode's NFC and NFD), and archives from a Mac hold the other form. Where
    there is nothing of that name in any form, or more than one, the path stays as it is.
    """
    if path.name in ("", "..") or is_there(path):
        return path
    folder = existing(path.parent)
    if not os.path.isdir(folder):  # noqa: PTH112 - Path.is_dir raises for a name that is too long
        return path
    same = [entry for entry in folder.iterdir() if normalized(entry.name) == normalized(path.name)]
    return same[0] if len(same) == 1 else path
