from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.distance import pdist
from scipy.stats import spearmanr

from latentbench import LatentSpace, NotApplicableError
from latentbench_metrics.pairs.distance_ranks import DistanceRanks, rsa
from tests.metrics.pairs.conftest import normal, shuffled, turn


def naive(x, y):
    return spearmanr(*(pdist(codes.double().numpy()) for codes in (x, y))).statistic


@pytest.mark.parametrize(("count", "width", "other"), [(3, 2, 2), (50, 1, 1), (50, 3, 8), (20, 90, 1)])
def test_agrees_with_scipy(count, width, other):
    x = normal(count, width)
    for y in (normal(count, other, seed=1), normal(count, other, seed=2) + x[:, :1]):
        assert rsa(x, y) == pytest.approx(naive(x, y), abs=1e-12)


def test_agrees_with_scipy_on_whole_numbers():
    """Nearly all distances occur several times, and share the mean of their ranks."""
    x, y = (3 * normal(60, 2)).round(), (2 * normal(60, 3, seed=1)).round()
    assert rsa(x, y) == pytest.approx(spearmanr(pdist(x), pdist(y)).statistic, abs=1e-12)


def test_unrelated_spaces_and_one_axis_of_four_times_20():
    """0, with a standard deviation of about 0.004 for 2,000 items; 0.43 measured, about 0.01 over samples."""
    assert rsa(normal(1000, 8), normal(1000, 8, seed=1)) == pytest.approx(0, abs=0.02)
    x = normal(2000, 4)
    assert rsa(x, x * torch.tensor([20.0, 1, 1, 1])) == pytest.approx(0.43, abs=0.03)


def test_duplicates_stay_duplicates_when_rotated():
    """A tenth of all pairs are 0 apart, up to the rounding of a rotation."""
    codes = normal(10, 6)[torch.from_numpy(np.random.default_rng(0).integers(0, 10, 200))]
    assert rsa(codes, codes @ turn(6)) == pytest.approx(1, abs=1e-12)
    assert rsa(codes.float(), codes) == pytest.approx(1, abs=1e-9)


def test_a_mean_of_a_million_in_float32():
    x = normal(200, 4)
    assert rsa((1e6 + 1000 * x).float(), x) == pytest.approx(1, abs=1e-4)


def test_constant_dimensions_change_nothing():
    x, y = normal(100, 3), normal(100, 3) + normal(100, 3, seed=1)
    padded = torch.cat([torch.full((100, 2), 7.0), x, torch.zeros(100, 1)], 1)
    assert rsa(padded, y) == pytest.approx(rsa(x, y), abs=1e-12)


def test_wrong_codes_are_refused_in_one_sentence():
    with pytest.raises(NotApplicableError, match="all codes of a space are equal"):
        rsa(normal(20, 3), torch.full((20, 3), 0.1))
    with pytest.raises(NotApplicableError, match="all items of a space are equally far from each other"):
        rsa(normal(20, 3), torch.eye(20))
    with pytest.raises(ValueError, match="x and y must hold the same items in the same order, got 20 and 19"):
        rsa(normal(20, 3), normal(19, 3))
    with pytest.raises(ValueError, match="x and y must hold at least 3 items, got 2"):
        rsa(normal(2, 3), normal(2, 3))
    with pytest.raises(ValueError, match="x and y must hold at most 5,000 items, as all pairs are compared"):
        rsa(normal(5001, 1), normal(5001, 1))
    with pytest.raises(ValueError, match="x must be finite, but 1 of its 20 items hold NaN or infinity"):
        rsa(normal(20, 3).index_fill(0, torch.tensor([3]), torch.nan), normal(20, 3))


def test_the_metric_is_the_function_in_any_order():
    metric = DistanceRanks(DistanceRanks.Params())
    x, y = normal(150, 3).float(), normal(150, 2, seed=1).float()
    a, b = (metric.prepare(LatentSpace.from_arrays(codes=codes)) for codes in (x, y))
    assert metric.compute(a, b) == rsa(x, y)
    order = shuffled(150)
    once = metric.reordered(b, order, None)
    assert metric.compute(a, once) == pytest.approx(rsa(x, y[order]), abs=1e-9)
    assert metric.compute(once, a) == pytest.approx(rsa(x, y[order]), abs=1e-9)
    twice = metric.reordered(once, order, None)
    assert metric.compute(a, twice) == pytest.approx(rsa(x, y[order][order]), abs=1e-9)
    assert metric.compute(metric.reordered(a, order, None), once) == pytest.approx(rsa(x, y), abs=1e-9)
