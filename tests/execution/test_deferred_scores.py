"""Scores that a job leaves for later are made by another worker, and each trial ends once."""

from dataclasses import replace

import pytest

from latentbench import Benchmark
from latentbench.execution.options import Execution
from latentbench.execution.pending import inspect, pending_jobs
from latentbench.execution.workers import run_in_workers
from latentbench.planning.plan import make_plan
from latentbench.plugins import Plugins
from latentbench.records import Record

ODD = """
from latentbench import LatentSpace, Metric, Model, Score, hookimpl

class Pickled(Model):
    decoder = "none"
    class Params(Model.Params):
        latent_dim: int = 2
    def encode(self, inputs): return inputs.flatten(1)[:, : self.params.latent_dim]

class Fine(Metric):
    scores = {"fine": Score("up", "one")}
    on_host = True
    def compute(self, space): return {"fine": 1.0}

class Broken(Metric):
    scores = {"broken": Score("up", "nothing")}
    on_host = True
    def compute(self, space): raise RuntimeError("no")

class Deadly(Metric):
    scores = {"deadly": Score("up", "nothing")}
    on_host = True
    def compute(self, space):
        import os
        os._exit(3)

@hookimpl
def register_models(register):
    register("pickled", Pickled, summary="")

@hookimpl
def register_metrics(register):
    register("fine", Fine, summary="")
    register("broken", Broken, summary="")
    register("deadly", Deadly, summary="")
"""


@pytest.fixture
def plugins(tmp_path):
    path = tmp_path / "odd.py"
    path.write_text(ODD)
    return Plugins((str(path),))


def deferred(plugins, folder, *scores, model="vae"):
    """Two small trials whose jobs leave metrics of the host for later, as on CUDA; the events of their jobs."""
    benchmark = Benchmark(
        models=[model],
        references=[],
        seeds=2,
        scores=["r2", *scores],
        budget={"epochs": 1, "train_limit": 200},
    )
    plan = make_plan(benchmark, plugins)
    jobs = jobs_in(folder, plan, plugins, Execution(workers=1, device="cpu"))
    events = []
    run_in_workers([replace(job, deferring=True) for job in jobs], plugins, events.append, 1, helpers=1)
    return plan, events


def jobs_in(folder, plan, plugins, execution):
    return pending_jobs(inspect(plan, folder, execution), plan, folder, execution, plugins)


def results_of(events):
    return [event.result for event in events if event.result is not None]


def test_what_is_left_for_later_is_computed_and_told_once(plugins, tmp_path):
    plan, events = deferred(plugins, tmp_path / "run", "fine", "broken")
    for trial in plan.trials:
        kinds = [event.kind for event in events if event.trial == trial.key]
        metrics = [event.metric for event in events if event.trial == trial.key and event.metric]
        assert kinds == ["trial_started", "epoch_finished", *["metric_started"] * len(metrics), "trial_finished"]
        assert sorted(metrics) == sorted(request.metric for request in plan.requests)
        record = Record(tmp_path / "run", trial.key)
        assert all(record.read_scores(request) is not None for request in plan.requests)
    assert [result.failed_scores for result in results_of(events)] == [
        {"broken": "RuntimeError: no (odd.py:18)"}
    ] * 2
    assert [result.status for result in results_of(events)] == ["ok", "ok"]


def test_nothing_is_left_for_later_of_a_model_that_cannot_be_reloaded(plugins, tmp_path):
    plan, events = deferred(plugins, tmp_path / "run", "fine", model="pickled")
    assert len(results_of(events)) == 2
    (fine,) = [request for request in plan.requests if request.metric == "fine"]
    for trial in plan.trials:
        assert Record(tmp_path / "run", trial.key).read_scores(fine)["scores"]["fine"]["value"] == 1.0


def test_the_next_training_does_not_wait_for_them(plugins, tmp_path):
    plan, events = deferred(plugins, tmp_path / "run", "fine")
    first, second = (trial.key for trial in plan.trials)
    order = [(event.trial, event.kind) for event in events]
    assert order.index((second, "trial_started")) < order.index((first, "trial_finished"))


def test_a_helper_that_dies_keeps_the_training(plugins, tmp_path):
    plan, events = deferred(plugins, tmp_path / "run", "deadly")
    assert {result.error for result in results_of(events)} == {"WorkerDied"}
    assert len(results_of(events)) == 2
    outcomes = [Record(tmp_path / "run", trial.key).read_trial().outcome.status for trial in plan.trials]
    assert outcomes == ["ok", "ok"]


@pytest.mark.parametrize(
    ("device", "score", "later"), [("cuda", "fine", True), ("cuda", "r2", False), ("cpu", "fine", False)]
)
def test_only_a_gpu_leaves_scores_of_the_host_for_later(plugins, tmp_path, device, score, later):
    benchmark = Benchmark(models=["vae"], references=[], seeds=1, scores=[score], params={}, budget={"epochs": 1})
    how = Execution(workers=1, device=device, group_size=1)
    (job,) = jobs_in(tmp_path, make_plan(benchmark, plugins, "cpu"), plugins, how)
    assert job.deferring == later
