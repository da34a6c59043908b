"""Nothing n x n is held for 70,000 items of 64 dimensions: peak resident memory of fresh processes."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")

PROGRAM = """
import re, torch
from pathlib import Path
from latentbench import LatentSpace
from latentbench.plugins import Plugins
torch.set_num_threads(1)
metric = Plugins().load("pair_metric", {name!r})
metric = metric(metric.Params())
def run(count):
    generator, prepared = torch.Generator().manual_seed(0), []
    for _ in range(2):
        train, codes = torch.randn(2, count, 64, generator=generator)
        split = LatentSpace.from_arrays(codes=train)
        prepared.append(metric.prepare(LatentSpace.from_arrays(codes=codes, train=split)))
    first, second = prepared
    order = torch.randperm(count, generator=generator)
    metric.compute(first, second), metric.compute(first, metric.reordered(second, order, order))
def peak():
    return int(re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024
run(100)
before = peak()
run(70_000)
print(before, peak())
"""
TABLE = 70_000**2 / 2**20  # of n x n bytes, in MiB


def peaks(name):
    """In MiB: of a small run, which loads what is loaded once, and of a large one."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(name=name)],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    return [float(word) for word in done.stdout.split()]


SLOW = (pytest.param(name, marks=pytest.mark.slow) for name in ("mcc", "mutual_knn", "procrustes"))


@pytest.mark.parametrize("name", ["cka", "linear_r2", *SLOW])
def test_seventy_thousand_items(name):
    before, at_most = peaks(name)
    assert at_most - before < 600 < TABLE
    assert at_most < 2048
