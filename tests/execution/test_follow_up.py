"""Scores that a job leaves for later are made by another worker, and each trial ends once."""

from dataclasses import replace

import pytest

from latentbench import Benchmark
from latentbench.execution.pending import Execution, pending_jobs
from latentbench.execution.workers import run_in_workers
from latentbench.plan import make_plan
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
    """Two small trials whose jobs leave metrics of the host for later, as on CUDA; the events they tell."""
    benchmark = Benchmark(
        models=[model],
        references=[],
        seeds=2,
        scores=["r2", *scores],
        budget={"epochs": 1, "train_limit": 200},
    )
    plan = make_plan(benchmark, plugins)
    jobs = pending_jobs(plan, folder, Execution(workers=1, device="cpu"), plugins)
    told = []
    run_in_workers(
        [replace(job, deferring=True) for job in jobs], plugins, lambda *event: told.append(event), 1, helpers=1
    )
    return plan, told


def ends(told):
    return [values for _, event, values in told if event == "trial_finished"]


def test_what_is_left_for_later_is_computed_and_told_once(plugins, tmp_path):
    plan, told = deferred(plugins, tmp_path / "run", "fine", "broken")
    for trial in plan.trials:
        events = [event for whose, event, _ in told if whose.key == trial.key]
        assert events == ["trial_started", "epoch_finished", "trial_finished"]
        record = Record(tmp_path / "run", trial.key)
        assert all(record.read_scores(request) is not None for request in plan.requests)
    assert [values["failed_scores"] for values in ends(told)] == [{"broken": "RuntimeError: no"}] * 2
    assert [values["status"] for values in ends(told)] == ["ok", "ok"]


def test_nothing_is_left_for_later_of_a_model_that_cannot_be_reloaded(plugins, tmp_path):
    plan, told = deferred(plugins, tmp_path / "run", "fine", model="pickled")
    assert len(ends(told)) == 2
    (fine,) = [request for request in plan.requests if request.metric == "fine"]
    for trial in plan.trials:
        assert Record(tmp_path / "run", trial.key).read_scores(fine)["scores"]["fine"]["value"] == 1.0


def test_the_next_training_does_not_wait_for_them(plugins, tmp_path):
    plan, told = deferred(plugins, tmp_path / "run", "fine")
    first, second = (trial.key for trial in plan.trials)
    order = [(trial.key, event) for trial, event, _ in told]
    assert order.index((second, "trial_started")) < order.index((first, "trial_finished"))


def test_a_helper_that_dies_keeps_the_training(plugins, tmp_path):
    plan, told = deferred(plugins, tmp_path / "run", "deadly")
    assert {values["error"] for values in ends(told)} == {"WorkerDied"}
    assert len(ends(told)) == 2
    outcomes = [Record(tmp_path / "run", trial.key).read_trial().outcome.status for trial in plan.trials]
    assert outcomes == ["ok", "ok"]


@pytest.mark.parametrize(
    ("device", "score", "later"), [("cuda", "fine", True), ("cuda", "r2", False), ("cpu", "fine", False)]
)
def test_only_a_gpu_leaves_scores_of_the_host_for_later(plugins, tmp_path, device, score, later):
    benchmark = Benchmark(models=["vae"], references=[], seeds=1, scores=[score], params={}, budget={"epochs": 1})
    how = Execution(workers=1, device=device, group_size=1)
    (job,) = pending_jobs(make_plan(benchmark, plugins, "cpu"), tmp_path, how, plugins)
    assert job.deferring == later
