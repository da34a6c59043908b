"""The part of gpu.py that looks inside a step: which kernels the time of twenty replays goes to."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

from torch.profiler import ProfilerActivity, profile

from benchmarks.cuda.rates import WARM_UP, advance, forever, new_trainer, placed
from benchmarks.cuda.rows import Row
from benchmarks.cuda.work import Work, synchronize
from latentbench.machine import best_precision

__all__ = ["profile_steps"]

STEPS = {False: 20, True: 2}  # quick or not
KERNELS = 8  # of the longest
NAME = 60  # letters of a kernel's name


def profile_steps(work: Work, _: Sequence[Row], __: float) -> Iterator[Row]:
    """Profile replays of a stack: milliseconds a step, in all and of the kernels that take longest."""
    batch, precision, steps = work.batches[0], best_precision(work.device), STEPS[work.quick]
    trainer = new_trainer(placed(work, work.members), work.splits().train, batch, precision)
    training = forever(trainer)
    advance(training, WARM_UP[work.device])
    synchronize(work.device)
    on_gpu = work.device == "cuda"
    activity = ProfilerActivity.CUDA if on_gpu else ProfilerActivity.CPU
    with profile(activities=[activity], acc_events=True) as seen:  # torch 2.11 warns of the default
        started = time.perf_counter()
        advance(training, steps)
        synchronize(work.device)
        spent = 1e3 * (time.perf_counter() - started) / steps
    column = "self_device_time_total" if on_gpu else "self_cpu_time_total"
    kernels: list[Any] = sorted(seen.key_averages(), key=lambda kernel: -getattr(kernel, column))
    busy = sum(getattr(kernel, column) for kernel in kernels) / 1e3 / steps
    shape: dict[str, Any] = {"batch": batch, "precision": precision, "members": work.members}
    yield Row("profile", "a step of a stack, profiled", spent, "ms", note=f"mean of {steps}", **shape)
    calls = sum(kernel.count for kernel in kernels) / steps
    note = f"{100 * busy / spent:.0f} % of the step, {calls:.0f} kernels"
    yield Row("profile", "all kernels of it", busy, "ms", note=note, **shape)
    for kernel in kernels[:KERNELS]:
        taken = getattr(kernel, column) / 1e3 / steps
        note = f"{100 * taken / max(busy, 1e-9):.0f} %, {kernel.count / steps:.0f} a step"
        yield Row("profile", kernel.key[:NAME], taken, "ms", note=note, **shape)
