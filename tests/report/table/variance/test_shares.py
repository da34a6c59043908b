"""Shares of variance: known answers, beside plain least squares, on even and uneven designs."""

import math

import numpy as np
import pytest

from latentbench.table.variance.shares import variance_shares


def explained(groups, values):
    """R^2 of a regression on indicators of groups: the share of variance that their means explain."""
    columns = np.stack([np.asarray(groups) == group for group in sorted(set(groups))], axis=1).astype(float)
    fitted = columns @ np.linalg.lstsq(columns, values, rcond=None)[0]
    return 1 - np.sum((values - fitted) ** 2) / np.sum((values - values.mean()) ** 2)


def drawn(sizes, generator):
    """Values of methods whose settings have these numbers of seeds."""
    return {
        f"m{m}": {f"s{s}": (m + 0.5 * s + generator.normal(size=count)).tolist() for s, count in enumerate(counts)}
        for m, counts in enumerate(sizes)
    }


@pytest.mark.parametrize("sizes", [[[3, 3], [3, 3], [3, 3]], [[1, 4, 2], [5], [2, 2]]])
def test_shares_are_those_of_nested_regressions(sizes):
    values = drawn(sizes, np.random.default_rng(0))
    rows = [(m, f"{m}/{s}", v) for m, settings in values.items() for s, seeds in settings.items() for v in seeds]
    methods, settings, numbers = zip(*rows, strict=True)
    by_method, by_setting = (explained(groups, np.array(numbers)) for groups in (methods, settings))
    shares = variance_shares(values)
    assert shares.method == pytest.approx(by_method)
    assert shares.setting == pytest.approx(by_setting - by_method)
    assert shares.seed == pytest.approx(1 - by_setting)
    assert shares.method + shares.setting + shares.seed == pytest.approx(1)
    assert shares.deviation == pytest.approx(np.std(numbers, ddof=1))
    free = len(numbers) - len(set(settings))
    adjusted = 1 - (1 - by_setting) / free * (len(numbers) - 1)  # adjusted R^2 of the larger regression
    assert shares.method_beyond_chance + shares.setting_beyond_chance == pytest.approx(adjusted)
    assert shares.seed_beyond_chance == pytest.approx(1 - adjusted)


def test_one_cause_alone_explains_everything():
    by_method = variance_shares({"a": {"1": [0, 0], "2": [0, 0]}, "b": {"1": [1, 1]}})
    by_setting = variance_shares({"a": {"1": [0, 0], "2": [1, 1]}, "b": {"1": [0, 0], "2": [1, 1]}})
    by_seed = variance_shares({"a": {"1": [0, 1], "2": [1, 0]}, "b": {"1": [0, 1]}})
    assert (by_method.method, by_setting.setting, by_seed.seed) == (1.0, 1.0, 1.0)


def test_where_seeds_alone_make_a_difference_nothing_is_beyond_chance():
    generator = np.random.default_rng(1)
    found = []
    for _ in range(200):
        noise = generator.normal(size=(4, 3, 2))
        shares = variance_shares(
            {str(m): {str(s): seeds for s, seeds in enumerate(of)} for m, of in enumerate(noise)}
        )
        found.append((shares.method, shares.setting, shares.method_beyond_chance, shares.setting_beyond_chance))
    method, setting, method_beyond, setting_beyond = np.mean(found, axis=0)
    assert method == pytest.approx(3 / 23, abs=0.02)  # degrees of freedom over their sum
    assert setting == pytest.approx(8 / 23, abs=0.03)
    assert abs(method_beyond) < 0.03
    assert abs(setting_beyond) < 0.03


def test_equal_values_have_no_shares():
    shares = variance_shares({"a": {"1": [0.1 + 0.2, 0.3]}, "b": {"1": [0.3, 0.3]}})
    assert shares.deviation == 0
    assert math.isnan(shares.method)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"a": {"1": [1.0]}, "b": {"1": [2.0]}}, "no setting has the values of two seeds"),
        ({"a": {"1": [1.0, 2.0]}}, "there is one setting in all"),
        ({}, "no setting has the values of two seeds"),
    ],
)
def test_too_few_values_are_refused(values, why):
    with pytest.raises(ValueError, match=why):
        variance_shares(values)
