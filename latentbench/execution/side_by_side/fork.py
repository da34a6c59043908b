"""A copy of this process that works beside it and tells it how far it is."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import select
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import psutil
import torch

__all__ = ["Fork", "Tell", "can_fork"]

LOG = logging.getLogger(__name__)
LOOK_SECONDS = 0.2  # between two looks whether it has ended
STUCK_SECONDS = 60.0  # without work: it waits for something that it lost when it was forked
CHUNK = 2**16
LAST_WORD = b""  # a line that is no JSON

Tell = Callable[[Any], None]


def can_fork() -> bool:
    """Whether a copy of this process could compute: macOS forbids most of that, and GPUs do not live on in it."""
    return hasattr(os, "fork") and sys.platform != "darwin" and not torch.accelerator.is_available()


class Fork:
    """A forked process that does one thing and ends; it has all that this one has, and nothing it does shows here.

    Threads are not forked: work that waits for one, or for a lock that one holds, never ends. So nobody waits for
    a process that has not used a processor for a minute. Ctrl-C is for the process that it was forked from, which
    ends it.

    Args:
        work: what it does; it is given a function that tells this process what JSON holds.

    Attributes:
        process: its number.
        finished: whether its work is known to be done.

    Raises:
        OSError: the system has no process more.
    """

    def __init__(self, work: Callable[[Tell], None]) -> None:
        self._told, telling = os.pipe()
        sys.stdout.flush()  # else both would write what waits there
        sys.stderr.flush()
        try:
            self.process = _forked()
        except OSError:
            os.close(self._told)
            os.close(telling)
            raise
        if not self.process:
            _work_and_end(work, telling)
        os.close(telling)
        self.finished = False
        self._begun = b""
        self._ended = False
        self._seconds, self._at_work = 0.0, time.monotonic()

    def messages(self, *, to_the_end: bool = False) -> Iterator[Any]:
        """Yield what it has told by now, or all that it tells until it ends."""
        while not self._ended:
            if self._readable(LOOK_SECONDS if to_the_end else 0.0):
                yield from self._read()
            elif not to_the_end:
                return
            elif self._is_over():
                while self._readable(0.0) and not self._ended:
                    yield from self._read()
                self._ended = True

    def end(self) -> None:
        """End it at once, unless it has ended."""
        self._ended = True
        with contextlib.suppress(ChildProcessError):  # a plugin has waited for every child of this process
            if os.waitpid(self.process, os.WNOHANG) == (0, 0):
                os.kill(self.process, signal.SIGKILL)
                os.waitpid(self.process, 0)
        os.close(self._told)

    def _readable(self, seconds: float) -> bool:
        told = select.poll()  # unlike `select.select`, it takes descriptors beyond 1,023
        told.register(self._told, select.POLLIN)
        return bool(told.poll(1000 * seconds))

    def _read(self) -> Iterator[Any]:
        chunk = os.read(self._told, CHUNK)
        *lines, self._begun = (self._begun + chunk).split(b"\n")
        self.finished = LAST_WORD in lines
        self._ended = self.finished or not chunk
        yield from (json.loads(line) for line in lines if line != LAST_WORD)

    def _is_over(self) -> bool:
        """Whether it has ended or is stuck; what it has started may hold the pipe for ever."""
        with contextlib.suppress(psutil.Error, OSError):
            process = psutil.Process(self.process)
            if process.status() != psutil.STATUS_ZOMBIE:
                return self._is_stuck(process)
        return True

    def _is_stuck(self, process: psutil.Process) -> bool:
        seconds = sum(sum(each.cpu_times()[:2]) for each in [process, *process.children(recursive=True)])
        if seconds != self._seconds:
            self._seconds, self._at_work = seconds, time.monotonic()
        return time.monotonic() - self._at_work > STUCK_SECONDS


def _forked() -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of other threads; see `Fork`
        return os.fork()


def _work_and_end(work: Callable[[Tell], None], telling: int) -> NoReturn:
    """Work, and end without a step back into what this process was forked from."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        work(lambda message: _write(telling, json.dumps(message).encode()))
        sys.stdout.flush()
        sys.stderr.flush()
        _write(telling, LAST_WORD)
    except BaseException:
        LOG.exception("a process that computed beside another one failed")
    finally:
        os._exit(0)  # nobody asks how it ended; the last word tells


def _write(descriptor: int, line: bytes) -> None:
    left = memoryview(line + b"\n")
    while left:
        left = left[os.write(descriptor, left) :]
