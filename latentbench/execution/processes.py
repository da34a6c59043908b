"""Starting worker processes, and ending processes with all that they have started."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import uuid4

import psutil

from latentbench.execution.variables import of_worker

__all__ = [
    "MARK",
    "WORKER_PROGRAM",
    "StartedProcess",
    "end_group",
    "end_marked",
    "end_marked_later",
    "start_process",
    "started_ahead",
    "taken_ahead",
    "wait_for_death",
]

WORKER_PROGRAM = "-m", "latentbench.execution.worker"
MARK = "LATENTBENCH_WORKER"  # variable of the environment: whose worker a process is, or descends from
_AHEAD: list[StartedProcess] = []
LOOK_SECONDS = 0.05  # between two looks at a process where the system cannot wait for its end alone


@dataclass(frozen=True)
class StartedProcess:
    """A worker process that has been told nothing yet.

    Attributes:
        process: the leader of a process group of its own.
        jobs, events: descriptors, to write its jobs to and to read its events from.
        mark: the value of `MARK` in its environment.
    """

    process: subprocess.Popen[bytes]
    jobs: int
    events: int
    mark: str


def start_process(device: str, program: Sequence[str] = WORKER_PROGRAM) -> StartedProcess:
    """Start a worker process for jobs on "cpu" or "cuda"; `program`: what the interpreter runs."""
    theirs, jobs = os.pipe()
    events, its = os.pipe()
    mark = uuid4().hex
    process = subprocess.Popen(  # noqa: S603 - this very interpreter
        [sys.executable, *program, str(theirs), str(its)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        pass_fds=(theirs, its),
        start_new_session=True,  # Ctrl-C is for the main process, which ends its workers
        env={**of_worker(os.environ, device), MARK: mark},
    )
    os.close(theirs)
    os.close(its)
    return StartedProcess(process, jobs, events, mark)


@contextlib.contextmanager
def started_ahead(count: int) -> Iterator[None]:
    """Have worker processes for jobs on the CPU import what they need while this process does; end those left."""
    try:
        _AHEAD.extend(start_process("cpu") for _ in range(count))
        yield
    finally:
        while (left := taken_ahead()) is not None:
            end_group(left.process.pid)
            left.process.wait()
            os.close(left.jobs)
            os.close(left.events)


def taken_ahead() -> StartedProcess | None:
    """Return a process that was started ahead, if there is one left."""
    return _AHEAD.pop(0) if _AHEAD else None


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
