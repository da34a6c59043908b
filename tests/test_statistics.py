import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from latentbench.statistics import (
    average_ranks,
    critical_difference,
    holm,
    iqm,
    nemenyi_quantile,
    paired_difference,
    t_interval,
)

RNG_SEED = 20


def test_s1_known_answers():
    assert iqm(range(1, 9)) == 4.5
    assert nemenyi_quantile(4) == pytest.approx(2.569, abs=1e-3)
    assert critical_difference(k=4, n=14) == pytest.approx(1.2536, abs=1e-3)


def test_t_interval_is_the_one_of_scipy():
    values = np.random.default_rng(RNG_SEED).normal(size=5)
    mean, low, high = t_interval(values, level=0.9)
    assert mean == pytest.approx(values.mean())
    assert (low, high) == pytest.approx(stats.t.interval(0.9, 4, loc=values.mean(), scale=stats.sem(values)))


def test_one_value_has_no_interval():
    mean, low, high = t_interval([2.0])
    assert mean == 2
    assert math.isnan(low)
    assert math.isnan(high)


@pytest.mark.parametrize("seeds", [3, 5])
def test_t_interval_covers_the_truth_95_percent_of_the_time(seeds):
    samples = np.random.default_rng(RNG_SEED).normal(1.0, 0.3, size=(2000, seeds))
    covered = [low <= 1.0 <= high for _, low, high in map(t_interval, samples)]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.015)  # 3 standard errors of 2000 draws


def test_over_seeds_alone_it_is_the_paired_t_test():
    a, b = np.random.default_rng(RNG_SEED).normal(size=(2, 6))
    result = paired_difference(a, b)
    reference = stats.ttest_rel(a, b)
    assert result.dof == 5
    assert result.mean / result.standard_error == pytest.approx(reference.statistic)
    assert result.p_value == pytest.approx(reference.pvalue)


def test_the_variance_over_items_is_added():
    a = np.random.default_rng(RNG_SEED).normal(size=(5, 40))
    result = paired_difference(a, np.zeros_like(a))
    seeds, items = a.mean(1).var(ddof=1) / 5, a.mean(0).var(ddof=1) / 40
    assert result.standard_error == pytest.approx(math.sqrt(seeds + items))
    assert result.dof == pytest.approx((seeds + items) ** 2 / (seeds**2 / 4 + items**2 / 39))


def test_models_that_never_vary_over_seeds_are_compared_over_items():
    a = np.tile(np.random.default_rng(RNG_SEED).normal(size=30), (2, 1))
    result = paired_difference(a, np.zeros_like(a))
    reference = stats.ttest_1samp(a[0], 0)
    assert result.dof == pytest.approx(29)
    assert result.p_value == pytest.approx(reference.pvalue)


def false_positives(noise_of_items):
    rng = np.random.default_rng(RNG_SEED)
    found = 0
    for _ in range(2000):
        seeds = rng.normal(size=(5, 1)) * 0.1
        items = rng.normal(size=(1, 50)) * noise_of_items
        difference = seeds + items + rng.normal(size=(5, 50)) * 0.1
        found += paired_difference(difference, np.zeros_like(difference)).p_value < 0.05
    return found / 2000


@pytest.mark.parametrize("noise_of_items", [0.0, 0.5, 2.0])
def test_false_positives_are_about_five_percent(noise_of_items):
    assert 0.02 < false_positives(noise_of_items) < 0.065


def test_seeds_alone_would_cry_wolf_where_the_test_set_is_small():
    rng = np.random.default_rng(RNG_SEED)
    found = 0
    for _ in range(300):
        difference = rng.normal(size=(1, 50)) + rng.normal(size=(5, 50)) * 0.1
        found += stats.ttest_1samp(difference.mean(1), 0).pvalue < 0.05
    assert found / 300 > 0.5


@pytest.mark.parametrize(("a", "p"), [([1.0, 1.0], 1.0), ([2.0, 2.0], 0.0)])
def test_without_any_spread_only_equality_is_not_a_difference(a, p):
    assert paired_difference(a, [1.0, 1.0]).p_value == p


@pytest.mark.parametrize(("a", "b"), [([1.0], [2.0]), ([1.0, 2.0], [1.0, 2.0, 3.0]), (np.ones((2, 2, 2)),) * 2])
def test_refuses_shapes_that_are_not_pairs(a, b):
    with pytest.raises(ValueError, match=r"\(seeds,\) or \(seeds, items\)"):
        paired_difference(a, b)


def test_holm_by_hand():
    np.testing.assert_allclose(holm([0.01, 0.02, 0.03, 0.005]), [0.03, 0.04, 0.04, 0.02])


def test_holm_passes_over_what_has_no_p_value():
    np.testing.assert_allclose(holm([0.02, math.nan, 0.03]), [0.04, math.nan, 0.04])
    assert holm([]).shape == (0,)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_lies_between_raw_and_bonferroni_and_keeps_the_order(p_values):
    raw, adjusted = np.array(p_values), holm(p_values)
    assert (adjusted >= raw).all()
    assert (adjusted <= np.minimum(1, raw * len(raw))).all()
    assert (np.diff(adjusted[np.argsort(raw)]) >= 0).all()


def test_average_ranks_as_in_scipy():
    table = np.random.default_rng(RNG_SEED).integers(0, 4, size=(9, 5))
    np.testing.assert_allclose(average_ranks(table), stats.rankdata(-table, axis=1).mean(0))
    assert average_ranks(table).sum() == pytest.approx(15)


def test_a_gap_has_no_rank():
    with pytest.raises(ValueError, match="gaps"):
        average_ranks([[1.0, math.nan]])
    with pytest.raises(ValueError, match="blocks, models"):
        average_ranks([1.0, 2.0])


def test_statistics_of_nothing_are_refused():
    for function in (t_interval, iqm):
        with pytest.raises(ValueError, match="non-empty vector"):
            function([])
