"""Where files lie that can be made again."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

__all__ = ["cache_dir"]


def cache_dir() -> Path:
    """Return the folder for files that can be made again; it need not exist.

    `$LATENTBENCH_CACHE` if set, otherwise the user's cache folder of this system: `~/.cache/latentbench` on Linux
    (or below `$XDG_CACHE_HOME`), `~/Library/Caches/latentbench` on macOS.
    """
    if "LATENTBENCH_CACHE" in os.environ:
        return Path(os.environ["LATENTBENCH_CACHE"])
    return platformdirs.user_cache_path("latentbench", appauthor=False)
