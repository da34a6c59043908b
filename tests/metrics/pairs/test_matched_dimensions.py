from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from latentbench import NotApplicableError
from latentbench_metrics.pairs.matched_dimensions import mcc
from tests.metrics.pairs.conftest import halved, normal, turn


def naive(x_train, y_train, x, y):
    """Every one-to-one match is tried."""

    def correlations(left, right):
        whole = np.corrcoef(left.double().numpy(), right.double().numpy(), rowvar=False)
        return abs(np.atleast_2d(whole)[: left.shape[1], left.shape[1] :])

    on_train, on_test = correlations(x_train, y_train), correlations(x, y)
    if len(on_train) > on_train.shape[1]:
        on_train, on_test = on_train.T, on_test.T
    rows = np.arange(len(on_train))
    best = max(permutations(range(on_train.shape[1]), len(rows)), key=lambda to: on_train[rows, to].sum())
    return on_test[rows, best].mean()


@pytest.mark.parametrize(("width", "other"), [(1, 1), (1, 4), (5, 5), (2, 6), (6, 2)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_agrees_with_every_match_tried(width, other, dtype):
    x = normal(80, width)
    y = normal(80, other, seed=1) + x[:, :1]
    given = [part.to(dtype) for part in halved(x, y)]
    assert mcc(*given) == pytest.approx(naive(*given), abs=1e-9)


def test_unrelated_spaces_score_little_but_not_0():
    """2,000 items, d = 8: 0.038 where matched and scored on the same; sqrt(2 / (pi n)) = 0.018 on others."""
    x, y = normal(4000, 8), normal(4000, 8, seed=1)
    assert mcc(x[:2000], y[:2000], x[:2000], y[:2000]) == pytest.approx(0.038, abs=0.006)
    values = [mcc(*halved(normal(4000, 8, seed=seed), y)) for seed in range(2, 7)]
    assert np.mean(values) == pytest.approx((2 / (np.pi * 2000)) ** 0.5, abs=0.006)


def test_a_rotated_copy_in_eight_dimensions():
    """0.637 in the mean over rotations, whose standard deviation is about 0.04."""
    x = normal(2000, 8)
    values = [mcc(*halved(x, x @ turn(8, seed))) for seed in range(20)]
    assert np.mean(values) == pytest.approx(0.637, abs=0.03)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), width=st.integers(1, 12), scale=st.sampled_from([1e-12, 0.5, 1e6]))
def test_swapped_flipped_shifted_and_scaled_dimensions_change_nothing(seed, width, scale):
    x, y = normal(60, width, seed=seed), normal(60, 5, seed=seed + 1)
    generator = np.random.default_rng(seed)
    to, axes = generator.permutation(width), generator.choice([-3.0, 0.01, 2.0], width)
    moved = scale * (x[:, to] * torch.from_numpy(axes) + 5)
    value = mcc(*halved(x, y))
    assert mcc(*halved(moved, y)) == pytest.approx(value, abs=1e-9)
    assert mcc(*halved(x, moved)) == pytest.approx(1, abs=1e-12)
    assert mcc(*halved(y, x)) == pytest.approx(value, abs=1e-12)
    order = torch.randperm(30, generator=torch.Generator().manual_seed(seed))
    assert mcc(*(part[order] for part in halved(x, y))) == pytest.approx(value, abs=1e-9)


def test_constant_dimensions_take_no_part():
    x, y = normal(100, 3), normal(100, 3) + normal(100, 3, seed=1)
    padded = torch.cat([torch.full((100, 2), 0.7), x, torch.zeros(100, 1)], 1)
    assert mcc(*halved(padded, y)) == pytest.approx(mcc(*halved(x, y)), abs=1e-12)
    assert mcc(*halved(padded, padded.float())) == pytest.approx(1, abs=1e-9)


def test_a_dimension_that_is_constant_where_it_is_scored_counts_as_0():
    x = normal(100, 2)
    scored = x.clone()
    scored[:, 1] = 0.3
    assert mcc(x, x, x, scored) == pytest.approx(0.5, abs=1e-12)


def test_few_items_and_duplicates():
    x, y = normal(4, 9), normal(4, 7, seed=1)
    assert 0 <= mcc(*halved(x, y)) <= 1
    x, y = normal(100, 3), normal(100, 3) + normal(100, 3, seed=1)
    doubled = [part.repeat(2, 1) for part in halved(x, y)]
    assert mcc(*doubled) == pytest.approx(mcc(*halved(x, y)), abs=1e-12)


def test_a_mean_of_a_million_in_float32():
    x = (1e6 + 8 * normal(500, 4)).float()
    y = (x.double() + 4 * normal(500, 4, seed=1)).float()
    expected = naive(*(part.double() - 1e6 for part in halved(x, y)))
    assert mcc(*halved(x, y)) == pytest.approx(expected, abs=1e-9)


def test_wrong_codes_are_refused_in_one_sentence():
    x = normal(20, 3)
    with pytest.raises(NotApplicableError, match="all training codes of a space are equal"):
        mcc(x, torch.full((20, 3), 0.1), x, x)
    with pytest.raises(ValueError, match="x and y must hold the same items in the same order, got 20 and 19"):
        mcc(x, x, x, x[:19])
    with pytest.raises(ValueError, match="x must be finite, but 1 of its 20 items hold NaN or infinity"):
        mcc(x, x, x.index_fill(0, torch.tensor([3]), torch.nan), x)
