from __future__ import annotations

import math
from contextlib import redirect_stdout
from io import StringIO

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from latentbench_metrics._shared.prdc import expected_coverage, precision_recall_density_coverage
from latentbench_metrics._shared.wasserstein import bures_w2_squared
from latentbench_metrics.generation import frechet_distance, kernel_distance, out_of_bounds


def normal(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def test_null_distance_is_centered_on_zero():
    values = [kernel_distance(normal(500, 16, seed=2 * i), normal(500, 16, seed=2 * i + 1)) for i in range(30)]
    assert np.mean(values) == pytest.approx(0, abs=0.003)
    assert min(values) < 0 < max(values)


@pytest.mark.parametrize(("count", "dim"), [(80, 12), (30, 40), (500, 3)])
def test_agrees_with_torchmetrics(torchmetrics, count, dim):
    from torchmetrics.image.kid import poly_mmd

    x, y = normal(count, dim), 1.3 * normal(count, dim, seed=1) + 0.2
    assert kernel_distance(x, y) == pytest.approx(float(poly_mmd(x, y)), rel=1e-9)


@pytest.mark.parametrize("dim", [1, 3, 15])  # by moments, by moments, by pairs
def test_agrees_with_the_formula_at_unequal_sizes(monkeypatch, dim):
    monkeypatch.setattr("latentbench_metrics.generation.CHUNK", 7)
    x, y = normal(20, dim), normal(31, dim, seed=1) + 1
    kernel = lambda a, b: float((a @ b / dim + 1) ** 3)  # noqa: E731
    within = [
        np.mean([kernel(s[i], s[j]) for i in range(len(s)) for j in range(len(s)) if i != j]) for s in (x, y)
    ]
    across = np.mean([kernel(a, b) for a in x for b in y])
    assert kernel_distance(x, y) == pytest.approx(sum(within) - 2 * across, rel=1e-9)


@pytest.mark.parametrize(("count", "dim"), [(3000, 20), (200, 30)])
def test_moments_and_pairs_agree(count, dim):
    from latentbench_metrics.generation import _lifted, _sums_by_moments, _sums_by_pairs

    x, y = _lifted(10 * normal(count, dim) + 3), _lifted(normal(count + 7, dim, seed=1))
    assert [float(v) for v in _sums_by_moments(x, y)] == pytest.approx([float(v) for v in _sums_by_pairs(x, y)])


@given(seed=st.integers(0, 10_000))
@settings(max_examples=10, deadline=None)
def test_order_rotation_and_precision_do_not_matter(seed):
    x, y = normal(40, 4, seed=seed), normal(50, 4, seed=seed + 1) + 1
    value = kernel_distance(x, y)
    turn = torch.linalg.qr(normal(4, 4, seed=seed))[0]
    assert kernel_distance(y, x) == pytest.approx(value, rel=1e-9)
    assert kernel_distance(x[torch.randperm(40)] @ turn, y @ turn) == pytest.approx(value, rel=1e-6, abs=1e-9)
    assert kernel_distance(x.float(), y.float()) == pytest.approx(value, rel=1e-4, abs=1e-4)


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match="n, m > 1"):
        kernel_distance(normal(1, 3), normal(5, 3))
    with pytest.raises(ValueError, match=r"got \(5, 3\) and \(5, 4\)"):
        kernel_distance(normal(5, 3), normal(5, 4))


@pytest.mark.parametrize(("count", "dim"), [(60, 4), (200, 24), (50, 1)])
def test_frechet_distance_agrees_with_scipy_and_torchmetrics(torchmetrics, count, dim):
    from scipy.linalg import sqrtm
    from torchmetrics.image.fid import _compute_fid

    mix = normal(dim, dim, seed=9)
    real, fake = normal(count, dim) @ mix + 5, 0.4 * normal(count + 13, dim, seed=1) - 2
    means = real.mean(0), fake.mean(0)
    covariances = [torch.from_numpy(np.cov(points.T.numpy()).reshape(dim, dim)) for points in (real, fake)]
    a, b = (c.numpy() for c in covariances)
    root = np.real(sqrtm(a @ b))
    by_scipy = float((means[0] - means[1]).square().sum()) + np.trace(a + b - 2 * root)
    actual = frechet_distance(real, fake)
    assert actual == pytest.approx(by_scipy, rel=1e-6)
    assert actual == pytest.approx(
        float(_compute_fid(means[0], covariances[0], means[1], covariances[1])), rel=1e-6
    )
    assert actual == bures_w2_squared(real, fake)
    assert frechet_distance(fake, real) == pytest.approx(actual, rel=1e-9)
    assert frechet_distance(real.float(), fake.float()) == pytest.approx(actual, rel=1e-4)


