"""Real worker processes: the same numbers, and nothing lost however they end."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import pandas as pd
import psutil
import pytest

import latentbench
from latentbench import load_results
from latentbench.benchmark import read_benchmark
from latentbench.plugins import Plugins

TOML = """
datasets = ["digits"]
models = ["ae", "vae", "pca"]
references = []
seeds = 2
scores = ["r2", "knn10", "rate"]

[budget]
epochs = 6
batch_size = 32

[params]
latent_dim = 2
"""
ODD = '''
import os, signal, time
from latentbench import Model, hookimpl

class Flat(Model):
    class Params(Model.Params):
        latent_dim: int = 2
    def encode(self, inputs): return inputs.flatten(1)[:, : self.params.latent_dim]

class Loud(Flat):
    """Prints what looks like an event, in every way there is."""
    def fit(self, train, generator):
        line = '{"event": "trial_finished", "status": "failed"}'
        print(line, flush=True)
        os.write(1, (line + "\\nnot even JSON\\n").encode())
        os.system(f"echo '{line}'")

class Killed(Flat):
    def fit(self, train, generator): os.kill(os.getpid(), signal.SIGKILL)

class Quits(Flat):
    def fit(self, train, generator): os._exit(3)

class Sleeps(Flat):
    def fit(self, train, generator): time.sleep(600)

@hookimpl
def register_models(register):
    for found in (Loud, Killed, Quits, Sleeps):
        register(found.__name__, found)
'''


@pytest.fixture(scope="module")
def toml(tmp_path_factory):
    path = tmp_path_factory.mktemp("toml") / "mine.toml"
    path.write_text(TOML)
    return path


@pytest.fixture(scope="module")
def undisturbed(toml, tmp_path_factory):
    """The quality scores of a run in one process."""
    return quality(latentbench.run(read_benchmark(toml), tmp_path_factory.mktemp("run"), workers=0))


def quality(results):
    frame = results.scores[results.scores["kind"] == "quality"]
    return frame[["label", "seed", "score", "value", "se", "status", "reason"]].reset_index(drop=True)


def start(toml, folder):
    return subprocess.Popen(
        [sys.executable, "-m", "latentbench", "run", str(toml), "-o", str(folder), "--workers", "1"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a background CI ignores it
    )


def lines(folder):
    path = folder / "events.jsonl"
    return len(path.read_text().splitlines()) if path.exists() else 0


def wait_for_events(process, folder, count):
    """Whether that many events have been told before the process ended."""
    deadline = time.monotonic() + 120
    while lines(folder) < count and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return process.poll() is None


def children(pid):
    try:
        return psutil.Process(pid).children()
    except psutil.NoSuchProcess:
        return []


def lives(process):
    try:
        return process.status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return False


def assert_all_end(processes):
    deadline = time.monotonic() + 20
    while any(map(lives, processes)):
        assert time.monotonic() < deadline, "a worker outlives its main process"
        time.sleep(0.02)


def test_workers_give_the_same_bits(toml, undisturbed, tmp_path):
    results = latentbench.run(read_benchmark(toml), tmp_path, workers=2)
    pd.testing.assert_frame_equal(quality(results), undisturbed, check_exact=True)
    assert {trial.outcome.environment["concurrency"] for trial in results.trials} == {2}


def test_a_run_killed_three_times_ends_with_the_same_scores(toml, undisturbed, tmp_path):
    moments = random.Random(0)  # noqa: S311 - no secret
    landed = 0
    for _ in range(3):
        process = start(toml, tmp_path)
        alive = wait_for_events(process, tmp_path, lines(tmp_path) + moments.randint(3, 12))
        time.sleep(moments.uniform(0, 0.2))
        workers = children(process.pid)
        landed += alive and bool(workers)
        process.kill()
        process.communicate()
        assert_all_end(workers)
    assert landed >= 2
    final = start(toml, tmp_path)
    _, told = final.communicate()
    assert final.returncode == 0, told
    pd.testing.assert_frame_equal(quality(load_results(tmp_path)), undisturbed, check_exact=True)
    assert not list((tmp_path / "trials").glob(".work*"))


def test_an_interrupted_run_says_so_and_goes_on(toml, undisturbed, tmp_path):
    process = start(toml, tmp_path)
    assert wait_for_events(process, tmp_path, 4)
    workers = children(process.pid)
    assert workers
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert told.endswith("latentbench: interrupted; run the same command again to continue\n")
    assert "Traceback" not in told
    assert_all_end(workers)
    results = latentbench.run(read_benchmark(toml), tmp_path, workers=0)
    pd.testing.assert_frame_equal(quality(results), undisturbed, check_exact=True)


def test_a_worker_that_ends_fails_its_trial_alone(tiny, tmp_path, plugin_file):
    plugins = Plugins(files=(plugin_file(ODD),))
    odd = tiny(models=("Killed", "Sleeps", "Quits", "Loud", "ae"), scores=("active_units",))
    results = latentbench.run(odd, tmp_path / "run", plugins=plugins, workers=1, timeout=12)
    ended = {trial.label: trial.outcome for trial in results.trials}
    assert {label: (outcome.status, outcome.error) for label, outcome in ended.items()} == {
        "Killed": ("failed", "WorkerDied"),
        "Sleeps": ("timeout", "Timeout"),
        "Quits": ("failed", "WorkerDied"),
        "Loud": ("ok", ""),
        "ae": ("ok", ""),
    }
    assert ended["Killed"].message.startswith("the worker process ended by signal SIGKILL; ")
    assert ended["Quits"].message == "the worker process ended with exit status 3"
    assert ended["Sleeps"].message == "the trial ran past --timeout"
    rows = results.scores.drop_duplicates("label").set_index("label")
    assert rows["status"].to_dict() == {
        "Killed": "failed", "Sleeps": "timeout", "Quits": "failed", "Loud": "ok", "ae": "ok",
    }  # fmt: skip
    told = [json.loads(line) for line in (tmp_path / "run" / "events.jsonl").read_text().splitlines()]
    finished = [(line["label"], line["status"]) for line in told if line["event"] == "trial_finished"]
    assert finished == [(label, outcome.status) for label, outcome in ended.items()]
    assert not results.complete
    assert not children_of_this_process()


def children_of_this_process():
    return [child for child in children(os.getpid()) if "latentbench.execution.worker" in command_of(child)]


def command_of(process):
    try:
        return process.cmdline()
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return []
