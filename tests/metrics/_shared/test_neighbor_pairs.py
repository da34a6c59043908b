"""Each pair is looked at once, and the neighbors are those that are found one point at a time."""

import pytest
import torch

from latentbench_metrics._shared import neighbor_pairs
from latentbench_metrics._shared.nearest import nearest
from latentbench_metrics._shared.neighbor_pairs import nearest_others


def gaussian(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


CLOUDS = {
    "normal": gaussian(400, 16),
    "wide": gaussian(400, 100),
    "far away": gaussian(400, 3) + 1e4,
    "grid": gaussian(400, 3).round(),
    "all equal": torch.full((400, 4), 0.1),
    "two tight lumps": torch.cat([1e-4 * gaussian(200, 3, dtype=torch.float64) + 100 * side for side in (-1, 1)]),
    "tiny": 1e-30 * gaussian(400, 3),
    "huge": 1e30 * gaussian(400, 3, dtype=torch.float64),
    "a line": torch.linspace(0, 1, 400)[:, None],
    "whole numbers": torch.arange(400)[:, None] % 7,
}
GROUPS = {
    "none": None,
    "five": torch.arange(400) % 5,
    "uneven": torch.arange(400).sqrt().div(4).long(),
    "many": torch.arange(400) % 30,
    "in a row": torch.arange(400) // 150 * 7,
}


@pytest.fixture
def small_tiles(monkeypatch):
    monkeypatch.setattr(neighbor_pairs, "TILE", 60)
    monkeypatch.setattr(neighbor_pairs, "WIDE", 1)


def one_by_one(points, k, groups):
    """By `nearest` on the points of other groups, in their order."""
    if groups is None:
        return nearest(points, points, k, own=torch.arange(len(points)))
    squared, rows = (
        torch.empty(len(points), k, dtype=torch.float64),
        torch.empty(len(points), k, dtype=torch.int64),
    )
    for group in groups.unique():
        others = (groups != group).nonzero()[:, 0]
        squared[groups == group], found = nearest(points[others], points[groups == group], k)
        rows[groups == group] = others[found]
    return squared, rows


@pytest.mark.parametrize("groups", GROUPS)
@pytest.mark.parametrize("name", CLOUDS)
def test_neighbors_are_those_of_one_point_at_a_time_bit_for_bit(name, groups, small_tiles):
    actual, expected = (find(CLOUDS[name], 10, GROUPS[groups]) for find in (nearest_others, one_by_one))
    assert torch.equal(actual[1], expected[1])
    assert torch.equal(actual[0], expected[0])


@pytest.fixture
def products(monkeypatch):
    """The type and the number of points of every search by pairs."""
    calls, plain = [], neighbor_pairs._likely

    def likely(dtype, points, *others):
        calls.append((dtype, len(points)))
        return plain(dtype, points, *others)

    monkeypatch.setattr(neighbor_pairs, "_likely", likely)
    monkeypatch.setattr(neighbor_pairs, "TILE", 512)
    return calls


def test_wide_points_are_found_in_pairs_and_others_are_not(products):
    for width in (8, 80):
        nearest_others(gaussian(1000, width), 3)
    nearest_others(gaussian(500, 80), 3)
    assert products == [(torch.float32, 1000)]


def test_what_float32_cannot_prove_is_sought_in_float64(products, monkeypatch):
    monkeypatch.setattr(neighbor_pairs, "_one_by_one", None)
    points = 100 * gaussian(4, 80)[torch.arange(1000) % 4] + 1e-3 * gaussian(1000, 80, seed=1)
    expected = nearest(points, points, 4, own=torch.arange(1000))
    assert torch.equal(nearest_others(points, 4)[1], expected[1])
    assert products == [(torch.float32, 1000), (torch.float64, 1000)]


def test_many_finds_at_once_are_sought_as_in_a_first_tile(small_tiles, monkeypatch):
    monkeypatch.setattr(neighbor_pairs, "MOST_CLOSER", 0)
    points = gaussian(700, 5)
    assert torch.equal(nearest_others(points, 4)[1], one_by_one(points, 4, None)[1])


def test_points_without_enough_others():
    with pytest.raises(ValueError, match=r"k \(=3\) must be at most"):
        nearest_others(gaussian(3, 2), 3)
    with pytest.raises(ValueError, match=r"k \(=2\) must be at most"):
        nearest_others(gaussian(4, 2), 2, torch.tensor([0, 0, 0, 1]))
