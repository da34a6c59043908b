"""Live progress of a run: bars on a terminal, a line per trial elsewhere, as in a notebook."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from latentbench.hookspecs import hookimpl
from latentbench.terminal.bars import BARS, on_terminal
from latentbench.terminal.output import clear_displays, echo
from latentbench.text import counted

if TYPE_CHECKING:
    from rich.progress import TaskID

    from latentbench.benchmark import Benchmark
    from latentbench.plugins import Plugins
    from latentbench.results import Results
    from latentbench.trial import Trial, TrialResult

__all__ = ["LineProgress", "TerminalProgress", "is_watched", "shown_progress"]

NAME = "progress"  # among plugins
LINE_SECONDS = 30.0  # without a line


def is_watched() -> bool:
    """Whether somebody looks on: standard error is a terminal, or this is a notebook."""
    return on_terminal() or _in_notebook()


def _in_notebook() -> bool:
    shell = sys.modules.get("IPython")
    return shell is not None and shell.get_ipython() is not None


@contextmanager
def shown_progress(plugins: Plugins, *, lines: bool = False) -> Iterator[Callable[[int], None]]:
    """Show the progress of the run within, and yield what takes the number of its trials.

    Bars where standard error is a terminal, a line for each trial elsewhere, or wherever `lines` are wanted.
    """
    clear_displays()
    progress = TerminalProgress() if on_terminal() and not lines else LineProgress()
    plugins.register(progress, NAME)
    try:
        yield progress.expect
    finally:
        progress.close()
        plugins.unregister(NAME)


class LineProgress:
    """A plain line for each trial that ends, and now and then one for what is being done."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.jobs, self.done, self.failed, self.run = 0, 0, 0, Path()
        self.clock = clock
        self.started = self.spoken = clock()

    def expect(self, jobs: int) -> None:
        """Learn how many trials are to be run."""
        self.jobs = jobs

    @hookimpl
    def run_started(self, benchmark: Benchmark, run: Path) -> None:
        """Print where results go."""
        self.run = run
        name = benchmark.title or "benchmark"
        self.say(f"{name}: {counted(self.jobs, 'trial')} to run, results in {run}")

    @hookimpl
    def epoch_finished(self, trial: Trial, epoch: int, losses: Mapping[str, float]) -> None:
        """Print the epoch and the loss, if nothing was printed for a while."""
        self.note(trial, _of_epoch(trial, epoch, losses))

    @hookimpl
    def metric_started(self, trial: Trial, metric: str, done: int, total: int) -> None:
        """Print the metric, if nothing was printed for a while."""
        self.note(trial, _of_metric(metric, done, total))

    @hookimpl
    def trial_finished(self, trial: Trial, result: TrialResult) -> None:
        """Print how the trial ended, and why if it failed."""
        self.done += 1
        self.failed += _failed(result)
        self.say(f"[{self.done}/{self.jobs}] {_sentence(trial, result, self.run)}")

    @hookimpl
    def run_finished(self, results: Results) -> None:  # noqa: ARG002 - the hook's signature
        """Print how long the run took."""
        echo(f"finished in {self.clock() - self.started:.0f} s", err=True)

    def note(self, trial: Trial, what: str) -> None:
        """Print what is done with a trial, if nothing was printed for a while."""
        if self.clock() - self.spoken >= LINE_SECONDS:
            self.say(f"{_name(trial)} on {trial.dataset}: {what}")

    def say(self, text: str) -> None:
        """Print lines."""
        self.spoken = self.clock()
        echo(text, err=True)

    def close(self) -> None:
        """Do nothing: lines need no cleanup."""


class TerminalProgress(LineProgress):
    """A bar for the whole run, and one for each running trial: its epochs, then its metrics."""

    def __init__(self) -> None:
        super().__init__()
        self._whole: TaskID | None = None
        self._bars: dict[str, TaskID] = {}

    def expect(self, jobs: int) -> None:
        """Learn how many trials are to be run, and show a bar where there are some."""
        super().expect(jobs)
        if jobs:
            self._whole = BARS.add("trials", jobs, note=self._standing())

    @hookimpl
    def trial_started(self, trial: Trial) -> None:
        """Show a bar for the trial."""
        self._remove(trial)  # begun again
        note = "starting" if trial.traits.steps else "fitting"
        self._bars[trial.key] = BARS.add(_name(trial), note=note)

    @hookimpl
    def epoch_finished(self, trial: Trial, epoch: int, losses: Mapping[str, float]) -> None:
        """Advance the trial's bar and show the loss."""
        self._move(trial, epoch, _epochs(trial), _of_epoch(trial, epoch, losses))

    @hookimpl
    def metric_started(self, trial: Trial, metric: str, done: int, total: int) -> None:
        """Show the metric that is being computed."""
        self._move(trial, done, total, _of_metric(metric, done, total))

    @hookimpl
    def trial_finished(self, trial: Trial, result: TrialResult) -> None:
        """Remove the trial's bar; print a line if something failed."""
        self.done += 1
        self.failed += _failed(result)
        self._remove(trial)
        if result.status != "ok" or result.failed_scores:
            self.say(_sentence(trial, result, self.run))
        if self._whole is not None:
            BARS.move(self._whole, self.done, self.jobs, self._standing())

    @hookimpl
    def run_finished(self, results: Results) -> None:
        """Take the bars away."""
        self.close()
        super().run_finished(results)

    def say(self, text: str) -> None:
        """Print lines above the bars."""
        BARS.say(text)

    def close(self) -> None:
        """Release the terminal."""
        left = [*self._bars.values(), *([] if self._whole is None else [self._whole])]
        self._bars, self._whole = {}, None
        for bar in left:
            BARS.remove(bar)

    def _move(self, trial: Trial, done: int, total: int, note: str) -> None:
        if trial.key in self._bars:
            BARS.move(self._bars[trial.key], done, total, note)

    def _remove(self, trial: Trial) -> None:
        if trial.key in self._bars:
            BARS.remove(self._bars.pop(trial.key))

    def _standing(self) -> str:
        failed = f", {self.failed} failed" if self.failed else ""
        return f"{self.done}/{self.jobs} done{failed}"


def _name(trial: Trial) -> str:
    return f"{trial.label} seed {trial.seed}"


def _epochs(trial: Trial) -> int:
    return trial.budget.trained_epochs


def _of_epoch(trial: Trial, epoch: int, losses: Mapping[str, float]) -> str:
    """Say how far a training is."""
    loss = f", loss {next(iter(losses.values())):.4g}" if losses else ""
    return f"epoch {epoch}/{_epochs(trial)}{loss}"


def _of_metric(metric: str, done: int, total: int) -> str:
    """Say how far the scoring is.

    >>> _of_metric("knn", 4, 22)
    'scoring 5/22: knn'
    """
    return f"scoring {done + 1}/{total}: {metric}"


def _failed(result: TrialResult) -> bool:
    return bool(result.failed_scores) or result.status in ("failed", "timeout", "diverged")


def _sentence(trial: Trial, result: TrialResult, run: Path) -> str:
    """Say how a trial ended, and where its log lies if anything failed."""
    text = f"{trial.label} on {trial.dataset}, seed {trial.seed}: {result.status} in {result.seconds:.1f} s"
    if result.message:
        text += f"; {result.error}: {result.message}"
    for score, message in result.failed_scores.items():
        text += f"\n    score {score} failed: {message}"
    if _failed(result):
        from latentbench.records import Record

        text += f"\n    log: {Record(run, trial.key).log_path}"
    return text
