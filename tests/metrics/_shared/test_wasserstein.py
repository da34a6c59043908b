from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from latentbench.latent.transport.pot import pot
from latentbench_metrics._shared.sinkhorn import sinkhorn_divergence
from latentbench_metrics._shared.wasserstein import (
    bures_w2_squared,
    class_transport,
    gaussian_w2_squared,
    orthonormal_directions,
    sliced_w2_squared,
    w2_squared,
    w2_squared_split,
    w2_squared_within,
)

DISTANCES = (w2_squared, sliced_w2_squared, bures_w2_squared, sinkhorn_divergence)


@pytest.fixture(scope="module")
def ot():
    return pot()


def normal(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def test_distances_of_a_shift():
    x, shift = normal(400, 3), torch.tensor([1.0, 2.0, 2.0])
    assert w2_squared(x, x + shift) == pytest.approx(9, abs=1e-8)
    assert bures_w2_squared(x, x + shift) == pytest.approx(9, abs=1e-6)
    assert sliced_w2_squared(x, x + shift, projections=300) == pytest.approx(3, abs=1e-9)
    assert sliced_w2_squared(x, x + shift, projections=100) == pytest.approx(3, abs=1e-9)  # rounded up to 102


def test_bures_of_diagonal_normals():
    zero, a, b = torch.zeros(2), torch.diag(torch.tensor([1.0, 4.0])), torch.diag(torch.tensor([9.0, 1.0]))
    assert gaussian_w2_squared(zero, a, zero, b) == pytest.approx(5, abs=1e-9)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_distances_of_twice_the_width(seed):
    x, y = normal(20_000, 8, seed=2 * seed), 2 * normal(20_000, 8, seed=2 * seed + 1)
    assert sliced_w2_squared(x, y, projections=200, seed=seed) == pytest.approx(1, abs=0.03)
    assert bures_w2_squared(x, y) == pytest.approx(8, abs=0.2)


def test_zero_to_itself_symmetric_and_repeatable():
    x, y = normal(200, 5), normal(200, 5, seed=1) + 0.5
    for distance in DISTANCES:
        assert distance(x, x) == pytest.approx(0, abs=1e-9)
        assert distance(x, y) == pytest.approx(distance(y, x), abs=1e-9)
        assert distance(x, y) == distance(x, y)
        assert distance(x.float(), y.float()) == pytest.approx(distance(x, y), rel=1e-5)
    assert w2_squared_split(x, y, seed=3) == w2_squared_split(x, y, seed=3) != w2_squared_split(x, y, seed=4)
    within = w2_squared_within(y, len(x), seed=3)
    assert w2_squared_split(x, y, seed=3, within=within) == w2_squared_split(x, y, seed=3)
    assert sliced_w2_squared(x, y, seed=3) != sliced_w2_squared(x, y, seed=4)


def test_collapsed_codes_give_finite_numbers():
    x, y = normal(300, 16), normal(300, 16, seed=1)
    for width in (0.0, 1e-12):
        collapsed = torch.cat([x[:, :4], width * x[:, 4:]], 1)
        for distance in DISTANCES:
            assert math.isfinite(distance(collapsed, y))
            assert distance(collapsed, collapsed) == pytest.approx(0, abs=1e-6)
        assert bures_w2_squared(collapsed, torch.zeros_like(x)) > 0


def test_agree_with_pot_on_numpy(ot):
    x, y = normal(150, 4), 1.5 * normal(150, 4, seed=1) + 1
    arrays = x.numpy(), y.numpy()
    plan = ot.emd(np.full(150, 1 / 150), np.full(150, 1 / 150), ot.dist(*arrays))
    assert w2_squared(x, y) == pytest.approx(float((plan * ot.dist(*arrays)).sum()), rel=1e-9)
    directions = orthonormal_directions(4, 64, seed=5)
    sliced = ot.sliced_wasserstein_distance(*arrays, projections=directions.T.numpy(), p=2) ** 2
    assert sliced_w2_squared(x, y, projections=64, seed=5) == pytest.approx(sliced, rel=1e-6)
    covariances = np.cov(arrays[0].T), np.cov(arrays[1].T)
    means = arrays[0].mean(0), arrays[1].mean(0)
    bures = ot.gaussian.bures_wasserstein_distance(*means, *covariances) ** 2
    assert bures_w2_squared(x, y) == pytest.approx(float(bures), rel=1e-6)


def test_bures_agrees_with_scipy():
    from scipy.linalg import sqrtm

    a, b = (np.cov(normal(50, 6, seed=s).numpy().T) for s in (3, 4))
    expected = np.trace(a + b - 2 * np.real(sqrtm(a @ b)))
    zero = torch.zeros(6)
    assert gaussian_w2_squared(zero, torch.from_numpy(a), zero, torch.from_numpy(b)) == pytest.approx(expected)


def test_one_dimension_agrees_with_scipy():
    from scipy.stats import wasserstein_distance

    x, y = normal(100, 1), normal(100, 1, seed=1) + 20  # far apart: mean |x - y| is then the shift
    assert math.sqrt(w2_squared(x, y)) == pytest.approx(wasserstein_distance(x[:, 0], y[:, 0]), rel=1e-2)
    assert sliced_w2_squared(x, y) == pytest.approx(w2_squared(x, y), rel=1e-9)


@pytest.mark.parametrize(("dim", "count"), [(3, 10), (16, 1024), (784, 1024)])
def test_directions_are_whole_orthonormal_bases(dim, count):
    directions = orthonormal_directions(dim, count, seed=0)
    assert len(directions) == math.ceil(count / dim) * dim
    np.testing.assert_allclose(directions[:dim] @ directions[:dim].T, np.eye(dim), atol=1e-12)


def test_sliced_in_blocks(monkeypatch):
    x, y = normal(50, 4), normal(50, 4, seed=1) + 1
    whole = sliced_w2_squared(x, y)
    monkeypatch.setattr("latentbench_metrics._shared.wasserstein.SLICED_BLOCK", 100)
    assert sliced_w2_squared(x, y) == pytest.approx(whole, rel=1e-12)


def test_bures_null_is_as_in_theory():
    count, dim = 500, 8
    nulls = [
        bures_w2_squared(normal(count, dim, seed=2 * s), normal(count, dim, seed=2 * s + 1)) for s in range(20)
    ]
    assert np.mean(nulls) == pytest.approx(2 * dim / count + dim * (dim + 1) / (2 * count), rel=0.15)


@pytest.mark.parametrize(("dim", "count"), [(2, 300), (20, 800)])
def test_bures_null_elsewhere_and_of_any_covariance(dim, count):
    mix = normal(dim, dim, seed=99) / math.sqrt(dim) + torch.eye(dim)
    nulls = [
        bures_w2_squared(normal(count, dim, seed=2 * s) @ mix, normal(count, dim, seed=2 * s + 1) @ mix)
        for s in range(400 // dim)
    ]
    values = torch.linalg.eigvalsh(mix.T @ mix)
    pairs = values * values[:, None] * (1 + torch.eye(dim)) / (values + values[:, None])
    expected = 2 * values.sum() / count + pairs.sum() / count  # 2d/n + d(d+1)/(2n) for the identity
    assert np.mean(nulls) == pytest.approx(float(expected), rel=0.12)


@pytest.mark.parametrize(("dim", "projections"), [(1, 8), (2, 64), (5, 100), (20, 200), (64, 64)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_sliced_shift_is_exact(dim, projections, dtype):
    x, shift = normal(100, dim).to(dtype), normal(dim, seed=7).to(dtype)
    expected = float(shift.double().square().sum()) / dim
    assert sliced_w2_squared(x, x + shift, projections) == pytest.approx(expected, rel=1e-5)


def test_sliced_of_normals_is_the_mean_over_directions():
    first, second = (normal(6, 6, seed=s) / 2 + torch.eye(6) for s in (10, 11))
    directions = orthonormal_directions(6, 20_000, seed=12)
    gaps = (directions @ first.T).norm(dim=1) - (directions @ second.T).norm(dim=1)
    x, y = normal(20_000, 6) @ first, normal(20_000, 6, seed=1) @ second
    assert sliced_w2_squared(x, y, projections=1200) == pytest.approx(float(gaps.square().mean()), rel=0.06)


def test_splitting_removes_the_bias_of_exact_transport():
    x, y = normal(400, 8), normal(400, 8, seed=1)
    assert w2_squared(x, y) > 2.5
    assert w2_squared_split(x, y, seed=0) == pytest.approx(0, abs=0.2)
    assert w2_squared_split(x, y + 1 / math.sqrt(8), seed=0) == pytest.approx(1, abs=0.3)


@pytest.mark.parametrize(("dim", "shift"), [(3, 2.0), (16, 1.0), (40, 0.0)])
def test_split_has_no_bias_for_shifts(dim, shift):
    values = [
        w2_squared_split(normal(120, dim, seed=2 * s), normal(120, dim, seed=2 * s + 1) + shift, seed=s, splits=2)
        for s in range(24)
    ]
    error = np.std(values, ddof=1) / math.sqrt(len(values))
    assert np.mean(values) == pytest.approx(dim * shift**2, abs=3.5 * error)


@pytest.mark.parametrize(("dim", "scale"), [(2, 3.0), (8, 2.0), (24, 0.5)])
def test_split_loses_of_a_width_what_theory_says(dim, scale):
    draws = [(normal(120, dim, seed=2 * s), normal(120, dim, seed=2 * s + 1)) for s in range(24)]
    values = [w2_squared_split(x, scale * y, seed=s, splits=2) for s, (x, y) in enumerate(draws)]
    null = np.mean([w2_squared(x[:60], y[:60]) for x, y in draws])
    error = np.std(values, ddof=1) / math.sqrt(len(values))
    assert np.mean(values) == pytest.approx((1 - scale) ** 2 * (dim - null / 2), abs=3.5 * error)


def test_split_of_a_sample_and_itself_is_below_zero():
    assert w2_squared_split(normal(100, 8), normal(100, 8), seed=0) < -1


def test_split_averages_its_splits():
    x, y = normal(60, 3), normal(60, 3, seed=1)
    actual = [w2_squared_split(x, y, seed=5, splits=n) for n in (1, 2)]
    assert actual[0] != actual[1]
    assert w2_squared_split(x, y, seed=5) == w2_squared_split(x, y, seed=5, splits=5)
    with pytest.raises(ValueError, match="splits must be at least 1, got 0"):
        w2_squared_split(x, y, seed=5, splits=0)
    with pytest.raises(ValueError, match="at least 2 rows, got 1 and 60"):
        w2_squared_split(x[:1], y, seed=5)


def three_classes(count=200, dim=5):
    """Normals of three means and covariances, and the true distances between them."""
    means = [torch.zeros(dim), torch.full((dim,), 0.7), torch.full((dim,), -1.0)]
    roots = [torch.eye(dim), torch.eye(dim) + 0.3 * normal(dim, dim, seed=30), 2 * torch.eye(dim)]
    covariances = [root.double().T @ root.double() for root in roots]
    labels = torch.arange(3).repeat_interleave(count)
    codes = torch.cat([normal(count, dim, seed=31 + i) @ roots[i].double() + means[i].double() for i in range(3)])
    truth = [[gaussian_w2_squared(means[i], covariances[i], means[j], covariances[j]) for j in range(3)]
             for i in range(3)]  # fmt: skip
    return codes, labels, torch.tensor(truth, dtype=torch.float64)


def test_class_transport_of_normals():
    codes, labels, truth = three_classes(400)
    actual = class_transport(codes, labels)
    np.testing.assert_allclose(actual, truth, rtol=0.12, atol=1e-9)
    assert torch.equal(actual, actual.T)
    assert torch.equal(actual.diagonal(), torch.zeros(3).double())
    np.testing.assert_allclose(class_transport(codes.float(), labels), actual, rtol=1e-4)
    np.testing.assert_allclose(class_transport(3 * codes + 5, labels), 9 * actual, rtol=1e-6)


def test_class_transport_has_no_bias_at_unequal_numbers():
    labels = torch.arange(2).repeat_interleave(torch.tensor([40, 200]))
    actual = [float(class_transport(normal(240, 8, seed=s), labels, seed=s)[0, 1]) for s in range(60)]
    plain = bures_w2_squared(normal(40, 8), normal(200, 8, seed=1))
    assert abs(np.mean(actual)) < 3.5 * np.std(actual, ddof=1) / math.sqrt(60) + 0.03
    assert plain > 0.5


def test_class_transport_takes_rows_by_label_in_order():
    codes, labels, _ = three_classes(60)
    renamed = torch.tensor([7, 2, -1])[labels]  # smallest label first
    order = torch.tensor([2, 1, 0])
    actual = class_transport(codes, labels)
    np.testing.assert_allclose(class_transport(codes, renamed), actual[order][:, order], rtol=0.2)
    assert torch.equal(class_transport(codes, labels, seed=1), class_transport(codes, labels, seed=1))
    assert not torch.equal(class_transport(codes, labels, seed=1), actual)


def test_class_transport_where_codes_are_wide_or_collapsed(monkeypatch):
    monkeypatch.setattr("latentbench_metrics._shared.wasserstein.PER_CLASS", 20)
    labels = torch.arange(2).repeat_interleave(30)
    for codes in (normal(60, 100), torch.zeros(60, 3), torch.cat([normal(60, 2), torch.ones(60, 5)], 1)):
        assert bool(class_transport(codes, labels).isfinite().all())
    with pytest.raises(ValueError, match="two classes of four codes or more, got 1"):
        class_transport(normal(60, 2), torch.zeros(60))
    with pytest.raises(ValueError, match="the smallest of 1"):
        class_transport(normal(60, 2), torch.arange(60) // 59)
    with pytest.raises(ValueError, match=r"must be \(n, d\) and \(n,\), got \(60, 2\) and \(59,\)"):
        class_transport(normal(60, 2), labels[:59])


@given(seed=st.integers(0, 10_000), scale=st.floats(0.1, 10), shift=st.floats(-100, 100))
@settings(max_examples=10, deadline=None)
def test_order_shift_and_scale(seed, scale, shift):
    x, y = normal(30, 3, seed=seed), normal(30, 3, seed=seed + 1) + 1
    order = torch.randperm(30)
    turn = torch.linalg.qr(normal(3, 3, seed=seed))[0]
    for distance in DISTANCES:
        value = distance(x, y)
        assert distance(x[order], y) == pytest.approx(value, rel=1e-9)
        assert distance(scale * x + shift, scale * y + shift) == pytest.approx(scale**2 * value, rel=1e-6)
    for distance in (w2_squared, bures_w2_squared):
        assert distance(x @ turn, y @ turn) == pytest.approx(distance(x, y), rel=1e-6)


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match="at least 2 rows, got 1 and 5"):
        bures_w2_squared(normal(1, 3), normal(5, 3))
    with pytest.raises(ValueError, match="at least 1 rows, got 0 and 5"):
        w2_squared(normal(5, 3)[:0], normal(5, 3))
    with pytest.raises(ValueError, match="equally many rows"):
        sliced_w2_squared(normal(4, 3), normal(5, 3))
    with pytest.raises(ValueError, match=r"\(n, d\) and \(m, d\), got \(4, 3\) and \(4, 2\)"):
        w2_squared(normal(4, 3), normal(4, 2))
    assert w2_squared(normal(4, 3), normal(5, 3)) > 0


def test_importing_the_module_does_not_import_pot():
    loaded = "sys.exit('ot' in sys.modules or 'sklearn' in sys.modules)"
    code = f"import sys, latentbench_metrics._shared.wasserstein; {loaded}"
    subprocess.run([sys.executable, "-c", code], check=True)
