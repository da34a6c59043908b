"""What the system says when a file cannot be used, in plain words and with what to do about it."""

from __future__ import annotations

import errno
from dataclasses import dataclass

from latentbench.errors import LatentbenchError, RequestError

__all__ = ["explained", "failure_status", "in_words", "refusal"]


@dataclass(frozen=True)
class _Failure:
    """A failure that the system has a number for: what happened, what to do, and the exit status that fits."""

    reason: str
    advice: str
    status: int = 2


_SPACE = _Failure("no space is left on the disk", "free some and run the same command again", 1)
_DENIED = _Failure("permission denied", "ask for the right to read or write it, or choose another place")
_BUSY = _Failure("too many files are open", "close other programs, or raise the limit (`ulimit -n`)", 1)
_MEMORY = _Failure("the system has no memory left", "close other programs, or try fewer --workers", 1)

FAILURES = {
    errno.ENOSPC: _SPACE,
    errno.EDQUOT: _Failure("the disk quota is used up", _SPACE.advice, 1),
    errno.EFBIG: _Failure("the file would be larger than the system allows", "raise the limit (`ulimit -f`)", 1),
    errno.EACCES: _DENIED,
    errno.EPERM: _DENIED,
    errno.EROFS: _Failure("it lies on a file system that cannot be written", "choose another place with -o"),
    errno.ENAMETOOLONG: _Failure("the name is too long for the file system", "choose a shorter one"),
    errno.ENOENT: _Failure("there is no such file or folder", "check the path"),
    errno.ENOTDIR: _Failure("a file stands where a folder is needed", "choose another path"),
    errno.EEXIST: _Failure("something of that name is there already", "choose another path"),
    errno.EISDIR: _Failure("it is a folder, not a file", "choose another path"),
    errno.ELOOP: _Failure("its links lead round in a circle", "choose another path"),
    errno.ENOTEMPTY: _Failure("the folder is not empty", "choose another path"),
    errno.EMFILE: _BUSY,
    errno.ENFILE: _BUSY,
    errno.ENOMEM: _MEMORY,
    errno.EAGAIN: _MEMORY,
    errno.EIO: _Failure("the device reports an error", "check the disk and run the same command again", 1),
}


def in_words(error: OSError) -> str:
    """Return what happened and what to do, without the path.

    >>> in_words(PermissionError(errno.EACCES, "Permission denied"))
    'permission denied; ask for the right to read or write it, or choose another place'
    """
    failure = FAILURES.get(error.errno or 0)
    if failure is None:
        return f"{error.strerror or error or type(error).__name__}; check it and run the same command again"
    return f"{failure.reason}; {failure.advice}"


def explained(error: OSError) -> str:
    """Return the path, what happened and what to do, as one sentence.

    >>> explained(OSError(errno.ENOSPC, "No space left on device", "run/scores.csv"))
    'run/scores.csv: no space is left on the disk; free some and run the same command again'
    """
    names = [name for name in (error.filename, error.filename2) if name not in (None, "")]
    paths = " and ".join(name.decode(errors="replace") if isinstance(name, bytes) else str(name) for name in names)
    if not paths and error.errno == errno.ENOENT:
        return "the current folder is not there any more; change to another one"
    return f"{paths}: {in_words(error)}" if paths else in_words(error)


def failure_status(error: OSError) -> int:
    """Return 2 where the request has to change (another path, other rights), 1 where the system has to."""
    failure = FAILURES.get(error.errno or 0)
    return failure.status if failure else 1


def refusal(error: OSError, what: str, kind: type[RequestError] = RequestError) -> LatentbenchError:
    """Return the error to raise where `what` failed, as "x.html cannot be written": `kind` if its status fits.

    >>> refusal(FileNotFoundError(errno.ENOENT, ""), "x cannot be read")
    RequestError('x cannot be read: there is no such file or folder; check the path')
    """
    fitting = kind if failure_status(error) == kind.exit_status else LatentbenchError
    return fitting(f"{what}: {in_words(error)}")
