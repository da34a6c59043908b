"""The executors that come with latentbench: clusters of dask, and Slurm by way of submitit."""

from __future__ import annotations

from collections.abc import Callable

from latentbench import hookimpl


@hookimpl
def register_executors(register: Callable[..., None]) -> None:
    """Register the built-in executors; that named local, the workers of this machine, is no plugin."""
    register(
        "dask",
        "latentbench_executors.dask:Dask",
        summary="a dask.distributed cluster, by its address or made on this machine",
    )
    register(
        "slurm",
        "latentbench_executors.slurm:Slurm",
        summary="batch jobs of Slurm, through submitit; requeued jobs go on from the last checkpoint",
    )
