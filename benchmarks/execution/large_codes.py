"""What large codes of one's own cost: `python benchmarks/execution/large_codes.py [--write]`.

The codes are drawn, 50,000 x 768 in float32: 20 Gaussian classes whose centers lie so close that they overlap, in
two spaces, one harder than the other.

- all: `latentbench score a=a.npy b=b.npy --labels y.npy` with all that codes and labels allow, each metric on as
  many items as it declares: seconds from the command to its end, memory, seconds and items of each score;
- exact: nearest neighbors and silhouette of all 50,000 (`--max-items 0`);
- sklearn: both at 20,000 x 768 in turn with scikit-learn, on as many threads.

Memory is the sum of the resident memory of the command and its workers, looked at 20 times a second; pages that
they share count in each. Exit status 1 when a limit is missed. `--only all exact` takes some parts, `--small` few
and short codes, to see that it works: no limit counts then. `--write` renews results/reference/large_codes.txt.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt
import psutil
import torch
from sklearn.metrics import silhouette_samples
from sklearn.neighbors import KNeighborsClassifier

from latentbench import LatentSpace, load_results
from latentbench.machine import available_cores, limited_threads
from latentbench.score_rows import ScoreRow
from latentbench_metrics._shared.subsets import folds
from latentbench_metrics.clusters import silhouette_per_item
from latentbench_metrics.neighbors import FOLDS, Neighbors

KEPT = Path(__file__).parents[2] / "results" / "reference" / "large_codes.txt"
PARTS = ("all", "exact", "sklearn")
SPACES = {
    "a": 0.18,
    "b": 0.12,
}  # name -> standard deviation of centers; that of codes about them is 1
LIMITS = {"seconds": 120.0, "memory, GB": 6.0, "knn": 45.0, "separation": 60.0, "times": 3.0}
EXACT = ("knn", "separation")  # the metrics of kNN accuracy and of the silhouette
LOOK_SECONDS = 0.05
AGREEMENT = 1e-3
ROUNDS = 3

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Size:
    """How much is scored: rows of codes, rows beside scikit-learn, their length, and classes."""

    rows: int = 50_000
    beside: int = 20_000
    length: int = 768
    classes: int = 20


SMALL = Size(rows=600, beside=500, length=24, classes=4)


@dataclass(frozen=True)
class Run:
    """What a command did: seconds, the most bytes of all its processes together, of each, and its lines."""

    seconds: float
    memory: int
    peaks: Mapping[str, int]
    lines: Sequence[str]


def planted(rows: int, size: Size, spread: float, seed: int = 0) -> tuple[Array, Array]:
    """Draw codes `(rows, length)` in float32 and their classes `(rows,)`; all spaces have the same classes."""
    labels = np.random.default_rng(seed).integers(0, size.classes, rows)
    rng = np.random.default_rng([seed, int(1000 * spread)])
    wide = spread * np.sqrt(768 / size.length)  # short codes overlap as much
    centers = (wide * rng.standard_normal((size.classes, size.length))).astype(np.float32)
    codes = rng.standard_normal((rows, size.length), dtype=np.float32)
    codes += centers[labels]
    return codes, labels


def write_codes(size: Size, folder: Path) -> list[str]:
    """Write the codes of all spaces and their labels; return the words of the command that name them."""
    for name, spread in SPACES.items():
        codes, labels = planted(size.rows, size, spread)
        np.save(folder / f"{name}.npy", codes)
        np.save(folder / "y.npy", labels)
    return [*(f"{name}={folder / name}.npy" for name in SPACES), "--labels", str(folder / "y.npy")]


def run_command(words: Sequence[str]) -> Run:
    """Run a command of latentbench and watch its processes; a failure ends this program."""
    return watched([sys.executable, "-m", "latentbench", *words])


def watched(command: Sequence[str]) -> Run:
    """Run a command and watch the memory of all its processes."""
    started = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        watch = _Watch(process.pid)
        watch.start()
        _, told = process.communicate()
        seconds = time.perf_counter() - started
        watch.end()
    if process.returncode:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}:\n{told}")
    return Run(seconds, watch.most, watch.named_peaks(), told.splitlines())


class _Watch(threading.Thread):
    """Looks at the memory of a process and of all that it has started, until it is ended."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.most = 0
        self._peaks: dict[int, int] = {}
        self._root = psutil.Process(pid)
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            with suppress(psutil.Error):
                self._look()

    def _look(self) -> None:
        total = 0
        for process in (self._root, *self._root.children(recursive=True)):
            with suppress(psutil.Error):
                resident = process.memory_info().rss
                self._peaks[process.pid] = max(resident, self._peaks.get(process.pid, 0))
                total += resident
        self.most = max(self.most, total)

    def end(self) -> None:
        self._ended.set()
        self.join()

    def named_peaks(self) -> dict[str, int]:
        """Return the greatest memory of each process: the command first, then those it started, in their order."""
        others = sorted(pid for pid in self._peaks if pid != self._root.pid)
        pids = [self._root.pid, *others]
        names = ["command", *(f"process {number}" for number in range(1, len(pids)))]
        return {name: self._peaks.get(pid, 0) for name, pid in zip(names, pids, strict=True)}


