from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from latentbench import NotApplicableError
from latentbench_metrics.pairs.linear_maps import linear_r2
from tests.metrics.pairs.conftest import halved, normal, turn


def naive(x_train, y_train, x, y):
    from sklearn.linear_model import LinearRegression
    from sklearn.metrics import r2_score

    model = LinearRegression().fit(x_train.double().numpy(), y_train.double().numpy())
    predicted = model.predict(x.double().numpy())
    return r2_score(y.double().numpy(), predicted, multioutput="variance_weighted")


@pytest.mark.parametrize(("width", "other"), [(1, 1), (1, 4), (6, 6), (3, 9), (9, 3)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_agrees_with_scikit_learn(width, other, dtype):
    x = normal(200, width)
    y = normal(200, other, seed=1) + x[:, :1]
    given = [part.to(dtype) for part in halved(x, y)]
    assert linear_r2(*given) == pytest.approx(naive(*given), abs=1e-9)


def test_unrelated_spaces_score_just_below_0():
    """About -d / m on other items, and d / m on those it was fitted to."""
    x, y = normal(4000, 8), normal(4000, 8, seed=1)
    assert linear_r2(*halved(x, y)) == pytest.approx(-8 / 2000, abs=0.004)


def test_noise_of_half_the_standard_deviation_both_ways():
    """0.8; the standard deviation over samples is about 0.003."""
    x = normal(4000, 8)
    y = x + 0.5 * normal(4000, 8, seed=1)
    assert linear_r2(*halved(x, y)) == pytest.approx(0.8, abs=0.012)
    assert linear_r2(*halved(y, x)) == pytest.approx(0.8, abs=0.012)


def test_one_axis_of_four_times_20_and_a_part():
    x = normal(2000, 4)
    y = x * torch.tensor([20.0, 1, 1, 1])
    assert linear_r2(*halved(x, y)) == pytest.approx(1, abs=1e-12)
    assert linear_r2(*halved(y, x)) == pytest.approx(1, abs=1e-12)
    assert linear_r2(*halved(x, x[:, :1])) == pytest.approx(1, abs=1e-12)
    assert linear_r2(*halved(x[:, :1], x)) == pytest.approx(0.25, abs=0.03)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 1000),
    width=st.integers(1, 12),
    scale=st.sampled_from([1e-12, 0.5, 1e6]),
    shift=st.sampled_from([0.0, 1.0, -1e3]),
)
def test_any_invertible_map_of_x_and_any_rotation_of_y_change_nothing(seed, width, scale, shift):
    x, y = normal(60, width, seed=seed), normal(60, 5, seed=seed + 1)
    value = linear_r2(*halved(x, y))
    axes = torch.logspace(-3, 3, width, dtype=torch.float64)
    assert linear_r2(*halved(scale * (x @ turn(width, seed) * axes + shift), y)) == pytest.approx(value, abs=1e-6)
    assert linear_r2(*halved(x, scale * (y @ turn(5, seed) + shift))) == pytest.approx(value, abs=1e-6)
    order = torch.randperm(30, generator=torch.Generator().manual_seed(seed))
    assert linear_r2(*(part[order] for part in halved(x, y))) == pytest.approx(value, abs=1e-9)


def test_an_axis_a_trillion_times_smaller_counts_as_any_other():
    x = normal(400, 2)
    small = x * torch.tensor([1.0, 1e-12])
    assert linear_r2(*halved(small, x)) == pytest.approx(1, abs=1e-9)
    assert linear_r2(*halved(small.float(), x.float())) == pytest.approx(1, abs=1e-9)


def test_dimensions_that_depend_on_each_other_count_once():
    x, y = normal(200, 3), normal(200, 4, seed=1) + normal(200, 1)
    value = linear_r2(*halved(x, y))
    mixed = torch.cat([x, x @ normal(3, 5, seed=2), torch.full((200, 2), 0.3)], 1)
    assert linear_r2(*halved(mixed, y)) == pytest.approx(value, abs=1e-9)
    assert linear_r2(*halved(mixed.float(), y.float())) == pytest.approx(value, abs=1e-5)


def test_what_only_rounding_distinguishes_is_not_extrapolated():
    """Two columns are equal in training but for rounding, and differ by 1 in a scored item."""
    x = normal(400, 1).float()
    both = torch.cat([x, x + 1e-7 * normal(400, 1, seed=1).float()], 1)
    y = x + 0.5 * normal(400, 1, seed=2).float()
    both[-1, 1] += 1
    assert linear_r2(*halved(both, y)) == pytest.approx(linear_r2(*halved(x, y)), abs=0.02)


@pytest.mark.parametrize("train", [2, 5, 12])
def test_fewer_training_items_than_dimensions(train):
    """The least-squares map of the smallest norm of dimensions scaled to equal variance."""
    x, y = normal(100 + train, 12), normal(100 + train, 3, seed=1)
    parts = x[:train], y[:train], x[train:], y[train:]
    mean, width = parts[0].mean(0), parts[0].std(0)
    units = [(part - mean) / width for part in (parts[0], parts[2])]
    assert linear_r2(*parts) == pytest.approx(naive(units[0], parts[1], units[1], parts[3]), abs=1e-9)


def test_constant_spaces():
    x, y, flat = normal(100, 3), normal(100, 2, seed=1), torch.full((100, 2), 0.1)
    assert linear_r2(*halved(flat, y)) == pytest.approx(naive(*halved(flat, y)), abs=1e-12)
    reason = "all codes of the second space are equal: there is nothing to explain"
    with pytest.raises(NotApplicableError, match=reason):
        linear_r2(*halved(x, flat))
    assert linear_r2(*halved(x, torch.cat([flat, y], 1))) == pytest.approx(linear_r2(*halved(x, y)), abs=1e-12)


def test_a_mean_of_a_million_in_float32():
    x = (1e6 + 8 * normal(500, 6)).float()
    y = (x.double() + 4 * normal(500, 6, seed=1)).float()
    expected = naive(*(part.double() - 1e6 for part in halved(x, y)))
    assert linear_r2(*halved(x, y)) == pytest.approx(expected, abs=1e-9)


def test_duplicates_change_nothing():
    x, y = normal(100, 3), normal(100, 3) + normal(100, 3, seed=1)
    doubled = [part.repeat(2, 1) for part in halved(x, y)]
    assert linear_r2(*doubled) == pytest.approx(linear_r2(*halved(x, y)), abs=1e-12)


def test_wrong_codes_are_refused_in_one_sentence():
    x = normal(20, 3)
    with pytest.raises(ValueError, match="x_train and y_train must hold the same items in the same order"):
        linear_r2(x, x[:19], x, x)
    with pytest.raises(ValueError, match="x_train and x must have equally many dimensions, got 2 and 3"):
        linear_r2(x[:, :2], x, x, x)
    with pytest.raises(ValueError, match="y must be finite, but 1 of its 20 items hold NaN or infinity"):
        linear_r2(x, x, x, x.index_fill(0, torch.tensor([3]), torch.nan))
