"""All that the command line prints, on any terminal, file or pipe.

Text of others (names, labels, messages) may hold characters that steer a terminal, or that its encoding lacks:
they stand as escapes. Nothing else in this package writes to standard output or standard error.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from latentbench.text import printable

__all__ = [
    "OutputError",
    "before_output",
    "clear_displays",
    "echo",
    "echo_json",
    "echo_paths",
    "prepare_streams",
    "silence",
    "terminal_width",
]

WIDTH_ELSEWHERE = 80  # columns of files and pipes
_BEFORE_OUTPUT: list[Callable[[], None]] = []


class OutputError(Exception):
    """Standard output cannot be written; `cause` is what the system said."""

    def __init__(self, cause: OSError) -> None:
        super().__init__(str(cause))
        self.cause = cause


def prepare_streams() -> None:
    """Let characters that a stream's encoding lacks be written as escapes; open what the caller has closed."""
    for number in (0, 1, 2):  # otherwise the next file gets the number, and all that is printed
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError):  # closed, or not one of Python's
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def echo(text: str = "", err: bool = False) -> None:
    """Print lines on standard output or standard error.

    Raises:
        OutputError: standard output cannot be written. What cannot be shown on standard error is lost: messages
            never end a run.
    """
    if not err:
        clear_displays()
    stream = sys.stderr if err else sys.stdout
    if stream is None:
        return
    try:
        stream.write(_shown(text, stream) + "\n")
        stream.flush()
    except OSError as error:
        if not err:
            raise OutputError(error) from error
        silence(stream)
    except ValueError:  # the stream is closed
        return


@contextmanager
def before_output(call: Callable[[], None]) -> Iterator[None]:
    """Within, call something before anything is printed on standard output, as to take a display away."""
    _BEFORE_OUTPUT.append(call)
    try:
        yield
    finally:
        _BEFORE_OUTPUT.remove(call)


def clear_displays() -> None:
    """Call what is to be called before something is printed on standard output, or another display comes."""
    for call in tuple(_BEFORE_OUTPUT):
        call()


def echo_json(value: Any) -> None:
    """Print a value as JSON, in ASCII."""
    echo(json.dumps(value, indent=1).replace("\x7f", "\\u007f"))


def echo_paths(paths: Sequence[Path], err: bool = False) -> None:
    """Print the paths of the files written, one per line; on standard error where the other holds a table."""
    for path in paths:
        echo(printable(str(path)), err)


def terminal_width() -> int:
    """Return how many columns standard output has: what COLUMNS says, those of a terminal, 80 elsewhere."""
    return shutil.get_terminal_size((WIDTH_ELSEWHERE, 24)).columns


def silence(stream: TextIO) -> None:
    """Send all that is left in a broken stream nowhere: Python would complain of it when it ends."""
    with suppress(OSError, ValueError):
        number = stream.fileno()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, number)
        os.close(nowhere)
    with suppress(OSError, ValueError):
        stream.flush()


def _shown(text: str, stream: TextIO) -> str:
    """Escape what steers the terminal and, where the stream would fail of it, what its encoding lacks."""
    escaped = printable(text, keep="\n")
    encoding = stream.encoding or "utf-8"
    return escaped.encode(encoding, "backslashreplace").decode(encoding)
