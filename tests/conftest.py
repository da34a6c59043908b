"""Shared by all tests: one thread, a cache and a trust list of their own, tiny benchmarks, loose plugin files."""

import textwrap

import pytest
import torch

from latentbench import Benchmark

TINY = {
    "models": ("ae",),
    "references": (),
    "seeds": 1,
    "scores": ("r2",),
    "budget": {"epochs": 1, "batch_size": 64, "train_limit": 200},
    "params": {"latent_dim": 2},
}


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LATENTBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("LATENTBENCH_TRUST", str(tmp_path_factory.mktemp("settings") / "trusted.json"))
        yield


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny():
    """A function that makes a benchmark of one short trial on digits; keyword arguments change it."""
    return lambda **changes: Benchmark(**{**TINY, **changes})


@pytest.fixture
def plugin_file(tmp_path):
    """A function that writes a loose plugin file and returns its path."""

    def write(source, name="loose.py"):
        path = tmp_path / name
        path.write_text(textwrap.dedent(source), encoding="utf-8")
        return str(path)

    return write
