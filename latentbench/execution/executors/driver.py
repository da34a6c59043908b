"""Drives jobs through an executor: keeps workers at them, and looks at the run's folder until all is done."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from latentbench.errors import LatentbenchError, RequestError, RunFolderError
from latentbench.execution.events import Listener
from latentbench.execution.executors.claims import FOLDER, busy
from latentbench.execution.executors.fleet import Fleet
from latentbench.execution.executors.submission import Asked, Submission, claims_of, submissions
from latentbench.execution.job import Job
from latentbench.execution.options import Execution
from latentbench.executor import Executor, Resources, Submitted
from latentbench.files.failures import refusal
from latentbench.params import TypedText, build_params
from latentbench.plugins import Plugins
from latentbench.text import counted

__all__ = ["Driver", "make_executor", "refuse_if_busy"]

LOOK_SECONDS = 0.1  # between two looks at what workers have told
MAN_SECONDS = 1.0  # between two looks at how many workers are alive
SHARE_OF_WALLTIME = 0.1  # after which a training is saved

Workers = Mapping[str, Submitted | None]  # by their names; None for those that the executor does not find


def make_executor(execution: Execution, plugins: Plugins) -> Executor:
    """Return the executor that a run asks for.

    Raises:
        RequestError: nobody supplies it, or its options are wrong.
    """
    cls = plugins.load("executor", execution.executor)
    typed = {
        name: TypedText(value) if isinstance(value, str) else value
        for name, value in execution.executor_options.items()
    }
    executor: Executor = cls(build_params(cls.Params, typed, f"executor {execution.executor!r}"))
    if execution.detach and not executor.detachable:
        raise RequestError(
            f"--detach: workers of the executor {execution.executor} with these options end when this process "
            "does; leave it out, or use another executor"
        )
    return executor


def refuse_if_busy(run: Path, execution: Execution) -> bool:
    """Return whether workers of executors are at work on a run; take back what others hold that has not begun.

    Raises:
        RunFolderError: workers are alive, and this run would do again what they do, or take it away from them.
    """
    workers, open_ones = busy(run), submissions(run)
    others = [each for each in open_ones if each.asked.executor != execution.executor]
    if workers and (others or not execution.elsewhere or execution.rerun != "missing"):
        names = sorted({each.asked.executor for each in open_ones}) or ["NAME"]
        raise RunFolderError(
            f"{counted(workers, 'worker')} of the executor {names[0]} still work on {run}; wait until they have "
            f"ended (`latentbench status {run}`), or collect what they do with --executor {names[0]} and without "
            "--rerun"
        )
    for submission in others:
        warnings.warn(
            f"what was handed to the executor {submission.asked.executor} and has not begun is taken back",
            stacklevel=3,
        )
        submission.stop()
        submission.discard()
    return bool(workers)


class Driver:
    """Runs jobs of one run through one executor.

    Args:
        run: the run's folder.
        execution: how they are to be done.
        plugins: that workers load.
        listener: called with what happens to trials.
    """

    def __init__(self, run: Path, execution: Execution, plugins: Plugins, listener: Listener) -> None:
        self.run = run.absolute()
        self.execution, self.plugins, self.listener = execution, plugins, listener
        self.executor = make_executor(execution, plugins)
        self._leaving = False  # workers are to go on alone

    def collect(self) -> bool:
        """Wait for what earlier drivers have submitted to the same executor; whether there was anything."""
        earlier = [each for each in submissions(self.run) if each.asked.executor == self.execution.executor]
        for submission in earlier:
            resources = self._resources(submission.asked.device, submission.asked.threads)
            found = {
                name: self.executor.find(identity, resources.logs) if identity else None
                for name, identity in submission.workers().items()
            }
            lively = submission.alive_workers()
            workers = {
                name: worker
                for name, worker in found.items()
                if name in lively or (worker is not None and not worker.done())
            }
            if workers:
                with self._fleet(submission, resources, workers) as fleet:
                    self._wait([fleet])
            else:
                submission.discard()
        return bool(earlier)

    def submit(self, jobs: Sequence[Job]) -> None:
        """Have jobs done; wait for them unless the run is to be detached.

        Raises:
            RequestError: the executor cannot be reached, or its workers do not begin.
        """
        while jobs:
            parts: dict[tuple[str, int], list[Job]] = {}
            for job in jobs:
                parts.setdefault((job.device, job.trials[-1].budget.threads), []).append(self._marked(job))
            with ExitStack() as stack:
                fleets = [
                    stack.enter_context(self._begun(part, self._resources(device, threads)))
                    for (device, threads), part in parts.items()
                ]
                if self.execution.detach:
                    for fleet in fleets:
                        fleet.man()
                    self._leaving = True
                    return
                self._wait(fleets)
            jobs = [job for fleet in fleets for job in fleet.split]

    def _marked(self, job: Job) -> Job:
        walltime = self.executor.walltime
        saved = None if walltime is None else min(60.0, max(1.0, SHARE_OF_WALLTIME * walltime))
        return replace(job, save_seconds=saved)

    def _resources(self, device: str, threads: int) -> Resources:
        logs = self.run / FOLDER / "logs"
        try:
            logs.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise refusal(error, f"the run folder {self.run} cannot be written", RunFolderError) from error
        return Resources(device, threads, self.execution.workers, logs)

    @contextmanager
    def _begun(self, jobs: Sequence[Job], resources: Resources) -> Iterator[Fleet]:
        asked = Asked(
            self.execution.executor,
            self.executor.params.model_dump(mode="json"),
            resources.device,
            resources.threads,
            list(self.plugins.files),
            list(self.plugins.blocked),
            self.execution.timeout,
            self.execution.retries,
        )
        with self._fleet(Submission.begin(self.run, asked, jobs), resources) as fleet:
            yield fleet

    @contextmanager
    def _fleet(
        self, submission: Submission, resources: Resources, workers: Workers | None = None
    ) -> Iterator[Fleet]:
        """Connect to the executor for the time of a fleet; its files go once its jobs are done, or given up."""
        fleet = Fleet(submission, self.executor, resources, workers)
        try:
            with fleet:
                try:
                    yield fleet
                finally:
                    if fleet.unfinished and not self._leaving:
                        fleet.give_up()
                    if not self._leaving:
                        fleet.wind_down()
        except LatentbenchError:
            raise
        except Exception as error:
            raise RequestError(
                f"--executor {self.execution.executor}: {type(error).__name__}: {error}; "
                "what is finished is kept, and the same command goes on"
            ) from error
        finally:
            if not self._leaving:
                submission.stop()
                submission.discard()
                claims_of(self.run).clear()

    def _wait(self, fleets: Sequence[Fleet]) -> None:
        """Keep workers at the jobs until all are done."""
        looked = 0.0
        while any(fleet.unfinished for fleet in fleets):
            if time.monotonic() - looked >= MAN_SECONDS:
                for fleet in fleets:
                    fleet.man()
                looked = time.monotonic()
            for fleet in fleets:
                fleet.listen(self.listener)
            time.sleep(LOOK_SECONDS)
