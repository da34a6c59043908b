"""Ending processes with all that they have started."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import psutil

__all__ = ["MARK", "end_group", "end_marked", "end_marked_later", "wait_for_death"]

MARK = "LATENTBENCH_WORKER"  # variable of the environment: whose worker a process is, or descends from
LOOK_SECONDS = 0.05  # between two looks at a process where the system cannot wait for its end alone


def end_group(leader: int) -> None:
    """Kill the leader of a process group that has not been reaped, and its group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def end_marked(mark: str) -> None:
    """Kill the processes whose mark begins with `mark`, but for this one: those too that left their group."""
    for process in _marked(mark):
        with contextlib.suppress(psutil.Error):
            process.kill()


def end_marked_later(mark: str) -> None:
    """Have another process do what `end_marked` does, in a session of its own, so that this one may end first."""
    unmarked = {name: value for name, value in os.environ.items() if name != MARK}
    try:
        subprocess.Popen(  # noqa: S603 - this very interpreter
            [sys.executable, "-c", f"import {__name__} as processes; processes.end_marked({mark!r})"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,  # else who reads our output would wait for it
            start_new_session=True,
            env=unmarked,
        )
    except OSError:  # no process more to be had
        end_marked(mark)


def _marked(mark: str) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and process.environ().get(MARK, "").startswith(mark):
                yield process


def wait_for_death(child: int) -> None:
    """Wait until a child process has ended, and leave it unreaped, so that its number stays taken."""
    if hasattr(os, "waitid"):
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
        return
    with contextlib.suppress(psutil.NoSuchProcess):  # macOS before Python 3.13
        while psutil.Process(child).status() != psutil.STATUS_ZOMBIE:
            time.sleep(LOOK_SECONDS)
