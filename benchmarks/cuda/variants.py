"""Parts of gpu.py that time every way to train the seeds of a model at the same time, and name the fastest."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any

from benchmarks.cuda.rates import (
    NEEDS_CUDA,
    NO_TIME,
    SOFT,
    WARM_UP,
    advance,
    forever,
    new_trainer,
    on_streams,
    placed,
    rate,
    stacked,
    timed,
)
from benchmarks.cuda.rows import Aim, Row
from benchmarks.cuda.work import Precision, Work, synchronize

__all__ = ["FASTEST", "SHARE", "time_processes", "time_stacks", "time_streams"]

FASTEST, SHARE = "the fastest way to train seeds together", "the default, over the fastest way"
DEFAULT = "stacked, matrix products"  # what a run does on CUDA; `streams` says whether it is the fastest
TOGETHER = Aim(">=", 2e6, hoped=4e6)
AS_FAST = Aim(">=", 0.95)
TF32, WHOLE = ", TF32", ", long ones whole"
STACKS: dict[str, tuple[dict[str, bool], tuple[Precision, ...]]] = {
    DEFAULT: ({"matmul": True}, ("bfloat16", "float32")),
    DEFAULT + TF32: ({"matmul": True, "rounded": True}, ("float32",)),
    DEFAULT + WHOLE: ({"matmul": True, "whole": True}, ("bfloat16",)),
    "stacked, grouped convolutions": ({"matmul": False}, ("bfloat16", "float32")),
}
ON_STREAMS, BY_PROCESSES = "captured, a stream each", "a process each"


def time_stacks(work: Work, _: Sequence[Row], seconds: float) -> Iterator[Row]:
    """Time the ways to train seeds as one stack of weights."""
    stop = time.monotonic() + SOFT * seconds
    for batch, precision, (what, (how, precisions)) in product(work.batches, work.precisions, STACKS.items()):
        row = Row("variants", what, None, batch=batch, precision=precision, members=work.members)
        if precision in precisions:
            cuda_only = "rounded" in how or "whole" in how
            yield _unless(work, cuda_only, stop, row, partial(stacked, work, batch, precision, **how))


def time_streams(work: Work, rows: Sequence[Row], seconds: float) -> Iterator[Row]:
    """Time seeds that are captured one by one and replayed on a stream each; name the fastest way there is."""
    streamed, stop = [], time.monotonic() + SOFT * seconds
    for batch, precision in product(work.batches, work.precisions):
        row = Row("streams", ON_STREAMS, None, batch=batch, precision=precision, members=work.members)
        streamed.append(_unless(work, True, stop, row, partial(on_streams, work, batch, precision)))
        yield streamed[-1]
    for batch in work.batches:
        best = _fastest([row for row in (*rows, *streamed) if row.batch == batch and row.value])
        yield from (row for row in best if row.what == FASTEST or work.device == "cuda")  # a CPU stacks nothing


def _unless(work: Work, needs_cuda: bool, stop: float, row: Row, measure: Callable[[], float]) -> Row:
    """Time a way of training, unless it cannot be done or there is no time left."""
    if needs_cuda and work.device != "cuda":
        return replace(row, note=NEEDS_CUDA)
    return replace(row, note=NO_TIME) if time.monotonic() > stop else timed(row, measure)


def _fastest(rows: Sequence[Row]) -> Iterator[Row]:
    """Name the fastest way, and compare with it what a run does; float32 without TF32 is other work."""
    ways = [row for row in rows if row.what in STACKS or row.what == ON_STREAMS]
    ways = [row for row in ways if row.precision != "float32" or row.what != DEFAULT or not _rounded(ways)]
    if not ways:
        return
    best = max(ways, key=lambda row: row.value or 0.0)
    yield replace(best, part="streams", what=FASTEST, aim=TOGETHER, note=best.what)
    for row in ways:
        if row.what == DEFAULT and row.precision == best.precision and row.value and best.value:
            share = row.value / best.value
            note = f"if it is not met, the default ({DEFAULT}) is to become {best.what}"
            yield replace(row, part="streams", what=SHARE, value=share, unit="times", aim=AS_FAST, note=note)


def _rounded(rows: Sequence[Row]) -> bool:
    return any(row.what.endswith(TF32) for row in rows)


def time_processes(work: Work, _: Sequence[Row], seconds: float) -> Iterator[Row]:
    """Time trials in processes of their own; they are started once, and begin each time at the same moment."""
    stop = time.monotonic() + SOFT * seconds
    children, pipes = _start_processes(work)
    try:
        for batch, precision in product(work.batches, work.precisions):
            row = Row("processes", BY_PROCESSES, None, batch=batch, precision=precision, members=work.processes)
            if time.monotonic() > stop:
                yield replace(row, note=NO_TIME)
            else:
                yield replace(row, value=_all_at_once(pipes, (batch, precision)), unit="images/s")
    except (EOFError, OSError):
        note = "a process ended; its error stands further up"
        yield Row("processes", BY_PROCESSES, None, failed=True, note=note)
    finally:
        for child in children:
            child.terminate()


def _start_processes(work: Work) -> tuple[list[Any], list[Any]]:
    """Start processes that wait for tasks; return them and a pipe to each."""
    context = multiprocessing.get_context("spawn")
    children, pipes = [], []
    for first in range(work.processes):
        here, there = context.Pipe()
        child = context.Process(target=_serve, args=(work, first % work.members, there), daemon=True)
        child.start()
        there.close()  # so that the end of a process is the end of its pipe
        children.append(child)
        pipes.append(here)
    return children, pipes


def _all_at_once(pipes: Sequence[Any], task: tuple[int, Precision]) -> float:
    """Let all processes do one task at the same time, and add up their rates."""
    for pipe in pipes:
        pipe.send(task)
    for pipe in pipes:
        pipe.recv()
    for pipe in pipes:
        pipe.send("go")
    return float(sum(pipe.recv() for pipe in pipes))


def _serve(work: Work, first: int, pipe: Any) -> None:
    """Train one trial for every task that comes; the rest of the time, wait."""
    while True:
        batch, precision = pipe.recv()
        trainer = new_trainer(placed(work, 1, first), work.splits().train, batch, precision)
        steps = forever(trainer)
        advance(steps, WARM_UP[work.device])
        synchronize(work.device)
        pipe.send("ready")
        pipe.recv()
        pipe.send(rate(steps, batch, work.seconds, work.device))
