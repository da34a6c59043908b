"""How a run is done: workers, device, timeout, what to do again. No quality score depends on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from latentbench.errors import RequestError
from latentbench.execution.workers import default_workers
from latentbench.machine import choose_device

__all__ = ["Execution", "Rerun"]

GROUP_SIZE = 16

Rerun = Literal["missing", "failed", "changed", "all"]


@dataclass(frozen=True)
class Execution:
    """How a run is done; no quality score depends on it.

    Attributes:
        workers: processes that run trials; None: one per core, or one for a GPU; 0: this very process.
        device: "auto" (cuda where there is one), "cpu" or "cuda".
        timeout: seconds that a trial may take.
        rerun: run again what "failed", what "changed" in source since, or "all"; "missing": nothing.
        group_size: how many trials are trained together on CUDA, at most; None: 16. They differ in their seed and
            PerMember parameters alone.
        timing: run trials alone, one at a time, and those again that did not; their cost scores can be compared.
        debug: run one trial, the first that is left, in this process; its output goes where this process's goes,
            and `breakpoint()` works.
    """

    workers: int | None = None
    device: str = "auto"
    timeout: float | None = None
    rerun: Rerun = "missing"
    group_size: int | None = None
    timing: bool = False
    debug: bool = False

    def within_reach(self, of_session: Sequence[str]) -> Execution:
        """Return it in this very process where classes are used that no worker process can find.

        Args:
            of_session: their names, as "__main__:Mine".

        Raises:
            RequestError: it wants worker processes.
        """
        if not of_session or self.workers == 0:
            return self
        if self.workers:
            name = of_session[0]
            raise RequestError(
                f"{name} is a class of this session, which worker processes cannot find: give workers=0, "
                f"or put it into a file and name it as mine.py:{name.rpartition(':')[2]}"
            )
        return replace(self, workers=0)

    def settled(self, threads: int) -> Execution:
        """Return it with nothing left open, for trials of this many threads.

        Raises:
            RequestError: parts of it contradict each other, or the machine.
        """
        device = choose_device(self.device)
        self._refuse_contradictions(device)
        workers = 0 if self.debug else self.workers
        if workers is None:
            workers = 1 if self.timing or device == "cuda" else default_workers(threads)
        group = self.group_size or (GROUP_SIZE if device == "cuda" and not self.timing else 1)
        return replace(self, device=device, workers=workers, group_size=group)

    def _refuse_contradictions(self, device: str) -> None:
        if self.timeout is not None and (self.workers == 0 or self.debug):
            here = "--debug" if self.debug else "--workers 0"
            raise RequestError(f"--timeout needs a worker process that can be ended; leave out {here}")
        if self.debug and self.workers:
            raise RequestError("--debug runs one trial in this very process; leave out --workers")
        if self.timing and (self.workers or 1) > 1:
            raise RequestError("--timing runs trials one at a time; leave out --workers")
        if (self.group_size or 1) > 1 and (self.timing or device != "cuda"):
            why = "--timing runs trials alone" if self.timing else "on a CPU, trials trained together are slower"
            raise RequestError(f"--group-size {self.group_size}: {why}; leave it out")
