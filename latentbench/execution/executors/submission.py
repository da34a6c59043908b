"""A submission: jobs handed to an executor, as files in the run's folder that its workers and drivers share.

`executor/ID/` holds `jobs.json` (what was handed over), `workers/` (of each worker that was submitted what the
engine calls it, the log of its events, its sign of life), `finished/` (an empty file for each job that is done),
and `stop` once workers are to take no more jobs. `executor/claims/` holds who is at work on what.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import uuid4

from latentbench.errors import RunFolderError
from latentbench.execution.events import TrialEvent
from latentbench.execution.executors.claims import FOLDER, Claims, Holder, alive_workers
from latentbench.execution.job import Job
from latentbench.files.json_files import canonical_json, damaged, read_sealed, write_sealed
from latentbench.files.regular import is_regular
from latentbench.files.removing import discard
from latentbench.files.shapes import checked
from latentbench.files.writing import write_atomically
from latentbench.trial import ScoreRequest

__all__ = ["Asked", "Submission", "claims_of", "submissions"]

SHARED = "requests", "validation"  # of a job


@dataclass(frozen=True)
class Asked:
    """How jobs of a submission are to be done.

    Attributes:
        executor: its registered name.
        options: its parameters, as JSON.
        device: "cpu" or "cuda".
        threads: that a trial computes on.
        files, blocked: plugin files to load, and plugins to leave out.
        timeout: seconds that a trial may take.
        retries: how often a training is begun again whose worker was killed, without getting further.
    """

    executor: str
    options: dict[str, Any]
    device: str
    threads: int
    files: list[str]
    blocked: list[str]
    timeout: float | None
    retries: int


class Submission:
    """The files of one submission."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.run = folder.parent.parent

    @classmethod
    def begin(cls, run: Path, asked: Asked, jobs: Sequence[Job]) -> Submission:
        """Write down what is handed over."""
        made = cls(run / FOLDER / f"{time.strftime('%Y%m%d-%H%M%S')}-{uuid4().hex[:8]}")
        for name in ("workers", "finished"):
            (made.folder / name).mkdir(parents=True)
        write_sealed(made.folder / "jobs.json", {**asdict(asked), **_packed(jobs)})
        return made

    @cached_property
    def _content(self) -> dict[str, Any]:
        return read_sealed(self.folder / "jobs.json")

    @cached_property
    def asked(self) -> Asked:
        """How its jobs are to be done.

        Raises:
            RunFolderError: its file is damaged.
        """
        try:
            return checked(
                Asked, {name: self._content[name] for name in self._content.keys() - {"jobs", "requests"}}
            )
        except (TypeError, ValueError) as error:
            raise damaged(self.folder / "jobs.json", error) from error

    @cached_property
    def jobs(self) -> dict[str, Job]:
        """Its jobs by their names.

        Raises:
            RunFolderError: its file is damaged.
        """
        try:
            jobs = _unpacked(self._content, self.run)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise damaged(self.folder / "jobs.json", error) from error
        return {_job_name(job): job for job in jobs}

    def mark_finished(self, job: str) -> None:
        """Say that a job is done."""
        (self.folder / "finished" / job).touch()

    def is_finished(self, job: str) -> bool:
        """Whether a job is done."""
        return is_regular(self.folder / "finished" / job)

    def finished(self) -> set[str]:
        """Return the names of the jobs that are done."""
        with suppress(OSError):
            return set(os.listdir(self.folder / "finished"))  # noqa: PTH208 - asked for several times a second
        return set()

    def stop(self) -> None:
        """Tell workers to end, at once where they are, and those that have not begun when they begin."""
        with suppress(OSError):
            (self.folder / "stop").touch()

    @property
    def stopped(self) -> bool:
        """Whether workers are to end."""
        return (self.folder / "stop").exists() or not self.folder.exists()

    def announce_worker(self, worker: str, identity: str) -> None:
        """Write down that a worker was submitted, and what the engine calls it."""
        write_atomically(self.place_of(worker, "json"), json.dumps(identity).encode())

    def workers(self) -> dict[str, str]:
        """Return what the engine calls each worker that was submitted."""
        identities = {}
        for path in sorted((self.folder / "workers").glob("*.json")):
            with suppress(OSError, ValueError):
                identities[path.stem] = str(json.loads(path.read_text(encoding="utf-8")))
        return identities

    def place_of(self, worker: str, kind: str) -> Path:
        """Return the file of a worker: its "events", its sign of "life", the "error" that ended it."""
        return self.folder / "workers" / f"{worker}.{kind}"

    def give_life(self, worker: str) -> None:
        """Give a worker's sign of life: this process is at it."""
        with suppress(OSError):
            write_atomically(self.place_of(worker, "life"), Holder.here().to_json().encode(), durable=False)

    def end_life(self, worker: str) -> None:
        """Say that a worker has ended."""
        with suppress(OSError):
            self.place_of(worker, "life").unlink(missing_ok=True)

    def alive_workers(self) -> dict[str, str]:
        """Return the name of the machine of each worker that has given a sign of life lately."""
        return alive_workers(self.folder / "workers")

    def has_begun(self, worker: str) -> bool:
        """Whether a worker has ever been at work."""
        return self.place_of(worker, "events").exists()

    def note_error(self, worker: str, error: str) -> None:
        """Write down what ended a worker."""
        with suppress(OSError):
            write_atomically(self.place_of(worker, "error"), error.encode(errors="replace"), durable=False)

    def error_of(self, worker: str) -> str:
        """Return what ended a worker, as far as it said; the last line where it is a traceback."""
        try:
            text = self.place_of(worker, "error").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        return text.strip().rpartition("\n")[2]

    def events(self, offsets: dict[Path, int]) -> Iterator[TrialEvent]:
        """Read what workers have told since; `offsets` keeps how far each log was read."""
        for path in sorted((self.folder / "workers").glob("*.events")):
            with suppress(OSError), path.open("rb") as log:
                log.seek(offsets.get(path, 0))
                whole, newline, _ = log.read().rpartition(b"\n")
                offsets[path] = offsets.get(path, 0) + len(whole) + len(newline)
                for line in whole.splitlines():
                    with suppress(ValueError, RecursionError):
                        yield TrialEvent.from_json(json.loads(line))

    def discard(self) -> None:
        """Remove its files."""
        discard(self.folder)


