"""What becomes of a trial whose worker has died: it is begun again, or its record says how it ended."""

from __future__ import annotations

import shutil

from latentbench.execution.job import Job
from latentbench.files.regular import read_regular
from latentbench.files.writing import open_to_append
from latentbench.records import Record, progress_path, work_folder
from latentbench.trial import Outcome, Trial

__all__ = ["Deaths", "last_saved", "record_failure", "unfinished_log"]

UNBEGUN = 0.1  # of a death


class Deaths:
    """How often the workers of jobs were killed, one after the other, without getting further.

    Args:
        retries: how many deaths a job is spared. Those of workers that had not begun it count a tenth: they say
            nothing about it.
    """

    def __init__(self, retries: int) -> None:
        self.retries = retries
        self._counts: dict[str, tuple[float, int, int]] = {}  # of a training: weight, deaths, last save

    def spare(self, job: Job, *, begun: bool) -> bool:
        """Count a death; whether the job is to be begun again."""
        key = job.trials[-1].training_key
        weight, deaths, before = self._counts.get(key, (0.0, 0, 0))
        saved = last_saved(job)
        if saved != before:
            weight, deaths = 0.0, 0
        self._counts[key] = weight + (1 if begun else UNBEGUN), deaths + 1, saved
        return self._counts[key][0] <= self.retries

    def told(self, job: Job) -> str:
        """Return how many deaths in a row there were, as words after `ended`; "" for one."""
        deaths = self._counts[job.trials[-1].training_key][1]
        return f"{deaths} times in a row, at last " if deaths > 1 else ""


def last_saved(job: Job) -> int:
    """Return when the trainings of a job were last saved, in nanoseconds; 0 if never."""
    times = [0]
    for key in dict.fromkeys(trial.training_key for trial in job.trials):
        try:
            times.append(progress_path(job.run, key).stat().st_mtime_ns)
        except OSError:
            continue
    return max(times)


def record_failure(job: Job, trial: Trial, outcome: Outcome, log: str = "", words: str = "") -> None:
    """Write the record of a trial whose worker could not; one that was trained stays.

    Args:
        job: what the worker was at.
        trial: what it did not finish.
        outcome: how it ended.
        log: what it had printed.
        words: what it said last.
    """
    record = Record(job.run, trial.key)
    begun = not record.exists()
    if begun:
        record = Record.begin(job.run, trial.key)
        record.write_trial(trial, outcome)
    with open_to_append(record.log_path) as file:
        file.write(f"{log if begun else ''}{words}{outcome.message}\n")
    record.publish()


def unfinished_log(job: Job, trial: Trial, process: int) -> str:
    """Return what the log of a trial held when its worker ended, and take its folder away."""
    folder = work_folder(job.run, trial.key, process)
    try:
        return read_regular(folder / "log.txt").decode("utf-8", "backslashreplace")
    except (OSError, ValueError):
        return ""
    finally:
        shutil.rmtree(folder, ignore_errors=True)
