"""Fingerprints of files that are slow to decode, remembered between runs."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from latentbench import DataError, Params, cache_dir, open_regular, write_atomically

__all__ = ["drawn_fingerprint", "remembered_fingerprint"]

MOST_BYTES = 100_000  # of a memo


def remembered_fingerprint(
    files: Sequence[Path], version: int, compute: Callable[[], str], settings: Mapping[str, Any] | None = None
) -> str:
    """Return `compute()`, or what it gave last time if no file has changed since.

    A file counts as unchanged while its path, size and time of modification are the same.

    Args:
        files: the files that the fingerprint depends on, all there.
        version: the dataset's version, part of what must not have changed.
        compute: decodes the files and returns their fingerprint.
        settings: parameters that the fingerprint depends on, as JSON holds them.
    """
    place = _digest([[os.path.abspath(file) for file in files], settings])  # noqa: PTH100 - resolve() asks the disk
    memo = cache_dir() / "fingerprints" / f"{place[:16]}.json"  # one each: parallel runs overwrite no other's
    state = _state(files, version, place)
    known = _recall(memo, state)
    if known is not None:
        return known
    fingerprint = compute()
    if _state(files, version, place) == state:
        _remember(memo, {**state, "fingerprint": fingerprint})
    return fingerprint


def drawn_fingerprint(name: str, version: int, params: Params) -> str:
    """Return the sha256 of name, version and parameters, which decide data that are drawn here, 64 hex digits."""
    return _digest([name, version, params.model_dump(mode="json")])


def _state(files: Sequence[Path], version: int, place: str) -> dict[str, Any]:
    """What must not have changed, short even for a folder of 200,000 images."""
    stats = [file.stat() for file in files]
    times = _digest([[stat.st_size, stat.st_mtime_ns] for stat in stats])
    return {"version": version, "files": len(files), "paths and settings": place, "sizes and times": times}


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _recall(memo: Path, state: dict[str, Any]) -> str | None:
    """Return the remembered fingerprint; None if there is none, it is stale or the memo is damaged."""
    try:
        with open_regular(memo, MOST_BYTES) as file:
            content = json.loads(file.read())
        fingerprint = str(content.pop("fingerprint"))
        int(fingerprint, 16)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, DataError):
        return None
    return fingerprint if content == state and len(fingerprint) == 64 else None


def _remember(memo: Path, content: dict[str, Any]) -> None:
    try:
        memo.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(memo, json.dumps(content, indent=1).encode(), durable=False)
    except OSError as error:
        _warn_once(
            f"the fingerprint of a dataset cannot be kept in {memo.parent} ({error.strerror}), so its files are "
            "decoded at each start; set LATENTBENCH_CACHE to a folder that can be written"
        )


@functools.cache
def _warn_once(message: str) -> None:
    warnings.warn(message, stacklevel=4)
