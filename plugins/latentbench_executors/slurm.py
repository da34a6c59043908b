"""Slurm, by way of submitit: a run is handed over as arrays of batch jobs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from latentbench import Executor, RequestError, Resources

if TYPE_CHECKING:
    import submitit

MISSING = "the executor slurm needs submitit: pip install 'latentbench[slurm]'"
REQUEUES = 1000  # submitit's own limit is three walltimes; a training that gets no further ends by --retries
SHARE = 0.2  # of the walltime, before whose end a job is told to stop; 90 s at most


class Slurm(Executor):
    """Slurm, through submitit: batch jobs that each take trials of the run until none is left.

    A job that reaches its walltime or is preempted is queued again, and its training goes on from the last
    checkpoint. Machines must see the run folder under the same path, and use the Python that submits.
    """

    class Params(Executor.Params):
        """What is asked of Slurm."""

        jobs: int = Field(default=4, ge=1, description="batch jobs at the same time; --workers replaces it")
        minutes: float = Field(default=60.0, gt=0, description="walltime of a job")
        partition: str = Field(default="", description="partition; empty: Slurm's default")
        account: str = Field(default="", description="account; empty: Slurm's default")
        qos: str = Field(default="", description="quality of service; empty: Slurm's default")
        constraint: str = Field(default="", description="features that nodes must have")
        memory: float = Field(default=8.0, gt=0, description="GB of memory of a job")
        setup: str = Field(default="", description="a shell command before each job, as `module load cuda`")
        cluster: Literal["slurm", "local", "debug"] = Field(
            default="slurm", description="local: submitit's processes on this machine; debug: within this process"
        )

    params: Params

    def __init__(self, params: Params) -> None:
        super().__init__(params)
        self.walltime = 60 * params.minutes
        self.detachable = params.cluster != "debug"

    @contextmanager
    def connect(self, resources: Resources) -> Iterator[Queue]:
        """Return what submits batch jobs.

        Raises:
            RequestError: submitit is not installed, or there is no Slurm here.
        """
        try:
            import submitit
        except ImportError as error:
            raise RequestError(MISSING) from error
        if self.params.cluster == "debug":
            yield Queue(submitit.DebugExecutor(resources.logs))
            return
        if self.params.cluster == "local":
            executor: submitit.Executor = submitit.LocalExecutor(resources.logs, max_num_timeout=REQUEUES)
            executor.update_parameters(timeout_min=self.params.minutes, signal_delay_s=self._notice)
            yield Queue(executor)
            return
        try:
            executor = submitit.AutoExecutor(resources.logs, cluster="slurm", slurm_max_num_timeout=REQUEUES)
        except RuntimeError as error:
            raise RequestError(
                "there is no Slurm here (no command srun); submit from a login node, or try it out with "
                "--executor-options cluster=local"
            ) from error
        executor.update_parameters(**self._asked(resources))
        yield Queue(executor)

    @property
    def _notice(self) -> int:
        """How many seconds before the end of its walltime a job is told to stop."""
        return max(1, min(90, math.floor(SHARE * 60 * self.params.minutes)))

    def _asked(self, resources: Resources) -> dict[str, Any]:
        """Return what is asked of Slurm."""
        gpus = {"gpus_per_node": 1} if resources.device == "cuda" else {}
        named = {name: getattr(self.params, name) for name in ("partition", "account", "qos", "constraint")}
        return {
            "name": "latentbench",
            "timeout_min": math.ceil(self.params.minutes),
            "mem_gb": self.params.memory,
            "cpus_per_task": resources.threads + 1,  # the trial's, and the process that watches it
            "slurm_signal_delay_s": self._notice,
            "slurm_array_parallelism": resources.workers or self.params.jobs,
            **({"slurm_setup": [self.params.setup]} if self.params.setup else {}),
            **{f"slurm_{name}": value for name, value in named.items() if value},
            **gpus,
        }

    def workers(self, pool: Any, resources: Resources) -> int:  # noqa: ARG002 - as the base declares it
        """Return how many batch jobs there are at the same time."""
        return 1 if self.params.cluster == "debug" else resources.workers or self.params.jobs

    def identify(self, submitted: submitit.Job[Any]) -> str:
        """Return the number of the batch job."""
        return submitted.job_id

    def find(self, identity: str, logs: Path) -> submitit.Job[Any] | None:
        """Return a batch job by its number, whether it waits or runs."""
        if self.params.cluster != "slurm":
            return None
        try:
            import submitit
        except ImportError as error:
            raise RequestError(MISSING) from error
        return submitit.SlurmJob(logs, identity)


class Queue:
    """What submits batch jobs, as one array all those of a batch."""

    def __init__(self, executor: submitit.Executor) -> None:
        self._executor = executor
        self.batch = executor.batch

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> submitit.Job[Any]:
        """Have a function called in a batch job, and again after its walltime or when it is preempted."""
        return self._executor.submit(Restarted(function), *arguments)


class Restarted:
    """A function that is called again, with the same arguments, when its batch job was stopped from outside."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *arguments: Any) -> Any:
        """Call it."""
        return self._function(*arguments)

    def checkpoint(self, *arguments: Any) -> submitit.helpers.DelayedSubmission:
        """Return what submitit is to queue in its place."""
        import submitit

        return submitit.helpers.DelayedSubmission(self, *arguments)
