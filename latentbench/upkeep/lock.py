"""Whether a run is at work in a folder, and its lock, held while files are moved or copied."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from latentbench.errors import RunFolderError
from latentbench.execution.executors.claims import busy
from latentbench.files.regular import is_regular

__all__ = ["held", "is_at_work"]

NAME = "run.lock"


def is_at_work(run: Path) -> bool:
    """Return whether a run is at work in a folder, or workers of an executor that it left there."""
    if busy(run):
        return True
    if not _is_lock(run / NAME):
        return False
    try:
        with FileLock(run / NAME, timeout=0):
            return False
    except Timeout:
        return True
    except OSError:  # not ours to lock: then no run of this user is at work in it
        return False


@contextmanager
def held(run: Path, what: str) -> Iterator[None]:
    """Hold the lock of a run folder, so that no run starts there; a folder that cannot be written needs none.

    Args:
        run: the folder.
        what: what waits for it, as "merge".

    Raises:
        RunFolderError: a run is at work there, or workers of an executor that it left.
    """
    if busy(run):
        raise RunFolderError(f"workers of an executor are at work in {run}; {what} it when they have ended")
    if not _is_lock(run / NAME):
        yield
        return
    lock = FileLock(run / NAME, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise RunFolderError(f"a run is at work in {run}; {what} it when that has ended") from None
    except OSError:
        yield
        return
    try:
        yield
    finally:
        lock.release()


def _is_lock(path: Path) -> bool:
    """Whether it is the file that a run locks; a link may lead elsewhere, and a pipe hangs."""
    return not path.is_symlink() and is_regular(path)
