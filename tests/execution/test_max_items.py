"""How many test items a metric uses can be asked for: fewer, or all of them."""

from dataclasses import asdict
from importlib import import_module

import numpy as np
import pytest

import latentbench
import latentbench_metrics
from latentbench.execution.scoring import measure
from latentbench.plan import make_plan, metric_requests
from latentbench.plugins import Plugins
from latentbench.testing import gallery
from latentbench.trial import ScoreRequest

FEW = 150
SLOW = ("dci", "flip_rate", "iwae", "out_of_bounds", "out_of_bounds_classifier")


def limited():
    """Names of the metrics that use a subset of many items."""
    targets = {}
    latentbench_metrics.register_metrics(lambda name, target, summary: targets.update({name: target}))
    for name, target in targets.items():
        module, _, attribute = target.partition(":")
        if getattr(import_module(module), attribute).max_items is not None:
            yield name


@pytest.fixture(scope="module")
def plugins():
    return Plugins()


@pytest.fixture(scope="module")
def space():
    return gallery()


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in limited()]
)
def test_every_metric_takes_as_many_items_as_are_asked_for(name, plugins, space):
    (request,) = metric_requests((name,), plugins, FEW)
    measured = measure(request, plugins, space)[0]
    assert measured["n_eval"] == max(FEW, plugins.load("metric", name).min_items)
    assert "failed" not in {row["status"] for row in measured["scores"].values()}


def test_zero_is_all_and_one_is_as_few_as_can_be(plugins):
    codes = np.random.default_rng(0).normal(size=(10_500, 2))
    space = latentbench.LatentSpace.from_arrays(codes=codes, labels=np.arange(10_500) % 2)
    counts = {}
    for count in (None, 0, 1):
        (request,) = metric_requests(("silhouette",), plugins, count)
        counts[count] = measure(request, plugins, space)[0]["n_eval"]
    assert counts == {
        None: 10_000,
        0: 10_500,
        1: request.scores and plugins.load("metric", request.metric).min_items,
    }


def test_only_what_a_limit_changes_has_another_file(plugins, tiny):
    plans = [make_plan(tiny(scores=("ari", "silhouette", "r2"), max_items=count), plugins) for count in (None, 0)]
    before, after = ({request.metric: request for request in plan.requests} for plan in plans)
    for name, request in before.items():
        limit = plugins.load("metric", name).max_items
        assert (request.stem == after[name].stem) == (limit is None)
        assert ScoreRequest.from_json(asdict(after[name])).max_items == after[name].max_items
