"""Files that are whole or not there: written under another name, synced, renamed; and where caches lie."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import platformdirs

from latentbench.errors import RunFolderError

__all__ = ["cache_dir", "canonical_json", "read_json", "short_hash", "sync", "write_atomically", "write_json"]


def canonical_json(value: Any) -> str:
    """Return the canonical JSON text of a value: sorted keys, no spaces, no NaN.

    >>> canonical_json({"b": 1, "a": (2.0,)})
    '{"a":[2.0],"b":1}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def short_hash(value: Any, digits: int = 16) -> str:
    """Return the first digits of the sha256 of a value's canonical JSON."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:digits]


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        RunFolderError: the file is damaged or missing.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunFolderError(
            f"{path} cannot be read ({error}); remove it and run the same command again"
        ) from error


def write_json(path: Path, value: Any, *, durable: bool = True) -> None:
    """Write a JSON file atomically; infinities and NaN become null."""
    text = json.dumps(_finite(value), indent=1, sort_keys=True) + "\n"
    write_atomically(path, text.encode(), durable=durable)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _finite(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def write_atomically(path: Path, content: bytes | Callable[[BinaryIO], None], *, durable: bool = True) -> None:
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
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    if durable:
        sync(path.parent)


def sync(path: Path) -> None:
    """Flush a file or folder to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def cache_dir() -> Path:
    """Return the folder for files that can be made again; it need not exist.

    `$LATENTBENCH_CACHE` if set, otherwise the user's cache folder of this system: `~/.cache/latentbench` on Linux
    (or below `$XDG_CACHE_HOME`), `~/Library/Caches/latentbench` on macOS.
    """
    if "LATENTBENCH_CACHE" in os.environ:
        return Path(os.environ["LATENTBENCH_CACHE"])
    return platformdirs.user_cache_path("latentbench", appauthor=False)
