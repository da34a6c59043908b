"""Variables of the environment that libraries read when they are loaded, as they suit training and maps."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["SAY_HOW_LONG", "of_worker", "waiting"]

WORKER = {
    "OMP_NUM_THREADS": "1",
    # glibc gives big blocks back to the system at once and gets them again page by page; kept, training is a fifth
    # faster (benchmarks/README.md)
    "MALLOC_MMAP_THRESHOLD_": str(2**25),
    "MALLOC_TRIM_THRESHOLD_": str(2**35),
    "MALLOC_TOP_PAD_": str(2**26),
}
GPU_HIDDEN = {"CUDA_VISIBLE_DEVICES": ""}
SAY_HOW_LONG = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
# Turns that a thread waits awake for another: libgomp's own 300,000 cost most on busy cores, none at all on idle
# ones (benchmarks/execution/waiting.py).
SPINS = "5000"


def waiting(given: Mapping[str, str]) -> dict[str, str]:
    """Return how long threads wait awake for each other, where the variables that are given do not say it.

    >>> waiting({}), waiting({"OMP_WAIT_POLICY": "ACTIVE"})
    ({'GOMP_SPINCOUNT': '5000'}, {})
    """
    return {} if any(name in given for name in SAY_HOW_LONG) else {"GOMP_SPINCOUNT": SPINS}


def of_worker(given: Mapping[str, str], device: str) -> dict[str, str]:
    """Return the variables of a worker process: those that are given, and what they do not say.

    From one that is for jobs on the "cpu" the GPU is hidden: torch's optimizers look at it in every step, if only
    to see whether it is captured, and that takes some of its memory.

    >>> of_worker({"CUDA_VISIBLE_DEVICES": "0,1"}, "cpu")["CUDA_VISIBLE_DEVICES"]
    ''
    """
    return {**WORKER, **waiting(given), **given, **(GPU_HIDDEN if device == "cpu" else {})}
