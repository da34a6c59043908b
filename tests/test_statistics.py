import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import stats

from latentbench.statistics import (
    average_ranks,
    beaten,
    critical_difference,
    holm,
    holm_levels,
    nemenyi_quantile,
    paired_difference,
    rank_intervals,
    t_interval,
    tail,
)

RNG_SEED = 20


def standard_error(difference):
    return math.sqrt(sum(variance for variance, _ in difference.variances))


def test_critical_differences_are_those_of_published_tables():
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
    assert [dof for _, dof in result.variances] == [5]
    assert result.half() == pytest.approx(result.mean - reference.confidence_interval().low)
    assert result.mean / standard_error(result) == pytest.approx(reference.statistic)
    assert result.p_value == pytest.approx(reference.pvalue)


def test_the_variance_over_items_is_added():
    a = np.random.default_rng(RNG_SEED).normal(size=(5, 40))
    result = paired_difference(a, np.zeros_like(a))
    seeds, items = a.mean(1).var(ddof=1) / 5, a.mean(0).var(ddof=1) / 40
    assert standard_error(result) == pytest.approx(math.sqrt(seeds + items))
    assert result.variances == (pytest.approx((seeds, 4)), pytest.approx((items, 39)))
    t_seeds, t_items = stats.t.isf(result.p_value / 2, 4), stats.t.isf(result.p_value / 2, 39)
    assert math.sqrt(t_seeds**2 * seeds + t_items**2 * items) == pytest.approx(abs(result.mean))


def test_models_that_never_vary_over_seeds_are_compared_over_items():
    a = np.tile(np.random.default_rng(RNG_SEED).normal(size=30), (2, 1))
    result = paired_difference(a, np.zeros_like(a))
    reference = stats.ttest_1samp(a[0], 0)
    assert result.variances[0] == (0, 1)
    assert result.p_value == pytest.approx(reference.pvalue)


def false_positives(noise_of_items):
    rng = np.random.default_rng(RNG_SEED)
    rejected = 0
    for _ in range(2000):
        seeds = rng.normal(size=(5, 1)) * 0.1
        items = rng.normal(size=(1, 50)) * noise_of_items
        difference = seeds + items + rng.normal(size=(5, 50)) * 0.1
        rejected += paired_difference(difference, np.zeros_like(difference)).p_value < 0.05
    return rejected / 2000


@pytest.mark.parametrize("noise_of_items", [0.0, 0.5, 2.0])
def test_false_positives_are_about_five_percent(noise_of_items):
    assert 0.02 < false_positives(noise_of_items) < 0.065


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_small_p_values_are_as_rare_as_they_say(share):
    """Each part of the variance as it is drawn: 4 degrees of freedom for five seeds, 359 for 360 items."""
    rng = np.random.default_rng(RNG_SEED)
    seeds, items = share * rng.chisquare(4, 20_000) / 4, (1 - share) * rng.chisquare(359, 20_000) / 359
    size = abs(rng.normal(size=20_000))
    satterthwaite = (seeds + items) ** 2 / (seeds**2 / 4 + items**2 / 359)
    reach = {
        p: np.sqrt(stats.t.isf(p / 2, 4) ** 2 * seeds + stats.t.isf(p / 2, 359) ** 2 * items)
        for p in (0.05, 0.002)
    }
    for p, half in reach.items():
        assert (size > half).mean() < p + 3 * math.sqrt(p / 20_000)
    loose = size > stats.t.isf(0.001, satterthwaite) * np.sqrt(seeds + items)
    assert (loose.mean() > 0.003) == (share > 0.4)


@given(st.floats(1e-6, 1e3), st.floats(-40, 3), st.integers(1, 9), st.integers(1, 5000))
@example(100.0, -40.0, 9, 2000)  # seeds differ by rounding alone
@example(1e-6, 3.0, 1, 1)
def test_p_value_lies_between_those_of_either_freedom(size, exponent, few, many):
    p = tail(size, [(10**exponent, few), (1.0, many)])
    ends = [2 * stats.t.sf(size / math.sqrt(1 + 10**exponent), dof) for dof in (few, many)]
    assert min(ends) * 0.99 <= p <= max(*ends, 1e-100) * 1.01


