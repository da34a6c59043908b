"""What a command of latentbench takes: seconds, processor time and memory."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Spent:
    """What a command took.

    Attributes:
        seconds: from its start to its end.
        processor: seconds of processor time.
        own: the most resident memory without the files that it maps, in GB, looked at every 50 ms; 0 where nothing
            tells it.
        resident: the most resident memory, in GB.
    """

    seconds: float
    processor: float
    own: float
    resident: float


def spent_by(words: Sequence[str], cache: Path | None = None) -> Spent:
    """Run a command of latentbench and return what it took.

    Args:
        words: of the command line, after `latentbench`.
        cache: the cache folder; None: the one that the environment names.

    Raises:
        SystemExit: it failed.
    """
    given = {} if cache is None else {"LATENTBENCH_CACHE": str(cache)}
    with tempfile.TemporaryFile() as output:
        began = time.perf_counter()
        process = os.posix_spawn(
            sys.executable,
            [sys.executable, "-m", "latentbench", *words],
            {**os.environ, **given},
            file_actions=[(os.POSIX_SPAWN_DUP2, output.fileno(), 1), (os.POSIX_SPAWN_DUP2, output.fileno(), 2)],
        )
        own, ended = 0.0, 0
        while not ended:
            own = max(own, own_memory(process))
            ended, status, usage = os.wait4(process, os.WNOHANG)
            time.sleep(0 if ended else 0.05)
        seconds = time.perf_counter() - began
        if status:
            output.seek(0)
            raise SystemExit(f"latentbench {' '.join(words)} failed:\n{output.read().decode()[-2000:]}")
    return Spent(seconds, usage.ru_utime + usage.ru_stime, own, usage.ru_maxrss * 1024 / 1e9)


def own_memory(process: int) -> float:
    """Return the resident memory of a process in GB without the files that it maps; 0 where nothing tells it."""
    try:
        lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) * 1024 / 1e9 for line in lines if line.startswith("RssAnon:"))
