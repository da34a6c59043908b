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
from latentbench.execution.job import Job
from latentbench.planning.plan import make_plan
from latentbench.plugins import Plugins

TOML = """
datasets = ["digits"]
models = ["ae", "vae", "pca"]
references = []
maps = []
seeds = 2
scores = ["r2", "knn10", "rate"]

[budget]
epochs = 6
batch_size = 32

[params]
latent_dim = 2
"""
ODD = '''
import os, signal, subprocess, time, torch
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
    """Its child sleeps on."""
    def fit(self, train, generator):
        os.fork()
        time.sleep(600)

class Rows(torch.utils.data.Dataset):
    def __init__(self, rows): self.rows = rows
    def __len__(self): return len(self.rows)
    def __getitem__(self, index): return self.rows[index].astype("float32")

class Loads(Flat):
    """Reads its data through another process."""
    start = "fork"
    def fit(self, train, generator):
        rows, start = Rows(train.inputs[:64]), self.start
        batches = torch.utils.data.DataLoader(rows, 32, num_workers=1, multiprocessing_context=start)
        assert sum(len(batch) for batch in batches) == 64

class Spawns(Loads): start = "spawn"

class Serves(Loads): start = "forkserver"

class Asks(Flat):
    def fit(self, train, generator): input("how are you? ")

class Reads(Flat):
    def fit(self, train, generator): assert subprocess.run(["cat"], capture_output=True).stdout == b""

class Interrupts(Flat):
    def fit(self, train, generator):
        print("just before")
        raise KeyboardInterrupt("by nobody")

class Dies(Flat):
    """Its children sleep on, one of them in a session of its own."""
    def fit(self, train, generator):
        subprocess.Popen(["sleep", "612"], start_new_session=True)
        if os.fork():
            os.abort()
        time.sleep(612)

class Comes(Flat):
    """Its child comes out of fit as well."""
    def fit(self, train, generator): os.fork()

class Sees(Flat):
    def fit(self, train, generator): assert os.environ["CUDA_VISIBLE_DEVICES"] == ""

class Breaks(Flat):
    """Breaks what a failed capture breaks: its process must not be taken down in order, which may not end."""
    def fit(self, train, generator):
        import atexit
        from latentbench.training.graphs import StepGraphs
        StepGraphs.broken = True
        atexit.register(time.sleep, 600)

class Leaves(Flat):
    """Its children sleep on when all is done."""
    def fit(self, train, generator):
        subprocess.Popen(["sleep", "613"], start_new_session=True)
        if not os.fork():
            time.sleep(613)

@hookimpl
def register_models(register):
    several = Loud, Killed, Quits, Sleeps, Loads, Spawns, Serves, Asks, Reads, Interrupts, Dies, Comes, Leaves
    for found in (*several, Sees, Breaks):
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


def test_a_run_killed_twice_ends_with_the_same_scores(toml, undisturbed, tmp_path):
    moments = random.Random(0)  # noqa: S311 - no secret
    landed = 0
    for _ in range(2):
        process = start(toml, tmp_path)
        alive = wait_for_events(process, tmp_path, lines(tmp_path) + moments.randint(3, 12))
        time.sleep(moments.uniform(0, 0.2))
        workers = children(process.pid)
        landed += alive and bool(workers)
        process.kill()
        process.communicate()
        assert_all_end(workers)
    assert landed >= 1
    final = start(toml, tmp_path)
    _, told = final.communicate()
    assert final.returncode == 0, told
    pd.testing.assert_frame_equal(quality(load_results(tmp_path)), undisturbed, check_exact=True)
    assert not list((tmp_path / "trials").glob(".work*"))


@pytest.mark.parametrize("heard", [1, 3])  # in the first or third epoch
def test_a_worker_that_nobody_listens_to_ends_and_keeps_no_failed_trial(heard, toml, tmp_path):
    plan = make_plan(read_benchmark(toml), Plugins())
    job = Job(plan.trials[:1], plan.requests, tmp_path)
    jobs, writing = os.pipe()
    reading, events = os.pipe()
    command = [sys.executable, "-m", "latentbench.execution.worker", str(jobs), str(events)]
    worker = subprocess.Popen(command, pass_fds=(jobs, events), start_new_session=True)
    for line in ({"files": [], "blocked": []}, job.to_json()):
        os.write(writing, json.dumps(line).encode() + b"\n")
    os.close(events)
    with os.fdopen(reading) as told:  # the main process is killed; the end of the jobs is noticed much later
        kinds = [json.loads(next(told))["kind"] for _ in range(heard)]
    assert kinds == ["trial_started", *["epoch_finished"] * (heard - 1)]
    assert worker.wait(60) != 0
    assert not [path for path in tmp_path.glob("trials/*") if not path.name.startswith(".work")]
    os.close(writing)


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
    odd = tiny(models=("Killed", "Sleeps", "Quits", "Loud", "Loads", "Breaks", "Sees"), scores=("active_units",))
    results = latentbench.run(odd, tmp_path / "run", plugins=plugins, workers=1, timeout=12)
    ended = {trial.label: trial.outcome for trial in results.trials}
    assert {label: (outcome.status, outcome.error) for label, outcome in ended.items()} == {
        "Killed": ("failed", "WorkerDied"),
        "Sleeps": ("timeout", "Timeout"),
        "Quits": ("failed", "WorkerDied"),
        "Loud": ("ok", ""),
        "Loads": ("ok", ""),
        "Breaks": ("ok", ""),
        "Sees": ("ok", ""),  # put back by the process that Breaks has left
    }
    assert ended["Killed"].message.startswith(
        "the worker process ended 4 times in a row, at last by signal SIGKILL; "
    )
    assert ended["Quits"].message == "the worker process ended with exit status 3"
    assert ended["Sleeps"].message == "the trial ran past --timeout"
    rows = results.scores.drop_duplicates("label").set_index("label")
    assert rows["status"].to_dict() == {
        "Killed": "failed", "Sleeps": "timeout", "Quits": "failed", "Loud": "ok", "Loads": "ok",
        "Breaks": "ok", "Sees": "ok",
    }  # fmt: skip
    told = [json.loads(line) for line in (tmp_path / "run" / "events.jsonl").read_text().splitlines()]
    finished = [(line["label"], line["status"]) for line in told if line["event"] == "trial_finished"]
    assert finished == [(label, outcome.status) for label, outcome in ended.items()]
    assert not results.complete
    assert not children_of_this_process()


@pytest.mark.slow
def test_models_do_with_processes_what_they_like(tiny, tmp_path, plugin_file):
    plugins = Plugins(files=(plugin_file(ODD),))
    names = ("Loads", "Spawns", "Serves", "Asks", "Reads", "Interrupts", "Dies", "Comes", "Leaves", "ae")
    started = time.monotonic()
    odd = tiny(models=names, scores=("active_units",))
    results = latentbench.run(odd, tmp_path / "run", plugins=plugins, workers=1, timeout=100)
    assert time.monotonic() - started < 250
    ended = {trial.label: (trial.outcome.status, trial.outcome.message) for trial in results.trials}
    good = ("Loads", "Spawns", "Serves", "Reads", "Comes", "Leaves", "ae")
    assert ended == {
        **dict.fromkeys(good, ("ok", "")),
        "Asks": ("failed", f"EOF when reading a line (loose.py:{line_of('input(')})"),
        "Interrupts": ("failed", "the worker process ended with exit status 1 after KeyboardInterrupt"),
        "Dies": ("failed", "the worker process ended by signal SIGABRT"),
    }
    logs = {trial.label: (results.path / "trials" / trial.key / "log.txt").read_text() for trial in results.trials}
    assert logs["Interrupts"].startswith("just before\n")
    assert "KeyboardInterrupt: by nobody\n" in logs["Interrupts"]
    assert "Fatal Python error: Aborted" in logs["Dies"]
    left = [
        process for process in psutil.process_iter() if command_of(process) in (["sleep", "612"], ["sleep", "613"])
    ]
    assert not any(map(lives, left))
    told = [json.loads(line) for line in (tmp_path / "run" / "events.jsonl").read_text().splitlines()]
    assert [line["label"] for line in told if line["event"] == "trial_finished"] == list(names)


def line_of(word):
    """The line of the plugin file that holds a word."""
    return next(number for number, line in enumerate(ODD.splitlines(), 1) if word in line)


def children_of_this_process():
    return [child for child in children(os.getpid()) if "latentbench.execution.worker" in command_of(child)]


def command_of(process):
    try:
        return process.cmdline()
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return []
