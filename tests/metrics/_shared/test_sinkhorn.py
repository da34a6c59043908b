from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from latentbench.latent.transport.pot import pot
from latentbench_metrics._shared import sinkhorn
from latentbench_metrics._shared.sinkhorn import sinkhorn_divergence
from latentbench_metrics._shared.wasserstein import (
    w2_squared,
)


@pytest.fixture(scope="module")
def ot():
    return pot()


def normal(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


@pytest.mark.parametrize("epsilon", [1e-3, 0.1, 1.0, 30.0, 1e4, None])
def test_sinkhorn_divergence_of_a_shift(epsilon):
    x, shift = normal(400, 3), torch.tensor([1.0, 2.0, 2.0])
    assert sinkhorn_divergence(x, x + shift, epsilon) == pytest.approx(9, abs=0.01)
    order = torch.randperm(400, generator=torch.Generator().manual_seed(0))
    assert sinkhorn_divergence(x, (x + shift)[order], epsilon) == pytest.approx(9, abs=0.01)
    assert sinkhorn_divergence(x.float(), (x + shift).float(), epsilon) == pytest.approx(9, abs=0.01)


def entropic_by_pot(ot, x, y, epsilon):
    """<P, C> + epsilon KL(P | ab) of POT's plan: what POT itself returns leaves out the second term."""
    costs = ot.dist(x.numpy(), y.numpy())
    n, m = costs.shape
    weights = np.full(n, 1 / n), np.full(m, 1 / m)
    options = {"method": "sinkhorn_log", "numItermax": 20_000, "stopThr": 1e-9, "warn": False}
    plan = ot.sinkhorn(*weights, costs, epsilon, **options)
    divergence = np.sum(plan * np.log(np.maximum(plan, 1e-300) * n * m))
    return float((plan * costs).sum() + epsilon * divergence)


def entropic_by_scaling(x, y, epsilon):
    """The same by the textbook's alternating scaling of exp(-C / epsilon)."""
    costs = torch.cdist(x, y).square().numpy()
    kernel = np.exp(-costs / epsilon) / costs.size
    left, right = np.ones(len(x)), np.ones(len(y))
    for _ in range(5000):
        left = 1 / len(x) / (kernel @ right)
        right = 1 / len(y) / (left @ kernel)
    return epsilon * float(np.log(left).mean() + np.log(right).mean())


@pytest.mark.parametrize("epsilon", [0.05, 0.3, 1.0])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_sinkhorn_divergence_agrees_with_scaling_at_small_epsilon(epsilon, seed):
    x, y = normal(20, 2, seed=2 * seed), 0.8 * normal(14, 2, seed=2 * seed + 1) + 0.2
    across, left, right = (entropic_by_scaling(a, b, epsilon) for a, b in ((x, y), (x, x), (y, y)))
    assert sinkhorn.entropic_cost(x, y, epsilon) == pytest.approx(across, rel=1e-6)
    assert sinkhorn_divergence(x, y, epsilon) == pytest.approx(across - left / 2 - right / 2, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("epsilon", [5.0, 50.0])
@pytest.mark.parametrize(("rows", "dim", "scale", "shift"), [(40, 3, 1.5, 1.0), (55, 10, 0.2, -2.0)])
def test_sinkhorn_divergence_agrees_with_pot(ot, epsilon, rows, dim, scale, shift):
    x, y = normal(40, dim), scale * normal(rows, dim, seed=1) + shift
    across, left, right = (entropic_by_pot(ot, a, b, epsilon) for a, b in ((x, y), (x, x), (y, y)))
    assert sinkhorn.entropic_cost(x, y, epsilon) == pytest.approx(across, rel=1e-6)
    assert sinkhorn_divergence(x, y, epsilon) == pytest.approx(across - left / 2 - right / 2, rel=1e-5, abs=1e-6)


def entropic_of_normals(a, b, epsilon):
    """Janati 2020 (entropic transport between Gaussians), theorem 1; centered, regularized by 2s² = epsilon."""
    half = epsilon / 2  # s²
    eye = torch.eye(len(a), dtype=torch.float64)

    def root(matrix):
        values, vectors = torch.linalg.eigh(matrix)
        return vectors @ torch.diag(values.clamp_min(0).sqrt()) @ vectors.T

    mixed = root(4 * root(a) @ b @ root(a) + half**2 * eye)
    log = torch.linalg.slogdet(mixed + half * eye).logabsdet
    constant = len(a) * half * (1 - math.log(2 * half)) + half * log
    return float(a.trace() + b.trace() - mixed.trace() + constant)


@pytest.mark.parametrize("share", [0.5, 1.0, 5.0])
def test_sinkhorn_divergence_of_normals(share):
    dim, shift = 3, torch.tensor([1.0, 0.0, -0.5]).double()
    first, second = (normal(dim, dim, seed=s) / 2 + torch.eye(dim) for s in (20, 21))
    a, b = first.T @ first, second.T @ second
    epsilon = share * float(a.trace() + b.trace() + shift.square().sum())
    entropic = [entropic_of_normals(*pair, epsilon) for pair in ((a, b), (a, a), (b, b))]
    expected = float(shift.square().sum()) + entropic[0] - (entropic[1] + entropic[2]) / 2
    draws = [
        sinkhorn_divergence(
            normal(1000, dim, seed=2 * s) @ first, normal(1000, dim, seed=2 * s + 1) @ second + shift, epsilon
        )
        for s in range(4)
    ]
    assert np.mean(draws) == pytest.approx(expected, rel=0.08)


def test_sinkhorn_default_epsilon_is_half_the_mean_cost():
    x, y = normal(50, 4), 2 * normal(70, 4, seed=1) + 1
    epsilon = float(torch.cdist(x, y).square().mean()) / 2
    assert sinkhorn.default_epsilon(x, y) == pytest.approx(epsilon, rel=1e-9)
    assert sinkhorn_divergence(x, y) == pytest.approx(sinkhorn_divergence(x, y, epsilon), rel=1e-9)


def test_sinkhorn_as_in_the_table_of_the_null():
    null = sinkhorn_divergence(normal(1000, 16), normal(1000, 16, seed=1))
    assert null == pytest.approx(0.1, abs=0.04)
    shifted = sinkhorn_divergence(normal(1000, 16), normal(1000, 16, seed=1) + 0.25)
    assert shifted - null == pytest.approx(1, abs=0.2)
    assert sinkhorn_divergence(normal(300, 16), normal(300, 16, seed=1), epsilon=3.2) > 3


def test_sinkhorn_goes_from_exact_transport_to_the_means():
    x, y = normal(60, 2), 2 * normal(60, 2, seed=1) + 3
    means = float((x.mean(0) - y.mean(0)).square().sum())
    assert sinkhorn_divergence(x, y, epsilon=1e5) == pytest.approx(means, rel=1e-3)
    assert sinkhorn_divergence(x, y, epsilon=0.05) == pytest.approx(w2_squared(x, y), rel=0.01)


def test_sinkhorn_in_blocks(monkeypatch):
    x, y = normal(50, 4), normal(37, 4, seed=1) + 1
    whole = sinkhorn_divergence(x, y)
    monkeypatch.setattr(sinkhorn, "BLOCK", 100)
    assert sinkhorn_divergence(x, y) == pytest.approx(whole, rel=1e-9)


def test_sinkhorn_says_what_is_wrong(monkeypatch):
    x, y = normal(20, 3), normal(20, 3, seed=1)
    for epsilon in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="epsilon must be above 0 and finite"):
            sinkhorn_divergence(x, y, epsilon)
    with pytest.raises(ValueError, match=r"none empty, got \(20, 3\) and \(0, 3\)"):
        sinkhorn_divergence(x, y[:0])
    monkeypatch.setattr(sinkhorn, "STEPS", 3)
    with pytest.raises(ValueError, match=r"epsilon \(=0\.01\) is too small: no convergence in 3 steps"):
        sinkhorn_divergence(x, y, 0.01)


def test_sinkhorn_of_one_point():
    assert sinkhorn_divergence(torch.ones(5, 2), torch.ones(4, 2)) == 0
    assert sinkhorn_divergence(torch.ones(5, 2), torch.zeros(4, 2)) == pytest.approx(2)
    assert sinkhorn_divergence(torch.ones(1, 2), torch.zeros(1, 2), epsilon=0.1) == pytest.approx(2)
