"""The parts of gpu.py in their order, and a process of its own for each: what one breaks, the others do not feel.

It imports no torch, so that what starts the parts has nothing of CUDA in it.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from multiprocessing.connection import Connection
from typing import Any

from benchmarks.cuda.rows import Row

__all__ = ["CALLS", "PARTS", "Part", "rows_of", "seconds_for"]

GRACE = 5.0  # seconds before its end that a part is told to be done in


@dataclass(frozen=True)
class Part:
    """A part of gpu.py.

    Attributes:
        function: where it is, as `module:name`; called with the work, the rows so far, and seconds to be done in.
        seconds: what it may take of a call of five minutes and a half; what others leave is its own too.
        call: in which of two calls it is done.
    """

    function: str
    seconds: float
    call: int


PARTS = {
    "versions": Part("benchmarks.cuda.first:tell_versions", 20, 1),
    "captured": Part("benchmarks.cuda.first:compare_captured", 50, 1),
    "stack": Part("benchmarks.cuda.first:compare_stack", 40, 1),
    "checks": Part("benchmarks.cuda.checks:check_training", 60, 1),
    "profile": Part("benchmarks.cuda.profile:profile_steps", 30, 1),
    "variants": Part("benchmarks.cuda.variants:time_stacks", 60, 1),
    "streams": Part("benchmarks.cuda.variants:time_streams", 35, 1),
    "processes": Part("benchmarks.cuda.variants:time_processes", 35, 1),
    "features": Part("benchmarks.cuda.grid:time_features", 35, 2),
    "grid": Part("benchmarks.cuda.grid:time_grid", 170, 2),
    "others": Part("benchmarks.cuda.others:time_others", 30, 2),
    "target": Part("benchmarks.cuda.others:time_target", 35, 2),
    "study": Part("benchmarks.cuda.others:time_study", 25, 2),
    "scores": Part("benchmarks.cuda.checks:check_scores", 35, 2),
}
CALLS = {number: [name for name, part in PARTS.items() if part.call == number] for number in (1, 2)}


def seconds_for(names: Sequence[str], index: int, whole: float, left: float) -> float:
    """Return what the part at `index` may take: all that is left but what those after it are meant to have."""
    each = [PARTS[name].seconds for name in names]
    return max(0.0, left - whole * sum(each[index + 1 :]) / sum(each))


def rows_of(name: str, part: Part, work: Any, rows: Sequence[Row], seconds: float) -> Iterator[Row]:
    """Do a part in a process of its own; yield each row when it is there.

    A part that fails, crashes or runs out of time has one more row, that says so.
    """
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    ends = time.monotonic() + seconds
    child = context.Process(target=_serve, args=(name, part.function, work, tuple(rows), ends, there))
    child.start()
    there.close()  # so that the end of the process is the end of the pipe
    try:
        while here.poll(max(0.0, ends - time.monotonic())):
            row: Row | None = here.recv()
            if row is None:
                return
            yield row
        yield _failed(name, f"stopped after {seconds:.0f} s: out of time")
    except EOFError:
        child.join()
        yield _failed(name, f"its process ended {_in_words(child.exitcode or 0)}")
    finally:
        _end(child)
        here.close()


def _failed(name: str, note: str) -> Row:
    return Row(name, f"part {name}", None, failed=True, note=note)


def _in_words(code: int) -> str:
    return f"with exit status {code}" if code >= 0 else f"by signal {signal.Signals(-code).name}"


def _end(child: Any) -> None:
    """End a part's process with all that it has started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.kill()  # one that has not become the leader of its group yet
    child.join()


def _serve(name: str, function: str, work: Any, rows: tuple[Row, ...], ends: float, pipe: Connection) -> None:
    """Do a part and send its rows; then leave at once, as a broken CUDA graph may take long to take down."""
    os.setsid()
    module, _, attribute = function.partition(":")
    try:
        part = getattr(import_module(module), attribute)
        for row in part(work, rows, max(0.0, ends - time.monotonic() - GRACE)):
            pipe.send(row)
    except Exception as error:  # noqa: BLE001 - of whatever kind, it is told and the others go on
        pipe.send(_failed(name, f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"))
    pipe.send(None)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
