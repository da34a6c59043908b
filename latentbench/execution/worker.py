"""A worker process: `python -m latentbench.execution.worker JOBS EVENTS`.

It reads one JSON line a job from the descriptor JOBS and writes one JSON line an event to the descriptor EVENTS.
Both are its own: no program that it starts and no process that it forks has them, and standard input is empty.
What else prints goes to standard error, or to a trial's log. When JOBS ends, because the main process has, it ends
at once, with all that it has started.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import json
import os
import queue
import sys
import threading
import traceback
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from typing import Any, NoReturn

from latentbench.execution.processes import MARK, end_group, end_marked_later
from latentbench.source.loading import FILE_MODULE, module_name

__all__ = ["main"]

PLUGIN_FILES = "LATENTBENCH_WORKER_FILES"  # variable of the environment: the loose plugin files, as JSON


def main() -> None:
    """Run jobs until there are no more, or this process is no place for another trial."""
    jobs, events = (int(word) for word in sys.argv[1:3])
    _keep_to_itself([jobs, events])
    with contextlib.suppress(OSError):  # standard error may be closed; so is standard output then
        os.dup2(2, 1)
    faulthandler.enable()  # a crash leaves a traceback in the log
    mark = os.environ.get(MARK, "")
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(jobs, lines, mark), daemon=True).start()
    try:
        _work(lines, events, mark)
    except BaseException as error:  # noqa: BLE001 - what a plugin raises that is no failure of its trial
        last_words = {"died": type(error).__name__, "traceback": traceback.format_exc()}
        with contextlib.suppress(OSError):
            _write(events, last_words)
        os._exit(1)
    os._exit(0)  # at once: a broken CUDA graph may take long to take down, and crash


def _work(lines: queue.SimpleQueue[bytes], events: int, mark: str) -> None:
    from latentbench.execution.events import TrialEvent
    from latentbench.execution.isolation.put_back import ARITHMETIC, Spoiled, put_back
    from latentbench.execution.job import Job, RuinedProcess, execute_job
    from latentbench.machine import freeze_memory
    from latentbench.plugins import Plugins
    from latentbench.training.graphs import StepGraphs

    setup = json.loads(lines.get())  # it may have been started ahead of what it is for: it imports meanwhile
    with put_back("loading plugins", ARITHMETIC):
        plugins = Plugins(tuple(setup["files"]), tuple(setup["blocked"]))
    gc.freeze()  # what is imported by now stays: the first trial need not wait for it to be looked through

    def send(event: TrialEvent) -> None:
        try:
            _write(events, event.to_json())
        except OSError:  # nobody listens any more; raised into a training, it would fail the trial
            _end(mark)

    first = True
    while not (StepGraphs.broken or Spoiled.process):
        job = Job.from_json(json.loads(lines.get()))
        os.environ[PLUGIN_FILES] = json.dumps([*setup["files"], *job.files])
        try:
            execute_job(job, plugins, send, output="all caught", replaceable=True)
        except RuinedProcess as ruined:
            _write(events, {"put_back": "halves" if ruined.halves else "singles"})
            return
        if first:
            freeze_memory()
        first = False


def _keep_to_itself(descriptors: Sequence[int]) -> None:
    """Close the descriptors in programs that this process starts and in processes that it forks."""
    left = list(descriptors)
    for descriptor in left:
        os.set_inheritable(descriptor, False)

    def close() -> None:
        while left:
            os.close(left.pop())

    os.register_at_fork(after_in_child=close)


def _write(descriptor: int, value: Any) -> None:
    line = memoryview(json.dumps(value).encode() + b"\n")
    while line:
        line = line[os.write(descriptor, line) :]


def _read(descriptor: int, lines: queue.SimpleQueue[bytes], mark: str) -> None:
    """Read jobs, by system calls alone: a lock held here would stop every process that a plugin forks."""
    begun = b""
    while chunk := os.read(descriptor, 2**16):
        *whole, begun = (begun + chunk).split(b"\n")
        for line in whole:
            lines.put(line)
    _end(mark)  # the main process is gone, or wants us gone: nothing half written is ever renamed into place


def _end(mark: str) -> NoReturn:
    """End this process and its group at once; one that is left behind ends what has gone out of the group.

    This process goes first: a trial would fail, and be kept, if it outlived what it has started.
    """
    try:
        if mark:
            end_marked_later(mark)
        if os.getpgid(0) == os.getpid():
            end_group(os.getpid())
    finally:
        os._exit(1)


class _PluginFiles(MetaPathFinder):
    """Finds loose plugin files by the names they are loaded under, for the processes that a plugin spawns."""

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:  # noqa: ARG002
        """Return how to import such a file, None for anything else."""
        if not fullname.startswith(FILE_MODULE):
            return None
        files: list[str] = json.loads(os.environ.get(PLUGIN_FILES, "[]"))
        file = next((file for file in files if module_name(Path(file).resolve()) == fullname), None)
        return None if file is None else spec_from_file_location(fullname, file)


if __name__ == "__main__":
    main()
elif __name__ == "__mp_main__":  # a process that a plugin spawned looks at the main module of its parent
    sys.meta_path.append(_PluginFiles())
