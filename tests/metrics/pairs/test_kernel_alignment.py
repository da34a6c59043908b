from __future__ import annotations

import numpy as np
import pytest
import torch

from latentbench import LatentSpace, NotApplicableError
from latentbench_metrics.pairs.kernel_alignment import KernelAlignment, cka
from tests.metrics.pairs.conftest import normal


def naive_hsic(x, y):
    """Song 2012, equation 5, with all n x n kernels and without centering."""
    k, l = (points.numpy() @ points.numpy().T for points in (x.double(), y.double()))  # noqa: E741
    np.fill_diagonal(k, 0)
    np.fill_diagonal(l, 0)
    n, one = len(k), np.ones(len(k))
    last = 2 / (n - 2) * one @ k @ l @ one
    return (np.trace(k @ l) + one @ k @ one * (one @ l @ one) / ((n - 1) * (n - 2)) - last) / (n * (n - 3))


def naive_cka(x, y):
    return naive_hsic(x, y) / np.sqrt(naive_hsic(x, x) * naive_hsic(y, y))


def textbook_cka(x, y):
    x, y = (points - points.mean(0) for points in (x, y))
    return float((x.T @ y).square().sum() / ((x.T @ x).norm() * (y.T @ y).norm()))


@pytest.mark.parametrize(("count", "width", "other"), [(4, 1, 1), (5, 3, 2), (60, 8, 3), (60, 1, 5), (20, 90, 40)])
def test_agrees_with_the_definition(count, width, other):
    """Related and unrelated spaces, one dimension, more dimensions than items."""
    x = normal(count, width)
    for y in (normal(count, other, seed=1), x[:, :other] + 0.5 * normal(count, min(other, width), seed=2)):
        assert cka(x, y) == pytest.approx(naive_cka(x, y), abs=1e-9)


def test_unrelated_spaces_score_0_where_the_textbook_formula_says_a_third():
    """n = 200, p = q = 100; the standard deviation of the unbiased one is about 1 / n."""
    values = [cka(normal(200, 100, seed=seed), normal(200, 100, seed=seed + 50)) for seed in range(10)]
    assert max(map(abs, values)) < 0.02
    assert np.mean(values) == pytest.approx(0, abs=0.005)
    assert textbook_cka(normal(200, 100), normal(200, 100, seed=50)) == pytest.approx(1 / 3, abs=0.01)


def test_noise_of_half_the_standard_deviation():
    """1 / 1.25; the estimate's standard deviation is about 0.005."""
    x = normal(2000, 8)
    assert cka(x, x + 0.5 * normal(2000, 8, seed=1)) == pytest.approx(0.8, abs=0.015)


def test_one_axis_of_four_times_20():
    """403 / (2 * 400.004): the kernel of y is that of one axis alone."""
    x = normal(20_000, 4)
    y = x * torch.tensor([20.0, 1, 1, 1])
    assert cka(x, y) == pytest.approx(403 / (2 * 160_003**0.5), abs=0.01)


def test_a_tenth_of_the_items_far_away_decides_it():
    x = normal(2000, 8)
    y = x.clone()
    y[:200, 0] += 30
    assert cka(x, y) < 0.1


def test_a_mean_of_a_million_in_float32():
    """Codes in steps of 1/16: the score is that of the very numbers given."""
    x = (1e6 + 8 * normal(500, 6)).float()
    y = (x.double() + 4 * normal(500, 6, seed=1)).float()
    assert cka(x, y) == pytest.approx(naive_cka(x.double() - 1e6, y.double() - 1e6), abs=1e-9)


def test_constant_dimensions_count_nothing():
    x, y = normal(100, 3), normal(100, 3) + normal(100, 3, seed=1)
    padded = torch.cat([torch.full((100, 2), 7.0), x, torch.zeros(100, 1)], 1)
    assert cka(padded, y) == pytest.approx(cka(x, y), abs=1e-10)


def test_duplicates_of_all_items():
    """The definition again, where half of all pairs of neighbors are 0 apart."""
    x, y = normal(30, 3).repeat(2, 1), normal(30, 2, seed=1).repeat(2, 1)
    assert cka(x, y) == pytest.approx(naive_cka(x, y), abs=1e-10)


def test_equal_items_and_equal_distances_have_no_alignment():
    with pytest.raises(NotApplicableError, match="all codes of a space are equal"):
        cka(normal(20, 3), torch.full((20, 3), 0.1))
    with pytest.raises(NotApplicableError, match="all items of a space are equally far from each other"):
        cka(normal(20, 3), torch.eye(20))


def test_wrong_codes_are_refused_in_one_sentence():
    with pytest.raises(ValueError, match="x and y must hold the same items in the same order, got 20 and 19"):
        cka(normal(20, 3), normal(19, 3))
    with pytest.raises(ValueError, match="x and y must hold at least 4 items, got 3"):
        cka(normal(3, 3), normal(3, 3))
    with pytest.raises(ValueError, match=r"y must be \(n, d\) with at least one dimension, got shape \(20,\)"):
        cka(normal(20, 3), normal(20))
    for bad in (float("nan"), float("inf")):
        broken = normal(20, 3)
        broken[4, 1] = broken[5, 2] = bad
        with pytest.raises(ValueError, match="x must be finite, but 2 of its 20 items hold NaN or infinity"):
            cka(broken, normal(20, 3))


def test_the_metric_is_the_function_in_any_order():
    metric = KernelAlignment(KernelAlignment.Params())
    x, y = normal(50, 3).float(), normal(50, 80, seed=1).float()
    a, b = (metric.prepare(LatentSpace.from_arrays(codes=codes)) for codes in (x, y))
    assert metric.compute(a, b) == cka(x, y)
    order = torch.randperm(50, generator=torch.Generator().manual_seed(0))
    again = metric.reordered(metric.reordered(b, order, None), order, None)
    for one, other, expected in (
        (a, metric.reordered(b, order, None), cka(x, y[order])),
        (metric.reordered(b, order, None), a, cka(x, y[order])),
        (a, again, cka(x, y[order][order])),
        (metric.reordered(a, order, None), metric.reordered(b, order, None), cka(x, y)),
    ):
        assert metric.compute(one, other) == pytest.approx(expected, abs=1e-12)
