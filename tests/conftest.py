"""Shared by all tests: one thread, a cache and a trust list of their own, tiny benchmarks, loose plugin files."""

import gc
import importlib
import json
import os
import shutil
import sys
import textwrap

os.environ.setdefault(
    "OMP_NUM_THREADS", "1"
)  # read once, by the libraries below; pytest-xdist uses the other cores

import pytest
import torch

from latentbench import Benchmark
from latentbench.training.graphs import StepGraphs

CHROMIUM = shutil.which("chromium")
NO_CHROMIUM = "Chromium is missing; install Debian's package chromium (apt-get install chromium)"
BROWSER_OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
TINY = {
    "models": ("ae",),
    "references": (),
    "seeds": 1,
    "scores": ("r2",),
    "budget": {"epochs": 1, "batch_size": 64, "train_limit": 200},
    "params": {"latent_dim": 2},
}


gc.disable()  # while all modules are imported, which stay: a third of the time of collecting the tests


def pytest_collection_finish():
    spare_the_collector()
    gc.enable()


@pytest.fixture(autouse=True, scope="module")
def _spared_collector():
    """What a file of tests has imported is there to stay."""
    yield
    spare_the_collector()


def spare_the_collector():
    """Take what is there out of the rounds of the garbage collector, of which every trial asks for some."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LATENTBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("LATENTBENCH_TRUST", str(tmp_path_factory.mktemp("settings") / "trusted.json"))
        yield


@pytest.fixture(autouse=True, scope="session")
def _same_messages():
    """Whatever the terminal is that tests are started in, and however slow the machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "80")
        patch.setattr("latentbench.terminal.working.LINE_PATIENCE", 3600.0)
        yield


@pytest.fixture(autouse=True, scope="session")
def _no_wait_for_the_disk():
    """No test ends by loss of power; what is asked to be on the disk has still to be an open file or folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", os.fstat)
        yield


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _no_broken_capture(monkeypatch):
    """A capture that fails in one test has ruined no process for the others."""
    monkeypatch.setattr(StepGraphs, "broken", False)


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


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder on the path to install distributions in; what is imported from it is forgotten afterwards."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    before = set(sys.modules)
    yield folder
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def install(site):
    """Write a distribution and its modules, as pip would."""

    def write(distribution, modules, key=None, target=None, version="1.0", editable=False):
        for name, source in modules.items():
            path = site / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(source))
        info = site / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        target = target or next(iter(modules)).removesuffix(".py")
        (info / "entry_points.txt").write_text(f"[latentbench]\n{key or distribution} = {target}\n")
        (info / "RECORD").write_text("".join(f"{name},,\n" for name in modules))
        if editable:
            (info / "direct_url.json").write_text(json.dumps({"url": "file:///x", "dir_info": {"editable": True}}))
        importlib.invalidate_caches()
        return info

    return write


@pytest.fixture(scope="session")
def browser():
    """A browser, one for all tests."""
    if CHROMIUM is None:
        pytest.skip(NO_CHROMIUM)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=BROWSER_OPTIONS)
        yield opened
        opened.close()
