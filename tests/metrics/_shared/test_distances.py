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
