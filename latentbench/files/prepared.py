"""Arrays that are made once, kept in a file of the cache, and mapped from it.

Each has a folder of its own: `rows.part` and `progress.jsonl` while it is made, `rows.bin` and `done.json` when it
is whole. A line of the progress stands for rows that are on the disk, with their checksum, so that whoever was
stopped goes on from there; one process makes it, others wait.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from filelock import FileLock

from latentbench.errors import ContractError, DataError
from latentbench.files.cache import cache_dir
from latentbench.files.checksums import segment_holds
from latentbench.files.filling import DATA, DONE, PART, PROGRESS, Filling
from latentbench.files.mapped import mapped_array
from latentbench.files.reading import open_regular
from latentbench.files.writing import write_atomically

__all__ = ["Fill", "filled_array"]

Array = npt.NDArray[Any]
Fill = Callable[[int, int], Array]
MOST_BYTES = 100_000_000  # of done.json
ADVICE = "free some, or set LATENTBENCH_CACHE to a folder with more room"


@dataclass(frozen=True)
class _Whole:
    """An array that is whole, as `done.json` has it."""

    shape: tuple[int, ...]
    dtype: str
    changed: int
    segments: Sequence[tuple[int, int]]
    notes: Sequence[str]


def filled_array(
    name: str,
    key: Any,
    shape: Sequence[int],
    dtype: npt.DTypeLike,
    fill: Fill,
    *,
    unit: str = "rows",
    notes: list[str] | None = None,
) -> Array:
    """Return an array that `fill` makes block by block, once; it lies in the cache and is mapped read-only.

    Whoever asks for the same `key` again, in this process or another, gets the same file. Stopped in the middle,
    by Ctrl-C or a kill, it goes on from the last second at the next call. It is made again if its file is damaged
    or the cache was deleted.

    Args:
        name: what it is, for progress and messages, as "images of photos".
        key: what decides its values, as JSON holds it: paths, sizes and times of files, parameters, a version.
        shape: `(n, ...)`.
        dtype: uint8, float32 or any other plain type.
        fill: `fill(start, stop)` returns the rows from `start` to `stop` - 1, of shape `(stop - start, ...)`; the
            blocks come in order, but the first need not start at 0.
        unit: what its rows are, as "images".
        notes: what `fill` appends to this list, sentences on what it left out, is kept with the rows; afterwards
            the list holds all that was appended, earlier too.

    Raises:
        DataError: the cache cannot be written or has too little room; or whatever `fill` raises.
        ContractError: `fill` returned rows of another shape or type.
    """
    kind, told = np.dtype(dtype), [] if notes is None else notes
    text = json.dumps([key, list(shape), kind.str], sort_keys=True)
    folder = cache_dir() / "prepared" / hashlib.sha256(text.encode()).hexdigest()[:32]
    whole = _opened(folder, shape, kind, told)
    if whole is not None:
        return whole
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_suffix(".lock")):
            whole = _opened(folder, shape, kind, told)
            return _made(folder, name, shape, kind, fill, unit, told) if whole is None else whole
    except OSError as error:
        raise DataError(
            f"{name} cannot be prepared in the cache {folder} ({error.strerror or error}); {ADVICE}"
        ) from error


def _made(
    folder: Path, name: str, shape: Sequence[int], kind: np.dtype[Any], fill: Fill, unit: str, notes: list[str]
) -> Array:
    """Make what is missing of the array, and return it."""
    folder.mkdir(exist_ok=True)  # it may have been deleted while the lock was waited for
    row = math.prod(shape[1:]) * kind.itemsize
    with Filling(folder, name, unit, shape[0], row, notes) as filling:
        _check_room(folder, name, (shape[0] - filling.done) * row)
        while filling.done < shape[0]:
            start, stop = filling.done, min(shape[0], filling.done + filling.rows_at_once)
            block = fill(start, stop)
            if block.shape != (stop - start, *shape[1:]) or block.dtype != kind:
                raise ContractError(
                    f"fill({start}, {stop}) of {name} must return {kind} of shape "
                    f"{(stop - start, *shape[1:])}, got {block.dtype} of {block.shape}"
                )
            filling.add(np.ascontiguousarray(block), stop)
    (folder / PART).replace(folder / DATA)
    _write_done(folder, _Whole(tuple(shape), kind.str, _changed(folder), filling.segments, notes))
    (folder / PROGRESS).unlink(missing_ok=True)
    return mapped_array(folder / DATA, kind, shape)


def _check_room(folder: Path, name: str, size: int) -> None:
    free = shutil.disk_usage(folder).free
    if size > free:
        raise DataError(
            f"{name} take {size / 1e9:,.1f} GB in the cache {folder}, {free / 1e9:,.1f} GB are free; {ADVICE}"
        )


def _opened(folder: Path, shape: Sequence[int], kind: np.dtype[Any], notes: list[str]) -> Array | None:
    """Return the array if it is whole; one whose file was written into since is looked at again."""
    whole = _read_done(folder)
    if whole is None or (whole.shape, whole.dtype) != (tuple(shape), kind.str):
        return None
    try:
        array = mapped_array(folder / DATA, kind, shape)
        if _changed(folder) != whole.changed:
            row = math.prod(shape[1:]) * kind.itemsize
            if not _holds(folder / DATA, whole.segments, row):
                raise DataError("it was written into")
            _write_done(folder, _Whole(whole.shape, whole.dtype, _changed(folder), whole.segments, whole.notes))
    except (DataError, OSError):
        warnings.warn(f"{folder} is damaged, so that its array is made again", stacklevel=3)
        return None
    notes += whole.notes
    return array


def _holds(path: Path, segments: Sequence[tuple[int, int]], row: int) -> bool:
    first = 0
    with open_regular(path) as file:
        for stop, checksum in segments:
            if not segment_holds(file, first * row, stop * row, checksum):
                return False
            first = stop
    return True


def _changed(folder: Path) -> int:
    return (folder / DATA).stat().st_mtime_ns


def _write_done(folder: Path, whole: _Whole) -> None:
    write_atomically(folder / DONE, json.dumps(vars(whole)).encode())


def _read_done(folder: Path) -> _Whole | None:
    """Return what was written down of a whole array; None where there is none, or it is damaged."""
    try:
        with open_regular(folder / DONE, MOST_BYTES) as file:
            values = json.loads(file.read())
        return _Whole(
            tuple(map(int, values["shape"])),
            str(values["dtype"]),
            int(values["changed"]),
            [(int(stop), int(checksum)) for stop, checksum in values["segments"]],
            [str(note) for note in values["notes"]],
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, DataError):
        return None
