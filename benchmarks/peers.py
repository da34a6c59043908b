"""Train one network in latentbench, in pythae and in bare loops, in turn: `python benchmarks/peers.py [--write]`.

A convolutional VAE (32 and 64 channels, d = 16, Gaussian likelihood with sigma 1) learns Fashion-MNIST on this
machine's processor: the same images, first weights, batch size, epochs, optimizer and learning rates everywhere.
With `--data faces` it learns drawn faces of 64 x 64 in color, with 32, 64, 128 and 128 channels.
There are two networks: the default one, and one with a dense layer of 256 between the convolutions and the code.
The contestants (contestants.py), each in a fresh process, are given a grid of trials:

- pythae: its BaseTrainer, one trial after the other on all cores;
- plain: an eager float32 loop on tensors in memory, likewise, measured on one trial;
- tuned: channels_last, fused Adam and bfloat16, as many processes as cores, one thread each;
- latentbench: `latentbench.run` as anybody calls it, but with one score that costs nothing.

latentbench and tuned also train one trial alone on one thread, which stands against one of pythae's on all cores.
Rounds are interleaved, ratios are taken within a round. Pythae and the loops are timed while they train;
latentbench from its first trial_started to its last trial_finished, with all a trial does beside training.

Exit status 1 when a contestant does not learn what the others do: its final loss is over 5 % off the plain loop's.
`--quick` takes about a minute, `--write` renews results/reference/speed/peers.csv and peers.txt, or peers_faces.*.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from itertools import product
from pathlib import Path
from statistics import mean, median
from typing import Any

import psutil

ROOT = Path(__file__).parents[1]
KEPT = ROOT / "results" / "reference" / "speed"
TOLERANCE = 0.05
Line = tuple[int, int, str, str]  # hidden, batch, setting, contestant
QUIET = 0.2  # cores that others may use before ratios between one thread and several stop meaning anything
GRID, ALONE = "grid", "one trial"
TURNS = (
    ("pythae", GRID),
    ("latentbench", GRID),
    ("plain", ALONE),
    ("tuned", GRID),
    ("latentbench", ALONE),
    ("tuned", ALONE),
)
IMAGES = {"fashion_mnist": 30_000, "faces": 10_000}  # training images of a trial, of each data set
ONE_BY_ONE = {("pythae", GRID): ALONE, ("plain", ALONE): GRID}  # whose rate of a grid is that of one trial
THREAD_SETTINGS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
NOTES = """
at once: trials that train at the same time x threads of each.
median, best: over the rounds, images per second of all trials together; to pythae: median of the rounds' ratios.
GFLOP/s: at the median rate, of convolutions and matrix products alone.
one trial: latentbench and tuned on one thread; pythae and plain, which train one by one anyway, on all cores.
latentbench: from its first trial_started to its last trial_finished, with reading the data, codes of all test
images and files; its training: by the trials' own images per second. run: all of `latentbench.run`, with starting.
loss: half the squared error and the rate after training, nats per training image, mean over trials and rounds.
others: cores that other programs used meanwhile, mean over rounds; contestants with several threads suffer most.
""".splitlines()


@dataclass(frozen=True)
class Row:
    """One contestant in one round; a line of the CSV.

    Attributes:
        round: counts from 1.
        hidden: width of the dense layer between convolutions and code; 0: none.
        batch: batch size.
        setting: a grid of trials, or one trial.
        contestant: who.
        others: cores that other programs used meanwhile.
        precision: what convolutions and matrix products are made in.
        processes: trials that train at the same time.
        threads: of each process.
        images_per_second: of all trials together.
        training_images_per_second: the same without what latentbench does before and after training.
        run_seconds: of the whole call of `latentbench.run`.
        loss: half the squared error and the rate after training, nats per training image, mean over trials.
    """

    round: int
    hidden: int
    batch: int
    setting: str
    contestant: str
    others: float
    precision: str
    processes: int
    threads: int
    images_per_second: float
    training_images_per_second: float
    run_seconds: float | None
    loss: float

    @property
    def line(self) -> Line:
        """What is one line of the table."""
        return self.hidden, self.batch, self.setting, self.contestant


def measure_apart(contestant: str, **work: int | str) -> dict[str, Any]:
    """Let a contestant do its work in a fresh process, where nobody has set a number of threads."""
    environment = {name: value for name, value in os.environ.items() if name not in THREAD_SETTINGS}
    environment["TQDM_DISABLE"] = "1"  # pythae has no switch for its progress bars
    options = [part for name, value in work.items() for part in (f"--{name}", str(value))]
    command = [sys.executable, str(ROOT / "benchmarks" / "contestants.py"), contestant, *options]
    started, before = time.monotonic(), _core_seconds_of_others()
    finished = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if finished.returncode:
        sys.exit(f"{contestant} failed with exit status {finished.returncode}; the reason stands above")
    others = (_core_seconds_of_others() - before) / (time.monotonic() - started)
    return {"others": max(0.0, others), **json.loads(finished.stdout.splitlines()[-1])}


def _core_seconds_of_others() -> float:
    """Return the time that all cores were busy since the machine's start, but for our children."""
    machine, process = psutil.cpu_times()._asdict(), psutil.Process().cpu_times()
    busy = sum(machine.get(name, 0.0) for name in ("user", "nice", "system", "irq", "softirq", "steal"))
    return float(busy - process.children_user - process.children_system)


