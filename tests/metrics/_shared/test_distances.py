from __future__ import annotations

import math

import pytest
import torch

from latentbench_metrics._shared import distances
from latentbench_metrics._shared.distances import extreme, nearest
from latentbench_metrics.neighbors import nearest_rows


def blobs(count=300, dim=5, classes=4, seed=0, spread=1.0):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (count,), generator=generator)
    labels[:classes] = torch.arange(classes)
    centers = 3 * torch.randn(classes, dim, generator=generator, dtype=torch.float64)
    return centers[labels] + spread * torch.randn(count, dim, generator=generator, dtype=torch.float64), labels


def test_neighbors_are_exact_where_the_matrix_product_is_not():
    close = torch.tensor([[1000.0], [1000.001], [1000.002], [-1000.0]])
    assert nearest_rows(close, torch.tensor([[1000.0012], [1000.0022]]), 1).flatten().tolist() == [1, 2]


def test_neighbors_in_chunks(monkeypatch):
    codes, _ = blobs()
    whole = nearest_rows(codes, codes, 4)
    assert whole[:, 0].tolist() == list(range(len(codes)))
    monkeypatch.setattr("latentbench_metrics._shared.distances.ELEMENTS", 1000)
    assert torch.equal(nearest_rows(codes, codes, 4), whole)


def by_sorting(bank, queries, k, own=None):
    far = (bank.double()[None] - queries.double()[:, None]).square().sum(-1)
    if own is not None:
        far[torch.arange(len(queries)), own] = torch.inf
    far, rows = far.sort(dim=1, stable=True)
    return far[:, :k], rows[:, :k]


def gaussian(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


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
    monkeypatch.setattr(distances, "ELEMENTS", 50_000)
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


@pytest.mark.parametrize("shape", [(3, 7), (5, 100), (4, 5000), (1, 5003)])
@pytest.mark.parametrize("largest", [True, False])
def test_the_largest_and_smallest_of_rows(shape, largest):
    values = gaussian(*shape)
    for k in (1, 3, 7):
        actual, columns = extreme(values, k, largest=largest)
        assert torch.equal(actual, values.topk(k, largest=largest).values)
        assert torch.equal(values.gather(1, columns), actual)
    same = torch.ones(shape)
    assert all(len(set(row)) == 3 for row in extreme(same, 3, largest=largest)[1].tolist())


def test_equal_points_are_no_distance_apart(monkeypatch):
    monkeypatch.setattr(distances, "BLOCK", 500)
    points = gaussian(80, 5, dtype=torch.float64)
    points = torch.cat([points, points[:20]])
    (points,) = distances.centered(points + 1e3)
    exact = (points[:, None] - points).square().sum(-1)
    for others, own in ((points, 0.0), (None, 0.0), (None, math.inf)):
        actual = torch.cat([block.clone() for _, block in distances.distance_blocks(points, others, own)])
        assert (actual[:20, 80:].diagonal() == 0).all()
        assert (actual.diagonal() == own).all()
        actual.fill_diagonal_(0)
        torch.testing.assert_close(actual, exact, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("tile", [(512, 4096), (7, 11), (30, 8), (100, 100)])
def test_tiles_hold_each_pair_once(tile, monkeypatch):
    monkeypatch.setattr(distances, "TILE", tile)
    points = gaussian(80, 5, dtype=torch.float64)
    (points,) = distances.centered(torch.cat([points, points[:20]]) + 1e3)
    seen = torch.zeros(100, 100)
    for rows, columns, squared in distances.distance_tiles(points):
        seen[rows, columns] += 1
        exact = (points[rows, None] - points[columns]).square().sum(-1)
        assert torch.equal(squared == 0, exact == 0)
        torch.testing.assert_close(squared, exact, rtol=1e-9, atol=1e-12)
    inside = seen * seen.T  # both (i, j) and (j, i) are seen among the rows of one tile alone
    assert ((seen + seen.T - inside) == 1).all()
