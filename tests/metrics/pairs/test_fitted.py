from __future__ import annotations

import numpy as np
import pytest
import torch

from latentbench import LatentSpace
from latentbench_metrics.pairs import _fitted
from latentbench_metrics.pairs._codes import composed, cross
from latentbench_metrics.pairs._fitted import BOTH_WAYS
from latentbench_metrics.pairs.linear_maps import LinearMap, linear_r2
from latentbench_metrics.pairs.matched_dimensions import MatchedDimensions, mcc
from latentbench_metrics.pairs.rotations import Procrustes, procrustes
from tests.metrics.pairs.conftest import normal32, shuffled

BOTH = [(Procrustes, procrustes), (LinearMap, linear_r2), (MatchedDimensions, mcc)]


def related(count, seed):
    """Two spaces with something in common, of three and five dimensions."""
    x = normal32(count, 3, seed=seed)
    return x, torch.cat([x + 0.7 * normal32(count, 3, seed=seed + 1), normal32(count, 2, seed=seed + 2)], 1)


def seen(codes, train=None):
    others = None if train is None else LatentSpace.from_arrays(codes=train)
    return LatentSpace.from_arrays(codes=codes, train=others)


@pytest.mark.parametrize(("kind", "function"), BOTH)
def test_fits_on_the_training_split_in_any_order(kind, function):
    metric = kind(kind.Params())
    (x_train, y_train), (x, y) = related(80, 0), related(50, 10)
    a, b = metric.prepare(seen(x, x_train)), metric.prepare(seen(y, y_train))
    assert metric.compute(a, b) == function(x_train, y_train, x, y)
    assert metric.compute(b, a) == function(y_train, x_train, y, x)
    order, train_order = shuffled(50), shuffled(80, 1)
    other = metric.reordered(b, order, train_order)
    expected = function(x_train, y_train[train_order], x, y[order])
    assert metric.compute(a, other) == pytest.approx(expected, abs=1e-10)
    expected = function(y_train[train_order], x_train, y[order], x)
    assert metric.compute(other, a) == pytest.approx(expected, abs=1e-10)
    again = metric.reordered(other, order, train_order)
    expected = function(x_train, y_train[train_order][train_order], x, y[order][order])
    assert metric.compute(a, again) == pytest.approx(expected, abs=1e-10)
    both = metric.reordered(a, order, train_order)
    assert metric.compute(both, other) == pytest.approx(function(x_train, y_train, x, y), abs=1e-10)


@pytest.mark.parametrize(("kind", "function"), BOTH)
@pytest.mark.parametrize("train", ["neither", "first", "second", "unequal"])
def test_fits_on_each_half_where_either_has_no_training_split(kind, function, train):
    metric = kind(kind.Params())
    x, y = related(51, 0)
    x_train = normal32(30, 3, seed=4) if train in {"first", "unequal"} else None
    y_train = normal32(40, 5, seed=5) if train in {"second", "unequal"} else None
    a, b = metric.prepare(seen(x, x_train)), metric.prepare(seen(y, y_train))
    score, note = metric.compute(a, b)
    assert note == BOTH_WAYS == "fitted on one half of the items and scored on the other, both ways"
    half = torch.zeros(51, dtype=torch.bool)
    half[shuffled(51)[:25]] = True

    def expected(x, y):
        ways = (half, ~half), (~half, half)
        return np.mean([function(x[fit], y[fit], x[scored], y[scored]) for fit, scored in ways])

    assert score == pytest.approx(expected(x, y), abs=1e-12)
    order = shuffled(51, 3)
    other = metric.reordered(b, order, None if y_train is None else shuffled(40))
    assert metric.compute(a, other)[0] == pytest.approx(expected(x, y[within(order, half)]), abs=1e-12)
    twice = metric.reordered(other, order, None)
    assert metric.compute(a, twice)[0] == pytest.approx(expected(x, y[within(order[order], half)]), abs=1e-12)


def within(order, half):
    """An order in which each item stays in its half: those of a half follow each other as in `order`."""
    rows = torch.empty_like(order)
    for part in (half, ~half):
        rows[part] = order[part[order]]
    return rows


@pytest.mark.parametrize(("kind", "function"), BOTH)
def test_of_many_training_items_the_same_seeded_ones(kind, function, monkeypatch):
    monkeypatch.setattr(_fitted, "TRAIN_ITEMS", 40)
    metric = kind(kind.Params())
    (x_train, y_train), (x, y) = related(90, 0), related(50, 10)
    rows = shuffled(90)[:40].sort().values
    a, b = metric.prepare(seen(x, x_train)), metric.prepare(seen(y, y_train))
    assert metric.compute(a, b) == pytest.approx(function(x_train[rows], y_train[rows], x, y), abs=1e-12)
    order, train_order = shuffled(50, 4), shuffled(90, 5)
    inside = train_order[torch.isin(train_order, rows)]
    expected = function(x_train[rows], y_train[inside], x, y[order])
    assert metric.compute(a, metric.reordered(b, order, train_order)) == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("width", [2, 7])
def test_products_in_any_order(width):
    left, right = normal32(20, 4), normal32(20, width, seed=1)
    first, second = shuffled(20), shuffled(20, 1)
    for a in (None, first):
        for b in (None, second):
            moved = left if a is None else left[a], right if b is None else right[b]
            assert torch.allclose(cross(left, right, a, b), moved[0].T @ moved[1], atol=1e-5)
    assert torch.equal(left[first][second], left[composed(first, second)])
    assert composed(None, None) is None
    assert torch.equal(composed(None, first), first)
    assert torch.equal(composed(first, None), first)
