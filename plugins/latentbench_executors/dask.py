"""dask.distributed: workers of a cluster, by the address of its scheduler or made for the time of the run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pydantic import Field

from latentbench import Executor, RequestError, Resources

if TYPE_CHECKING:
    from distributed import Client, Future


class Dask(Executor):
    """dask.distributed: each thread of a cluster's worker processes takes jobs of the run.

    Workers must see the run folder under the same path, and have latentbench and the same plugins installed. On a
    cluster that is there already (`address`), they go on when the run that submitted them ends; a cluster that is
    made for the run ends with it.
    """

    class Params(Executor.Params):
        """Parameters of the cluster."""

        address: str = Field(
            default="", description="of the scheduler, as tcp://host:8786; empty: a cluster on this machine"
        )
        timeout: float = Field(default=60.0, gt=0, description="seconds to wait for the first worker")

    params: Params

    def __init__(self, params: Params) -> None:
        super().__init__(params)
        self.detachable = bool(params.address)

    @contextmanager
    def connect(self, resources: Resources) -> Iterator[Cluster]:
        """Connect to the scheduler, or start a cluster of as many workers as there are cores.

        Raises:
            RequestError: dask is not installed, or no worker is to be had.
        """
        try:
            from distributed import Client, LocalCluster
        except ImportError as error:
            raise RequestError(
                "the executor dask needs dask.distributed: pip install 'latentbench[dask]'"
            ) from error
        if not self.params.address:
            with (
                LocalCluster(
                    n_workers=resources.workers,
                    threads_per_worker=1,
                    host="127.0.0.1",
                    dashboard_address=None,
                    memory_limit=0,
                ) as cluster,
                Client(cluster) as client,
            ):
                yield Cluster(client)
            return
        try:
            client = Client(self.params.address, timeout=self.params.timeout)
            client.wait_for_workers(1, timeout=self.params.timeout)
        except (OSError, ValueError) as error:  # no scheduler, no worker, no address
            raise RequestError(
                f"no worker of a dask cluster at {self.params.address} answers within {self.params.timeout:g} s "
                f"({error}); correct --executor-options address=tcp://host:8786"
            ) from error
        with client:
            yield Cluster(client)

    def workers(self, pool: Cluster, resources: Resources) -> int:
        """Return how many threads the cluster's workers have, or less where less are wanted."""
        threads = pool.threads
        return max(1, min(threads, resources.workers or threads))

    def identify(self, submitted: Future[Any]) -> str:
        """Return the key of the task."""
        return str(submitted.key)


class Cluster:
    """A client of a dask cluster, what it submits to which goes on without it."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @property
    def threads(self) -> int:
        """How many threads its workers have."""
        return sum(self._client.nthreads().values())

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Future[Any]:
        """Have a function called on a worker, also if this process should end before."""
        from distributed import fire_and_forget

        future = self._client.submit(function, *arguments, pure=False)
        fire_and_forget(future)
        return future
