"""Metrics of a trial in several processes: the same files as in one, whatever a metric does to its process."""

import json
from dataclasses import replace

import pytest

from latentbench.execution.job import execute_job
from latentbench.execution.options import Execution
from latentbench.execution.pending import inspect, pending_jobs
from latentbench.execution.side_by_side import fork as forks
from latentbench.execution.side_by_side import scores as side_by_side
from latentbench.planning.plan import make_plan
from latentbench.plugins import Plugins
from latentbench.records import Record

METRICS = """
import os, signal, threading, time
import numpy as np, torch
from latentbench import Metric, Score, hookimpl
from latentbench.opening import _MEMORY

MAIN = os.getpid()  # this file is read before anything is forked

def metric(name, body, kind="quality"):
    def compute(self, space):
        with open(os.environ["WHERE"], "a") as file:
            file.write(f"{name} {os.getpid() == MAIN} {time.monotonic()}\\n")
        value = body(space)
        return {name: 1.0 if value is None else value}
    score = Score("up", name, kind=kind)
    return type(name, (Metric,), {"scores": {name: score}, "compute": compute, "__module__": __name__})

def forked():
    return os.getpid() != MAIN

def until_forked(act):
    # a fork must get it: the process that this one was started in waits until one has come along
    def body(space):
        if forked(): act()
        else: time.sleep(0.3)
    return body

LOCK = threading.Lock()
LOCK.acquire()

def stuck():
    LOCK.acquire()

def spoil():
    for loaded in _MEMORY.values(): loaded.splits.test.labels[0] += 1

def drawn(space):
    return float(torch.randn(()) + np.random.rand())

METRICS = [
    metric("clock", lambda space: time.sleep(0.05), kind="cost"),
    *(metric(f"drawn{number}", drawn) for number in range(4)),
    *(metric(f"slow{number}", lambda space: time.sleep(0.1)) for number in range(4)),
    *(metric(f"broken{number}", lambda space: 1 / 0) for number in range(2)),
    *(metric(f"writes{number}", lambda space: space.codes.numpy().fill(0)) for number in range(2)),
    *(metric(f"dies{number}", until_forked(lambda: os.kill(os.getpid(), signal.SIGKILL))) for number in range(2)),
    *(metric(f"stuck{number}", until_forked(stuck)) for number in range(2)),
    *(metric(f"spoils{number}", until_forked(spoil)) for number in range(2)),
]

@hookimpl
def register_metrics(register):
    for found in METRICS: register(found.__name__, found)
"""
DRAWN = tuple(f"drawn{number}" for number in range(4))
SLOW = tuple(f"slow{number}" for number in range(4))


@pytest.fixture
def go(tiny, tmp_path, monkeypatch):
    """A function that trains and scores a trial with so many scorers: its scores by metric, and what was told."""
    (tmp_path / "metrics.py").write_text(METRICS)
    odd = Plugins(files=(str(tmp_path / "metrics.py"),))
    monkeypatch.setattr(side_by_side.psutil.Process, "memory_info", lambda _: Memory)  # however little is free

    def run(scores, scorers, model="pca", plugins=odd, **changes):
        folder = tmp_path / f"{model}-{scorers}"
        monkeypatch.setenv("WHERE", str(folder) + ".txt")
        plan = make_plan(tiny(models=(model,), scores=scores, **changes), plugins)
        execution = Execution(workers=scorers, device="cpu")
        (job,) = pending_jobs(inspect(plan, folder, execution), plan, folder, execution, plugins)
        assert job.scorers == scorers
        events = []
        execute_job(job, plugins, events.append)
        return Ran(folder, plan, events)

    return run


class Memory:
    rss = 1


class Ran:
    """What a trial's folder holds, and what was told of it."""

    def __init__(self, folder, plan, events):
        (trial,) = plan.trials
        self.record = Record(folder, trial.key)
        self.outcome = self.record.read_trial().outcome
        self.begun = [event.metric for event in events if event.kind == "metric_started"]
        self.result = events[-1].result
        read = {request.metric: self.record.read_scores(request) for request in plan.requests}
        self.scores = {metric: each["scores"] for metric, each in read.items()}
        self.items = {
            (request.metric, name): values.tolist()
            for request in plan.requests
            for name, values in self.record.read_items(request).items()
            if request.metric not in COSTS
        }
        self.log = self.record.log_path.read_text()
        where = folder.with_name(folder.name + ".txt")
        lines = where.read_text().splitlines() if where.exists() else []
        self.where = [(name, here == "True", float(when)) for name, here, when in map(str.split, lines)]


COSTS = {"throughput", "train_seconds", "peak_memory", "encode_latency", "decode_latency"}
OF_MANY_KINDS = (
    "knn10",
    "r2",
    "geodesic_ratio",
    "sample_coverage",
    "knn10_noise",
    "ari",
    "linear_probe_n10",
    "rate",
)


