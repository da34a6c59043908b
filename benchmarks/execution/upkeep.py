"""Doctor, pack and merge on a run of many trials: `python benchmarks/execution/upkeep.py [TRIALS] [--write]`.

One trial is trained; its files stand for all the others, each under a seed, key and seal of its own. Wall and
processor seconds and the largest memory are those of the command line, in processes of their own.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from latentbench import Benchmark, load_results, run
from latentbench.files.json_files import read_sealed, write_sealed
from latentbench.trial import Trial

PLACE = Path(__file__).parents[2] / "results" / "reference" / "scale" / "upkeep.txt"
SCORES = ("r2", "knn", "rate", "silhouette", "kmeans", "linear_probe", "train_seconds", "parameters")
MEASURE = """
import resource, subprocess, sys, time
began = time.perf_counter()
status = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(status, time.perf_counter() - began, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)
"""


def many(one: Path, place: Path, seeds: Sequence[int]) -> Path:
    """Make a run of many seeds of the first trial of a run."""
    results = load_results(one)
    first = results.trials[0]
    trials = [replace(first, seed=seed, outcome=None) for seed in seeds]
    (place / "trials").mkdir(parents=True)
    shutil.copy(one / "environment.json", place)
    stored = read_sealed(results.record(first).folder / "trial.json")
    scores = {path: read_sealed(path) for path in (results.record(first).folder / "scores").glob("*.json")}
    for trial in trials:
        _copy(results.record(first).folder, place / "trials" / trial.key, trial, stored, scores)
    request = {**results.request, "trials": [trial.to_json() for trial in trials]}
    write_sealed(place / "run.json", request)
    load_results(place).write()
    return place


def _copy(
    source: Path, folder: Path, trial: Trial, stored: dict[str, Any], scores: dict[Path, dict[str, Any]]
) -> None:
    (folder / "scores").mkdir(parents=True)
    for path in [*source.glob("*.*"), *source.glob("scores/*.npz")]:
        shutil.copyfile(path, folder / path.relative_to(source))
    write_sealed(folder / "trial.json", {**stored, "trial": trial.to_json()}, durable=False)
    for path, values in scores.items():
        write_sealed(folder / "scores" / path.name, {**values, "trial": trial.key}, durable=False)


def measured(*words: object) -> str:
    """Run a command line and return its figures as a line."""
    command = [sys.executable, "-m", "latentbench", *map(str, words)]
    told = subprocess.run([sys.executable, "-c", MEASURE, *command], capture_output=True, text=True, check=True)
    status, wall, used, memory = map(float, told.stdout.split())
    return f"{wall:6.1f} s wall  {used:6.1f} s processor  {memory:6.0f} MB  status {status:.0f}"


def main() -> None:
    """Make the runs, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trials", type=int, nargs="?", default=3000)
    parser.add_argument("--keep", type=Path, help="make the runs here and leave them")
    parser.add_argument("--write", action="store_true", help=f"renew {PLACE.name}")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        lines = report(asked.keep or Path(folder), asked.trials)
    print("\n".join(lines))
    if asked.write:
        PLACE.write_text("\n".join(lines) + "\n", encoding="utf-8")


def report(place: Path, count: int) -> list[str]:
    """Return the figures of all verbs."""
    budget = {"epochs": 1, "train_limit": 200}
    one = Benchmark(models=("vae",), references=(), seeds=1, scores=SCORES, budget=budget)
    if not (place / "one").exists():
        run(one, place / "one", workers=0, progress=False)
        many(place / "one", place / "all", range(count))
        many(place / "one", place / "a", range(count * 2 // 3))
        many(place / "one", place / "b", range(count // 3, count))
    files = sum(len(names) for _, _, names in os.walk(place / "all"))
    size = sum(path.stat().st_size for path in (place / "all").rglob("*")) / 1e6
    for name in ("merged", "all.zip"):
        shutil.rmtree(place / name, ignore_errors=True)
    lines = [f"{count:,} trials, {files:,} files, {size:,.0f} MB"]
    verbs: dict[str, tuple[object, ...]] = {
        "--help, to compare": ("--help",),
        "doctor": ("doctor", place / "all"),
        "pack": ("pack", place / "all"),
        "table of the archive, unpacked": ("table", place / "all.zip"),
        "table of the archive, again": ("table", place / "all.zip"),
        "table of the folder": ("table", place / "all"),
        "merge of two parts": ("merge", place / "a", place / "b", "-o", place / "merged"),
    }
    os.environ["LATENTBENCH_CACHE"] = str(place / f"cache-{time.time()}")
    for name, words in verbs.items():
        lines.append(f"{name:32}{measured(*words)}")
        print(lines[-1], file=sys.stderr)
    shutil.rmtree(os.environ["LATENTBENCH_CACHE"], ignore_errors=True)
    return lines


if __name__ == "__main__":
    main()
