from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from latentbench import LatentSpace, NotApplicableError
from latentbench_metrics._shared import distances
from latentbench_metrics._shared.nearest import nearest
from latentbench_metrics.intrinsic_dimension import IntrinsicDimension, levina_bickel, two_nn, two_nn_from_ratios

ESTIMATES = (two_nn, levina_bickel)


def random(seed=0):
    return np.random.default_rng(seed)


def normal(*shape, seed=0):
    return torch.from_numpy(random(seed).standard_normal(shape))


def torus_distances(angles):
    """Of a flat torus: each angle in [0, 1) goes round."""
    apart = (angles[:, None] - angles[None]).abs()
    return torch.minimum(apart, 1 - apart).norm(dim=2)


def skdim_two_nn(codes):
    TwoNN = pytest.importorskip("skdim.id").TwoNN
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(TwoNN(discard_fraction=0, method="mle").fit(codes.numpy()).dimension_)


def skdim_mle(codes, k):
    MLE = pytest.importorskip("skdim.id").MLE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(MLE().fit(codes.numpy(), n_neighbors=k).dimension_)


@pytest.mark.parametrize("dim", [1, 7, 30])
def test_dimension_of_pareto_ratios(dim):
    ratios = torch.from_numpy(random().random(20_000) ** (-1 / dim))
    assert two_nn_from_ratios(ratios) == pytest.approx(dim, rel=0.02)
    assert two_nn_from_ratios(ratios.float()) == pytest.approx(two_nn_from_ratios(ratios), rel=1e-4)
    assert two_nn_from_ratios(ratios) == pytest.approx(19_999 / float(ratios.log().sum()), rel=1e-12)
    assert two_nn_from_ratios(ratios.flip(0)) == pytest.approx(two_nn_from_ratios(ratios), rel=1e-12)


def test_dimension_is_unbiased_in_small_samples():
    draws = [two_nn_from_ratios(torch.from_numpy(random(seed).random(20) ** (-1 / 5))) for seed in range(2000)]
    assert np.mean(draws) == pytest.approx(5, abs=4 * 5 / math.sqrt(18 * 2000))


@pytest.mark.parametrize(("dim", "tolerance"), [(2, 0.16), (5, 0.4)])
def test_flat_torus_by_distances(dim, tolerance):
    far = torus_distances(torch.from_numpy(random().random((1500, dim))))
    kept = far.clone()
    assert two_nn(far, distances=True) == pytest.approx(dim, abs=tolerance)
    assert levina_bickel(far, distances=True) == pytest.approx(dim, rel=0.08)
    assert two_nn(far.float(), distances=True) == pytest.approx(two_nn(far, distances=True), rel=1e-3)
    assert torch.equal(far, kept)


def test_sphere_and_cube():
    ball = torch.nn.functional.normalize(normal(2000, 3))
    assert two_nn(ball) == pytest.approx(1.98, abs=0.13)
    assert levina_bickel(ball) == pytest.approx(2, abs=0.1)
    cube = torch.from_numpy(random().random((2000, 10)))
    assert two_nn(cube) == pytest.approx(8.6, abs=0.8)
    assert levina_bickel(cube) == pytest.approx(8.2, abs=0.4)


@pytest.mark.parametrize(("dim", "count"), [(1, 300), (2, 1000), (4, 2000), (8, 2000)])
def test_gaussians(dim, count):
    codes = normal(count, dim, seed=dim)
    assert two_nn(codes) == pytest.approx(dim, abs=4 * dim / math.sqrt(count) + 0.03 * dim * (dim > 2))
    assert levina_bickel(codes) == pytest.approx(dim, rel=0.15)


def curves(name, count=2000):
    t, s = torch.from_numpy(random(3).random((2, count)))
    if name == "helix":
        return torch.stack([(20 * t).cos(), (20 * t).sin(), 5 * t], 1), 1
    if name == "swiss roll":
        angle = 1.5 * math.pi * (1 + 2 * t)
        return torch.stack([angle * angle.cos(), 20 * s, angle * angle.sin()], 1), 2
    if name == "circle times line, in 50 dimensions":
        flat = torch.stack([(6.2832 * t).cos(), (6.2832 * t).sin(), s], 1)
        return flat @ torch.linalg.qr(normal(50, 3))[0].T, 2
    return torch.nn.functional.normalize(normal(count, 5, seed=4)), 4


@pytest.mark.parametrize("name", ["helix", "swiss roll", "circle times line, in 50 dimensions", "hypersphere"])
def test_bent_shapes_have_the_dimension_of_their_surface(name):
    codes, dim = curves(name)
    assert two_nn(codes) == pytest.approx(dim, rel=0.1)
    assert levina_bickel(codes) == pytest.approx(dim, rel=0.1)


def test_the_dimension_of_a_product_is_the_sum():
    first, second = curves("hypersphere")[0], curves("helix")[0]
    assert two_nn(torch.cat([first, second], 1)) == pytest.approx(two_nn(first) + two_nn(second), rel=0.1)


