"""Speed of what users wait for: `pytest benchmarks --benchmark-enable`. Read ratios, machines are noisy."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch

from latentbench.dataset import DataSpec, Split
from latentbench.model import GradientModel
from latentbench.params import build_params
from latentbench.plugins import Plugins
from latentbench.training.budget import Budget
from latentbench.training.engine import train_model

IMAGES = 2048
PLUGINS = Plugins()


def gradient_models() -> list[str]:
    """Names of all models that are trained by the engine, third parties' too."""
    return [name for name in PLUGINS.names("model") if issubclass(PLUGINS.load("model", name), GradientModel)]


@pytest.mark.parametrize("name", gradient_models())
def test_training(benchmark: Any, name: str) -> None:
    """Time one epoch of 2,048 images of 28 x 28 on one thread, batch 128."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    split = Split(rng.integers(0, 256, (IMAGES, 1, 28, 28), dtype=np.uint8))
    cls = PLUGINS.load("model", name)
    model = cls(build_params(cls.Params, {}, name), DataSpec.of(split))
    history = benchmark(train_model, model, split, Budget(epochs=1, batch_size=128), 0)
    assert np.isfinite(history[-1]["total"])


def test_start_up(benchmark: Any) -> None:
    """Time `latentbench --help` in a fresh process."""
    command = [sys.executable, "-m", "latentbench", "--help"]
    finished = benchmark(subprocess.run, command, capture_output=True, check=True)
    assert b"Usage" in finished.stdout
