"""Live progress of a run: bars on a terminal, a line per trial elsewhere, as in a notebook."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from latentbench.hookspecs import hookimpl
from latentbench.terminal.output import echo
from latentbench.text import counted

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from latentbench.benchmark import Benchmark
    from latentbench.plugins import Plugins
    from latentbench.results import Results
    from latentbench.trial import Trial, TrialResult

__all__ = ["LineProgress", "TerminalProgress", "is_watched", "on_terminal", "shown_progress"]

NAME = "progress"  # among plugins


def is_watched() -> bool:
    """Whether somebody looks on: standard error is a terminal, or this is a notebook."""
    return on_terminal() or _in_notebook()


def on_terminal() -> bool:
    """Whether standard error is a terminal."""
    return sys.stderr is not None and sys.stderr.isatty()


def _in_notebook() -> bool:
    shell = sys.modules.get("IPython")
    return shell is not None and shell.get_ipython() is not None


@contextmanager
def shown_progress(plugins: Plugins, *, lines: bool = False) -> Iterator[Callable[[int], None]]:
    """Show the progress of the run within, and yield what takes the number of its trials.

    Bars where standard error is a terminal, a line for each trial elsewhere, or wherever `lines` are wanted.
    """
    progress = TerminalProgress() if on_terminal() and not lines else LineProgress()
    plugins.register(progress, NAME)
    try:
        yield progress.expect
    finally:
        progress.close()
        plugins.unregister(NAME)


class LineProgress:
    """A plain line for each trial that ends."""

    def __init__(self) -> None:
        self.jobs, self.done, self.run = 0, 0, Path()
        self.started = time.monotonic()

    def expect(self, jobs: int) -> None:
        """Learn how many trials are to be run."""
        self.jobs = jobs

    @hookimpl
    def run_started(self, benchmark: Benchmark, run: Path) -> None:
        """Print where results go."""
        self.run = run
        name = benchmark.title or "benchmark"
        echo(f"{name}: {counted(self.jobs, 'trial')} to run, results in {run}", err=True)

    @hookimpl
    def trial_finished(self, trial: Trial, result: TrialResult) -> None:
        """Print how the trial ended, and why if it failed."""
        self.done += 1
        echo(f"[{self.done}/{self.jobs}] {_sentence(trial, result, self.run)}", err=True)

    @hookimpl
    def run_finished(self, results: Results) -> None:  # noqa: ARG002 - the hook's signature
        """Print how long the run took."""
        echo(f"finished in {time.monotonic() - self.started:.0f} s", err=True)

    def close(self) -> None:
        """Do nothing: lines need no cleanup."""


class TerminalProgress(LineProgress):
    """A bar for the whole run and one for each running trial."""

    def __init__(self) -> None:
        super().__init__()
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        self._console = Console(stderr=True)
        self._bars: Progress = Progress(
            TextColumn("{task.description:<24}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            console=self._console,
        )
        self._whole = self._bars.add_task("trials", total=0, note="")
        self._tasks: dict[str, TaskID] = {}

    def expect(self, jobs: int) -> None:
        """Learn how many trials are to be run, and show the bars where there are some."""
        super().expect(jobs)
        self._bars.update(self._whole, total=jobs)
        if jobs:
            self._bars.start()

    @hookimpl
    def trial_started(self, trial: Trial) -> None:
        """Show a bar that counts the trial's epochs."""
        name = f"{trial.label} seed {trial.seed}"
        self._tasks[trial.key] = self._bars.add_task(name, total=_epochs(trial), note="starting")

    @hookimpl
    def epoch_finished(self, trial: Trial, epoch: int, losses: Mapping[str, float]) -> None:
        """Advance the trial's bar and show the loss."""
        note = "scoring" if epoch == _epochs(trial) else f"loss {next(iter(losses.values())):.4g}"
        if trial.key in self._tasks:
            self._bars.update(self._tasks[trial.key], completed=epoch, note=note)

    @hookimpl
    def trial_finished(self, trial: Trial, result: TrialResult) -> None:
        """Remove the trial's bar; print a line if something failed."""
        self.done += 1
        if trial.key in self._tasks:
            self._bars.remove_task(self._tasks.pop(trial.key))
        if result.status != "ok" or result.failed_scores:
            self._console.print(_sentence(trial, result, self.run), markup=False, highlight=False)
        self._bars.update(self._whole, completed=self.done)

    @hookimpl
    def run_finished(self, results: Results) -> None:
        """Stop the bars."""
        self.close()
        super().run_finished(results)

    def close(self) -> None:
        """Release the terminal."""
        self._bars.stop()


def _epochs(trial: Trial) -> int:
    return trial.budget.trained_epochs


def _sentence(trial: Trial, result: TrialResult, run: Path) -> str:
    """Say how a trial ended, and where its log lies if anything failed."""
    text = f"{trial.label} on {trial.dataset}, seed {trial.seed}: {result.status} in {result.seconds:.1f} s"
    if result.message:
        text += f"; {result.error}: {result.message}"
    for score, message in result.failed_scores.items():
        text += f"\n    score {score} failed: {message}"
    if result.failed_scores or result.status in ("failed", "timeout", "diverged"):
        from latentbench.records import Record

        text += f"\n    log: {Record(run, trial.key).log_path}"
    return text