def test_seeds_alone_reject_too_often_where_the_test_set_is_small():
    rng = np.random.default_rng(RNG_SEED)
    rejected = 0
    for _ in range(300):
        difference = rng.normal(size=(1, 50)) + rng.normal(size=(5, 50)) * 0.1
        rejected += stats.ttest_1samp(difference.mean(1), 0).pvalue < 0.05
    assert rejected / 300 > 0.5


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


def test_rank_intervals_by_hand():
    nobody = np.zeros((3, 3), bool)
    assert rank_intervals(nobody) == [(1, 3)] * 3
    assert rank_intervals(np.triu(np.ones((3, 3), bool), 1)) == [(1, 1), (2, 2), (3, 3)]
    first_beats_last = nobody.copy()
    first_beats_last[0, 2] = True
    assert rank_intervals(first_beats_last) == [(1, 2), (1, 3), (2, 3)]
    assert rank_intervals([[False]]) == [(1, 1)]


@pytest.mark.parametrize("better", [[True], [[False, True]], np.ones((2, 2)), np.eye(2)])
def test_what_is_no_comparison_has_no_ranks(better):
    with pytest.raises(ValueError, match=r"better must be \(k, k\)"):
        rank_intervals(better)


def test_statistics_of_nothing_are_refused():
    with pytest.raises(ValueError, match="non-empty vector"):
        t_interval([])


@pytest.mark.parametrize("seed", range(20))
def test_intervals_of_holms_levels_agree_with_holm(seed):
    """Normal differences, some real: an interval of its level leaves out 0 exactly where Holm rejects."""
    z = np.random.default_rng(seed).normal(size=12) + 3 * (np.arange(12) < 5)
    p = 2 * stats.norm.sf(abs(z))
    halves = stats.norm.isf((1 - holm_levels(p)) / 2)
    assert ((abs(z) > halves) == (holm(p) < 0.05)).all()
    assert np.isnan(holm_levels([math.nan, 0.01])[0])
    assert holm_levels([math.nan, 0.01])[1] == pytest.approx(0.95)
    assert holm_levels([]).size == 0


def test_a_group_is_beaten_whole_or_in_part():
    assert [list(each) for each in beaten([[0.04, 0.03, 0.02]])] == [[True] * 3]
    assert [list(each) for each in beaten([[0.2, 0.03, 0.02]])] == [[False] * 3]
    assert [list(each) for each in beaten([[0.2, 0.024, 0.02]])] == [[False, True, True]]
    assert [list(each) for each in beaten([[0.9, 0.001]])] == [[False, True]]
    assert [list(each) for each in beaten([[0.03], [0.04]])] == [[False], [False]]
    assert [list(each) for each in beaten([[0.02], [0.04]])] == [[True], [True]]
    assert [list(each) for each in beaten([[], [0.04]])] == [[], [True]]
    assert beaten([]) == []


@pytest.mark.parametrize("shared", [0.0, 0.9])
def test_false_rejections_among_groups_are_rare(shared):
    """Eight groups of three, one hypothesis of each true: any of the true ones is rejected in 5 % of cases."""
    rng, wrong, repeats = np.random.default_rng(3), 0, 1000
    for _ in range(repeats):
        common = rng.normal(size=(8, 1))
        z = shared**0.5 * common + (1 - shared) ** 0.5 * rng.normal(size=(8, 3)) + np.array([0, 5, 9])
        wrong += any(each[0] for each in beaten(stats.norm.sf(z).tolist()))
    assert wrong < 0.05 * repeats + 3.1 * math.sqrt(0.05 * 0.95 * repeats)
