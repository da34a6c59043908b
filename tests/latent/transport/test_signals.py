from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from latentbench.latent.transport.pot import pot
from latentbench.latent.transport.signals import (
    sample_barycenter,
    signal_barycenter,
    signal_barycenters,
    signal_displacement,
)


def normal(mean, deviation, count=200):
    """The mass of N(mean, deviation²) in bins of width 1 around 0, 1, ..."""
    edges = (torch.arange(count + 1).double() - 0.5 - mean) / (deviation * math.sqrt(2))
    return torch.erf(edges).diff() / 2


def moments(signal):
    share, at = signal / signal.sum(), torch.arange(len(signal)).double()
    mean = (share * at).sum()
    return float(mean), float((share * (at - mean) ** 2).sum().sqrt())


def w2(first, second):
    """Exact distance of two signals as point masses, by POT's simplex."""
    at = np.arange(len(first), dtype=np.float64)[:, None]
    return math.sqrt(
        pot().emd2((first / first.sum()).numpy(), (second / second.sum()).numpy(), pot().dist(at, at))
    )


def test_of_equally_wide_normals_it_is_the_normal_in_the_middle():
    signals = torch.stack([normal(50, 8), normal(130, 8)])
    barycenter = signal_barycenter(signals, torch.tensor([0.5, 0.5]))
    torch.testing.assert_close(barycenter, normal(90, 8), rtol=0, atol=1e-6)
    assert moments(signals.mean(0))[1] > 40  # the Euclidean mean is as wide as both together


@pytest.mark.parametrize("weights", [(1, 1), (1, 3), (0.2, 0.8)])
def test_means_and_deviations_of_normals_are_averaged(weights):
    part = torch.tensor(weights, dtype=torch.float64) / sum(weights)
    barycenter = signal_barycenter(torch.stack([normal(60, 5), normal(120, 15)]), torch.tensor(weights))
    mean, deviation = (
        float(part @ torch.tensor([60.0, 120]).double()),
        float(part @ torch.tensor([5.0, 15]).double()),
    )
    assert moments(barycenter) == pytest.approx((mean, deviation), rel=2e-3)
    torch.testing.assert_close(barycenter, normal(mean, deviation), rtol=0, atol=2e-4)


def test_of_whole_shifts_it_is_exact_whatever_the_shape():
    shape = torch.rand(9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    shape[3:6] = 0  # mass in two parts, with a gap
    signals = torch.zeros(3, 40, dtype=torch.float64)
    for row, place in zip(signals, (0, 6, 30), strict=True):
        row[place : place + 9] = shape
    expected = torch.zeros(40, dtype=torch.float64)
    expected[12:21] = shape
    torch.testing.assert_close(signal_barycenter(signals, torch.ones(3)), expected, rtol=1e-9, atol=1e-12)


def test_against_quantiles_of_many_draws():
    generator = np.random.default_rng(0)
    signals = torch.from_numpy(generator.random((3, 30)) * (generator.random((3, 30)) > 0.4))
    weights = torch.tensor([0.5, 0.2, 0.3])
    levels = (np.arange(400_000) + 0.5) / 400_000
    quantiles = np.zeros(len(levels))
    for signal, weight in zip(signals.numpy(), weights.tolist(), strict=True):
        quantiles += weight * np.interp(levels, np.r_[0, signal.cumsum()] / signal.sum(), np.arange(31))
    counts = np.bincount(quantiles.astype(int), minlength=30) / len(levels)
    barycenter = signal_barycenter(signals, weights)
    np.testing.assert_allclose((barycenter / barycenter.sum()).numpy(), counts, atol=2e-5)
    assert float(barycenter.sum()) == pytest.approx(float(weights.double() @ signals.sum(1)), rel=1e-6)


def test_displacement_is_a_geodesic_with_exact_ends():
    generator = torch.Generator().manual_seed(1)
    start, end = torch.zeros(60), torch.zeros(60)
    start[2:14], end[40:58] = torch.rand(12, generator=generator), 3 * torch.rand(18, generator=generator)
    shares = torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0])
    way = signal_displacement(start, end, shares)
    assert torch.equal(way[0], start)
    assert torch.equal(way[-1], end)
    torch.testing.assert_close(way.sum(1), torch.lerp(start.sum(), end.sum(), shares))
    torch.testing.assert_close(way, signal_displacement(end, start, 1 - shares))
    far = w2(start.double(), end.double())
    for share, middle in zip(shares.tolist(), way.double(), strict=True):
        assert w2(start.double(), middle) == pytest.approx(share * far, abs=0.02)  # bins round by at most a half
        assert w2(middle, end.double()) == pytest.approx((1 - share) * far, abs=0.02)


def test_barycenters_leave_their_arguments_and_take_any_kind():
    signals, weights = torch.tensor([[0, 4, 0, 0], [0, 0, 0, 4]]), torch.tensor([[1, 1], [0, 2]])
    before = signals.clone(), weights.clone()
    barycenters = signal_barycenters(signals, weights)
    assert barycenters.dtype == torch.float32
    assert barycenters.tolist() == [[0, 0, 4, 0], [0, 0, 0, 4]]
    assert torch.equal(signals, before[0])
    assert torch.equal(weights, before[1])
    assert signal_barycenters(signals.double(), weights).dtype == torch.float64


def test_a_sample_meets_its_partner_by_rank():
    samples = [
        torch.randn(50, generator=torch.Generator().manual_seed(seed)) * (1 + seed) + seed for seed in range(3)
    ]
    values, masses = sample_barycenter(samples)
    expected = torch.stack([sample.double().sort().values for sample in samples]).mean(0)
    torch.testing.assert_close(values, expected)
    torch.testing.assert_close(masses, torch.full((50,), 1 / 50, dtype=torch.float64))


def test_samples_of_other_sizes():
    values, masses = sample_barycenter(
        [torch.tensor([6.0, 0.0]), torch.tensor([0.0, 3.0, 9.0])], torch.tensor([1, 2])
    )
    assert values.tolist() == pytest.approx([0, 2, 4, 8])
    assert masses.tolist() == pytest.approx([1 / 3, 1 / 6, 1 / 6, 1 / 3])


def test_signal_barycenters_check_their_arguments():
    signals, ones = torch.ones(2, 5), torch.ones(2)
    for wrong, weights, words in (
        (signals[0], ones, r"signals must be \(k, n\), at least one, got \(5,\)"),
        (signals - 2, ones, "nothing below 0"),
        (signals * math.nan, ones, "finite"),
        (torch.eye(2, 5) * torch.tensor([[1.0], [0]]), ones, "none may be all 0"),
        (signals, torch.ones(3), "weights must be 2 numbers"),
        (signals, torch.tensor([1.0, -1]), "weights must be 2 numbers"),
        (signals, torch.zeros(2), "not all 0"),
        (signals, torch.ones(1, 2), r"weights must be \(k,\), got \(1, 2\)"),
    ):
        with pytest.raises(ValueError, match=words):
            signal_barycenter(wrong, weights)
    with pytest.raises(ValueError, match=r"equally long, got \(5,\) and \(4,\)"):
        signal_displacement(torch.ones(5), torch.ones(4), torch.ones(1))
    with pytest.raises(ValueError, match=r"shares must be \(points,\), in \[0, 1\], got \[2.0\]"):
        signal_displacement(torch.ones(5), torch.ones(5), torch.tensor([2.0]))
    with pytest.raises(ValueError, match=r"finite, at least one, got shape \(0,\)"):
        sample_barycenter([torch.ones(2), torch.ones(0)])
    with pytest.raises(ValueError, match="got none"):
        sample_barycenter([])
