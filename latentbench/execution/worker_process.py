"""A worker process as the main process sees it: the job it is on, what it says, and how it ends."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from latentbench.execution.events import TrialEvent
from latentbench.execution.job import Job
from latentbench.execution.processes import (
    WORKER_PROGRAM,
    end_group,
    end_marked,
    start_process,
    taken_ahead,
    wait_for_death,
)
from latentbench.plugins import Plugins
from latentbench.trial import Trial

__all__ = ["LastWords", "Messages", "PutBack", "WorkerProcess", "parse"]

PROGRAM: Sequence[str] = WORKER_PROGRAM
KILLED = -signal.SIGKILL, -signal.SIGTERM
LONGEST = 2**24  # bytes of a line; an event has some hundreds
QUOTED = 80  # bytes of what is no event are told
LAST_WORDS_SECONDS = 2.0  # what a dead process has said is read by then; a descendant may hold the pipe for ever

Messages = queue.Queue[tuple["WorkerProcess", bytes | None]]


@dataclass(frozen=True)
class LastWords:
    """Why a worker ends, as it says itself: the exception's type and the traceback."""

    error: str
    traceback: str


@dataclass(frozen=True)
class PutBack:
    """A worker ends in the middle of its job, and not for the job's sake: the rest of it is for other workers.

    Attributes:
        halves: in halves, else one training at a time.
    """

    halves: bool

    def pieces(self, trials: Sequence[Trial]) -> list[tuple[Trial, ...]]:
        """Divide what is left, trials of one training together."""
        keys = list(dict.fromkeys(trial.training_key for trial in trials))
        middle = len(keys) // 2
        parts = [keys[:middle], keys[middle:]] if self.halves else [[key] for key in keys]
        return [tuple(trial for trial in trials if trial.training_key in part) for part in parts if part]


def parse(line: bytes) -> TrialEvent | LastWords | PutBack:
    """Read what a worker said.

    Raises:
        ValueError: it is neither an event nor last words.
    """
    try:
        values = json.loads(line)
        if values in ({"put_back": "halves"}, {"put_back": "singles"}):
            return PutBack(values["put_back"] == "halves")
        if isinstance(values, dict) and values.keys() == {"died", "traceback"}:
            return LastWords(str(values["died"]), str(values["traceback"]))
        return TrialEvent.from_json(values)
    except (ValueError, RecursionError) as error:
        quoted = repr(line[:QUOTED])[1:] + ("..." if len(line) > QUOTED else "")
        raise ValueError(f"{quoted}, which is no event") from error


class WorkerProcess:
    """One process, the threads that listen to it, and the job it is on.

    Attributes:
        device: where all its jobs are done, "cpu" or "cuda".
        process: the leader of a process group of its own.
        job: what it does.
        ended: keys of the job's trials that are done.
        heard: whether it has said anything of its job.
        timeout, deadline: seconds that a trial may take, and when it must have ended.
        taken: when it was given its job.
        last_words: why it ends, if it said so.
        put_back: what is to become of the rest of its job, if it said so.
        jobs_done: how many jobs it has done.
    """

    def __init__(self, plugins: Plugins, messages: Messages, device: str) -> None:
        self.device = device
        started = (taken_ahead() if device == "cpu" else None) or start_process(device, PROGRAM)
        self.process, self.mark = started.process, started.mark
        self._jobs, self._events = started.jobs, started.events
        self.job: Job | None = None
        self.ended: set[str] = set()
        self.heard = False
        self.timeout: float | None = None
        self.deadline: float | None = None
        self.taken = 0.0
        self.last_words: LastWords | None = None
        self.put_back: PutBack | None = None
        self.jobs_done = 0
        self._dead = threading.Event()
        reader = threading.Thread(target=self._read, args=(messages,), daemon=True)
        reader.start()
        threading.Thread(target=self._watch, args=(reader, messages), daemon=True).start()
        self._send({"files": plugins.files, "blocked": plugins.blocked})

    @property
    def alive(self) -> bool:
        """Whether its end has not been noticed yet."""
        return not self._dead.is_set()

    @property
    def was_killed(self) -> bool:
        """Whether it has ended by a signal that comes from outside: what it was at need not be at fault."""
        return self.process.returncode in KILLED

    @property
    def has_left(self) -> bool:
        """Whether it has ended of its own accord after a job, as one does whose process is fit for no other."""
        return self.process.returncode == 0 and (self.jobs_done > 0 or self.put_back is not None)

    @property
    def left(self) -> tuple[Trial, ...]:
        """The trials of its job that are not done."""
        return () if self.job is None else tuple(each for each in self.job.trials if each.key not in self.ended)

    def take(self, job: Job, timeout: float | None) -> None:
        """Give it a job."""
        self.job, self.ended, self.heard = job, set(), False
        self.timeout, self.deadline, self.taken = timeout, None, time.monotonic()
        self._send(job.to_json())

    def note(self, event: TrialEvent) -> None:
        """Keep track of how far it has come with its job.

        Raises:
            ValueError: the event is about no trial of its job that is not done.
        """
        if self.job is None or event.trial not in {trial.key for trial in self.job.trials} - self.ended:
            raise ValueError(f"an event of a trial that it is not on ({event.kind} {event.trial[:QUOTED]})")
        self.heard = True
        if event.kind == "trial_finished":
            self.ended.add(event.trial)
        if (
            event.kind in ("trial_started", "trial_finished") and self.timeout is not None
        ):  # starting the process does not count
            trainings = {trial.training_key for trial in self.job.trials if trial.key not in self.ended}
            self.deadline = time.monotonic() + self.timeout * max(1, len(trainings))
        if len(self.ended) == len(self.job.trials):
            self.job = None
            self.jobs_done += 1

    def _read(self, messages: Messages) -> None:
        with os.fdopen(self._events, "rb") as lines:
            while line := lines.readline(LONGEST):
                messages.put((self, line))
                if not line.endswith(b"\n"):
                    break

    def _watch(self, reader: threading.Thread, messages: Messages) -> None:
        """Wait for the end of the process itself, end what it has started, and say that it is dead."""
        wait_for_death(self.process.pid)
        self._dead.set()
        end_group(self.process.pid)
        self.process.wait()
        reader.join(LAST_WORDS_SECONDS)
        messages.put((self, None))

    def _send(self, value: Any) -> None:
        """Write one line to the process; a dead one is noticed by `_watch`."""
        line = memoryview(json.dumps(value).encode() + b"\n")
        with contextlib.suppress(BrokenPipeError):
            while line:
                line = line[os.write(self._jobs, line) :]

    def end(self) -> str:
        """Kill the process with all that it has started, and return how it had ended, in words."""
        if self.alive:
            end_group(self.process.pid)
        code = self.process.wait()
        end_marked(self.mark)
        if self._jobs >= 0:
            os.close(self._jobs)
            self._jobs = -1
        return _in_words(code)


def _in_words(code: int) -> str:
    if code >= 0:
        return f"with exit status {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = str(-code)
    hint = "; the machine may be out of memory, try fewer --workers" if code == -signal.SIGKILL else ""
    return f"by signal {name}{hint}"
