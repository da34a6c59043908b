from __future__ import annotations

import math
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from latentbench import LatentSpace, NotApplicableError, Posterior
from latentbench_metrics.wasserstein import (
    PriorMatch,
    ReconstructionMatch,
    SampleMatch,
    SampleTransport,
    bures_w2_squared,
    gaussian_w2_squared,
    orthonormal_directions,
    sliced_w2_squared,
    w2_squared,
    w2_squared_split,
)

DISTANCES = (w2_squared, sliced_w2_squared, bures_w2_squared)


@pytest.fixture(scope="module")
def ot():
    from latentbench_metrics.wasserstein import _pot

    return _pot()


def normal(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def test_w1_a_shift():
    x, shift = normal(400, 3), torch.tensor([1.0, 2.0, 2.0])
    assert w2_squared(x, x + shift) == pytest.approx(9, abs=1e-8)
    assert bures_w2_squared(x, x + shift) == pytest.approx(9, abs=1e-6)
    assert sliced_w2_squared(x, x + shift, projections=300) == pytest.approx(3, abs=1e-9)
    assert sliced_w2_squared(x, x + shift, projections=100) == pytest.approx(3, abs=1e-9)  # rounded up to 102


def test_w2_bures_of_diagonal_normals():
    zero, a, b = torch.zeros(2), torch.diag(torch.tensor([1.0, 4.0])), torch.diag(torch.tensor([9.0, 1.0]))
    assert gaussian_w2_squared(zero, a, zero, b) == pytest.approx(5, abs=1e-9)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_w3_twice_as_wide(seed):
    x, y = normal(20_000, 8, seed=2 * seed), 2 * normal(20_000, 8, seed=2 * seed + 1)
    assert sliced_w2_squared(x, y, projections=200, seed=seed) == pytest.approx(1, abs=0.03)
    assert bures_w2_squared(x, y) == pytest.approx(8, abs=0.2)


def test_w6_zero_to_itself_symmetric_and_repeatable():
    x, y = normal(200, 5), normal(200, 5, seed=1) + 0.5
    for distance in DISTANCES:
        assert distance(x, x) == pytest.approx(0, abs=1e-9)
        assert distance(x, y) == pytest.approx(distance(y, x), abs=1e-9)
        assert distance(x, y) == distance(x, y)
        assert distance(x.float(), y.float()) == pytest.approx(distance(x, y), rel=1e-5)
    assert w2_squared_split(x, y, seed=3) == w2_squared_split(x, y, seed=3) != w2_squared_split(x, y, seed=4)
    assert sliced_w2_squared(x, y, seed=3) != sliced_w2_squared(x, y, seed=4)


def test_w9_collapsed_codes_give_finite_numbers():
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
    monkeypatch.setattr("latentbench_metrics.wasserstein.SLICED_BLOCK", 100)
    assert sliced_w2_squared(x, y) == pytest.approx(whole, rel=1e-12)


def test_bures_null_is_as_in_theory():
    count, dim = 500, 8
    nulls = [
        bures_w2_squared(normal(count, dim, seed=2 * s), normal(count, dim, seed=2 * s + 1)) for s in range(20)
    ]
    assert np.mean(nulls) == pytest.approx(2 * dim / count + dim * (dim + 1) / (2 * count), rel=0.15)


def test_splitting_removes_the_bias_of_exact_transport():
    x, y = normal(400, 8), normal(400, 8, seed=1)
    assert w2_squared(x, y) > 2.5
    assert w2_squared_split(x, y, seed=0) == pytest.approx(0, abs=0.2)
    assert w2_squared_split(x, y + 1 / math.sqrt(8), seed=0) == pytest.approx(1, abs=0.3)


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
    with pytest.raises(ValueError, match="equally many rows"):
        sliced_w2_squared(normal(4, 3), normal(5, 3))
    with pytest.raises(ValueError, match=r"\(n, d\) and \(m, d\), got \(4, 3\) and \(4, 2\)"):
        w2_squared(normal(4, 3), normal(4, 2))
    assert w2_squared(normal(4, 3), normal(5, 3)) > 0


def test_importing_the_module_does_not_import_pot():
    code = "import sys, latentbench_metrics.wasserstein; sys.exit('ot' in sys.modules or 'sklearn' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_pot_is_kept_from_importing_other_back_ends(ot):
    assert {os.environ[f"POT_BACKEND_DISABLE_{name}"] for name in ("JAX", "CUPY", "TENSORFLOW")} == {"1"}


def matching(count, width, mean=0.0):
    """A posterior whose samples are N(mean, 1) whatever `width` of it is noise."""
    means = math.sqrt(1 - width) * normal(count, 4).float() + mean
    posterior = Posterior(means, torch.full((count, 4), width))
    return LatentSpace.from_arrays(
        codes=means, posterior=posterior, prior=Posterior(torch.zeros(4), torch.ones(4))
    )


def test_prior_match_looks_at_samples():
    good = PriorMatch(PriorMatch.Params()).compute(matching(2000, 0.5))
    assert all(abs(value) < 0.02 for value in good.values())
    off = PriorMatch(PriorMatch.Params()).compute(matching(2000, 0.5, mean=1.0))
    assert off["sliced_w2_squared_prior"] == pytest.approx(1, abs=0.1)
    assert off["bures_w2_squared_prior"] == pytest.approx(4, abs=0.3)


def test_image_metrics_on_digits(make_space, space):
    samples = SampleMatch(SampleMatch.Params()).compute(space)
    assert set(samples) == set(SampleMatch.scores)
    kept = ReconstructionMatch(ReconstructionMatch.Params()).compute(space)
    assert 0 < kept["bures_w2_squared_reconstructions"] < samples["bures_w2_squared_samples"]
    blank = make_space(decode=lambda codes: torch.zeros(len(codes), 1, 8, 8))
    assert all(worse > samples[name] for name, worse in SampleMatch(SampleMatch.Params()).compute(blank).items())


def test_perfect_reconstructions_are_at_distance_zero(make_space, space):
    copy = make_space(reconstructions=space.inputs)
    kept = ReconstructionMatch(ReconstructionMatch.Params()).compute(copy)
    assert kept == dict.fromkeys(ReconstructionMatch.scores, 0.0)


def test_exact_transport_wants_a_thousand_items(monkeypatch, space):
    assert SampleTransport.min_items == 1000
    with pytest.raises(NotApplicableError, match="needs 1000 items, has 500"):
        SampleTransport(SampleTransport.Params()).compute(space)
    monkeypatch.setattr(SampleTransport, "min_items", 100)
    value = SampleTransport(SampleTransport.Params()).compute(space)["w2_squared_split_samples"]
    assert value > 0


def test_what_a_space_lacks_makes_scores_not_applicable(space):
    bare = LatentSpace.from_arrays(codes=normal(1200, 3))
    assert bare.missing(PriorMatch.needs) == "no posterior"
    for metric in (PriorMatch, SampleMatch, SampleTransport, ReconstructionMatch):
        with pytest.raises(NotApplicableError):
            metric(metric.Params()).compute(bare)