def _packed(jobs: Sequence[Job]) -> dict[str, Any]:
    """Return jobs as JSON, in which each request for a metric stands once: jobs share them by the thousand."""
    places: dict[str, int] = {}
    packed = []
    for job in jobs:
        values = {**replace(job, requests=(), validation=()).to_json()}
        for name in SHARED:
            texts = [canonical_json(asdict(request)) for request in getattr(job, name)]
            values[name] = [places.setdefault(text, len(places)) for text in texts]
        packed.append(values)
    return {"requests": [json.loads(text) for text in places], "jobs": packed}


def _unpacked(content: Mapping[str, Any], run: Path) -> list[Job]:
    """Return what `_packed` was given, in this run's folder."""
    requests = [ScoreRequest.from_json(values) for values in content["requests"]]
    jobs = []
    for values in content["jobs"]:
        test, validation = (tuple(requests[place] for place in values[name]) for name in SHARED)
        plain = Job.from_json({**values, "run": str(run), "requests": [], "validation": []})
        jobs.append(replace(plain, requests=test, validation=validation))
    return jobs


def _job_name(job: Job) -> str:
    """Return the name of a job in file names: a digest of its trials."""
    return hashlib.sha256(" ".join(trial.key for trial in job.trials).encode()).hexdigest()


def claims_of(run: Path) -> Claims:
    """Return the claims of a run."""
    return Claims(run / FOLDER / "claims")


def submissions(run: Path) -> list[Submission]:
    """Return the submissions of a run that are not over, the oldest first; those that are damaged are left out."""
    folders: Iterable[Path] = (run / FOLDER).glob("*/jobs.json")
    found = []
    for path in sorted(folders):
        submission = Submission(path.parent)
        with suppress(RunFolderError):
            if submission.asked and submission.jobs and not submission.stopped:
                found.append(submission)
    return found