@pytest.mark.parametrize("scores", [OF_MANY_KINDS, pytest.param((), marks=pytest.mark.slow)], ids=["some", "all"])
def test_metrics_have_the_numbers_they_have_in_one_process(go, scores):
    asked = {"model": "vae", "plugins": Plugins(), "tiers": ["quick", "full"], "params": {"latent_dim": 4}}
    one, three = go(scores, 1, **asked), go(scores, 3, **asked)
    assert {name: rows for name, rows in one.scores.items() if name not in COSTS} == {
        name: rows for name, rows in three.scores.items() if name not in COSTS
    }
    assert one.items == three.items
    assert sorted(one.begun) == sorted(three.begun) == sorted(one.scores)
    assert all(row["status"] in ("ok", "not applicable") for rows in one.scores.values() for row in rows.values())


def test_each_is_computed_once_and_more_than_one_process_computes(go):
    ran = go((*SLOW, *DRAWN), 2)
    names = [name for name, _, _ in ran.where]
    assert sorted(names) == sorted(ran.begun) == sorted(ran.scores)
    assert {here for _, here, _ in ran.where} == {True, False}


def test_what_is_drawn_depends_on_no_other_metric(go):
    alone, beside = go(DRAWN, 1).scores, go((*SLOW, *DRAWN), 3).scores
    assert {name: beside[name] for name in DRAWN} == alone


def test_costs_are_measured_while_nothing_else_is(go):
    ran = go(("clock", *SLOW), 2)
    assert ran.where[0][:2] == ("clock", True)
    assert ran.where[1][2] >= ran.where[0][2] + 0.05


def test_failures_are_told_wherever_they_happen(go):
    ran = go(("broken0", "broken1", *SLOW), 2)
    assert set(ran.result.failed_scores) == {"broken0", "broken1"}
    assert "ZeroDivisionError" in ran.log
    assert ran.outcome.status == "ok"


def test_a_metric_that_writes_into_the_space_fails_there_alone(go):
    names = ("writes0", "writes1", "r2", "mse", *DRAWN, *SLOW)
    ran, alone = go(names, 2), go(names, 1)
    assert ran.scores == alone.scores
    assert set(ran.result.failed_scores) == {"writes0", "writes1"}


@pytest.mark.parametrize("how", ["dies", "stuck"])
def test_what_a_process_leaves_undone_is_computed_all_the_same(go, how, monkeypatch):
    monkeypatch.setattr(forks, "STUCK_SECONDS", 0.5)
    names = (*DRAWN, f"{how}0", f"{how}1", *SLOW)
    ran, alone = go(names, 2), go(names, 1)
    assert ran.scores == alone.scores
    assert sorted(ran.begun) == sorted(names)
    assert "computed in this process alone" in ran.log
    assert "computed in this process alone" not in alone.log
    assert ran.result.status == "ok"


def test_a_trial_that_spoils_its_data_in_another_process_fails_and_the_data_are_whole(go):
    ran = go(("spoils0", "spoils1", *SLOW), 2)
    assert ran.result.status == "failed"
    assert ran.result.message == "pca wrote into labels of the test split, which all share; work on a copy"


def test_where_no_process_is_to_be_had_one_computes_all(go, monkeypatch):
    def refuse():
        raise BlockingIOError("no process more")

    monkeypatch.setattr(forks.os, "fork", refuse)
    ran = go(SLOW, 2)
    assert sorted(name for name, _, _ in ran.where) == sorted(SLOW)
    assert {here for _, here, _ in ran.where} == {True}


def test_where_memory_is_scarce_one_computes_all(go, monkeypatch):
    monkeypatch.setattr(Memory, "rss", 2**60)
    assert {here for _, here, _ in go(SLOW, 2).where} == {True}


def test_workers_without_a_job_of_their_own_help(tiny, tmp_path):
    def scorers(workers, **changes):
        plan = make_plan(tiny(**changes), Plugins())
        execution = Execution(workers=workers, device="cpu")
        states = inspect(plan, tmp_path, execution)
        return {job.scorers for job in pending_jobs(states, plan, tmp_path, execution, Plugins())}

    assert scorers(4) == {4}
    assert scorers(4, seeds=2) == {2}
    assert scorers(4, seeds=3) == {1}
    assert scorers(0) == {1}


def test_a_job_written_before_there_were_scorers_can_be_read(tiny, tmp_path):
    from latentbench.execution.job import Job

    plan = make_plan(tiny(), Plugins())
    job = replace(Job(plan.trials, plan.requests, tmp_path), scorers=2)
    written = json.loads(json.dumps(job.to_json()))
    assert Job.from_json(written).scorers == 2
    del written["scorers"]
    assert Job.from_json(written).scorers == 1
