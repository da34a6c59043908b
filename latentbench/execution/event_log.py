"""The run's event log: one JSON line for everything that happens, in `events.jsonl`."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latentbench.files.writing import open_to_append
from latentbench.hookspecs import hookimpl

if TYPE_CHECKING:
    from latentbench.benchmark import Benchmark
    from latentbench.results import Results
    from latentbench.trial import Trial, TrialResult

__all__ = ["EventLog"]


class EventLog:
    """Appends lifecycle events to `events.jsonl` in the run's folder; time is in seconds since 1970."""

    def __init__(self) -> None:
        self._path: Path | None = None

    @hookimpl
    def run_started(self, benchmark: Benchmark, run: Path) -> None:
        """Open the log of this run."""
        self._path = run.absolute() / "events.jsonl"  # a model may change the current folder
        self._write("run_started", title=benchmark.title)

    @hookimpl
    def trial_started(self, trial: Trial) -> None:
        """Log that a trial begins."""
        self._write("trial_started", trial=trial.key, label=trial.label, seed=trial.seed)

    @hookimpl
    def epoch_finished(self, trial: Trial, epoch: int, losses: Mapping[str, float]) -> None:
        """Log an epoch's losses."""
        self._write("epoch_finished", trial=trial.key, epoch=epoch, losses=dict(losses))

    @hookimpl
    def trial_finished(self, trial: Trial, result: TrialResult) -> None:
        """Log how a trial ended."""
        self._write("trial_finished", trial=trial.key, label=trial.label, seed=trial.seed, **result)

    @hookimpl
    def run_finished(self, results: Results) -> None:
        """Log the end of the run."""
        self.ended(len(results.failures))

    def ended(self, failures: int) -> None:
        """Log the end of a run with this many failures."""
        self._write("run_finished", failures=failures)

    def _write(self, event: str, **values: Any) -> None:
        if self._path is not None:
            with open_to_append(self._path) as log:
                log.write(json.dumps({"event": event, "time": time.time(), **values}) + "\n")