def test_frechet_distance_is_blind_to_what_is_not_covariance():
    normals, signs = normal(4000, 5), normal(4000, 5, seed=1).sign()
    assert frechet_distance(normals, signs) < 0.03
    assert abs(kernel_distance(normals, signs)) < 0.03  # moments up to the third are alike too
    assert precision_recall_density_coverage(normals, signs)["coverage"] < 0.5


def by_prdc(real, fake, k):
    import prdc

    with redirect_stdout(StringIO()):
        return prdc.compute_prdc(real.numpy(), fake.numpy(), nearest_k=k)


@pytest.mark.parametrize("k", [1, 4, 10])
@pytest.mark.parametrize(
    ("count", "dim", "spread", "shift"), [(150, 2, 1.0, 0.0), (300, 30, 0.6, 0.3), (97, 7, 2.0, -1.0)]
)
def test_agrees_with_prdc(k, count, dim, spread, shift):
    pytest.importorskip("prdc")
    real, fake = normal(count, dim), spread * normal(count, dim, seed=1) + shift
    shares = precision_recall_density_coverage(real, fake, k)
    assert shares == pytest.approx(by_prdc(real, fake, k), abs=1e-12)


@pytest.mark.parametrize("k", [1, 3, 5, 10])
@pytest.mark.parametrize("dim", [1, 5, 30])
def test_a_sample_against_itself_at_any_k(k, dim):
    points = normal(120, dim)
    ones = dict.fromkeys(["precision", "recall", "density", "coverage"], 1.0)
    shares = precision_recall_density_coverage(points, points, k)
    assert {**shares, "density": 1.0} == ones
    apart = precision_recall_density_coverage(points, points + 100, k)
    assert apart == dict.fromkeys(ones, 0.0)


@pytest.mark.parametrize("k", [1, 3, 5, 10])
@pytest.mark.parametrize(("count", "dim", "draws"), [(200, 2, 40), (200, 50, 40), (1000, 8, 6)])
def test_coverage_of_alike_samples_is_what_theory_says_at_any_k(k, count, dim, draws):
    values = [
        precision_recall_density_coverage(normal(count, dim, seed=2 * s), normal(count, dim, seed=2 * s + 1), k)[
            "coverage"
        ]
        for s in range(draws)
    ]
    error = 4 * np.std(values, ddof=1) / math.sqrt(draws)
    assert np.mean(values) == pytest.approx(expected_coverage(count, k), abs=max(error, 0.003))


@pytest.mark.parametrize(("k", "dim"), [(1, 64), (5, 16), (10, 3)])
def test_coverage_of_three_thousand(k, dim):
    shares = precision_recall_density_coverage(normal(3000, dim), normal(3000, dim, seed=1), k)
    assert shares["coverage"] == pytest.approx(expected_coverage(3000, k), abs=0.03)


@pytest.mark.parametrize("dim", [1, 6, 40])
def test_out_of_bounds_agrees_with_sorted_distances(dim):
    train, test, fake = normal(200, dim), normal(80, dim, seed=1), 1.4 * normal(90, dim, seed=2)
    near = lambda points: np.array([min(np.linalg.norm(p - q) for q in train.numpy()) for p in points.numpy()])  # noqa: E731
    limit = np.quantile(near(test), 0.95)
    assert out_of_bounds(train, test, fake) == pytest.approx(np.mean(near(fake) > limit), abs=1e-12)
    alike = out_of_bounds(train.repeat(2, 1), test, normal(4000, dim, seed=3)[:2000])
    assert alike == pytest.approx(0.05, abs=0.06)
