from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.stats import entropy as scipy_entropy
from sklearn.metrics import mutual_info_score
from sklearn.metrics.cluster import contingency_matrix, expected_mutual_information

from latentbench_metrics.disentanglement._information import (
    adjusted_information,
    entropy,
    equal_frequency,
    equal_width,
    expected_information,
    mutual_information,
)


def test_mutual_information_against_scikit_learn():
    rng = np.random.default_rng(0)
    for n, rows, columns in [(50, 3, 7), (1000, 20, 16), (17, 17, 2), (200, 1, 4)]:
        first, second = rng.integers(rows, size=n), rng.integers(columns, size=n) * rng.integers(2, size=n)
        assert mutual_information(first, second) == pytest.approx(mutual_info_score(first, second), abs=1e-12)
        assert entropy(first) == pytest.approx(scipy_entropy(np.bincount(first)), abs=1e-12)
        table = contingency_matrix(first, second).astype(np.int64)
        expected = expected_mutual_information(table, n)
        assert expected_information([first], second)[0] == pytest.approx(expected, abs=1e-9)


def test_expected_information_is_the_mean_over_all_orders():
    first, second = np.array([0, 0, 1, 1, 2]), np.array([0, 0, 0, 1, 2])
    orders = [mutual_info_score(first, second[list(order)]) for order in itertools.permutations(range(5))]
    assert expected_information([first], second)[0] == pytest.approx(np.mean(orders), abs=1e-12)
    adjusted = adjusted_information([second], [first])[0, 0]
    expected = (mutual_info_score(first, second) - np.mean(orders)) / (entropy(first) - np.mean(orders))
    assert adjusted == pytest.approx(expected, abs=1e-12)


def test_bins_of_equal_frequency():
    rng = np.random.default_rng(0)
    assert (np.bincount(equal_frequency(rng.standard_normal(1000))) == 50).all()
    assert set(np.bincount(equal_frequency(rng.standard_normal(1010)))) == {50, 51}
    assert equal_frequency(np.array([3.0, -7, 3, 1e9])).tolist() == [1, 0, 1, 2]
    assert equal_frequency(np.full(30, 0.1)).tolist() == [0] * 30
    spike = np.concatenate([np.zeros(500), 1 + rng.random(500)])
    sizes = np.bincount(equal_frequency(spike))
    assert sorted(sizes[sizes > 0]) == [50] * 10 + [500]
    values = rng.integers(40, size=4000).astype(float)  # half of 40 values: two neighbors to a bin
    assert (equal_frequency(values) == values // 2).mean() > 0.97


def test_bins_of_equal_width_are_those_of_numpy():
    rng = np.random.default_rng(0)
    for column in (rng.standard_normal(500), rng.integers(32, size=500).astype(float)):
        expected = np.digitize(column, np.histogram(column, 20)[1][:-1]) - 1
        assert (equal_width(column) == expected).mean() > 0.99
    assert len(set(equal_width(np.full(5, 0.3)))) == 1