@pytest.mark.parametrize(("dim", "count"), [(2, 200), (6, 500), (40, 300)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_agree_with_scikit_dimension(dim, count, dtype, monkeypatch):
    monkeypatch.setattr("latentbench_metrics._shared.nearest.ELEMENTS", 10_000)
    codes = (normal(count, dim) ** 3).to(dtype)
    assert two_nn(codes) == pytest.approx(skdim_two_nn(codes.double()), rel=1e-9)
    for k in (3, 20):
        assert levina_bickel(codes, k) == pytest.approx(skdim_mle(codes.double(), k), rel=1e-9)


def test_agree_with_loops_over_points():
    codes = normal(60, 3)
    ordered = np.sort(np.linalg.norm(codes.numpy()[:, None] - codes.numpy(), axis=2), axis=1)
    assert two_nn(codes) == pytest.approx(59 / np.log(ordered[:, 2] / ordered[:, 1]).sum(), rel=1e-12)
    local = [np.mean([np.log(row[6] / row[j]) for j in range(1, 6)]) for row in ordered]
    assert levina_bickel(codes, 6) == pytest.approx(1 / np.mean(local), rel=1e-12)


def test_distances_in_place_of_points_and_blocks(monkeypatch):
    codes = normal(150, 4)
    far = torch.cdist(codes, codes, compute_mode="donot_use_mm_for_euclid_dist")
    monkeypatch.setattr(distances, "BLOCK", 1000)
    for estimate in ESTIMATES:
        assert estimate(far, distances=True) == pytest.approx(estimate(codes), rel=1e-9)


@given(seed=st.integers(0, 10_000), scale=st.floats(1e-6, 1e6), shift=st.floats(-100, 100))
@settings(max_examples=10, deadline=None)
def test_declared_invariances_order_and_precision(seed, scale, shift):
    codes = normal(80, 4, seed=seed)
    turn = torch.linalg.qr(normal(4, 4, seed=seed + 1))[0]
    order = torch.from_numpy(random(seed).permutation(80))
    for estimate in ESTIMATES:
        value = estimate(codes)
        assert estimate((scale * (codes @ turn + shift))[order]) == pytest.approx(value, rel=1e-6)
        assert estimate(codes.float()) == pytest.approx(value, rel=1e-3)


def test_far_from_the_origin_in_float32():
    codes = normal(1000, 3)
    for estimate in ESTIMATES:
        assert estimate((codes + 1e3).float()) == pytest.approx(estimate(codes), rel=0.02)


def test_of_codes_that_lie_on_each_other_one_counts():
    codes = normal(300, 3)
    doubled = torch.cat([codes, codes[:50], codes[:1].repeat(40, 1)])
    far = np.sort(np.linalg.norm(codes.numpy()[:, None] - codes.numpy(), axis=2), axis=1)
    assert two_nn(doubled) == pytest.approx(299 / np.log(far[:, 2] / far[:, 1]).sum(), rel=1e-9)
    assert two_nn(doubled) == pytest.approx(3, rel=0.2)
    assert levina_bickel(doubled, 5) == pytest.approx(levina_bickel(codes, 5), rel=1e-9)


def test_collapsed_dimensions_do_not_count():
    codes = normal(2000, 2)
    wide = torch.cat([codes, torch.full((2000, 6), 0.1), 1e-9 * normal(2000, 6, seed=1)], 1)
    for estimate in ESTIMATES:
        assert estimate(wide) == pytest.approx(estimate(codes), rel=1e-4)
        assert estimate(wide.float()) == pytest.approx(estimate(codes), rel=1e-2)


def test_wrong_requests_are_refused():
    codes = normal(20, 3)
    with pytest.raises(ValueError, match=r"k \(=20\) must be at least 2 and less than .* \(=20\)"):
        levina_bickel(codes)
    with pytest.raises(ValueError, match=r"k \(=1\)"):
        levina_bickel(codes, 1)
    with pytest.raises(ValueError, match=r"less than the number of codes \(=2\)"):
        two_nn(codes[:2])
    with pytest.raises(ValueError, match=r"distances \(n, n\), got \(20, 3\)"):
        two_nn(codes, distances=True)
    for ratios in ([2.0], [0.5, 2.0], [1.5, math.nan], [1.5, math.inf]):
        with pytest.raises(ValueError, match="none below 1"):
            two_nn_from_ratios(torch.tensor(ratios))
    with pytest.raises(NotApplicableError, match="equally far"):
        two_nn_from_ratios(torch.ones(5))
    for estimate in ESTIMATES:
        with pytest.raises(NotApplicableError, match="lie apart"):
            estimate(torch.ones(30, 3))
        with pytest.raises(NotApplicableError, match="equally far"):
            estimate(1 - torch.eye(30), distances=True)


def test_metric_on_digits(space):
    metric = IntrinsicDimension(IntrinsicDimension.Params())
    bare = LatentSpace.from_arrays(codes=space.codes)
    scores = metric.compute(bare)
    assert scores == {"two_nn": two_nn(space.codes), "levina_bickel_k20": levina_bickel(space.codes, 20)}
    assert 2 < scores["levina_bickel_k20"] < scores["two_nn"] < 8
    assert all(score.better == "none" and score.ceiling == "pixels" for score in metric.scores.values())
    with pytest.raises(NotApplicableError, match="needs more than 20 codes, has 20"):
        metric.compute(LatentSpace.from_arrays(codes=space.codes[:20]))
    with pytest.raises(NotApplicableError, match="lie apart"):
        metric.compute(LatentSpace.from_arrays(codes=torch.ones(40, 3)))


def test_fashion_mnist_pixels_have_sixteen_dimensions(fashion_mnist):
    """15.7 by the paper's fit, without the tenth of largest ratios: among these are two pairs of near copies."""
    pixels = fashion_mnist[2].flatten(1)
    squared = nearest(pixels, pixels, 2, own=torch.arange(len(pixels)))[0]
    ratios = (squared[:, 1] / squared[:, 0]).sqrt().sort().values
    assert two_nn_from_ratios(ratios) == pytest.approx(14.93, abs=0.01)
    share = torch.arange(1, 9001).double() / 10_000
    logarithms = ratios[:9000].log()
    slope = -(logarithms @ (1 - share).log()) / (logarithms @ logarithms)
    assert float(slope) == pytest.approx(15.7, abs=0.05)
