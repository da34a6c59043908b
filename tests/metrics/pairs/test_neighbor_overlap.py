from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from latentbench import LatentSpace, NotApplicableError
from latentbench_metrics.pairs import _ties
from latentbench_metrics.pairs.neighbor_overlap import MutualNeighbors, mutual_knn
from tests.metrics.pairs.conftest import normal, shuffled, turn


def naive(x, y, k):
    """Fuzzy sets from all distances: those equally far as the k-th share the places that are left."""

    def shares(points):
        far = np.linalg.norm(points[:, None] - points[None], axis=-1)
        held = np.zeros_like(far)
        for item, row in enumerate(far):
            others = np.delete(np.arange(len(row)), item)
            limit = np.sort(row[others])[k - 1]
            nearer, tied = others[row[others] < limit - 1e-9], others[abs(row[others] - limit) <= 1e-9]
            held[item, nearer] = 1
            held[item, tied] = (k - len(nearer)) / len(tied)
        return held

    return np.minimum(shares(x.double().numpy()), shares(y.double().numpy())).sum() / (k * len(x))


@pytest.mark.parametrize(("width", "other"), [(1, 1), (2, 5), (90, 3)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_agrees_with_scikit_learn(width, other, dtype):
    from sklearn.neighbors import NearestNeighbors

    x = normal(80, width).to(dtype)
    y = (normal(80, other, seed=1) + x[:, :1]).to(dtype)
    near = [NearestNeighbors(n_neighbors=7).fit(p.numpy()).kneighbors(return_distance=False) for p in (x, y)]
    expected = [len(set(a) & set(b)) / 7 for a, b in zip(*near, strict=True)]
    assert mutual_knn(x, y, 7) == pytest.approx(np.mean(expected), abs=1e-12)


def test_unrelated_spaces_share_neighbors_by_chance():
    """k / (n - 1); the standard deviation over seeds is about 0.0005."""
    value = mutual_knn(normal(2000, 8), normal(2000, 8, seed=1))
    assert value == pytest.approx(10 / 1999, abs=0.002)


def test_noise_of_half_the_standard_deviation():
    """0.194 measured; about 0.003 over seeds."""
    x = normal(2000, 8)
    assert mutual_knn(x, x + 0.5 * normal(2000, 8, seed=1)) == pytest.approx(0.194, abs=0.012)


def test_one_axis_of_four_times_20_and_a_tenth_far_away():
    x = normal(2000, 4)
    assert mutual_knn(x, x * torch.tensor([20.0, 1, 1, 1])) == pytest.approx(0.178, abs=0.015)
    x = normal(2000, 8)
    y = x.clone()
    y[:200, 0] += 30
    assert mutual_knn(x, y) == pytest.approx(0.82, abs=0.02)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), width=st.integers(1, 3), values=st.integers(2, 6), k=st.integers(1, 20))
def test_duplicates_and_equal_distances(seed, width, values, k):
    """Codes on a grid have many of both; the order of items changes nothing."""
    generator = np.random.default_rng(seed)
    x, y = (torch.from_numpy(generator.integers(0, values, (40, width))).float() for _ in range(2))
    z = normal(40, 2, seed=seed)
    if len(x.unique(dim=0)) == 1 or len(y.unique(dim=0)) == 1:
        return
    order = shuffled(40, seed)
    for one, other in ((x, y), (x, z), (z, x), (x, x)):
        value = mutual_knn(one, other, k)
        assert value == pytest.approx(naive(one, other, k), abs=1e-9)
        assert mutual_knn(one[order], other[order], k) == pytest.approx(value, abs=1e-12)
        assert mutual_knn(other, one, k) == pytest.approx(value, abs=1e-12)
    assert mutual_knn(x, x, k) == pytest.approx(1, abs=1e-12)


def test_a_codebook_of_ten_codes_agrees_with_itself_rotated():
    """A thousand items at each code are all 0 apart: no order among them may be invented."""
    book, which = normal(10, 6), torch.from_numpy(np.random.default_rng(0).integers(0, 10, 3000))
    codes = book[which]
    assert mutual_knn(codes, codes @ turn(6)) == pytest.approx(1, abs=1e-12)
    unrelated = mutual_knn(codes, book[which[shuffled(3000)]])
    assert unrelated == pytest.approx(
        0.1, abs=0.01
    )  # a share of about 1 / 30 each, in a tenth of a group in common
    assert mutual_knn(codes, normal(3000, 6, seed=3)) == pytest.approx(10 / 2999, abs=0.002)


def test_a_grid_has_more_equal_distances_than_are_looked_at_first(monkeypatch):
    grid = torch.cartesian_prod(*[torch.arange(7.0)] * 3)
    expected = naive(grid, grid[shuffled(343)], 30)
    monkeypatch.setattr(_ties, "FOUND", 1000)
    assert mutual_knn(grid, grid[shuffled(343)], 30) == pytest.approx(expected, abs=1e-9)


def test_too_many_shared_places_are_refused(monkeypatch):
    monkeypatch.setattr(_ties, "MOST_TIES", 1000)
    codes = torch.arange(2.0).repeat(50)[:, None]
    with pytest.raises(NotApplicableError, match="too many items are equally far from each other"):
        mutual_knn(codes, codes)


def test_a_mean_of_a_million_in_float32():
    """Steps of 1/16 leave items of a spread of 1,000 where they are, but for near ties."""
    x = normal(500, 6)
    moved = (1e6 + 1000 * x).float()
    assert mutual_knn(x, moved) > 0.99


def test_constant_dimensions_count_nothing():
    x, y = normal(100, 3), normal(100, 3, seed=1)
    padded = torch.cat([torch.full((100, 2), 7.0), x, torch.zeros(100, 1)], 1)
    assert mutual_knn(padded, y) == mutual_knn(x, y)


def test_wrong_codes_are_refused_in_one_sentence():
    with pytest.raises(NotApplicableError, match="all codes of a space are equal"):
        mutual_knn(normal(20, 3), torch.full((20, 3), 0.1))
    with pytest.raises(ValueError, match="x and y must hold the same items in the same order, got 20 and 19"):
        mutual_knn(normal(20, 3), normal(19, 3))
    with pytest.raises(ValueError, match="x must be finite, but 1 of its 20 items hold NaN or infinity"):
        mutual_knn(normal(20, 3).index_fill(0, torch.tensor([3]), torch.nan), normal(20, 3))
    for k in (0, 20):
        with pytest.raises(ValueError, match=rf"k \(={k}\) must be at least 1 and less than the number of items"):
            mutual_knn(normal(20, 3), normal(20, 3), k)


@pytest.mark.parametrize("grid", [False, True])
def test_the_metric_is_the_function_in_any_order(grid):
    metric = MutualNeighbors(MutualNeighbors.Params())
    x, y = normal(50, 3).float(), normal(50, 2, seed=1).float()
    x, y = (x.round(), y.round()) if grid else (x, y)
    a, b = (metric.prepare(LatentSpace.from_arrays(codes=codes)) for codes in (x, y))
    assert metric.compute(a, b) == mutual_knn(x, y)
    order = shuffled(50)
    once = metric.reordered(b, order, None)
    assert metric.compute(a, once) == pytest.approx(mutual_knn(x, y[order]), abs=1e-12)
    twice = metric.reordered(once, order, None)
    assert metric.compute(a, twice) == pytest.approx(mutual_knn(x, y[order][order]), abs=1e-12)
    assert metric.compute(metric.reordered(a, order, None), once) == pytest.approx(mutual_knn(x, y), abs=1e-12)
