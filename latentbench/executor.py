"""What an executor plugin implements: where the jobs of a run are done, if not by this machine's own workers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

import latentbench.params
from latentbench.params import check_members, check_whole

__all__ = ["LOCAL", "Executor", "Pool", "Resources", "Submitted"]

LOCAL = "local"  # the warm workers of this machine: not a plugin


class Submitted(Protocol):
    """What `submit` returns: as much of `concurrent.futures.Future` as is used."""

    def done(self) -> bool:
        """Whether it has ended, well or not."""

    def exception(self) -> BaseException | None:
        """Return what it raised; asked for when it is done."""

    def cancel(self) -> Any:
        """Give it up if it has not begun."""


class Pool(Protocol):
    """As much of `concurrent.futures.Executor` as is used; all is submitted within its `batch()` if it has one."""

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Submitted:
        """Have a function called elsewhere."""


@dataclass(frozen=True)
class Resources:
    """What one worker of an executor needs.

    Attributes:
        device: "cpu" or "cuda".
        threads: that a trial computes on.
        workers: how many are wanted at the same time; None: as many as the executor has.
        logs: an empty folder in the run's folder, for what the executor itself writes.
    """

    device: str
    threads: int
    workers: int | None
    logs: Path


class Executor(ABC):
    """Runs jobs on an engine that exists: a pool of processes, a cluster, a queue of batch jobs.

    A plugin subclasses it and registers the class. All it owes is something with `submit`. What is submitted is a
    worker, which takes jobs of the run one after the other, writes their results into the run's folder and returns
    when none is left. So a future that gets lost loses nothing: the host looks at the folder alone, and submits
    workers as long as jobs are left.

    Attributes:
        version: increase it when the same request would be done in another way.
        detachable: workers go on when the process that submitted them has ended (`run --detach`).
        walltime: seconds after which the engine ends a worker, None if never. Trainings are then saved more often.
        params: the checked parameters, an instance of the class's own `Params`.
    """

    class Params(latentbench.params.Params):
        """Parameters of the executor (`--executor-options`); none unless a subclass declares some."""

    version: ClassVar[int] = 1
    params: Params
    detachable: bool = False
    walltime: float | None = None

    def __init_subclass__(cls, **options: Any) -> None:
        """Check what the class declares.

        Raises:
            ContractError: a version that cannot be, or a misspelt member.
        """
        super().__init_subclass__(**options)
        check_members(cls, Executor)
        check_whole(f"{cls.__name__}.version", cls.version, 1)

    def __init__(self, params: Params) -> None:
        self.params = params

    @abstractmethod
    def connect(self, resources: Resources) -> AbstractContextManager[Pool]:
        """Return the engine, as `concurrent.futures.ProcessPoolExecutor(...)`.

        It is entered before the first worker is submitted and left when no job is left, or the user has given up.

        Raises:
            RequestError: the engine cannot be reached, or not be used in this way.
        """

    def workers(self, pool: Any, resources: Resources) -> int:  # noqa: ARG002 - overridden
        """Return how many workers run at the same time: those that are wanted, else one."""
        return resources.workers or 1

    def identify(self, submitted: Any) -> str:  # noqa: ARG002 - overridden
        """Return what the engine calls a submitted worker, for people and for `find`; "" if nothing."""
        return ""

    def find(self, identity: str, logs: Path) -> Submitted | None:  # noqa: ARG002 - overridden
        """Return a worker that an earlier process submitted, by what `identify` said; None if unknown."""
        return None
