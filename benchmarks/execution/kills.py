"""`python benchmarks/execution/kills.py`: a run that is killed at random moments loses nothing and changes no bit.

A small run (autoencoder, VAE, PCA and a model that forks; 2 seeds, a score that draws random numbers among
others) is started again and again, in a session of its own. Each time it, its worker or what that has forked
gets SIGKILL at a random moment; then it is left alone until it ends. Its scores must be those of a run that
nobody disturbed, bit for bit; no trial that had ended well may be trained again; no process and no unfinished
folder may be left. When a run has ended, the next kills go to a new one.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
import psutil

REQUEST = """
models = ["ae", "vae", "forks"]
references = ["pca"]
seeds = 2
scores = ["r2", "knn10", "rate", "sample_coverage"]
params = {latent_dim = 2}
budget = {epochs = 4, batch_size = 32}
"""
PLUGIN = """
import os, time
from latentbench import Model, hookimpl

class Forks(Model):
    decoder = "none"
    class Params(Model.Params):
        latent_dim: int = 2
    def fit(self, train, generator):
        if not os.fork():
            time.sleep(600)
            os._exit(0)
        time.sleep(0.5)
    def encode(self, inputs): return inputs.flatten(1)[:, 20 : 20 + self.params.latent_dim]
    def get_state(self): return {}
    def set_state(self, state): pass

@hookimpl
def register_models(register): register("forks", Forks)
"""
LONGEST = 25.0  # seconds until a kill; a run takes about as long


class Victim:
    """A run that can be started, killed and looked at."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.run = folder, folder / "run"
        (folder / "forks.py").write_text(PLUGIN, encoding="utf-8")
        (folder / "request.toml").write_text(REQUEST, encoding="utf-8")

    def start(self) -> subprocess.Popen[bytes]:
        words = ["run", "request.toml", "--plugin", "forks.py", "-o", "run", "--workers", "1", "--rerun", "failed"]
        return subprocess.Popen(
            [sys.executable, "-m", "latentbench", *words],
            cwd=self.folder,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def scores(self) -> pd.DataFrame:
        frame = pd.read_parquet(self.run / "scores.parquet")
        columns = ["label", "seed", "score", "value", "se", "status", "reason"]
        return frame[frame["kind"] == "quality"][columns].reset_index(drop=True)

    def ended(self) -> dict[Path, int]:
        """Trials that have ended well, with the time of their record."""
        stored = {path: json.loads(path.read_bytes()) for path in self.run.glob("trials/[0-9a-f]*/trial.json")}
        return {path: path.stat().st_mtime_ns for path in stored if stored[path]["outcome"]["status"] == "ok"}

    def processes(self) -> list[psutil.Process]:
        """Processes at work in its folder, with what they have started."""
        return [process for process in psutil.process_iter() if works_in(process, self.folder)]

    def leftovers(self) -> list[str]:
        """Return what must not be there once the run has ended."""
        deadline = time.monotonic() + 10
        while self.processes() and time.monotonic() < deadline:
            time.sleep(0.1)
        folders = self.run.glob("trials/.work-*")
        return [str(process) for process in self.processes()] + [str(folder) for folder in folders]


def works_in(process: psutil.Process, folder: Path) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()) == folder
    except psutil.Error:
        return False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=50, help="how many")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    chosen = parser.parse_args()
    moments = random.Random(chosen.seed)
    with tempfile.TemporaryDirectory() as name:
        place = Path(name).resolve()
        undisturbed = made(place / "undisturbed")
        undisturbed.start().wait()
        expected, runs, landed = undisturbed.scores(), 0, {"main process": 0, "worker": 0, "nothing": 0}
        while sum(landed.values()) < chosen.kills:
            victim = made(place / str(runs))
            runs += 1
            finish(victim, moments, landed, chosen.kills)
            pd.testing.assert_frame_equal(victim.scores(), expected, check_exact=True)
            print(f"{landed}: {runs} runs have the {len(expected)} scores of the undisturbed one", flush=True)


def made(folder: Path) -> Victim:
    folder.mkdir()
    return Victim(folder)


def finish(victim: Victim, moments: random.Random, landed: dict[str, int], kills: int) -> None:
    """Start the run until it ends by itself, with a kill each time as long as there are some left."""
    struck = "at first"
    while struck != "nothing":
        before, process = victim.ended(), victim.start()
        left = sum(landed.values()) < kills
        struck = kill(process, victim, moments) if left else "nothing"
        if left:
            landed[struck] += 1
        status = process.wait(600)
        after = victim.ended()
        lost = sorted(str(path) for path, written in before.items() if after.get(path) != written)
        if lost:
            raise SystemExit(f"trained again, or lost: {lost}")
    if status or victim.leftovers():
        raise SystemExit(f"status {status}; left: {victim.leftovers()}")


def kill(process: subprocess.Popen[bytes], victim: Victim, moments: random.Random) -> str:
    """Wait for a random moment, kill the main process or a worker, and return which of them was there."""
    deadline = time.monotonic() + moments.uniform(1, LONGEST)
    while time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.05)
    wanted = moments.choice(["main process", "worker"])
    others = [each.pid for each in victim.processes() if each.pid != process.pid]
    if process.poll() is not None:
        return "nothing"
    if wanted == "main process" or not others:
        process.kill()
        return "main process"
    os.kill(moments.choice(sorted(others)), signal.SIGKILL)
    return "worker"


if __name__ == "__main__":
    main()
