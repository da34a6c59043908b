"""A run on a system unlike Linux (no scheduling affinity, no fcntl, no /proc), or on the CPU beside a GPU."""

import json
import os
import re
import subprocess
import sys
import textwrap

import psutil
import pytest
import torch

import latentbench
from latentbench import machine

UNLIKE_LINUX = """
    import builtins
    import io
    import os
    import sys

    del os.sched_getaffinity
    sys.modules["fcntl"] = None
    plain_open = io.open

    def refuse_proc(file, *args, **kwargs):
        if str(file).startswith("/proc/") and file != "/proc/self/maps":  # threadpoolctl has another way elsewhere
            raise PermissionError(13, "this system has no /proc", str(file))
        return plain_open(file, *args, **kwargs)

    builtins.open = io.open = refuse_proc
    import psutil

    del psutil.Process.cpu_affinity
"""


TWO_TRIALS = """
models = ["ae"]
references = ["pca"]
seeds = 1
scores = ["r2"]
budget = {epochs = 1, batch_size = 64, train_limit = 200}
params = {latent_dim = 2}
"""


@pytest.fixture
def unlike_linux(tmp_path):
    """The environment of a process, and of its workers, that has nothing that only Linux offers."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(textwrap.dedent(UNLIKE_LINUX), encoding="utf-8")
    path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, "PYTHONPATH": path}


def python(environment, *words):
    return subprocess.run(
        [sys.executable, *words], env=environment, capture_output=True, text=True, check=False, timeout=250
    )


@pytest.mark.parametrize(
    "code",
    [
        "import os; os.sched_getaffinity(0)",
        "import fcntl",
        "from pathlib import Path; Path('/proc/stat').read_text()",
    ],
)
def test_the_environment_lacks_what_only_linux_offers(unlike_linux, code):
    assert python(unlike_linux, "-c", code).returncode == 1


def test_two_trials_run_on_a_system_unlike_linux(unlike_linux, tmp_path):
    (tmp_path / "two.toml").write_text(TWO_TRIALS, encoding="utf-8")
    words = ["run", str(tmp_path / "two.toml"), "--device", "cpu", "-o", str(tmp_path / "run")]
    done = python(unlike_linux, "-m", "latentbench", *words)
    assert done.returncode == 0, done.stderr
    ended = re.findall(r"^\[\d/2\] (\w+).*: (\w+) in", done.stderr, re.MULTILINE)
    assert sorted(ended) == [("ae", "ok"), ("pca", "ok")]
    assert re.search(r"\br2\b.*\d\.\d\d.*\d\.\d\d", done.stdout), done.stdout  # the table's row has both values
    assert json.loads((tmp_path / "run" / "environment.json").read_text("utf-8"))["cores"] >= 1


def test_cores_are_those_the_process_may_use(monkeypatch):
    monkeypatch.setattr(psutil.Process, "cpu_affinity", lambda self: [0, 3, 5])
    assert machine.available_cores() == 3


def test_cores_are_those_of_the_machine_where_a_process_has_no_affinity(monkeypatch):
    monkeypatch.delattr(psutil.Process, "cpu_affinity")
    monkeypatch.setattr(psutil, "cpu_count", lambda: 7)
    assert machine.available_cores() == 7


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux can restart the high-water mark")
def test_peak_memory_counts_what_was_freed_again():
    before = machine.MemoryMeter()
    bytearray(64 * 2**20)
    assert 60 * 2**20 < before.peak() < 200 * 2**20
    assert machine.MemoryMeter().peak() < 32 * 2**20


def test_peak_memory_is_unknown_where_the_system_does_not_tell(monkeypatch, tmp_path):
    monkeypatch.setattr(machine, "PROCESS", tmp_path / "missing")
    assert machine.MemoryMeter().peak() is None


@pytest.fixture
def idle_gpu(monkeypatch):
    """A GPU that torch.cuda sees; whatever would begin to use it is an error."""

    def begin(*_):
        raise AssertionError("a CUDA context is made")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda **_: None)  # torch's optimizers ask it
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: False)
    memory = "empty_cache", "reset_peak_memory_stats", "max_memory_allocated"
    for name in ("_lazy_init", "get_device_name", *memory):
        monkeypatch.setattr(torch.cuda, name, begin)


def test_a_run_on_the_cpu_leaves_the_gpu_alone(idle_gpu, tiny, tmp_path):
    two = tiny(references=("pca",), scores=("r2", "peak_memory_bytes"))
    results = latentbench.run(two, tmp_path / "run", workers=0, device="cpu")
    costs = {trial.label: trial.outcome.cost["peak_memory_bytes"] for trial in results.trials}
    assert costs.keys() == {"ae", "pca"}
    assert costs["ae"] > 0  # the process grew; no CUDA memory was used
    environment = json.loads((tmp_path / "run" / "environment.json").read_text("utf-8"))
    assert environment["processor"] == machine.environment("cpu", 1, 1)["device"]


def test_what_trains_on_the_gpu_is_measured_there(monkeypatch):
    restarted = []
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda: restarted.append(True))
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda: 12345)
    assert machine.MemoryMeter("cuda").peak() == 12345
    assert restarted == [True]
    assert machine.MemoryMeter("cpu").peak() != 12345  # as of a model without steps, after others on the GPU
