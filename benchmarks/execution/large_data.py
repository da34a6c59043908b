"""Training on data that stay in their file: `python benchmarks/execution/large_data.py [--gigabytes 5] [--write]`.

The data are images of 3x64x64 drawn here into a .npy file, and loaded as `-d FILE` loads them. An autoencoder
(`ae`) trains on them for some steps, in one order of the rows whatever holds them:

- in memory: the rows of the training split are copied there first;
- mapped, warm: they stay in the file, all of which is in the system's page cache;
- mapped, cold: likewise, after POSIX_FADV_DONTNEED for the whole file.

The first two are two processes that take turns, a few steps each, so that what else the machine does meets both:
rates are medians over turns, and so is the ratio of two turns that follow each other. Then comes the cold one,
beside reading the file from its start to its end with as cold a cache. Of each process the most anonymous memory
is told (RssAnon of /proc/self/status, looked at after loading and after every step). Rows are also gathered in
random order without training, which shows the file alone (`gather`); `read` is what a process got from the disk
in training and gathering.

Exit status 1 when a limit is missed: 80 % of the rate in memory (images/s by the clock, median of turns), 1.5 GB
of anonymous memory, and equal losses; under 1 GB of data the rate is no limit. `--write` renews
results/reference/scale/large_data.txt.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any, Self

import numpy as np

KEPT = Path(__file__).parents[2] / "results" / "reference" / "scale" / "large_data.txt"
SHAPE = (3, 64, 64)
BATCH = 128
TURNS = 16
STEPS = 4  # of a turn
LEAST_SHARE, MOST_ANONYMOUS = 0.8, 1.5e9
COUNTS_FROM = 1e9  # bytes; the rate of less is soon a matter of chance
BLOCK = 4096  # rows drawn at once
GATHERED = 20_000  # rows
READ = 2**24  # bytes


def main() -> int:
    """Measure, print and perhaps write down."""
    arguments = _arguments()
    if arguments.part:
        measure(Path(arguments.file), arguments.part)
        return 0
    with tempfile.TemporaryDirectory(dir=arguments.folder, prefix="large-data-") as folder:
        os.environ["LATENTBENCH_CACHE"] = str(Path(folder) / "cache")
        lines, missed = compared(Path(folder) / "images.npy", arguments)
    text = "\n".join([_head(arguments), *lines]) + "\n"
    print(text, end="")
    if arguments.write:
        KEPT.parent.mkdir(parents=True, exist_ok=True)
        KEPT.write_text(text)
    print("".join(f"missed: {each}\n" for each in missed), end="")
    return int(bool(missed))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--gigabytes", type=float, default=5.0)
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument(
        "--folder", help="where the file and the cache lie for the time of it; by default that for temporary files"
    )
    parser.add_argument("--write", action="store_true", help=f"renew {KEPT.name}")
    parser.add_argument("--part", choices=("memory", "mapped"), help=argparse.SUPPRESS)
    parser.add_argument("--file", help=argparse.SUPPRESS)
    return parser.parse_args()


def draw(path: Path, gigabytes: float) -> int:
    """Write images to a .npy file, block by block; return how many."""
    rows = max(500, round(gigabytes * 1e9 / np.prod(SHAPE)))
    free = shutil.disk_usage(path.parent).free
    if free < 1.2 * gigabytes * 1e9:
        sys.exit(
            f"{path.parent} has {free / 1e9:.1f} GB free, {1.2 * gigabytes:.1f} are needed; give another --folder"
        )
    generator = np.random.default_rng(0)
    header = {"descr": "|u1", "fortran_order": False, "shape": (rows, *SHAPE)}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for first in range(0, rows, BLOCK):
            count = min(BLOCK, rows - first)
            coarse = generator.integers(0, 256, (count, 3, 8, 8), np.uint8)
            file.write(coarse.repeat(8, axis=2).repeat(8, axis=3).tobytes())
        file.flush()
        os.fsync(file.fileno())
    return rows


def compared(path: Path, arguments: argparse.Namespace) -> tuple[list[str], list[str]]:
    """Return the lines of the report and which limits are missed."""
    rows = draw(path, arguments.gigabytes)
    with Part(path, "mapped") as first:  # finds out what is remembered of a file: hashes of rows
        first.turn()
    read_through(path)
    with Part(path, "memory") as memory, Part(path, "mapped") as mapped:
        for part in [memory, mapped] * (arguments.turns + 1):
            part.turn()
        results = memory.end(), mapped.end()
    forget(path)
    with Part(path, "mapped") as part:
        for _ in range(arguments.turns + 1):
            part.turn()
        cold = part.end()
    forget(path)
    started = time.perf_counter()
    read_through(path)
    sequential = path.stat().st_size / (time.perf_counter() - started) / 1e6
    return report(rows, *results, cold, sequential)


class Part:
    """A process that trains a few steps whenever it is its turn, on one thread. Used with `with`."""

    def __init__(self, path: Path, part: str) -> None:
        words = [sys.executable, __file__, "--part", part, "--file", str(path)]
        environment = {**os.environ, "LATENTBENCH_LARGE_FROM": "0", "OMP_NUM_THREADS": "1"}
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen(words, env=environment, **pipes)
        self.rates: list[float] = []
        self.cpu_rates: list[float] = []

    def __enter__(self) -> Self:
        """Wait until its data are there."""
        self._read()
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()

    def turn(self) -> None:
        """Let it train; the first turn does not count."""
        self._write(str(STEPS))
        seconds = self._read()
        self.rates.append(STEPS * BATCH / seconds["wall"])
        self.cpu_rates.append(STEPS * BATCH / seconds["cpu"])

    def end(self) -> dict[str, Any]:
        """Return what it has seen."""
        self._write("0")
        return {**self._read(), "rates": self.rates[1:], "cpu_rates": self.cpu_rates[1:]}

    def _write(self, line: str) -> None:
        assert self.process.stdin is not None
        print(line, file=self.process.stdin, flush=True)

    def _read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"a process that trains ended with {self.process.wait()}")
        values: dict[str, Any] = json.loads(line)
        return values


def report(
    rows: int, memory: dict[str, Any], mapped: dict[str, Any], cold: dict[str, Any], sequential: float
) -> tuple[list[str], list[str]]:
    """Return the lines of the report and which limits are missed."""
    row = float(np.prod(SHAPE))
    lines = [f"{rows:,} images of {' x '.join(map(str, SHAPE))}, {rows * row / 1e9:.2f} GB", ""]
    heads = "images/s", "of CPU", "gather/s", "MB/s", "RssAnon, GB", "read, MB", "load, s"
    lines.append(" " * 14 + "".join(f"{head:>13}" for head in heads))
    for name, run in (("in memory", memory), ("mapped, warm", mapped), ("mapped, cold", cold)):
        lines.append(
            f"{name:<14}{median(run['rates']):>13.1f}{median(run['cpu_rates']):>13.1f}{run['gather']:>13,.0f}"
            f"{run['gather'] * row / 1e6:>13,.0f}{run['anonymous'] / 1e9:>13.2f}{run['read'] / 1e6:>13,.0f}"
            f"{run['load']:>13.1f}"
        )
    clock, processor = (
        median(there / here for here, there in zip(memory[name], mapped[name], strict=True))
        for name in ("rates", "cpu_rates")
    )
    same = memory["losses"] == mapped["losses"] == cold["losses"]
    lines += [
        "",
        f"mapped, warm : in memory, median of turns: {clock:.1%} of images/s by the clock, {processor:.1%} by "
        "processor time",
        f"cold: training takes {median(cold['rates']) * row / 1e6:.1f} MB/s from the disk, gathering alone "
        f"{cold['gather'] * row / 1e6:,.0f} MB/s; the disk, read from start to end, gives {sequential:,.0f} MB/s",
        f"losses: {'equal, bit for bit' if same else 'DIFFERENT'}",
    ]
    limits = {
        f"{LEAST_SHARE:.0%} of the rate in memory": clock >= LEAST_SHARE or rows * row < COUNTS_FROM,
        f"{MOST_ANONYMOUS / 1e9} GB of anonymous memory": max(mapped["anonymous"], cold["anonymous"])
        <= MOST_ANONYMOUS,
        "equal losses": same,
    }
    return lines, [limit for limit, kept in limits.items() if not kept]


def measure(path: Path, part: str) -> None:
    """Load the file, then train as many steps as each line of standard input says; print what it took."""
    import torch

    from latentbench.files.row_view import stays_in_file
    from latentbench.opening import load_splits
    from latentbench.training.engine import Training

    torch.set_num_threads(1)
    started = time.perf_counter()
    trial, plugins = _trial(path)
    train = load_splits(plugins, trial).train
    load = time.perf_counter() - started
    if not stays_in_file(train.inputs):
        sys.exit("the data must stay in their file, they are in memory")
    if part == "memory":
        train = replace(train, inputs=np.array(train.inputs))
    trainer = Training([_model(trial, plugins, train)], train, trial.budget, [0]).trainer
    going, peak, before = endless(trainer.steps), anonymous_bytes(), read_bytes()
    _say({})
    for line in sys.stdin:
        if not int(line):
            break
        wall, processor = time.perf_counter(), time.process_time()
        for _ in range(int(line)):
            next(going)
            peak = max(peak, anonymous_bytes())
        _say({"wall": time.perf_counter() - wall, "cpu": time.process_time() - processor})
    losses = trainer.losses()
    gather = _gathered(trainer.inputs, len(train))
    peak, read = max(peak, anonymous_bytes()), read_bytes() - before
    _say({"gather": gather, "anonymous": peak, "read": read, "losses": losses, "load": load})


def endless(epoch: Callable[[], Iterator[None]]) -> Iterator[None]:
    """Go through the data again and again."""
    while True:
        yield from epoch()


def _say(values: dict[str, Any]) -> None:
    print(json.dumps(values), flush=True)


def _gathered(inputs: Any, rows: int) -> float:
    """Return rows per second that are gathered in random order, in batches, without training."""
    import torch

    order = torch.randperm(rows, generator=torch.Generator().manual_seed(1))[:GATHERED]
    inputs.begin([order])
    started = time.perf_counter()
    for begin in range(0, len(order), BATCH):
        inputs.stage(begin, BATCH)
        inputs.batch(order[begin : begin + BATCH])
    return len(order) / (time.perf_counter() - started)


def _trial(path: Path) -> tuple[Any, Any]:
    """Return the trial that `latentbench run -d FILE -m ae` would train, and the plugins."""
    from latentbench import Benchmark
    from latentbench.planning.plan import make_plan
    from latentbench.plugins import Plugins

    plugins = Plugins()
    benchmark = Benchmark(
        datasets=(str(path),), models=("ae",), references=(), seeds=1, scores=("r2",), budget={"batch_size": BATCH}
    )
    return next(iter(make_plan(benchmark, plugins).trials)), plugins


def _model(trial: Any, plugins: Any, train: Any) -> Any:
    from latentbench.dataset import DataSpec
    from latentbench.opening import build_model

    model: Any = build_model(trial, plugins, DataSpec.of(train))
    return model.place("cpu")


def anonymous_bytes() -> int:
    """Return the anonymous memory of this process that is in RAM; 0 where the system does not tell."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon:")), 0)


def read_bytes() -> int:
    """Return how much this process had to read from disks so far; 0 where the system does not tell."""
    try:
        lines = Path("/proc/self/io").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("read_bytes:")), 0)


def read_through(path: Path) -> None:
    """Read a file from its start to its end."""
    with path.open("rb", buffering=0) as file:
        while file.read(READ):
            pass


def forget(path: Path) -> None:
    """Ask the system to drop what it holds of a file."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _head(arguments: argparse.Namespace) -> str:
    import torch

    from latentbench.machine import available_cores

    size = f" --gigabytes {arguments.gigabytes:g}" if arguments.gigabytes != 5.0 else ""
    machine = f"{platform.machine()}, {available_cores()} cores, Python {platform.python_version()}"
    return (
        f"python benchmarks/execution/large_data.py{size} --write\n{machine}, torch {torch.__version__}, "
        f"{time.strftime('%Y-%m-%d')}; ae, batches of {BATCH}, {arguments.turns} turns of {STEPS} steps\n"
    )


if __name__ == "__main__":
    sys.exit(main())
