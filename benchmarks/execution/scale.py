"""`python benchmarks/execution/scale.py [--write]`: many small trials through each executor, in peace and not.

For each of local (two workers), dask (a cluster of four worker processes) and slurm (submitit's local executor,
two jobs) the same trials are run twice. In peace: what a trial takes once all is warm, and what the start takes.
With kills: after each fortieth of the trials a worker is killed at random (its process, or that of the engine
around it), and half way the driver is, and is started again. Both must give the scores of the undisturbed local
run, bit for bit, and lose no trial.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import psutil

from latentbench import load_results
from latentbench.files.writing import write_atomically
from latentbench.machine import available_cores, environment

PLUGIN = """
from latentbench import Metric, Model, Score, hookimpl

class TwoPixels(Model):
    decoder = "none"
    class Params(Model.Params):
        latent_dim: int = 2
    def encode(self, inputs): return inputs.flatten(1)[:, 20 : 20 + self.params.latent_dim]
    def get_state(self): return {}
    def set_state(self, state): pass

class Moments(Metric):
    scores = {"mean": Score("none", "mean of the codes"), "spread": Score("none", "their deviation")}
    def compute(self, space):
        codes = space.codes.double()
        return {"mean": float(codes.mean()), "spread": float(codes.std())}

@hookimpl
def register_models(register): register("two_pixels", TwoPixels)

