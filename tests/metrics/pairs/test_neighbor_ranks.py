from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata

from latentbench import LatentSpace, NotApplicableError
from latentbench_metrics.pairs import _ties
from latentbench_metrics.pairs.neighbor_ranks import InformationImbalance, information_imbalance
from tests.metrics.pairs.conftest import normal, shuffled, turn


def naive(x, y):
    """Item by item, with scipy's ranks: equal distances share their mean."""
    total, n = 0.0, len(x)
    for item in range(n):
        others = np.delete(np.arange(n), item)
        far, there = (
            np.sqrt(((codes[others] - codes[item]) ** 2).sum(1)).round(9) for codes in (x.numpy(), y.numpy())
        )
        total += rankdata(there)[far == far.min()].mean()
    return 2 * total / n**2


@pytest.mark.parametrize(("width", "other"), [(1, 1), (3, 8), (90, 1)])
def test_agrees_with_ranks_of_scipy(width, other, monkeypatch):
    monkeypatch.setattr(_ties, "BLOCK", 700)
    x = normal(50, width)
    for y in (normal(50, other, seed=1), normal(50, other, seed=2) + x[:, :1]):
        assert information_imbalance(x, y) == pytest.approx(naive(x, y), abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), width=st.integers(1, 3), values=st.integers(2, 6))
def test_duplicates_and_equal_distances(seed, width, values):
    generator = np.random.default_rng(seed)
    x, y = (torch.from_numpy(generator.integers(0, values, (40, width))).double() for _ in range(2))
    if len(x.unique(dim=0)) == 1 or len(y.unique(dim=0)) == 1:
        return
    order = shuffled(40, seed)
    for one, other in ((x, y), (x, normal(40, 2)), (normal(40, 2), x), (x, x)):
        value = information_imbalance(one, other)
        assert value == pytest.approx(naive(one, other), abs=1e-9)
        assert information_imbalance(one[order], other[order]) == pytest.approx(value, abs=1e-12)


def test_known_answers():
    """2 / n for the same space; 1 for unrelated ones, with a standard deviation of about 0.013 for 2,000 items."""
    x, y = normal(2000, 8), normal(2000, 8, seed=1)
    assert information_imbalance(x, 3 * x @ turn(8) + 5) == 2 / 2000
    assert information_imbalance(x, y) == pytest.approx(1, abs=0.05)
    noisy = x + 0.5 * y
    assert information_imbalance(x, noisy) == pytest.approx(0.074, abs=0.012)
    assert information_imbalance(noisy, x) == pytest.approx(0.066, abs=0.012)


def test_a_space_tells_about_its_part_and_not_the_other_way_round():
    """x = (a, b), y = a, uniform."""
    x = torch.from_numpy(np.random.default_rng(0).random((2000, 2)))
    assert information_imbalance(x, x[:, :1]) == pytest.approx(0.028, abs=0.006)
    assert information_imbalance(x[:, :1], x) == pytest.approx(0.556, abs=0.04)


def test_few_values_tell_and_are_told_nothing_by_chance():
    """Half of all items are the nearest in y: a first rank for all of them would say that x tells about y."""
    x, y = normal(1000, 4), torch.from_numpy(np.random.default_rng(1).integers(0, 2, (1000, 1))).float()
    assert information_imbalance(x, y) == pytest.approx(1, abs=0.05)
    assert information_imbalance(y, x) == pytest.approx(1, abs=0.01)


def test_constant_dimensions_change_nothing():
    x, y = normal(100, 3), normal(100, 3) + normal(100, 3, seed=1)
    padded = torch.cat([torch.full((100, 2), 7.0), x, torch.zeros(100, 1)], 1)
    assert information_imbalance(padded, y) == information_imbalance(x, y)


def test_wrong_codes_are_refused_in_one_sentence():
    with pytest.raises(NotApplicableError, match="all codes of a space are equal"):
        information_imbalance(normal(20, 3), torch.full((20, 3), 0.1))
    with pytest.raises(ValueError, match="x and y must hold the same items in the same order, got 20 and 19"):
        information_imbalance(normal(20, 3), normal(19, 3))
    with pytest.raises(ValueError, match="x and y must hold at least 3 items, got 2"):
        information_imbalance(normal(2, 3), normal(2, 3))
    with pytest.raises(ValueError, match="y must be finite, but 1 of its 20 items hold NaN or infinity"):
        information_imbalance(normal(20, 3), normal(20, 3).index_fill(0, torch.tensor([3]), torch.nan))


@pytest.mark.parametrize("grid", [False, True])
def test_the_metric_is_the_function_in_any_order(grid):
    metric = InformationImbalance(InformationImbalance.Params())
    x, y = normal(50, 3).float(), normal(50, 2, seed=1).float()
    x, y = (x.round(), y.round()) if grid else (x, y)
    a, b = (metric.prepare(LatentSpace.from_arrays(codes=codes)) for codes in (x, y))
    order = shuffled(50)
    once = metric.reordered(b, order, None)
    moved = metric.reordered(a, order, None)
    for one, other, expected in (
        (a, b, information_imbalance(x, y)),
        (b, a, information_imbalance(y, x)),
        (a, once, information_imbalance(x, y[order])),
        (once, a, information_imbalance(y[order], x)),
        (moved, once, information_imbalance(x, y)),
        (a, metric.reordered(once, order, None), information_imbalance(x, y[order][order])),
    ):
        assert metric.compute(one, other) == pytest.approx(expected, abs=1e-12)
