"""How a run is done: workers, device, timeout, what to do again. Quality scores depend on its rounding alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from latentbench.errors import RequestError
from latentbench.execution.workers import default_workers
from latentbench.executor import LOCAL
from latentbench.machine import choose_device

__all__ = ["Execution", "Rerun"]

GROUP_SIZE = 16

Rerun = Literal["missing", "failed", "changed", "all"]


@dataclass(frozen=True)
class Execution:
    """How a run is done; no quality score depends on it, but for the rounding of trials trained together.

    Attributes:
        workers: processes that run trials; None: one per core, or one for a GPU; 0: this very process.
        device: "auto" (cuda where there is one), "cpu" or "cuda".
        timeout: seconds that a trial may take.
        rerun: run again what "failed", what "changed" in source since, or "all"; "missing": nothing.
        group_size: how many trials are trained together at most, on CUDA or where their inputs are small; None:
            16. They differ in their seed and PerMember parameters alone.
        timing: run trials alone, one at a time, and those again that did not; their cost scores can be compared.
        debug: run one trial, the first that is left, in this process; its output goes where this process's goes,
            and `breakpoint()` works.
        executor: where jobs run, by its registered name; "local": in workers on this machine.
        executor_options: its parameters.
        retries: how often a training is begun again whose worker was killed, without getting further.
        detach: hand jobs to the executor and return; the same run without it collects what is finished.
        command: the command line that asks for it, to be recorded; "" where a program does.
    """

    workers: int | None = None
    device: str = "auto"
    timeout: float | None = None
    rerun: Rerun = "missing"
    group_size: int | None = None
    timing: bool = False
    debug: bool = False
    executor: str = LOCAL
    executor_options: Mapping[str, Any] = field(default_factory=dict)
    retries: int = 3
    detach: bool = False
    command: str = ""

    @property
    def elsewhere(self) -> bool:
        """Whether jobs run in an executor."""
        return self.executor != LOCAL

    def within_reach(self, of_session: Sequence[str]) -> Execution:
        """Return it in this very process where classes are used that no worker process can find.

        Args:
            of_session: their names, as "__main__:Mine".

        Raises:
            RequestError: it wants worker processes.
        """
        if not of_session or self.workers == 0:
            return self
        if self.workers or self.elsewhere:
            name = of_session[0]
            cure = "" if self.elsewhere else "give workers=0, or "
            raise RequestError(
                f"{name} is a class of this session, which worker processes cannot find: {cure}put it into a file "
                f"and name it as mine.py:{name.rpartition(':')[2]}"
            )
        return replace(self, workers=0)

    def settled(self, threads: int) -> Execution:
        """Return it with nothing left open, for trials of this many threads.

        Raises:
            RequestError: parts of it contradict each other, or the machine.
        """
        device = choose_device(self.device, here=not self.elsewhere)
        self._refuse_contradictions()
        if self.elsewhere:
            return replace(self, device=device, group_size=self.group_size or _group(device))
        workers = 0 if self.debug else self.workers
        if workers is None:
            workers = 1 if self.timing or device == "cuda" else default_workers(threads)
        group = self.group_size or (1 if self.timing else GROUP_SIZE)
        return replace(self, device=device, workers=workers, group_size=group)

    def _refuse_contradictions(self) -> None:
        self._refuse_for_executor()
        if self.timeout is not None and (self.workers == 0 or self.debug):
            here = "--debug" if self.debug else "--workers 0"
            raise RequestError(f"--timeout needs a worker process that can be ended; leave out {here}")
        if self.debug and self.workers:
            raise RequestError("--debug runs one trial in this very process; leave out --workers")
        if self.timing and (self.workers or 1) > 1:
            raise RequestError("--timing runs trials one at a time; leave out --workers")
        if (self.group_size or 1) > 1 and self.timing:
            raise RequestError(f"--group-size {self.group_size}: --timing runs trials alone; leave it out")

    def _refuse_for_executor(self) -> None:
        if not self.elsewhere:
            if self.executor_options:
                raise RequestError("--executor-options: the executor local has none; name another with --executor")
            if self.detach:
                raise RequestError("--detach needs an executor that goes on alone, as slurm; add --executor")
            return
        contradictions = {"--debug": self.debug, "--timing": self.timing, "--workers 0": self.workers == 0}
        for flag, given in contradictions.items():
            if given:
                raise RequestError(f"{flag} runs trials on this machine; leave out --executor {self.executor}")


def _group(device: str) -> int:
    return GROUP_SIZE if device == "cuda" else 1
