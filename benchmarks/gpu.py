"""Check and time latentbench on a GPU, under 8 minutes: `python benchmarks/gpu.py [--data FOLDER] [--out FOLDER]`.

- checks: the same trials on the CPU and on CUDA, eager and captured, alone and in a group, from the same weights
  on the same rows;
- variants: 10 seeds of a beta-VAE (conv 32-64, d = 16) on Fashion-MNIST, trained together in every way there is;
- others: a plain torch loop and pythae 0.1.2, where it is installed, on the same device;
- target: seconds until the error of an autoencoder is under .0115;
- study: from the rate on 64 x 64 images, GPU-hours of the 12,600 models of a study of disentanglement;
- scores: those of one space on the CPU and on CUDA;
- grid: AE, VAE and beta-VAE x 10 seeds x 20 epochs with all scores, as `latentbench run` does it.

A small table of what has an aim comes last; all lines are in gpu.csv and gpu.txt in the folder, which are renewed
after each part. A part that fails or runs out of time is one line, the others go on, and the exit status is 1; so
it is when a check fails. Speed that misses its aim is no failure. On a CPU (`--device cpu --quick`: a minute)
nothing is written without `--write`.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import os
import shlex
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import date
from itertools import product
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # the parts lie beside this script, which may be started from anywhere

from benchmarks.gpu_checks import check_scores, check_training  # noqa: E402 - they need the line above
from benchmarks.gpu_grid import time_grid  # noqa: E402
from benchmarks.gpu_speed import time_others, time_study, time_target, time_variants  # noqa: E402
from benchmarks.gpu_work import PLUGINS, Part, Row, Work, find_data, one_line  # noqa: E402
from latentbench.errors import LatentbenchError  # noqa: E402
from latentbench.execution.environment import describe_environment  # noqa: E402
from latentbench.machine import choose_device, free_memory  # noqa: E402

KEPT = ROOT / "results" / "reference" / "speed"
PARTS: dict[str, tuple[Part, float]] = {  # and the share of all the time that each may take
    "checks": (check_training, 0.15),
    "variants": (time_variants, 0.35),
    "others": (time_others, 0.12),
    "target": (time_target, 0.1),
    "study": (time_study, 0.08),
    "scores": (check_scores, 0.15),
    "grid": (time_grid, 1.0),
}
RESERVE = 20.0  # seconds kept to end in
COLUMNS = ("part", "what", "batch", "precision", "members", "value", "unit", "aim", "met", "note")
SHOWN = ("what", "batch", "precision", "members", "value", "unit", "aim", "met")


class OutOfTime(BaseException):
    """A part is to end; no exception that code which survives errors would survive."""


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise OutOfTime when so many seconds have passed."""

    def stop(_: int, __: FrameType | None) -> None:
        raise OutOfTime

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.001))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def measure(work: Work, names: Sequence[str], minutes: float, keep: Path | None) -> list[Row]:
    """Do the parts one after the other, and write down after each what there is."""
    rows: list[Row] = []
    ends = time.monotonic() + 60 * minutes - RESERVE
    for name in names:
        part, share = PARTS[name]
        do_part(name, part, work, rows, min(share * 60 * minutes, ends - time.monotonic()))
        free_memory()
        if keep is not None:
            write(rows, work, keep)
    return rows


def do_part(name: str, part: Part, work: Work, rows: list[Row], seconds: float) -> None:
    """Add the lines of one part; if it fails or takes too long, that is its last line."""
    started = time.monotonic()
    try:
        with time_limit(seconds):
            for row in part(work, tuple(rows), seconds):
                rows.append(row)
                tell(row)
    except OutOfTime:
        rows.append(
            Row(name, f"part {name}", None, failed=True, note=f"stopped after {seconds:.0f} s: out of time")
        )
        tell(rows[-1])
    except Exception as error:  # noqa: BLE001 - of whatever kind, it is told and the others go on
        rows.append(Row(name, f"part {name}", None, failed=True, note=one_line(error)))
        tell(rows[-1])
    print(f"{name}: {time.monotonic() - started:.1f} s", file=sys.stderr, flush=True)


