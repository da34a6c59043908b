"""What every pair score leaves as it is: the order of items, their units and, for most, how a space is turned."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from latentbench_metrics.pairs.distance_ranks import rsa
from latentbench_metrics.pairs.kernel_alignment import cka
from latentbench_metrics.pairs.linear_maps import linear_r2
from latentbench_metrics.pairs.matched_dimensions import mcc
from latentbench_metrics.pairs.neighbor_overlap import mutual_knn
from latentbench_metrics.pairs.neighbor_ranks import information_imbalance
from latentbench_metrics.pairs.optimal_matching import gromov_wasserstein_match
from latentbench_metrics.pairs.rotations import procrustes
from tests.metrics.pairs.conftest import halved, normal, shuffled, turn

FITTED = {linear_r2, mcc, procrustes}
TURNED = [cka, information_imbalance, mutual_knn, procrustes, rsa]
SYMMETRIC = [cka, mcc, mutual_knn, procrustes, rsa]
ALL = [*TURNED, linear_r2, mcc]
ITEMS = 40


def score(function, x, y):
    return function(*halved(x, y)) if function in FITTED else function(x, y)


def best(function, items):
    """The score of equal spaces; the nearest neighbor's rank is the first of `items`."""
    return 2 / items if function is information_imbalance else 1


@pytest.mark.parametrize("function", TURNED)
@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 1000),
    wide=st.integers(1, 60),
    scale=st.sampled_from([1e-12, 0.5, 1.0, 1e6]),
    shift=st.sampled_from([0.0, 1.0, -1e3]),
)
def test_rotation_scale_and_shift_change_nothing(function, seed, wide, scale, shift):
    width = 1 + wide % (ITEMS // 2 - 2) if function in FITTED else wide  # what training leaves open is arbitrary
    x, y = normal(ITEMS, width, seed=seed), normal(ITEMS, 5, seed=seed + 1)
    moved = scale * (x @ turn(width, seed) + shift)
    assert score(function, moved, y) == pytest.approx(score(function, x, y), abs=1e-7)
    assert score(function, y, moved) == pytest.approx(score(function, y, x), abs=1e-7)
    assert score(function, x, moved) == pytest.approx(best(function, ITEMS), abs=1e-8)


@pytest.mark.parametrize("function", SYMMETRIC)
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), width=st.integers(1, 20))
def test_both_directions_score_alike(function, seed, width):
    x, y = normal(ITEMS, width, seed=seed), normal(ITEMS, 5, seed=seed + 1)
    assert score(function, y, x) == pytest.approx(score(function, x, y), abs=1e-9)


@pytest.mark.parametrize("function", ALL)
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), width=st.integers(1, 12))
def test_items_of_both_in_another_order_change_nothing(function, seed, width):
    x, y = normal(ITEMS, width, seed=seed), normal(ITEMS, 5, seed=seed + 1)
    y[:, :1] += 3 * x[:, :1]
    parts = halved(x, y) if function in FITTED else (x, y)
    order = shuffled(len(parts[0]), seed)
    assert function(*(part[order] for part in parts)) == pytest.approx(function(*parts), abs=1e-9)


@pytest.mark.parametrize("function", [*ALL, gromov_wasserstein_match])
@pytest.mark.parametrize("scale", [1e-200, 1e-12, 1e150])
def test_tiny_and_huge_numbers_lose_nothing(function, scale):
    x = normal(200, 4) * torch.tensor([4.0, 3, 2, 1])
    y = x + 0.5 * normal(200, 4, seed=1)
    assert score(function, scale * x, y) == pytest.approx(score(function, x, y), abs=1e-9)
    assert score(function, y, scale * x) == pytest.approx(score(function, y, x), abs=1e-9)
