"""Files that can be made again: fingerprints, downloads, feature networks."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

__all__ = ["cache_dir", "cached_file"]


def cache_dir() -> Path:
    """Return the folder for files that can be made again.

    `$LATENTBENCH_CACHE`, else `$XDG_CACHE_HOME/latentbench`, else `~/.cache/latentbench`. It need not exist.
    """
    if "LATENTBENCH_CACHE" in os.environ:
        return Path(os.environ["LATENTBENCH_CACHE"])
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "latentbench"


def cached_file(name: str, make: Callable[[Path], None]) -> Path:
    """Return the cached file `name`, made by `make(path)` when it is not there yet.

    It is made under another name and renamed when whole, so no reader ever sees half a file.

    Raises:
        OSError: the cache folder cannot be written.
    """
    path = cache_dir() / name
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            make(part)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    return path
