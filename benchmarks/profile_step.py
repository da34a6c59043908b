"""Where the time of a training step goes on one CPU thread, beside the ceiling of this machine's matrix products.

`python benchmarks/profile_step.py --write` renews results/reference/speed/profile.txt. The networks are the VAEs
that peers.py trains, d = 16: convolutions 32-64 on images of 28 x 28, 32-64-128-128 on colored ones of 64 x 64.
Times are of the processor; shares come from torch's profiler, which other programs disturb.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from latentbench.dataset import DataSpec, Split
from latentbench.execution.variables import of_worker
from latentbench.machine import best_precision, environment
from latentbench.params import build_params
from latentbench.plugins import Plugins
from latentbench.training.budget import Budget
from latentbench.training.engine import Training

PLACE = Path(__file__).parents[1] / "results" / "reference" / "speed" / "profile.txt"
WORK = {(1, 28, 28): (64, 256), (3, 64, 64): (32, 64, 128)}  # shape -> batch sizes
IMAGES = 2048
PIXELS = 64 * 28 * 28 * 30  # in the steps of one measurement
REPEATS = 9
KINDS = {
    "convolutions": ("convolution",),
    "matrix products (dense layers, weight gradients)": ("addmm", "::mm", "matmul", "linear"),
    "copies: windows, casts, layout": ("copy_", "clone", "fill_", "zero_", "pad", "cat"),
    "rectifiers": ("threshold_backward", "clamp_min", "relu"),
    "optimizer": ("adam", "Adam"),
    "taking rows and random numbers": ("index", "randn", "normal_", "randperm", "div"),
}


def make_training(shape: tuple[int, ...], batch: int, precision: str) -> Training:
    """Return a training of the VAE on random images."""
    rng = np.random.default_rng(0)
    split = Split(rng.integers(0, 256, (IMAGES, *shape), dtype=np.uint8))
    found = Plugins().load("model", "vae")
    torch.manual_seed(0)
    model = found(build_params(found.Params, {"latent_dim": 16, "backbone": "conv"}, "vae"), DataSpec.of(split))
    budget = Budget.model_validate({"epochs": 1000, "batch_size": batch, "precision": precision})
    return Training([model.place("cpu")], split, budget, [0])


def endless(training: Training) -> Iterator[None]:
    """Yield after every step, for ever."""
    while True:
        yield from training.trainer.steps()


def seconds_of(call: Callable[[], object], count: int) -> float:
    """Median seconds of the processor for a call, over a few repeats of `count` calls."""
    call()
    found = []
    for _ in range(REPEATS):
        begin = time.thread_time()
        for _ in range(count):
            call()
        found.append((time.thread_time() - begin) / count)
    return statistics.median(found)


def ceiling(precision: str) -> float:
    """GFLOP/s of a product of two 2048 x 2048 matrices."""
    left = torch.randn(2048, 2048, dtype=getattr(torch, precision))
    return 2 * 2048**3 / seconds_of(lambda: left @ left, 3) / 1e9


def kinds_of(step: Callable[[], object], steps: int) -> tuple[dict[str, float], float]:
    """Return the seconds a step spends in each kind of operation, and in all."""
    with profile(activities=[ProfilerActivity.CPU]) as recorded:
        begin = time.perf_counter()
        for _ in range(steps):
            step()
        whole = (time.perf_counter() - begin) / steps
    spent: defaultdict[str, float] = defaultdict(float)
    for event in recorded.key_averages():
        kind = next(
            (kind for kind, parts in KINDS.items() if any(part in event.key for part in parts)), "the rest"
        )
        spent[kind] += event.self_cpu_time_total / steps / 1e6
    spent["between operations (Python)"] = max(0.0, whole - sum(spent.values()))
    return spent, whole


def lines_of(shape: tuple[int, ...], batch: int, precision: str, top: float) -> Iterator[str]:
    """Describe a step on images of one shape at one batch size."""
    training = endless(make_training(shape, batch, precision))
    steps = max(3, PIXELS // (batch * math.prod(shape)))

    def step() -> None:
        next(training)

    with FlopCounterMode(display=False) as counted:
        step()
    flops: int = counted.get_total_flops()
    for _ in range(5):
        step()
    alone = seconds_of(step, steps)
    spent, whole = kinds_of(step, steps)
    yield f"{' x '.join(map(str, shape))}, batch {batch}, {precision}"
    yield f"  {batch / alone:.0f} images/s, {alone * 1e3:.2f} ms a step"
    yield f"  {flops / batch / 1e6:.1f} MFLOP an image, {flops / alone / 1e9:.0f} GFLOP/s"
    yield f"  at the ceiling of {top:.0f} GFLOP/s the products alone would take {flops / top / 1e6:.2f} ms"
    for kind, seconds in sorted(spent.items(), key=lambda item: -item[1]):
        yield f"  {seconds / whole:>6.1%}  {kind}"


def report() -> Iterator[str]:
    """Yield the lines of the report."""
    machine = environment("cpu", 1, 1)
    yield "python benchmarks/profile_step.py --write"
    yield f"{machine['device']}, one thread, torch {machine['torch']}; shares are of the profiled step"
    for precision in dict.fromkeys((best_precision("cpu"), "float32")):
        top = ceiling(precision)
        for shape, batch in ((shape, batch) for shape, batches in WORK.items() for batch in batches):
            yield ""
            yield from lines_of(shape, batch, precision, top)


def main() -> None:
    """Print the report; with --write keep it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="renew results/reference/speed/profile.txt")
    asked = parser.parse_args()
    variables = of_worker(os.environ, "cpu")
    if variables != os.environ:  # they count from a process's start only
        os.execve(sys.executable, [sys.executable, *sys.argv], variables)  # noqa: S606
    torch.set_num_threads(1)
    lines = list(report())
    print("\n".join(lines))
    if asked.write:
        PLACE.parent.mkdir(parents=True, exist_ok=True)
        PLACE.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
