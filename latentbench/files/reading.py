"""Files that others made: only regular ones, no more than fits into memory, and a fault is one sentence."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import psutil

from latentbench.errors import DataError, LatentbenchError, RequestError
from latentbench.files.regular import IrregularFileError, opened_regular

__all__ = ["check_memory", "check_unpacked", "is_there", "open_regular", "reading", "uncollected"]

MANY = 50_000  # objects, to look through fewer takes less than 10 ms
LARGE = 100_000_000  # bytes; what unpacks to less is no danger
MOST_PACKED = 500  # times; dSprites, of black and white pixels, is packed 115 times
REASON_LENGTH = 200  # characters


def is_there(path: str | Path) -> bool:
    """Return whether something is at a path; no text is too long or too odd to ask.

    >>> is_there("x" * 5000), is_there(".")
    (False, True)
    """
    return os.path.exists(path)  # noqa: PTH110 - Path.exists raises for a name that is too long


def open_regular(path: Path, most: int | None = None) -> BinaryIO:
    """Open a regular file for reading bytes; a pipe or a device, which may have no end, is never read.

    Args:
        path: the file, or a link to it.
        most: the largest size that such a file has, in bytes; None: any.

    Raises:
        DataError: it is missing, unreadable, no regular file, or larger than `most`.
    """
    try:
        file = opened_regular(path)
    except FileNotFoundError:
        raise DataError(f"{path} must be a file, nothing is there; check the path") from None
    except IrregularFileError as error:
        raise DataError(f"{path} must be a file, {error}; check the path, or save a copy as a file") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path} must be a file, it cannot be read ({_reason(error)}); check the path") from error
    size = os.fstat(file.fileno()).st_size
    if most is not None and size > most:
        file.close()
        raise DataError(
            f"{path} must be no larger than {most:,} bytes, it has {size:,}; check that it is the right file"
        )
    return file


@contextmanager
def reading(path: Path, kind: str, advice: str, error: type[RequestError] = DataError) -> Iterator[None]:
    """Turn whatever is raised inside into one sentence; what latentbench raises on purpose passes.

    Args:
        path: the file that is read.
        kind: what it must be, as "a NumPy file".
        advice: what the user can do.
        error: the class to raise.

    Raises:
        RequestError: of the class `error`, as `PATH must be KIND, it cannot be read (REASON); ADVICE`.
    """
    try:
        yield
    except LatentbenchError:
        raise
    except Exception as cause:  # readers of damaged files raise anything: struct, zlib, Arrow ...
        raise error(f"{path} must be {kind}, it cannot be read ({_reason(cause, path)}); {advice}") from cause


def _reason(error: Exception, path: Path | None = None) -> str:
    """Return an error's message in one short line, without the path, which the sentence names already."""
    if isinstance(error, RecursionError):
        return "it is nested too deep"
    if isinstance(error, MemoryError):
        return "it takes more memory than there is"
    text = error.strerror or "" if isinstance(error, OSError) and error.strerror else str(error)
    line = " ".join(text.replace(f" {str(path)!r}", "").split()).rstrip(".") or type(error).__name__
    return line if len(line) <= REASON_LENGTH else f"{line[:REASON_LENGTH]} ..."


def check_unpacked(path: Path, packed: int, unpacked: int) -> None:
    """Refuse a file that unpacks to far more than data do, before anything is unpacked.

    Args:
        path: the file.
        packed: size of its content there, in bytes.
        unpacked: size that it promises, in bytes.

    Raises:
        DataError: it promises over 100 MB that are packed over 500 times.
    """
    if unpacked > LARGE and unpacked > MOST_PACKED * packed:
        raise DataError(
            f"{path} promises {unpacked:,} bytes packed into {packed:,}, as no data are; check it, or save it "
            "without compression"
        )


def check_memory(path: Path, size: int) -> None:
    """Refuse what does not fit into memory, before any of it is allocated.

    Args:
        path: the file or folder.
        size: the memory that its content takes, in bytes.

    Raises:
        DataError: less is available.
    """
    available = psutil.virtual_memory().available
    if size > available:
        raise DataError(
            f"{path} takes {size / 1e9:,.1f} GB of memory, {available / 1e9:,.1f} GB are free; give a part of it"
        )


@contextmanager
def uncollected() -> Iterator[None]:
    """Look for no circles of objects meanwhile: where millions are made that stay, that takes most of the time."""
    looks = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if looks:
            many = gc.get_count()[0] > MANY
            if many and not gc.get_freeze_count():  # else what is spared for good, and counted, would be no longer
                gc.freeze()  # and back: what was made is old now, so that it is not looked through at once
                gc.unfreeze()
            gc.enable()
