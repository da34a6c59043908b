"""How far a run is: what is done, failed, running, queued or not begun, as its folder tells."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from latentbench.execution.executors.submission import Submission, claims_of, submissions
from latentbench.files.regular import is_regular
from latentbench.results import Results
from latentbench.trial import NOT_RUN, Outcome, Trial

__all__ = ["STATES", "TrialStanding", "standings"]

State = Literal["done", "failed", "running", "queued", "waiting"]
STATES: tuple[State, ...] = ("done", "failed", "running", "queued", "waiting")


@dataclass(frozen=True)
class TrialStanding:
    """How far one trial is.

    Attributes:
        trial: which.
        state: "done"; "failed", or some of its scores are; "running"; "queued" with an executor; "waiting" for a
            run.
        why: of one that failed.
        where: the executor and, of one that is running, its machine; "" for a worker of this machine.
        silence: of one that is running, seconds since its worker's last sign of life; None if that is not known.
        epoch: of one that is running, the last that is over.
    """

    trial: Trial
    state: State
    why: str = ""
    where: str = ""
    silence: float | None = None
    epoch: int = 0


@dataclass
class _Word:
    """The last that was heard of a trial."""

    time: float
    epoch: int = 0
    over: bool = False


def standings(results: Results, *, locked: bool) -> list[TrialStanding]:
    """Return how far each trial of a run is.

    Args:
        results: of the run.
        locked: a process of this machine is at it.
    """
    claimed = claims_of(results.path).alive()
    queued = {
        trial.key: each for each in submissions(results.path) for job in each.jobs.values() for trial in job.trials
    }
    words = dict(_words(results.path))
    epochs = _epochs({each.folder: each for each in queued.values()}.values())
    local = locked and not claimed

    def standing(trial: Trial) -> TrialStanding:
        word = words.get(trial.key)
        if (claim := claimed.get(trial.training_key)) is not None and not _is_over(results, trial, word):
            node = claim.holder.node if claim.holder else ""
            submission = queued.get(trial.key)
            where = f"{submission.asked.executor}, {node}" if submission else node
            return TrialStanding(
                trial, "running", where=where, silence=claim.silence, epoch=epochs.get(trial.key, 0)
            )
        if local and word is not None and not word.over:
            return TrialStanding(trial, "running", silence=max(0.0, time.time() - word.time), epoch=word.epoch)
        ended = _ended(results, trial)
        if ended is not None:
            return ended
        if (submission := queued.get(trial.key)) is not None:
            return TrialStanding(trial, "queued", where=submission.asked.executor)
        return TrialStanding(trial, "waiting")

    return [standing(trial) for trial in results.trials]


def _is_over(results: Results, trial: Trial, word: _Word | None) -> bool:
    """Whether a trial is over whose training is claimed: a checkpoint on the way, or all but the giving back."""
    return word is not None and word.over and results.record(trial).exists()


def _ended(results: Results, trial: Trial) -> TrialStanding | None:
    """Return that a trial is done, or failed and why; None if there is something left to do."""
    outcome = trial.outcome or Outcome("skipped", NOT_RUN)
    if outcome.error == NOT_RUN:
        return None
    if not trial.ok:
        state: State = "done" if outcome.refused else "failed"
        return TrialStanding(trial, state, why=f"{outcome.error}: {outcome.message}".strip(": "))
    record = results.record(trial)
    if any(record.lacks_scores(request, "test") for request in results.requests):
        return None
    return TrialStanding(trial, "done")


def _words(run: Path) -> Iterator[tuple[str, _Word]]:
    """Return the last that the run's event log tells of each trial since the run was last begun."""
    words: dict[str, _Word] = {}
    for event in _lines(run / "events.jsonl"):
        kind, trial = event.get("event"), str(event.get("trial"))
        if kind == "run_started":
            words.clear()
        elif kind == "trial_started":
            words[trial] = _Word(_number(event.get("time")))
        elif trial in words:
            word = words[trial]
            word.time = _number(event.get("time"))
            word.epoch = int(_number(event.get("epoch")) or word.epoch)
            word.over = kind == "trial_finished"
    yield from words.items()


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _lines(path: Path) -> Iterator[Mapping[str, Any]]:
    """Return the events of a log; a line that is cut off is none."""
    if not is_regular(path):
        return
    with path.open(encoding="utf-8", errors="replace") as log:
        for line in log:
            with suppress(ValueError, RecursionError):
                event = json.loads(line)
                if isinstance(event, dict):
                    yield event


def _epochs(handed_over: Iterable[Submission]) -> dict[str, int]:
    """Return the last epoch that workers of executors told of each trial."""
    epochs: dict[str, int] = {}
    for submission in handed_over:
        for event in submission.events({}):
            epochs[event.trial] = max(event.epoch, epochs.get(event.trial, 0))
    return epochs