def tell(row: Row) -> None:
    """Print a line as soon as it is there."""
    print("  ".join(cell for cell in (*shown(row), row.note) if cell), file=sys.stderr, flush=True)


def number(value: float | None) -> str:
    """Write a number with three digits, or all those before the point."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if value == 0 or abs(value) >= 1000 else f"{value:.3g}"


def shown(row: Row) -> tuple[str, ...]:
    """Return a row's cells of the table."""
    values = {"value": number(row.value), "aim": "" if row.aim is None else str(row.aim)}
    return tuple(values.get(name, str(getattr(row, name) or "")) for name in SHOWN)


def table(rows: Sequence[Row]) -> list[str]:
    """Return a line for each row, and below them the notes."""
    grid = [SHOWN, *(shown(row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*grid, strict=True)]
    right = {SHOWN.index(name) for name in ("batch", "members", "value")}
    lines = []
    for cells, note in zip(grid, ["note", *(row.note for row in rows)], strict=True):
        placed = [
            cell.rjust(width) if place in right else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        lines.append("  ".join([*placed, note]).rstrip())
    return lines


def heading(work: Work) -> list[str]:
    """Return what was done, when and on what."""
    machine = describe_environment(PLUGINS)
    versions = {"python": machine["python"], "CUDA": machine["cuda"], **machine["versions"]}
    data = work.dataset.partition(":")[0].replace("arrays", "random images, as Fashion-MNIST is nowhere")
    return [
        shlex.join(["python", "benchmarks/gpu.py", *sys.argv[1:]]),
        "",
        f"{date.today()}, {machine['processor']}, {machine['cores']} cores, {machine['system']}",
        ", ".join(f"{name} {version}" for name, version in versions.items()),
        f"data: {data}",
        "",
    ]


def write(rows: Sequence[Row], work: Work, folder: Path) -> None:
    """Keep rows, table and environment."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "gpu.csv").open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(COLUMNS)
        for row in rows:
            cells = (getattr(row, name) for name in COLUMNS)
            lines.writerow(f"{cell:.6g}" if isinstance(cell, float) else cell for cell in cells)
    (folder / "gpu.txt").write_text("\n".join([*heading(work), *table(rows), ""]), encoding="utf-8")


def parsed() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Check and time latentbench on a GPU.")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument(
        "--data", type=Path, help="folder with Fashion-MNIST's idx files; default: the usual places"
    )
    parser.add_argument("--minutes", type=float, default=8, help="to be done in, whatever happens")
    parser.add_argument("--quick", action="store_true", help="a small part of everything, for a try")
    parser.add_argument("--only", nargs="+", choices=tuple(PARTS), default=list(PARTS), help="these parts")
    parser.add_argument("--members", type=int, default=10, help="seeds trained together")
    parser.add_argument("--batch", type=int, nargs="+", default=[128, 256], help="batch sizes")
    parser.add_argument("--seconds", type=float, default=2, help="how long each variant is timed")
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
    """Turn the command line into what the parts are given."""
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
    with tempfile.TemporaryDirectory() as scratch:
        try:
            work = as_work(options, Path(scratch))
        except LatentbenchError as error:
            sys.exit(f"gpu.py: {error}")
        os.environ["LATENTBENCH_CACHE"] = scratch  # nothing is there from an earlier run
        keep = options.out or (KEPT if work.device == "cuda" or options.write else None)
        rows = measure(work, options.only, options.minutes, keep)
        print("\n".join([*heading(work), *table(rows)]))
        aimed = [row for row in rows if row.wrong or (row.aim and not row.must)]
        print("\n".join(["", *table(aimed)] if aimed else []))
    return int(any(row.wrong for row in rows))


if __name__ == "__main__":
    sys.exit(main())
