"""What a metric declares about coordinates, order and rounding, tried on drawn changes of two spaces."""

from __future__ import annotations

from importlib import import_module

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import latentbench_metrics
from latentbench.execution.scoring import compute
from latentbench.testing import gallery, moved, reordered

SEEDS = st.integers(0, 2**16)
SIZES = st.floats(-2, 2).map(lambda power: 10**power)


def classes():
    for target, _ in latentbench_metrics.METRICS.values():
        module, name = target.split(":")
        yield getattr(import_module(f"latentbench_metrics.{module}"), name)


METRICS = [cls for cls in classes() if any(score.kind == "quality" for score in cls.scores.values())]


def values(metric, space):
    """Means of the scores."""
    scores = compute(metric(metric.Params()), space)
    return {name: float(torch.as_tensor(value).double().mean()) for name, value in scores.items()}


def check_same(metric, first, other):
    assert other.keys() == first.keys()
    for name, value in first.items():
        assert abs(other[name] - value) <= metric.tolerance * max(1, abs(value)), name


def some(metric):
    return settings(
        max_examples=8 if metric.tier == "quick" else 2,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr("latentbench_metrics.disentanglement.dci.TREES", 10)
    monkeypatch.setattr("latentbench_metrics.likelihoods.SAMPLES", 50)
    for metric in METRICS:
        monkeypatch.setattr(metric, "min_items", 2)


@pytest.mark.parametrize(
    ("metric", "change"),
    [(cls, change) for cls in METRICS for change in cls.invariances],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_declared_invariances_hold(metric, change, suited):
    first = values(metric, suited(metric))

    @some(metric)
    @given(SEEDS, SIZES)
    def check(seed, size):
        check_same(metric, first, values(metric, moved(suited(metric), change, seed, size)))

    check()


@pytest.mark.parametrize("metric", METRICS, ids=lambda cls: cls.__name__)
def test_the_order_of_items_does_not_matter(metric, suited):
    first = values(metric, suited(metric))

    @some(metric)
    @given(SEEDS)
    def check(seed):
        check_same(metric, first, values(metric, reordered(suited(metric), seed)))

    check()


def test_a_rotation_hurts_what_reads_axes():
    from latentbench_metrics.disentanglement.factors import mig
    from latentbench_metrics.probes import linear_probe_accuracy

    space = gallery()
    turned = moved(space, "rotation", seed=1)
    assert mig(space.codes, space.factors) > 0.9
    assert mig(turned.codes, turned.factors) < 0.4
    labels = space.train.labels, space.labels
    before, after = (
        linear_probe_accuracy(one.train.codes, labels[0], one.codes, labels[1]) for one in (space, turned)
    )
    assert abs(before - after) < 0.01