def compete(options: argparse.Namespace) -> Iterator[Row]:
    """Let all contestants have their turns, and tell of each."""
    for number, hidden, batch in product(range(1, options.rounds + 1), options.hidden, options.batch):
        size = {"images": options.images, "epochs": options.epochs, "batch": batch, "hidden": hidden}
        for contestant, setting in TURNS:
            trials = options.trials if setting == GRID else 1
            found = measure_apart(contestant, data=options.data, trials=trials, **size)
            row = Row(number, hidden, batch, setting, contestant, **found)
            line = f"round {number}, hidden {hidden}, batch {batch}, {setting}, {contestant}"
            print(f"{line}: {row.images_per_second:.0f} images/s", file=sys.stderr)
            yield row
            if (contestant, setting) in ONE_BY_ONE:
                yield replace(row, setting=ONE_BY_ONE[contestant, setting])


def table(rows: Sequence[Row], flops: Mapping[int, float]) -> list[str]:
    """Return images per second and ratios to pythae; latentbench has a second line, for its training alone.

    Args:
        rows: what was measured.
        flops: floating-point operations of training on one image, by width of the dense layer.
    """
    numbers = ["median", "best", "to pythae", "GFLOP/s", "run, s", "loss", "others"]
    grid = [["hidden", "batch", "setting", "contestant", "precision", "at once", *numbers]]
    for line in _lines(rows):
        own, peers = _chosen(rows, *line), _chosen(rows, *line[:3], "pythae")
        against = [row.images_per_second for row in peers]
        run = f"{median(row.run_seconds or 0 for row in own):.1f}" if own[0].run_seconds else ""
        start = [*map(str, line), own[0].precision, f"{own[0].processes} x {own[0].threads}"]
        end = [run, f"{mean(row.loss for row in own):.2f}", f"{mean(row.others for row in own):.1f}"]
        grid.append([*start, *_speed([row.images_per_second for row in own], against, flops[line[0]]), *end])
        if own[0].run_seconds:
            training = _speed([row.training_images_per_second for row in own], against, flops[line[0]])
            grid.append(["", "", "", "- its training", "", "", *training, "", "", ""])
    return _aligned(grid, words=6)


def _lines(rows: Sequence[Row]) -> list[Line]:
    found = dict.fromkeys(row.line for row in rows)
    return sorted(found, key=lambda line: line[:3])  # keeps the order of turns within a setting


def _chosen(rows: Sequence[Row], *line: object) -> list[Row]:
    return [row for row in rows if row.line == line]


def _speed(rates: Sequence[float], against: Sequence[float], flops: float) -> list[str]:
    ratio = median(rate / other for rate, other in zip(rates, against, strict=True))
    return [f"{median(rates):.0f}", f"{max(rates):.0f}", f"{ratio:.2f}", f"{median(rates) * flops / 1e9:.0f}"]


