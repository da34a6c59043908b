"""Nothing n x n is held: peak resident memory of fresh processes."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")

CALLS = {
    "silhouette": "clusters.silhouette(codes, labels)",
    "two_nn": "intrinsic_dimension.two_nn(codes)",
    "levina_bickel": "intrinsic_dimension.levina_bickel(codes)",
    "neighborhoods": "neighborhoods.neighborhoods_per_item(codes, codes[:, :8], 10)",
    "precision_recall_density_coverage": "prdc.precision_recall_density_coverage(codes, codes.flip(0) + 0.1)",
    "knn_accuracy": "neighbors.knn_accuracy(codes, labels, codes + 0.1, labels, 10)",
    "code_drift": "robustness.code_drift(codes, codes + 0.1)",
}
WIDE = {  # of 64 MiB in float32 -> most that they may take in all
    "interpolation.second_difference(codes.view(16, 4, -1))": 330,  # a step in float64 at a time
    "next(distances.distance_blocks(*distances.centered(codes.view(2 * int(count**0.5), -1))))": 410,  # two copies
}
PROGRAM = """
import re, torch
from pathlib import Path
from latentbench_metrics import clusters, interpolation, intrinsic_dimension, neighborhoods, neighbors, robustness
from latentbench_metrics._shared import distances, prdc
torch.set_num_threads(1)
def run(count):
    codes = torch.randn(count, 16, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(count) % 10
    {call}
def peak():
    return int(re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024
run(100)
before = peak()
run({count})
print(peak() - before)
"""


def growth(call, count):
    """Of the peak, in MiB, over that of a small run, which loads what is loaded once.

    Of the process's own memory: ru_maxrss starts at the size of the process that started it.
    """
    program = PROGRAM.format(call=call, count=count)
    done = subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    return float(done.stdout)


def test_all_distances_at_once_would_be_seen():
    assert growth("torch.cdist(codes, codes)", 10_000) > 370


def test_twenty_thousand_codes():
    assert growth("; ".join(CALLS[name] for name in ("two_nn", "knn_accuracy", "silhouette")), 20_000) < 300


@pytest.mark.parametrize("call", WIDE)
def test_few_wide_items(call):
    assert growth(call, 2**20) < WIDE[call]


@pytest.mark.slow
@pytest.mark.parametrize("name", CALLS)
def test_twenty_thousand_codes_each(name):
    assert growth(CALLS[name], 20_000) < 300


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_seventy_thousand_codes():
    assert growth("; ".join(CALLS.values()), 70_000) < 2000
