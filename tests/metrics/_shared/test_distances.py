from __future__ import annotations

import math

import pytest
import torch

from latentbench_metrics._shared import distances
from latentbench_metrics._shared.distances import extreme


def gaussian(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


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


def lumps(apart, within, count=400, dim=100):
    """Four tight clusters among points at random."""
    centers = apart * gaussian(4, dim, dtype=torch.float64)
    return centers[torch.arange(count) % 4] + within * gaussian(count, dim, seed=1, dtype=torch.float64)


QUICK = {
    "normal": gaussian(400, 100),
    "tight lumps": lumps(1, 1e-3),  # all pairs within a class are near: tiles in float64
    "a few near pairs": torch.cat([gaussian(390, 100), 1e-3 + gaussian(390, 100)[:10]]),
    "equal points": torch.cat([gaussian(390, 100), gaussian(390, 100)[:10]]),
    "all equal": torch.ones(400, 100),
    "tiny": 1e-12 * gaussian(400, 100),
    "huge": 1e18 * gaussian(400, 100, dtype=torch.float64),
    "an outlier": torch.cat([gaussian(399, 100), torch.full((1, 100), 1e6)]),
    "few dimensions that count": gaussian(400, 100) * torch.logspace(0, -6, 100),
}


@pytest.mark.parametrize("name", QUICK)
@pytest.mark.parametrize("tile", [(512, 4096), (50, 70)])
def test_tiles_by_products_in_float32(name, tile, monkeypatch):
    monkeypatch.setattr(distances, "TILE", tile)
    monkeypatch.setattr(distances, "MANY", 2)
    (points,) = distances.centered(QUICK[name])
    for rows, columns, squared in distances.distance_tiles(points):
        exact = (points[rows, None] - points[columns]).square().sum(-1)
        assert torch.equal(squared == 0, exact == 0)
        torch.testing.assert_close(squared.double(), exact, rtol=1e-5, atol=0)


def test_which_tiles_are_in_float32(monkeypatch):
    monkeypatch.setattr(distances, "MANY", 300)
    monkeypatch.setattr(distances, "TILE", (100, 100))

    def types(points):
        return {(rows == columns, tile.dtype) for rows, columns, tile in distances.distance_tiles(points)}

    (points,) = distances.centered(gaussian(400, 100))
    sorted_by_lump = lumps(1, 1e-3)[torch.arange(400).argsort(stable=True) % 100 * 4 + torch.arange(400) // 100]
    assert {dtype for _, dtype in types(points)} == {torch.float32}
    assert types(*distances.centered(sorted_by_lump)) == {(True, torch.float64), (False, torch.float32)}
    for few_or_short in (points[:200], points[:, :20].contiguous()):
        assert {dtype for _, dtype in types(few_or_short)} == {torch.float64}
