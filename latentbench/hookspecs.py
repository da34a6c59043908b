"""The contract with plugins. A plugin is a module with some of these functions, each marked `@hookimpl`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from latentbench.benchmark import Benchmark
    from latentbench.results import Results
    from latentbench.trial import Trial, TrialResult

__all__ = ["hookimpl"]

hookspec = pluggy.HookspecMarker("latentbench")
hookimpl = pluggy.HookimplMarker("latentbench")

Register = Callable[..., None]


@hookspec
def register_datasets(register: Register) -> None:
    """Register datasets: call register("name", "package.module:Class", summary="one line")."""


@hookspec
def register_models(register: Register) -> None:
    """Register models: call register("name", "package.module:Class", summary="one line")."""


@hookspec
def register_metrics(register: Register) -> None:
    """Register metrics: call register("name", "package.module:Class", summary="one line")."""


@hookspec
def register_pair_metrics(register: Register) -> None:
    """Register metrics of two spaces: call register("name", "package.module:Class", summary="one line")."""


@hookspec
def register_executors(register: Register) -> None:
    """Register executors: call register("name", "package.module:Class", summary="one line")."""


@hookspec
def run_started(benchmark: Benchmark, run: Path) -> None:
    """Learn that a run begins: what was asked for, and the folder it goes to."""


@hookspec
def trial_started(trial: Trial) -> None:
    """Learn that a worker has taken up a trial."""


@hookspec
def epoch_finished(trial: Trial, epoch: int, losses: Mapping[str, float]) -> None:
    """Learn the mean losses of an epoch, counted from 1, over its batches."""


@hookspec
def metric_started(trial: Trial, metric: str, done: int, total: int) -> None:
    """Learn that a trial is scored by a metric, after `done` others of `total`."""


@hookspec
def trial_finished(trial: Trial, result: TrialResult) -> None:
    """Learn how a trial ended, failed ones too: `result` has status, error, message, seconds, failed_scores."""


@hookspec
def run_finished(results: Results) -> None:
    """Learn that a run has ended and read all its results."""


@hookspec
def report_sections(results: Results) -> Any:
    """Return sections to add to the report, from the tidy frame of scores: [(title, DataFrame or SVG), ...]."""
