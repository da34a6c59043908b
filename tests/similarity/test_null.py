import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentbench.similarity.null import Null, adjusted_p, calibrated


def test_a_null_tells_the_quantile_on_the_side_that_is_better():
    values = np.arange(200) / 200
    up, down = Null.of(values, "up"), Null.of(values, "down")
    assert (values > up.quantile).mean() < 0.05 <= (values >= up.quantile).mean()
    assert (values < down.quantile).mean() < 0.05 <= (values <= down.quantile).mean()
    assert up.mean == down.mean == pytest.approx(values.mean())
    assert up.deviation == pytest.approx(values.std(ddof=1))


@pytest.mark.parametrize("values", [[], [0.5], [[0.1, 0.2]]])
def test_a_null_needs_two_permutations(values):
    with pytest.raises(ValueError, match="two at least"):
        Null.of(values, "up")


def test_calibrated_values_run_from_the_null_to_the_best():
    null = Null(0.1, 0.05, 0.2, 200)
    assert [calibrated(value, null, 1.0) for value in (1.0, 0.2, 0.6)] == pytest.approx([1, 0, 0.5])
    assert calibrated(0.1, null, 1.0) < 0
    worse = Null(1.0, 0.05, 0.9, 200)  # of a score that is better the lower it is
    assert [calibrated(value, worse, 0.0) for value in (0.0, 0.9, 0.45)] == pytest.approx([1, 0, 0.5])
    assert calibrated(1.0, worse, 0.0) < 0


def test_a_score_without_a_best_value_is_not_calibrated():
    assert math.isnan(calibrated(0.5, Null(0.1, 0.05, 0.2, 200), math.inf))
    assert math.isnan(calibrated(1.0, Null(1.0, 0.0, 1.0, 200), 1.0))


def test_the_p_value_of_a_single_pair_is_the_share_of_permutations_that_reach_it():
    nulls = np.arange(200.0)[None]
    assert adjusted_p([150.0], nulls, "up") == pytest.approx([51 / 201])
    assert adjusted_p([49.0], nulls, "down") == pytest.approx([51 / 201])
    assert adjusted_p([1000.0], nulls, "up") == pytest.approx([1 / 201])


def test_pairs_are_standardized_before_the_largest_is_taken():
    narrow, wide = np.random.default_rng(0).normal(size=(2, 200)) * [[0.01], [10.0]]
    p_narrow, p_wide = adjusted_p([0.05, 0.0], [narrow, wide], "up")
    assert p_narrow < 0.02
    assert p_wide > 0.5


def test_a_null_that_does_not_vary_is_exceeded_or_not():
    constant = np.full((3, 20), 0.5)
    assert adjusted_p([0.6, 0.5, 0.4], constant, "up") == pytest.approx([1 / 21, 1, 1])
    assert adjusted_p([0.5], constant[:1], "up") == [1]


@pytest.mark.parametrize(
    ("observed", "nulls"),
    [([0.1], [0.1, 0.2]), ([0.1], [[0.1]]), ([0.1, 0.2], [[0.1, 0.2]]), ([np.nan], [[0.1, 0.2]])],
)
def test_shapes_and_numbers_that_cannot_be_are_refused(observed, nulls):
    with pytest.raises(ValueError, match="must be"):
        adjusted_p(observed, nulls, "up")


def test_no_pair_gives_no_p_value():
    assert len(adjusted_p([], np.zeros((0, 200)), "up")) == 0


@given(st.integers(0, 2**32 - 1))
def test_neither_units_nor_the_order_of_pairs_matter(seed):
    rng = np.random.default_rng(seed)
    observed, nulls = rng.normal(size=5) + 1, rng.normal(size=(5, 50))
    p_values = adjusted_p(observed, nulls, "up")
    order = rng.permutation(5)
    assert adjusted_p(observed[order], nulls[order], "up") == pytest.approx(p_values[order])
    assert adjusted_p(3 * observed + 1, 3 * nulls + 1, "up") == pytest.approx(p_values)
    assert adjusted_p(-observed, -nulls, "down") == pytest.approx(p_values)


def test_unrelated_pairs_are_rejected_as_seldom_as_the_level_says():
    rng = np.random.default_rng(1)
    drawn = rng.normal(size=(2000, 5, 201)) * rng.uniform(0.1, 10, (2000, 5, 1))
    rejected = [adjusted_p(table[:, 0], table[:, 1:], "up").min() < 0.05 for table in drawn]
    assert 0.035 <= np.mean(rejected) <= 0.065
