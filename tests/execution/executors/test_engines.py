"""Engines that exist: a dask cluster of worker processes on loopback, submitit's local and debug executors."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import psutil
import pytest

from latentbench.errors import RequestError
from latentbench.execution.executors.claims import busy

QUALITY = ["label", "seed", "score", "value", "se", "status", "n_eval"]
GRID = {
    "models": ("two_pixels", "ae"),
    "seeds": 2,
    "scores": ("sum", "r2"),
    "budget": {"epochs": 2, "train_limit": 200},
    "params": {"latent_dim": 2},
}
SCHEDULER = """
import sys
from distributed import LocalCluster

if __name__ == "__main__":
    cluster = LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None, memory_limit=0
    )
    print(cluster.scheduler_address, flush=True)
    sys.stdin.read()
    cluster.close()
"""


def values(results):
    return results.scores.sort_values(["label", "seed", "score"]).reset_index(drop=True)[QUALITY]


@pytest.fixture(scope="module")
def cluster():
    """The address of a dask cluster of two worker processes."""
    process = subprocess.Popen(
        [sys.executable, "-c", SCHEDULER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    yield process.stdout.readline().strip()
    process.stdin.close()
    process.wait(60)
    process.stdout.close()


def test_dask_gives_the_scores_of_a_local_run_though_workers_are_killed(go, cluster, tmp_path):
    """A cluster that is there already; one of its worker processes is killed while it is at a trial."""
    local = go("local", executor="local", execution={"workers": 0}, **GRID)
    deaths = tmp_path / "parent"
    deaths.mkdir()
    deadly = {**GRID, "params": {**GRID["params"], "two_pixels.deadly": [str(deaths)]}}
    there = go("dask", "dask", {"address": cluster}, {"workers": 2}, **deadly)
    assert len(list(deaths.iterdir())) == 1
    pd.testing.assert_frame_equal(values(there), values(local), check_exact=True)


def test_a_dask_cluster_that_is_not_there_is_told(go):
    with pytest.raises(RequestError, match=r"no worker of a dask cluster at tcp://127.0.0.1:1 answers within 1 s"):
        go(executor="dask", options={"address": "tcp://127.0.0.1:1", "timeout": "1"})


def test_slurm_is_missed_where_it_is_not(go):
    with pytest.raises(RequestError, match="there is no Slurm here"):
        go(executor="slurm")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning")
def test_submitit_debug_runs_in_this_process(go):
    assert go(executor="slurm", options={"cluster": "debug"}).complete


@pytest.mark.slow
def test_submitit_local_gives_the_scores_of_a_local_run(go, tmp_path):
    local = go("local", executor="local", execution={"workers": 0}, **GRID)
    deaths = tmp_path / "parent"
    deaths.mkdir()
    deadly = {**GRID, "params": {**GRID["params"], "two_pixels.deadly": [str(deaths)]}}
    there = go("slurm", "slurm", {"cluster": "local"}, {"workers": 2}, **deadly)
    assert len(list(deaths.iterdir())) == 1
    pd.testing.assert_frame_equal(values(there), values(local), check_exact=True)


@pytest.mark.slow
def test_a_training_longer_than_the_walltime_goes_on_from_its_checkpoint(go, tmp_path, monkeypatch):
    changes = {"models": ("dawdles",), "seeds": 1, "scores": ("r2",), "budget": {"epochs": 46, "batch_size": 2000}}
    local = go("local", executor="local", execution={"workers": 0}, **changes)
    monkeypatch.setenv("DAWDLE", "1")
    there = go("slurm", "slurm", {"cluster": "local", "minutes": "0.7"}, **changes)
    pd.testing.assert_frame_equal(values(there), values(local), check_exact=True)
    logs = [path.read_text() for path in (tmp_path / "slurm/executor/logs").glob("*_log.*")]
    assert any("Requeued" in log for log in logs)


@pytest.fixture
def command(plugin, tmp_path):
    """A function that starts `latentbench run` of slow trials through submitit's local executor."""
    request = tmp_path / "slow.toml"
    request.write_text(
        'models = ["two_pixels"]\nreferences = []\nseeds = 3\nscores = ["sum"]\n[params]\nseconds = 30.0\n'
    )
    words = [sys.executable, "-m", "latentbench", "run", str(request), "--plugin", plugin]
    words += ["-o", str(tmp_path / "run"), "--executor", "slurm", "--workers", "2"]
    words += ["--executor-options", "cluster=local"]
    processes = []

    def start(*more):
        with (tmp_path / "printed.txt").open("w") as output:  # no pipe: workers that go on would keep it open
            processes.append(subprocess.Popen([*words, *more], stdout=output, stderr=output))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.wait()


@pytest.mark.slow
def test_a_driver_that_is_killed_is_followed_by_another(command, tmp_path):
    first = command()
    wait_for(lambda: busy(tmp_path / "run") == 2)
    first.kill()
    first.wait()
    assert "3/3 trials ok" in printed(command(), tmp_path)
    assert len(list((tmp_path / "run/executor/logs").glob("*_submitted.pkl"))) == 2  # those of the first went on


@pytest.mark.slow
def test_a_run_is_left_and_collected(command, tmp_path):
    output = printed(command("--detach"), tmp_path)
    assert re.search(r"3 of 3 trials left with slurm; `latentbench status .*run` tells how far they are", output)
    wait_for(lambda: busy(tmp_path / "run") == 2)
    told = subprocess.run(
        [sys.executable, "-m", "latentbench", "status", str(tmp_path / "run")],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert re.search(r"running +2\n", told)
    assert "s ago" in told
    assert re.search(r"queued +1  handed to an executor", told)
    assert "3/3 trials ok" in printed(command(), tmp_path)


def printed(process, folder):
    """What a run has printed when it has ended."""
    process.wait(280)
    return (folder / "printed.txt").read_text()


def wait_for(condition, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture(autouse=True)
def _no_stragglers():
    """What a test has started in the background ends with it."""
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    yield
    for process in psutil.Process().children(recursive=True):
        if process.pid not in before and Path("/proc", str(process.pid)).exists():
            try:
                os.kill(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
