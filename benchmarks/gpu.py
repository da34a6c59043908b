"""Check and time latentbench on a GPU: `python benchmarks/gpu.py [--call 1|2] [--data FOLDER] [--out FOLDER]`.

In this order, each part in a process of its own:

- versions: of the software, and the data; a product of two matrices;
- captured: one trial, its steps captured as a CUDA graph, against eager steps: same numbers, rates of both;
- stack: ten seeds trained as one stack of weights against one by one, likewise;
- checks: the same trials on the CPU and on CUDA, eager and captured, alone and in a group, from the same weights
  on the same rows;
- profile: which kernels the time of twenty replays goes to;
- variants, streams, processes: ten seeds of a beta-VAE (conv 32-64, d = 16) on Fashion-MNIST, trained together in
  every way there is, and the fastest beside what a run does;
- features, grid: the network for the features of images; AE, VAE and beta-VAE x 10 seeds x 20 epochs with all
  scores, as `latentbench run` does it;
- others: a plain torch loop and pythae 0.1.2, where it is installed, on the same device;
- target: seconds until the error of an autoencoder is under .0115;
- study: from the rate on 64 x 64 images, GPU-hours of the 12,600 models of a study of disentanglement;
- scores: those of one space on the CPU and on CUDA.

`--call 1` ends with the processes, `--call 2` does the rest; each takes five and a half minutes at most. gpu.csv
and gpu.txt in the folder are renewed with every row; rows of parts that are not done again stay. A part that
fails, crashes or runs out of time has a row that says so, the others go on, and the exit status is 1; so it is
when a check fails. Speed that misses its aim is no failure. On a CPU (`--device cpu --quick`: two minutes) nothing
is written without `--write`.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import date
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.cuda.work import Work

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # the parts lie beside this script, which may be started from anywhere

from benchmarks.cuda.parts import CALLS, PARTS, rows_of, seconds_for  # noqa: E402 - they need the line above
from benchmarks.cuda.rows import Row, read_rows, shown, table, write_rows  # noqa: E402

KEPT = ROOT / "results" / "reference" / "speed"
MINUTES_OF_A_CALL = 5.5
RESERVE = 10.0  # seconds kept to end in
ENVIRONMENT = {
    "CUDA_DEVICE_MAX_CONNECTIONS": "32",  # else streams share eight queues, and what waits in one holds up others
    "PYTHONUNBUFFERED": "1",
}


def measure(work: Work | None, names: Sequence[str], minutes: float, keep: Path | None) -> list[Row]:
    """Do the parts one after the other; write down each row when it is there."""
    kept = [] if keep is None else [row for row in read_rows(keep) if row.part not in names]
    rows: list[Row] = []
    whole = max(1.0, 60 * minutes - RESERVE)
    ends = time.monotonic() + whole
    for index, name in enumerate(names):
        seconds, started = seconds_for(names, index, whole, ends - time.monotonic()), time.monotonic()
        for row in rows_of(name, PARTS[name], work, [*kept, *rows], seconds):
            rows.append(row)
            tell(row)
            if keep is not None:
                write_rows(in_order([*kept, *rows]), heading(), keep)
        print(f"{name}: {time.monotonic() - started:.1f} s", file=sys.stderr, flush=True)
    return in_order([*kept, *rows])


def in_order(rows: Sequence[Row]) -> list[Row]:
    """Sort rows by their parts' places."""
    places = {name: place for place, name in enumerate(PARTS)}
    return sorted(rows, key=lambda row: places.get(row.part, len(places)))


def tell(row: Row) -> None:
    """Print a line as soon as it is there."""
    print("  ".join(cell for cell in (*shown(row), row.note) if cell), file=sys.stderr, flush=True)


def heading() -> list[str]:
    """Return what was done last, and when; the rows of `versions` tell on what."""
    return [shlex.join(["python", "benchmarks/gpu.py", *sys.argv[1:]]), "", str(date.today()), ""]


def parsed() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Check and time latentbench on a GPU.")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument(
        "--data", type=Path, help="folder with Fashion-MNIST's idx files; default: the usual places"
    )
    parser.add_argument("--call", type=int, choices=tuple(CALLS), help="half of the parts, for short sittings")
    parser.add_argument("--minutes", type=float, help="to be done in, whatever happens (5.5 a call)")
    parser.add_argument("--quick", action="store_true", help="a small part of everything, for a try")
    parser.add_argument("--only", nargs="+", choices=tuple(PARTS), help="these parts")
    parser.add_argument("--members", type=int, default=10, help="seeds trained together")
    parser.add_argument("--batch", type=int, nargs="+", default=[128, 256], help="batch sizes")
    parser.add_argument("--seconds", type=float, default=1.5, help="how long each variant is timed")
    parser.add_argument("--processes", type=int, default=5, help="trials in processes of their own")
    parser.add_argument(
        "--ae-batch", type=int, nargs="+", default=[128, 256, 512], help="tried to reach the error"
    )
    parser.add_argument("--ae-rate", type=float, nargs="+", default=[3e-3, 6e-3], help="learning rates, likewise")
    parser.add_argument("--ae-epochs", type=int, nargs="+", default=[6, 12], help="epochs, likewise")
    parser.add_argument("--study-group", type=int, nargs="+", default=[10, 40], help="models trained together")
    parser.add_argument("--write", action="store_true", help="renew results/reference/speed/gpu.* on a CPU too")
    parser.add_argument("--out", type=Path, help="write gpu.* to this folder instead")
    return parser.parse_args()


def as_work(options: argparse.Namespace, scratch: Path) -> Work:
    """Turn the command line into what the parts are given.

    Raises:
        LatentbenchError: the device or the data are not there.
    """
    from benchmarks.cuda.work import Work, find_data
    from latentbench.machine import choose_device

    quick = options.quick
    return Work(
        device=choose_device(options.device),
        quick=quick,
        dataset=find_data(options.data, scratch),
        members=3 if quick else options.members,
        batches=(64,) if quick else tuple(options.batch),
        seconds=0.5 if quick else options.seconds,
        processes=2 if quick else options.processes,
        ae=((256, 3e-3, 1),) if quick else tuple(product(options.ae_batch, options.ae_rate, options.ae_epochs)),
        study_groups=(2,) if quick else tuple(options.study_group),
    )


def main() -> int:
    """Measure, write and print."""
    options = parsed()
    os.environ.update({name: os.environ.get(name, value) for name, value in ENVIRONMENT.items()})
    with tempfile.TemporaryDirectory() as scratch:
        from latentbench.errors import LatentbenchError

        try:
            work = as_work(options, Path(scratch))
        except LatentbenchError as error:
            sys.exit(f"gpu.py: {error}")
        os.environ["LATENTBENCH_CACHE"] = scratch  # nothing is there from an earlier run
        names = options.only or (list(PARTS) if options.call is None else CALLS[options.call])
        minutes = options.minutes or MINUTES_OF_A_CALL * (1 if options.call or options.only else len(CALLS))
        written = work.device == "cuda" or options.write
        rows = measure(work, names, minutes, options.out or (KEPT if written else None))
        print("\n".join([*heading(), *table(rows)]))
        aimed = [row for row in rows if row.wrong or (row.aim and not row.must)]
        print("\n".join(["", *table(aimed)] if aimed else []))
    return int(any(row.wrong for row in rows))


if __name__ == "__main__":
    sys.exit(main())