@hookimpl
def register_metrics(register): register("moments", Moments)
"""
REQUEST = """
models = ["two_pixels"]
references = []
seeds = {trials}
scores = ["moments"]
"""
EXECUTORS = {
    "local": ["--executor", "local", "--workers", "2"],
    "dask": ["--executor", "dask", "--workers", "4"],
    "slurm": ["--executor", "slurm", "--workers", "2", "--executor-options", "cluster=local"],
}
KILLS = 40  # in a run
ENGINES = "submitit.core._submit", "multiprocessing.spawn"  # in the command line of the process around a worker
WORKER = "latentbench.execution.worker"
TARGET = Path(__file__).parents[2] / "results/reference/scale/trials.txt"


@dataclass
class Outcome:
    """What came of one run.

    Attributes:
        seconds: from its start to its end.
        each: milliseconds between two ends of trials once a tenth are done.
        processor: seconds of processor time of all its processes that were waited for.
        kills: how many workers were killed.
        workers: how many there were.
    """

    scores: pd.DataFrame
    seconds: float
    each: float
    processor: float
    kills: int = 0
    workers: int = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--trials", type=int, default=1000, help=f"how many; at least {KILLS}")
    parser.add_argument("--executors", default="local,dask,slurm", help="which, separated by commas")
    parser.add_argument("--seed", type=int, default=0, help="of the moments of kills")
    parser.add_argument("--write", action="store_true", help=f"write {TARGET.name} among the reference results")
    chosen = parser.parse_args()
    if chosen.trials < KILLS:
        parser.error(f"--trials must be at least {KILLS}, got {chosen.trials}")
    lines = [
        f"$ python benchmarks/execution/scale.py --trials {chosen.trials} --seed {chosen.seed}",
        machine(),
        "",
    ]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "pixels.py").write_text(PLUGIN, encoding="utf-8")
        (place / "request.toml").write_text(REQUEST.format(trials=chosen.trials), encoding="utf-8")
        expected = in_peace(place, "local", chosen.trials).scores
        for name in chosen.executors.split(","):
            for said in measured(place, name, chosen.trials, expected, random.Random(chosen.seed)):
                print(said, flush=True)
                lines.append(said)
    if chosen.write:
        TARGET.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(TARGET, ("\n".join(lines) + "\n").encode())


def machine() -> str:
    processor = environment("cpu", 1, 1)["device"]
    return f"{available_cores()} cores, {processor}, Python {platform.python_version()}"


def measured(place: Path, name: str, trials: int, expected: pd.DataFrame, moments: random.Random) -> Iterator[str]:
    """Run both ways and say what came of it; stop the program where something is lost or another score."""
    peace = in_peace(place, name, trials)
    same(peace.scores, expected, f"{name} in peace")
    processor, rest = 1000 * peace.processor / trials, peace.seconds - trials * peace.each / 1000
    yield (
        f"{name:5}  in peace    {trials} trials in {peace.seconds:6.1f} s: {peace.each:5.1f} ms each once warm, "
        f"{processor:.1f} ms of processor time with all starts, {rest:.1f} s for start, end"
    )
    kills = with_kills(place, name, trials, moments)
    same(kills.scores, expected, f"{name} with kills")
    yield (
        f"{name:5}  with kills  {trials} trials in {kills.seconds:6.1f} s: {kills.kills} of {kills.workers} "
        f"workers killed, the driver once; 0 trials lost, {len(expected)} scores equal bit for bit"
    )


def same(scores: pd.DataFrame, expected: pd.DataFrame, what: str) -> None:
    try:
        pd.testing.assert_frame_equal(scores, expected, check_exact=True)
    except AssertionError as error:
        raise SystemExit(f"{what}: other scores than in the undisturbed local run: {error}") from None


def command(place: Path, name: str, folder: Path) -> list[str]:
    words = [sys.executable, "-m", "latentbench", "run", str(place / "request.toml")]
    return [*words, "--plugin", str(place / "pixels.py"), "-o", str(folder), *EXECUTORS[name]]


def in_peace(place: Path, name: str, trials: int) -> Outcome:
    folder = fresh(place, name)
    before, started = os.times(), time.monotonic()
    subprocess.run(command(place, name, folder), check=True, capture_output=True)
    seconds, after = time.monotonic() - started, os.times()
    ends = [float(event["time"]) for event in events(folder) if event["event"] == "trial_finished"]
    warm = sorted(ends)[trials // 10 :]
    each = 1000 * (warm[-1] - warm[0]) / (len(warm) - 1)
    processor = after.children_user + after.children_system - before.children_user - before.children_system
    return Outcome(quality(folder), seconds, each, processor)


def with_kills(place: Path, name: str, trials: int, moments: random.Random) -> Outcome:
    """Run with a kill after each few trials, and with the driver killed half way and started again."""
    folder, started = fresh(place, name), time.monotonic()
    seen: set[int] = set()
    killed: set[int] = set()
    driver = start(place, name, folder)
    halved, mark = False, trials // KILLS
    while driver.poll() is None:
        time.sleep(0.05)
        workers, engines = processes(driver, folder)
        seen |= {process.pid for process in workers}
        if not halved and done(folder) >= trials // 2:
            driver.kill()
            driver.wait()
            driver, halved = start(place, name, folder), True
        elif done(folder) >= mark and workers:
            mark += trials // KILLS
            victim = moments.choice(sorted([*workers, *engines], key=lambda process: process.pid))
            killed.add(victim.pid)
            kill(victim)
    if driver.returncode:
        raise SystemExit(f"{name}: status {driver.returncode}: {folder.with_suffix('.log').read_text()[-2000:]}")
    if not halved:
        raise SystemExit(f"{name}: it ended before the driver was killed; ask for more trials")
    return Outcome(quality(folder), time.monotonic() - started, 0.0, 0.0, len(killed), len(seen))


def start(place: Path, name: str, folder: Path) -> subprocess.Popen[bytes]:
    with folder.with_suffix(".log").open("ab") as log:
        return subprocess.Popen(command(place, name, folder), stdout=log, stderr=log)


def processes(driver: subprocess.Popen[bytes], folder: Path) -> tuple[list[psutil.Process], list[psutil.Process]]:
    """Return the worker processes of a run, and those of the engine around one of them."""
    family = {process.pid for process in psutil.Process(driver.pid).children(recursive=True)}
    workers, engines = [], []
    for process in psutil.process_iter(["cmdline"]):
        if WORKER not in " ".join(process.info["cmdline"] or []):
            continue
        try:
            parent = process.parent()
            around = " ".join(parent.cmdline()) if parent is not None else ""
        except psutil.Error:
            continue
        if process.pid in family or str(folder) in around:
            workers.append(process)
            if parent is not None and any(word in around for word in ENGINES):
                engines.append(parent)
    return workers, engines


def kill(process: psutil.Process) -> None:
    try:
        os.kill(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def done(folder: Path) -> int:
    return sum(len(path.name) == 64 for path in (folder / "trials").glob("*"))


def fresh(place: Path, name: str) -> Path:
    return place / f"{name}-{len(list(place.iterdir()))}"


def events(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "events.jsonl").read_text(encoding="utf-8").splitlines()]


def quality(folder: Path) -> pd.DataFrame:
    results = load_results(folder)
    if not results.complete:
        raise SystemExit(f"{folder}: {len(results.failures)} trials failed, the first: {results.failures[:1]}")
    columns = ["trial", "seed", "score", "value", "se", "status", "n_eval"]
    return results.scores.sort_values(["seed", "score"]).reset_index(drop=True)[columns]


if __name__ == "__main__":
    main()