class Report:
    """Lines, printed as they come, and the limits that were missed."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.missed: list[str] = []

    def add(self, line: str = "") -> None:
        print(line, flush=True)
        self.lines.append(line)

    def hold(self, what: str, value: float, limit: float, *, least: bool = False, unit: str = "") -> None:
        """Add a value beside its limit, and note one that is missed."""
        bound = f"at least {limit:g}" if least else f"limit {limit:g}"
        self.add(f"{what:<44}{value:>8.1f}{unit:<4} {bound}")
        if value < limit if least else value > limit:
            self.missed.append(what)


def show_run(report: Report, run: Run) -> None:
    """Add seconds, memory and the lines of progress of a command."""
    report.hold("seconds, from the command to its end", run.seconds, LIMITS["seconds"], unit=" s")
    report.hold("memory of all processes together", run.memory / 1e9, LIMITS["memory, GB"], unit=" GB")
    peaks = ", ".join(f"{name} {peak / 1e9:.2f}" for name, peak in run.peaks.items())
    report.add(f"most memory of each, GB: {peaks}")
    progress = [line for line in run.lines if line.startswith("[")]
    report.add("progress: " + (" / ".join(progress) or "none"))
    if not progress:
        report.missed.append("progress")


def scored(folder: Path) -> dict[str, dict[str, ScoreRow]]:
    """Return score -> space -> row of all that was computed."""
    rows: dict[str, dict[str, ScoreRow]] = {}
    for row in load_results(folder).rows:
        if row.status != "not applicable":
            rows.setdefault(row.score, {})[row.label] = row
    return rows


def show_scores(report: Report, rows: Mapping[str, Mapping[str, ScoreRow]]) -> None:
    """Add a line a score: the items it is of, and value and seconds in each space.

    Scores of one metric are computed together: all bear its seconds.
    """
    heads = "".join(f"{f'{name}, value':>12}{f'{name}, s':>9}" for name in SPACES)
    report.add(f"{'metric':<22}{'score':<24}{'n':>7}{heads}")
    for score, spaces in sorted(rows.items(), key=lambda item: next(iter(item[1].values())).family):
        first = next(iter(spaces.values()))
        cells = "".join(_cells(spaces[name]) for name in SPACES)
        report.add(f"{first.family:<22}{score:<24}{first.n_eval:>7}{cells}")
        report.missed += [f"{score} of {name} {row.status}" for name, row in spaces.items() if row.status != "ok"]


def _cells(row: ScoreRow) -> str:
    return f"{row.value:>12.4f}{row.score_seconds:>9.1f}"


def all_scores(report: Report, size: Size, folder: Path) -> None:
    """Score everything by one command."""
    run = run_command(["score", *write_codes(size, folder), "-o", str(folder / "all")])
    report.add(f"all: every score of {size.rows:,} x {size.length} codes in two spaces, one command")
    show_run(report, run)
    show_scores(report, scored(folder / "all"))


def exact_scores(report: Report, size: Size, folder: Path) -> None:
    """Score neighbors and silhouette of all items; the limits are those of one space, with both under way."""
    words = ["-s", ",".join(EXACT), "--max-items", "0"]
    run = run_command(["score", *write_codes(size, folder), *words, "-o", str(folder / "exact")])
    report.add(f"exact: {' and '.join(EXACT)} of all {size.rows:,} codes, two spaces at the same time")
    report.add(f"seconds, from the command to its end: {run.seconds:.1f}")
    report.add(f"memory of all processes together: {run.memory / 1e9:.1f} GB")
    rows = scored(folder / "exact")
    show_scores(report, rows)
    for metric in EXACT:
        for name in SPACES:
            of_it = [spaces[name] for spaces in rows.values() if spaces[name].family == metric]
            report.hold(f"{metric} of {name}", of_it[0].score_seconds, LIMITS[metric], unit=" s")
            if any(row.n_eval != size.rows for row in of_it):
                report.missed.append(f"{metric} of {name} is not of all items")


def beside_sklearn(report: Report, size: Size, threads: int) -> None:
    """Time both implementations in turn, on as many threads, and compare what they give."""
    codes, labels = planted(size.beside, size, SPACES["a"])
    space = LatentSpace.from_arrays(codes=codes, labels=labels)
    contests: dict[str, tuple[Callable[[], float], Callable[[], float]]] = {
        "silhouette": (
            lambda: float(silhouette_per_item(space.codes, space.labels).mean()),
            lambda: float(silhouette_samples(codes, labels).mean()),
        ),
        "knn10": (lambda: _own_accuracy(space), lambda: _sklearn_accuracy(space)),
    }
    report.add(
        f"sklearn: {size.beside:,} x {size.length}, {threads} threads, medians of {ROUNDS} rounds in turn; "
        f"knn10 by {FOLDS}-fold"
    )
    report.add(f"{'':<14}{'latentbench, s':>16}{'scikit-learn, s':>17}{'times':>8}{'apart':>10}")
    with limited_threads(threads):
        for name, (own, other) in contests.items():
            rounds = [(*_timed(own), *_timed(other)) for _ in range(ROUNDS)]
            seconds, others = median(row[0] for row in rounds), median(row[2] for row in rounds)
            times, apart = median(row[2] / row[0] for row in rounds), abs(rounds[0][1] - rounds[0][3])
            report.add(f"{name:<14}{seconds:>16.2f}{others:>17.2f}{times:>8.1f}{apart:>10.1e}")
            if times < LIMITS["times"]:
                report.missed.append(f"{name}: {times:.1f} times as fast as scikit-learn")
            if apart > AGREEMENT:
                sys.exit(f"{name}: {rounds[0][1]} here, {rounds[0][3]} by scikit-learn")


def _timed(function: Callable[[], float]) -> tuple[float, float]:
    started = time.perf_counter()
    value = function()
    return time.perf_counter() - started, value


class _AllNeighbors(Neighbors):
    """The metric on all items."""

    max_items = None


def _own_accuracy(space: LatentSpace) -> float:
    return float(_AllNeighbors(_AllNeighbors.Params()).compute(space)["knn10"].mean())


def _sklearn_accuracy(space: LatentSpace) -> float:
    codes, labels, fold = space.codes.numpy(), space.labels.numpy(), folds(space.labels, FOLDS).numpy()
    right = np.zeros(len(codes))
    for number in range(FOLDS):
        held = fold == number
        found = KNeighborsClassifier(10, algorithm="brute").fit(codes[~held], labels[~held])
        right[held] = found.predict(codes[held]) == labels[held]
    return float(right.mean())


def report_on(parts: Sequence[str], size: Size, threads: int | None = None) -> Report:
    """Do the parts one after the other; `threads` are those beside scikit-learn, None for all cores."""
    report = Report()
    report.add(_machine())
    for part in parts:
        report.add()
        started, before = time.perf_counter(), _used_by_others()
        if part == "sklearn":
            beside_sklearn(report, size, threads or available_cores())
        else:
            with tempfile.TemporaryDirectory() as folder:
                {"all": all_scores, "exact": exact_scores}[part](report, size, Path(folder))
        others = (_used_by_others() - before) / (time.perf_counter() - started)
        report.add(f"cores that other programs used meanwhile: {others:.1f}")
    return report


def _used_by_others() -> float:
    """Return processor seconds that all programs but this one, and those it has started, have used."""
    everything, own = psutil.cpu_times(), os.times()
    return float(everything.user + everything.nice + everything.system) - sum(own[:4])


def _machine() -> str:
    names = [line.partition(":")[2].strip() for line in _processors()]
    return f"{next(iter(names), 'a processor')}, {available_cores()} cores, torch {torch.__version__}"


def _processors() -> Iterator[str]:
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        yield from (line for line in lines if line.startswith("model name"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--small", action="store_true", help="few and short codes; limits do not count")
    parser.add_argument("--threads", type=int, help="of both beside scikit-learn; default: all cores")
    parser.add_argument("--write", action="store_true", help=f"renew {KEPT.name}")
    options = parser.parse_args()
    if options.write and (options.small or set(options.only) != set(PARTS)):
        parser.error("--write keeps what all parts give at full size; leave out --only and --small")
    report = report_on(
        [part for part in PARTS if part in options.only], SMALL if options.small else Size(), options.threads
    )
    if options.write:
        text = "\n".join(["python benchmarks/execution/large_codes.py --write", *report.lines]) + "\n"
        KEPT.write_text(text, encoding="utf-8")
    if options.small:
        return 0
    for missed in report.missed:
        print(f"missed: {missed}", file=sys.stderr)
    return int(bool(report.missed))


if __name__ == "__main__":
    sys.exit(main())
