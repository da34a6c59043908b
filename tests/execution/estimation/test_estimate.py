"""What a run is said to take beforehand: metrics of known costs, continued from samples to all items."""

import math

import pytest

from latentbench.execution.estimation import sampled_times
from latentbench.execution.estimation.estimate import estimate
from latentbench.execution.estimation.sampled_times import continued
from latentbench.execution.options import Execution
from latentbench.execution.pending import inspect, pending_jobs
from latentbench.execution.run import execute
from latentbench.planning.plan import make_plan
from latentbench.plugins import Plugins

TIMED = """
import time
import torch
from latentbench import Metric, Model, Score, hookimpl

def metric(name, seconds, **declared):
    def compute(self, space):
        time.sleep(seconds(len(space)))
        return {name: 1.0}
    scores = {name: Score("up", name, headline=True)}
    return type(name, (Metric,), {"scores": scores, "compute": compute, "__module__": __name__, **declared})

METRICS = [
    metric("even", lambda n: 0.1),
    metric("linear", lambda n: n / 1000),
    metric("square", lambda n: (n / 300) ** 2),
    metric("capped", lambda n: n / 1000, max_items=150),
]

class SlowFit(Model):
    class Params(Model.Params):
        latent_dim: int = 2
    def fit(self, train, generator): time.sleep(len(train) / 2000)
    def encode(self, inputs): return inputs.flatten(1)[:, :2]
    def get_state(self): return {}
    def set_state(self, state): pass

class Failing(SlowFit):
    def fit(self, train, generator): raise RuntimeError("no luck")

@hookimpl
def register_metrics(register):
    for found in METRICS:
        register(found.__name__, found)

@hookimpl
def register_models(register):
    register("slow_fit", SlowFit)
    register("failing", Failing)
"""
DIGITS = 360  # test items
TRAIN = 1294


@pytest.fixture
def plugins(plugin_file):
    return Plugins((plugin_file(TIMED),))


@pytest.fixture
def samples(monkeypatch):
    """Samples that are far smaller than the data."""
    monkeypatch.setattr(sampled_times, "SAMPLES", (60, 180))


def estimates(benchmark, plugins, folder):
    plan = make_plan(benchmark, plugins)
    execution = Execution(workers=1, device="cpu")
    states = inspect(plan, folder, execution)
    return list(estimate(pending_jobs(states, plan, folder, execution, plugins), states, plugins).values())


@pytest.mark.parametrize(
    ("metric", "seconds"), [("even", 0.1), ("linear", 0.36), ("square", 1.44), ("capped", 0.15)]
)
def test_the_cost_of_a_metric_grows_as_it_does_on_samples(metric, seconds, samples, tiny, plugins, tmp_path):
    (cost,) = estimates(tiny(models=("slow_fit",), scores=(metric,)), plugins, tmp_path)
    assert cost.score_seconds == pytest.approx(seconds, rel=0.4)


def test_fitting_grows_with_the_training_items(samples, tiny, plugins, tmp_path):
    budget = {"train_limit": None}
    (cost,) = estimates(tiny(models=("slow_fit",), scores=("even",), budget=budget), plugins, tmp_path)
    assert cost.train_seconds == pytest.approx(TRAIN / 2000, rel=0.4)


def test_few_items_are_looked_at_as_a_whole(tiny, plugins, tmp_path):
    (cost,) = estimates(tiny(models=("slow_fit",), scores=("square",)), plugins, tmp_path)
    assert cost.score_seconds == pytest.approx((DIGITS / 300) ** 2, rel=0.4)


def test_what_is_trained_already_takes_the_time_of_its_missing_scores(tiny, plugins, tmp_path):
    benchmark = tiny(models=("slow_fit",), scores=("even",))
    execute(make_plan(benchmark, plugins), benchmark, tmp_path, plugins, Execution(workers=0, device="cpu"))
    assert estimates(benchmark, plugins, tmp_path) == []
    (cost,) = estimates(tiny(models=("slow_fit",), scores=("even", "linear")), plugins, tmp_path)
    assert cost.train_seconds == 0
    assert cost.score_seconds == pytest.approx(DIGITS / 1000, rel=0.4)


def test_what_fails_on_a_sample_is_not_known(tiny, plugins, tmp_path):
    (cost,) = estimates(tiny(models=("failing",), scores=("even",)), plugins, tmp_path)
    assert math.isnan(cost.train_seconds)
    assert math.isnan(cost.score_seconds)


def test_seeds_and_settings_that_cost_the_same_are_timed_once(tiny, plugins, tmp_path, monkeypatch):
    looked = []
    real = sampled_times.measure
    monkeypatch.setattr(
        sampled_times, "measure", lambda *asked, **how: looked.append(asked) or real(*asked, **how)
    )
    models = {"models": ("beta_vae",), "params": {"beta_vae.beta": [1, 4], "latent_dim": 2}, "scores": ("even",)}
    costs = estimates(tiny(**models, seeds=2), plugins, tmp_path)
    assert len(costs) == 4
    splits = 2  # a beta is chosen on the validation split
    assert len(looked) == 2 * len({id(request) for request, *_ in looked}) <= 2 * splits
    assert len({cost.score_seconds for cost in costs}) == 1


def test_a_sample_is_never_taken_for_the_data_it_is_of(samples, tiny, plugins, tmp_path, monkeypatch):
    """A metric that keeps something by the fingerprint of the data must not keep that of a sample."""
    seen = set()
    real = sampled_times.measure

    def look(request, known, space, **how):
        seen.add((space.fingerprint, len(space)))
        return real(request, known, space, **how)

    monkeypatch.setattr(sampled_times, "measure", look)
    benchmark = tiny(scores=("even",))
    estimates(benchmark, plugins, tmp_path)
    whole = make_plan(benchmark, plugins).trials[0].fingerprint
    assert {size for _, size in seen} == {60, 180}
    assert len({fingerprint for fingerprint, _ in seen} - {whole}) == 2


def test_seconds_are_continued_between_constant_and_quadratic():
    assert continued([(100, 1.0), (200, 2.0)], 1000) == pytest.approx(10.0)
    assert continued([(100, 1.0), (200, 16.0)], 400) == pytest.approx(64.0)
    assert continued([(100, 0.001), (200, 0.016)], 400) == pytest.approx(0.032)
    assert continued([(100, 2.0), (200, 1.0)], 1000) == 1.0
    assert continued([(360, 2.0)], 90) == 2.0
    assert math.isnan(continued([], 90))
