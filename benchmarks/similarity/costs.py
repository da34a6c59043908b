"""What `latentbench similar` costs: `python benchmarks/similarity/costs.py [--write]`.

Own codes are drawn: five models of five seeds, 10,000 items of 16 dimensions, a third of whose variance is
shared; with training codes and without, by the quick scores and by all. Then two models of one seed, 70,000 items
of 64 dimensions, for the memory. Each is a command of its own with nothing computed before: seconds from its start
to its end, seconds of processor time, the most memory of its own (RssAnon, looked at every 50 ms) and resident.
Exit status 1 when a limit is missed: 60 s of processor time for the quick scores, 300 s for all (one thread
computes: it takes no less from start to end), 2 GB of its own.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from latentbench.machine import available_cores, environment

ROOT = Path(__file__).parents[2]
if str(ROOT) not in sys.path:
    sys.path.append(str(ROOT))  # this script may be started from anywhere

from benchmarks.execution.spending import Spent, spent_by  # noqa: E402 - it needs the line above

TARGET = ROOT / "results" / "reference" / "similarity" / "costs.txt"
MODELS, SEEDS, ITEMS, WIDTH = 5, 5, 10_000, 16
MANY, WIDE = 70_000, 64
SHARED = 1 / 3
MOST_QUICK, MOST_ALL, MOST_MEMORY = 60.0, 300.0, 2.0  # seconds, seconds, GB


def main() -> None:
    """Print the costs; with --write, keep them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--items", type=int, default=ITEMS)
    parser.add_argument("--many", type=int, default=MANY)
    parser.add_argument("--write", action="store_true", help=f"renew {TARGET.relative_to(ROOT)}")
    options = parser.parse_args()
    lines, missed = report(options.items, options.many)
    text = "\n".join([*lines, *missed]) + "\n"
    print(text, end="")
    if options.write:
        TARGET.parent.mkdir(parents=True, exist_ok=True)
        TARGET.write_text(text, encoding="utf-8")
    sys.exit(bool(missed))


def report(items: int, many: int) -> tuple[list[str], list[str]]:
    """Measure; return the lines to print and a sentence for each missed limit."""
    machine, cores = environment("cpu", 1, 1)["device"], available_cores()
    lines = [
        "python benchmarks/similarity/costs.py --write",
        f"{machine}, {cores} core{'s' * (cores > 1)}",
        "",
        f"{'':56}{'wall, s':>9}{'processor, s':>14}{'own, GB':>9}{'resident, GB':>14}",
    ]
    missed = []
    five = f"{MODELS} models x {SEEDS} seeds, {items:,} x {WIDTH}"
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        words = drawn(folder, MODELS, SEEDS, items, WIDTH)
        for name, given, more, limit in (
            (f"{five}, quick, training codes", words.both, [], MOST_QUICK),
            (f"{five}, quick, halves", words.tests, [], MOST_QUICK),
            (f"{five}, all, training codes", words.both, ["--all"], MOST_ALL),
        ):
            cost = spent([*given, *more], folder)
            lines.append(_line(name, cost))
            if cost.processor > limit:
                missed.append(f"MISSED: {name} took {cost.processor:.0f} s, limit {limit:.0f}")
        large = drawn(folder / "large", 2, 1, many, WIDE)
        cost = spent([*large.tests, "--all"], folder)
        lines.append(_line(f"2 models, {many:,} x {WIDE}, all, halves", cost))
        if cost.own > MOST_MEMORY:
            missed.append(f"MISSED: {many:,} items took {cost.own:.2f} GB of its own, limit {MOST_MEMORY}")
    return lines, missed


def _line(name: str, cost: Spent) -> str:
    return f"{name:56}{cost.seconds:9.1f}{cost.processor:14.1f}{cost.own:9.2f}{cost.resident:14.2f}"


@dataclass(frozen=True)
class Files:
    """Words of the command line: files of codes that bring training codes along, and of codes alone."""

    both: list[str]
    tests: list[str]


def drawn(folder: Path, models: int, seeds: int, items: int, width: int) -> Files:
    """Write codes of models that share a third of their variance."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    shared = rng.standard_normal((2 * items, width), np.float32) * SHARED**0.5
    both: list[str] = []
    tests: list[str] = []
    for model in range(models):
        found = shared + rng.standard_normal((2 * items, width), np.float32) * (SHARED / 2) ** 0.5
        names = [f"{folder}/m{model}_{seed}" for seed in range(seeds)]
        for name in names:
            codes = found + rng.standard_normal((2 * items, width), np.float32) * (1 - 1.5 * SHARED) ** 0.5
            np.savez(f"{name}.npz", z_train=codes[:items], z_test=codes[items:])
            np.save(f"{name}.npy", codes[items:])
        both.append(f"m{model}={','.join(f'{name}.npz' for name in names)}")
        tests.append(f"m{model}={','.join(f'{name}.npy' for name in names)}")
    return Files(both, tests)


def spent(words: list[str], folder: Path) -> Spent:
    """Run `latentbench similar` with nothing computed before."""
    with tempfile.TemporaryDirectory(dir=folder) as cache:
        return spent_by(["similar", *words], Path(cache))


if __name__ == "__main__":
    main()
