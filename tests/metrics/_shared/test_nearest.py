from __future__ import annotations

import pytest
import torch

from latentbench_metrics._shared.nearest import Certainty, nearest
from latentbench_metrics.neighbors import nearest_rows


def gaussian(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def test_neighbors_are_exact_where_the_matrix_product_is_not():
    close = torch.tensor([[1000.0], [1000.001], [1000.002], [-1000.0]])
    assert nearest_rows(close, torch.tensor([[1000.0012], [1000.0022]]), 1).flatten().tolist() == [1, 2]


def test_neighbors_in_chunks(monkeypatch):
    codes = gaussian(300, 5, dtype=torch.float64)
    whole = nearest_rows(codes, codes, 4)
    assert whole[:, 0].tolist() == list(range(len(codes)))
    monkeypatch.setattr("latentbench_metrics._shared.nearest.ELEMENTS", 1000)
    assert torch.equal(nearest_rows(codes, codes, 4), whole)


def by_sorting(bank, queries, k, own=None):
    far = (bank.double()[None] - queries.double()[:, None]).square().sum(-1)
    if own is not None:
        far[torch.arange(len(queries)), own] = torch.inf
    far, rows = far.sort(dim=1, stable=True)
    return far[:, :k], rows[:, :k]


CLOUDS = {
    "normal": gaussian(900, 16),
    "flat": gaussian(900, 2),
    "wide": gaussian(300, 200),
    "far away": gaussian(900, 3) + 1e4,
    "grid": gaussian(900, 3).round(),
    "all equal": torch.full((900, 4), 0.1),
    "two tight lumps": torch.cat([1e-4 * gaussian(450, 3, dtype=torch.float64) + 100 * side for side in (-1, 1)]),
    "tiny": 1e-30 * gaussian(900, 3),
    "huge": 1e30 * gaussian(900, 3, dtype=torch.float64),
    "outlier": torch.cat([gaussian(899, 3), torch.full((1, 3), 1e18)]),
    "whole numbers": torch.arange(900)[:, None] % 7,
}


@pytest.mark.parametrize("name", CLOUDS)
@pytest.mark.parametrize("k", [1, 10, 40])
def test_neighbors_are_those_of_a_stable_sort(name, k, monkeypatch):
    monkeypatch.setattr("latentbench_metrics._shared.nearest.ELEMENTS", 50_000)
    bank = CLOUDS[name]
    own = torch.arange(0, len(bank), 7)
    for left_out in (None, own):
        actual, rows = nearest(bank, bank[own], k, left_out)
        expected, expected_rows = by_sorting(bank, bank[own], k, left_out)
        assert torch.equal(rows, expected_rows)
        torch.testing.assert_close(actual, expected, rtol=1e-12, atol=0)


def test_neighbors_of_few_and_of_foreign_queries():
    bank = gaussian(5, 3)
    for k in (1, 5):
        assert torch.equal(nearest(bank, bank + 100, k)[1], by_sorting(bank, bank + 100, k)[1])
    assert torch.equal(nearest(bank, bank.double(), 4, torch.arange(5))[1], by_sorting(bank, bank, 4, range(5))[1])
    with pytest.raises(ValueError, match=r"k \(=5\) must be at most the number of bank codes"):
        nearest(bank, bank, 5, torch.arange(5))


@pytest.mark.parametrize("name", CLOUDS)
@pytest.mark.parametrize("spread", [1.0, 1e4])
def test_the_nearest_are_among_those_that_are_needed(name, spread):
    """Of likeness that is off by as much as a product may be, in the worst direction for the nearest."""
    points = CLOUDS[name].double()
    points = (points - points.mean(0)) / points.std().clamp_min(1e-30) * spread
    far = (points[:200, None] - points).square().sum(-1)
    certainty = Certainty.of(points[:200].float())
    off = 0.99 * certainty.rounding * (points[:200].norm(dim=1)[:, None] + points.norm(dim=1)).square()
    seen, rows = (far + torch.where(far.argsort(1).argsort(1) < 10, off, -off)).sort(1)
    for true, likeliest, count in zip(
        far.topk(10, largest=False)[1], rows, certainty.needed(-seen / 2, 10), strict=True
    ):
        assert set(true.tolist()) <= set(likeliest[:count].tolist())


def test_few_of_many_candidates_are_needed():
    points = CLOUDS["wide"]
    far = torch.cdist(points.double(), points.double()).fill_diagonal_(torch.inf).square()
    few = Certainty.of(points).needed(far.topk(26, largest=False).values / -2, 10)
    assert (few >= 10).all()
    assert few.double().mean() < 11
