"""What it takes that threads wait awake for each other: `python benchmarks/execution/waiting.py`.

Trains a small convolutional network on 28 x 28 images, and makes a t-SNE map of 360 codes, each on two threads and
by three settings: libgomp's own (a thread looks 300,000 times whether it can go on before it sleeps), that of
latentbench, and none at all. All of it once on idle cores, once while as many other processes compute as there are
cores. The settings take turns; the medians of three rounds are printed, in milliseconds of wall time a step and in
seconds a map. Needs two cores and a torch that computes with libgomp, as on Linux. `--rounds 1` takes fewer.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from latentbench.execution.variables import SAY_HOW_LONG, waiting

SETTINGS = {"libgomp's own": {}, "latentbench": waiting({}), "none": {"OMP_WAIT_POLICY": "PASSIVE"}}
STEPS = 40
WORK = f"""
import time
import numpy, torch
from sklearn.manifold import TSNE
from torch import nn

torch.set_num_threads(2)
torch.manual_seed(0)
encoder = nn.Conv2d(1, 32, 4, 2, 1), nn.ReLU(), nn.Conv2d(32, 64, 4, 2, 1), nn.ReLU(), nn.Flatten()
code = nn.Linear(3136, 16), nn.Linear(16, 3136), nn.ReLU(), nn.Unflatten(1, (64, 7, 7))
decoder = nn.ConvTranspose2d(64, 32, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(32, 1, 4, 2, 1)
network = nn.Sequential(*encoder, *code, *decoder)
optimizer = torch.optim.Adam(network.parameters())
images = torch.rand(32, 1, 28, 28)

def steps(count):
    for _ in range(count):
        optimizer.zero_grad()
        (network(images) - images).square().mean().backward()
        optimizer.step()

steps(5)
began = time.perf_counter()
steps({STEPS})
step = (time.perf_counter() - began) / {STEPS}
codes = numpy.random.default_rng(0).normal(size=(360, 8))
began = time.perf_counter()
TSNE(n_jobs=2, random_state=0).fit_transform(codes)
print(1000 * step, time.perf_counter() - began)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="how often each setting is measured")
    rounds = parser.parse_args().rounds
    print(f"{'cores':6} {'setting':14} {'step, ms':>9} {'map, s':>7}")
    for cores, others in (("idle", 0), ("busy", os.cpu_count() or 1)):
        with computing(others):
            measured = [{name: taken(given) for name, given in SETTINGS.items()} for _ in range(rounds)]
        for name in SETTINGS:
            step, seconds = (statistics.median(each[name][place] for each in measured) for place in (0, 1))
            print(f"{cores:6} {name:14} {step:9.1f} {seconds:7.2f}", flush=True)


@contextmanager
def computing(count: int) -> Iterator[None]:
    """Keep so many processes computing."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def taken(given: dict[str, str]) -> tuple[float, float]:
    """Return the milliseconds of a step and the seconds of a map in a process with these variables."""
    unset = {name: value for name, value in os.environ.items() if name not in SAY_HOW_LONG}
    words = [sys.executable, "-c", WORK]
    done = subprocess.run(words, check=True, capture_output=True, text=True, env={**unset, **given})
    step, seconds = map(float, done.stdout.split())
    return step, seconds


if __name__ == "__main__":
    main()