def _aligned(grid: Sequence[Sequence[str]], words: int) -> list[str]:
    """Set the first `words` columns flush left, numbers flush right."""
    widths = [max(map(len, column)) for column in zip(*grid, strict=True)]
    lines = []
    for row in grid:
        cells = [
            cell.ljust(width) if place < words else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return lines


def strays(rows: Sequence[Row]) -> list[str]:
    """Return a sentence for each contestant whose final loss is not that of the plain loop."""
    found = []
    for hidden, batch, setting, contestant in _lines(rows):
        own, expected = (
            mean(row.loss for row in _chosen(rows, hidden, batch, name_of, name))
            for name_of, name in ((setting, contestant), (GRID, "plain"))
        )
        if not abs(own / expected - 1) <= TOLERANCE:
            found.append(
                f"{contestant} ({setting}, batch {batch}, hidden {hidden}) ends with a loss of {own:.2f}, the "
                f"plain loop with {expected:.2f}: over {TOLERANCE:.0%} apart, they did not do the same work"
            )
    return found


def unrest(rows: Sequence[Row]) -> list[str]:
    """Return a warning when other programs were at work."""
    most = max(row.others for row in rows)
    if most <= QUIET:
        return []
    return [f"Others used up to {most:.1f} cores: no fair comparison, run it again on a quiet machine."]


def as_text(rows: Sequence[Row], options: argparse.Namespace) -> str:
    """Return what was done, on what, and the table."""
    sys.path.insert(0, str(ROOT))  # this script may be started from anywhere
    from benchmarks.contestants import DATA, flops_of_an_image
    from benchmarks.profile_step import ceiling
    from latentbench.execution.environment import describe_environment
    from latentbench.machine import available_cores
    from latentbench.plugins import Plugins

    flops = {hidden: flops_of_an_image(options.data, hidden) for hidden in options.hidden}
    channels = "-".join(map(str, DATA[options.data][1]))
    work = ", ".join(f"hidden={hidden} takes {flops[hidden] / 1e6:.1f} MFLOP an image" for hidden in flops)
    tops = ", ".join(f"{ceiling(precision):.0f} GFLOP/s in {precision}" for precision in ("float32", "bfloat16"))
    machine = f"{describe_environment(Plugins())['processor']}, {available_cores()} cores"
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "pythae", "latentbench"))
    size = f"{options.images} images, {options.epochs} epochs, {options.trials} trials in a grid"
    lines = [
        shlex.join(["python", "benchmarks/peers.py", *sys.argv[1:]]),
        "",
        f"{date.today()}, {machine}, {versions}",
        f"{options.data}, {size}, rounds: {options.rounds}",
        f"VAE, conv {channels}, d = 16, Adam, learning rate 0.001 with latentbench's rise and cosine",
        work,
        f"ceiling, products of 2048 x 2048 matrices on all cores: {tops}",
        "",
        *table(rows, flops),
        *NOTES,
        *unrest(rows),
    ]
    return "\n".join(lines) + "\n"


def write(rows: Sequence[Row], text: str, data: str) -> None:
    """Keep the rows and the table."""
    name = "peers" if data == "fashion_mnist" else f"peers_{data}"
    KEPT.mkdir(parents=True, exist_ok=True)
    with (KEPT / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(asdict(rows[0]))
        for row in rows:
            lines.writerow(f"{value:.6g}" if isinstance(value, float) else value for value in asdict(row).values())
    (KEPT / f"{name}.txt").write_text(text, encoding="utf-8")


def parsed() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Train one network in latentbench, in pythae and in bare loops.")
    parser.add_argument("--data", choices=tuple(IMAGES), default="fashion_mnist")
    parser.add_argument("--images", type=int, help="training images of each trial: 30,000, of faces 10,000")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--trials", type=int, default=4, help="trials of the grid")
    parser.add_argument("--batch", type=int, nargs="+", default=[64, 256], help="batch sizes")
    parser.add_argument("--hidden", type=int, nargs="+", default=[0, 256], help="widths of the dense layer")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="one round, batch 64, 2,048 images, hidden 0")
    parser.add_argument("--write", action="store_true", help="renew results/reference/speed/peers.*")
    options = parser.parse_args()
    if options.quick:
        options.images, options.epochs, options.batch, options.rounds, options.hidden = 2048, 2, [64], 1, [0]
    options.images = options.images or IMAGES[options.data]
    return options


def main() -> int:
    """Measure, print and compare."""
    options = parsed()
    try:
        version("pythae")
    except PackageNotFoundError:
        sys.exit("peers.py compares with pythae, which is not installed; python -m pip install pythae==0.1.2")
    rows = list(compete(options))
    text = as_text(rows, options)
    print(text, end="")
    if options.write:
        write(rows, text, options.data)
    wrong = strays(rows)
    for sentence in wrong:
        print(sentence, file=sys.stderr)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
