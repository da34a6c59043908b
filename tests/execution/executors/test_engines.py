"""Engines that exist: a dask cluster of worker processes on loopback, submitit's local and debug executors."""

import json
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
from latentbench.execution.executors.submission import submissions

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
def test_a_training_longer_than_the_walltime_goes_on_from_its_checkpoint(go, tmp_path):
    changes = {"models": ("ae",), "seeds": 1, "scores": ("r2",), "params": {"latent_dim": 2}}
    changes["budget"] = {"epochs": 400, "batch_size": 32}
    local = go("local", executor="local", execution={"workers": 1}, **changes)
    there = go("slurm", "slurm", {"cluster": "local", "minutes": "0.2"}, **changes)
    pd.testing.assert_frame_equal(values(there), values(local), check_exact=True)
    logs = [path.read_text() for path in (tmp_path / "slurm/executor/logs").glob("*.err")]
    logs += [path.read_text() for path in (tmp_path / "slurm/executor/logs").glob("*.out")]
    assert any("Requeued" in log for log in logs)


@pytest.fixture
def command(plugin, tmp_path):
    """A function that starts `latentbench run` of slow trials through submitit's local executor."""
    request = tmp_path / "slow.toml"
    request.write_text(
        'models = ["two_pixels"]\nreferences = []\nseeds = 4\nscores = ["sum"]\n[params]\nseconds = 8.0\n'
    )
    words = [sys.executable, "-m", "latentbench", "run", str(request), "--plugin", plugin]
    words += ["-o", str(tmp_path / "run"), "--executor", "slurm", "--workers", "2"]
    words += ["--executor-options", "cluster=local"]
    processes = []

    def start(*more):
        process = subprocess.Popen([*words, *more], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.slow
def test_a_driver_that_is_killed_is_followed_by_another(command, tmp_path):
    first = command()
    wait_for(lambda: len(records(tmp_path / "run")) >= 1)
    first.kill()
    first.wait()
    (submission,) = submissions(tmp_path / "run")
    workers = set(submission.alive_workers())
    assert workers
    output, _ = command().communicate(timeout=200)
    assert "4/4 trials ok" in output
    times = [json.loads((each / "trial.json").read_text()) for each in records(tmp_path / "run")]
    assert len(times) == 4


@pytest.mark.slow
def test_a_run_is_left_and_collected(command, tmp_path):
    output, _ = command("--detach").communicate(timeout=100)
    assert re.search(r"4 of 4 trials left with slurm; `latentbench status .*run` tells how far they are", output)
    wait_for(lambda: len(records(tmp_path / "run")) >= 1)
    told = subprocess.run(
        [sys.executable, "-m", "latentbench", "status", str(tmp_path / "run")],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert re.search(r"running +[12]\n", told)
    assert "s ago" in told
    assert re.search(r"queued +[1-3]  handed to an executor", told)
    output, _ = command().communicate(timeout=200)
    assert "4/4 trials ok" in output


def records(run):
    return [path for path in (run / "trials").glob("*") if len(path.name) == 64] if run.exists() else []


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
