"""How many test items a metric uses can be asked for: fewer, or all of them."""

from dataclasses import asdict
from importlib import import_module
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
import torch

import latentbench
import latentbench_metrics
from latentbench.execution.scoring import measure
from latentbench.latent.part import some_rows
from latentbench.planning.metrics import metric_requests
from latentbench.planning.plan import make_plan
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


class Counted(latentbench.Metric):
    """The numbers of its items, which are their codes here."""

    scores: ClassVar = {"numbers": latentbench.Score("none")}
    max_items = 4

    def compute(self, space):
        return {"numbers": space.codes[:, 0].double()}, f"{len(space)} items"


class Pairs(Counted):
    def chosen_rows(self, total):
        return torch.tensor([total - 1, 0])


def measured(cls, count=10, **request):
    given = ScoreRequest("counted", 1, {}, {"numbers": {}}, **request)
    space = latentbench.LatentSpace.from_arrays(codes=np.arange(count, dtype=np.float32)[:, None])
    plugins = SimpleNamespace(load=lambda kind, name: cls)
    stored, items = measure(given, plugins, space)
    return stored["n_eval"], stored["scores"]["numbers"], items.get("numbers", np.array([])).tolist()


def test_a_metric_is_given_its_items_and_may_return_a_note():
    count, row, items = measured(Counted)
    assert (count, row["reason"]) == (4, "4 items")
    assert items == some_rows(10, 4).tolist()
    assert measured(Counted, count=4)[2] == [0, 1, 2, 3]
    assert measured(Counted, max_items=0)[2] == list(range(10))
    assert measured(Counted, max_items=3)[0] == 3


def test_a_metric_may_choose_its_items_itself():
    assert measured(Pairs)[2] == [9, 0]
    assert measured(Pairs)[1]["value"] == 4.5


@pytest.mark.parametrize("rows", [*map(torch.tensor, ([0, 10], [-1], [0.5], [[0]])), [0, 1]])
def test_items_that_there_are_not_are_refused(rows, monkeypatch):
    monkeypatch.setattr(Pairs, "chosen_rows", lambda self, total: rows)
    _, row, _ = measured(Pairs)
    assert row["status"] == "failed"
    assert "chosen_rows must return row numbers from 0 to 9 as a tensor (m,) of int64" in row["reason"]


@pytest.mark.parametrize("returned", [({"numbers": 1.0}, 5), ({"numbers": 1.0}, "a", "b"), ("numbers", "note")])
def test_a_note_that_is_none_is_refused(returned, monkeypatch):
    monkeypatch.setattr(Counted, "compute", lambda self, space: returned)
    _, row, _ = measured(Counted)
    assert row["status"] == "failed"
    assert "compute must return" in row["reason"]


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
