from __future__ import annotations

import numpy as np
import pytest
import torch

from latentbench import NotApplicableError
from latentbench_metrics.pairs.rotations import procrustes
from tests.metrics.pairs.conftest import halved, normal, turn


def naive(x_train, y_train, x, y):
    """Zero-padded to one width, rotated by scipy's solution."""
    from scipy.linalg import orthogonal_procrustes

    width = max(x.shape[1], y.shape[1])
    means = [codes.numpy().mean(0) for codes in (x_train, y_train)]
    given = zip((x_train, y_train, x, y), means * 2, strict=True)
    moved = [np.pad(codes.numpy() - mean, ((0, 0), (0, width - codes.shape[1]))) for codes, mean in given]
    rotation, _ = orthogonal_procrustes(moved[0], moved[1])
    rotated = moved[2] @ rotation
    return (rotated * moved[3]).sum() / np.linalg.norm(rotated) / np.linalg.norm(moved[3])


@pytest.mark.parametrize(("width", "other"), [(1, 1), (1, 4), (6, 6), (3, 9), (9, 3)])
def test_agrees_with_scipy(width, other):
    x = normal(200, width)
    shared = min(width, other)
    for y in (normal(200, other, seed=1), normal(200, other, seed=2)):
        y[:, :shared] += x[:, :shared]
        assert procrustes(*halved(x, y)) == pytest.approx(naive(*halved(x, y)), abs=1e-10)


def test_fitted_and_scored_on_the_same_items_it_is_one_less_the_disparity_of_scipy():
    from scipy.spatial import procrustes as reference

    x, y = normal(100, 4), normal(100, 4, seed=1) + normal(100, 4)
    _, _, disparity = reference(x.numpy(), y.numpy())
    assert procrustes(x, y, x, y) ** 2 == pytest.approx(1 - disparity, abs=1e-10)


def test_unrelated_spaces_score_about_0_on_other_items():
    """2,000 training items, d = 8: 0.058 on the same items; elsewhere the standard deviation is about 0.008."""
    x, y = normal(4000, 8), normal(4000, 8, seed=1)
    assert procrustes(*halved(x, y)) == pytest.approx(0, abs=0.03)
    assert procrustes(x[:2000], y[:2000], x[:2000], y[:2000]) == pytest.approx(0.058, abs=0.01)


def test_noise_of_half_the_standard_deviation():
    """1 / sqrt 1.25; the standard deviation over samples is about 0.002."""
    x = normal(4000, 8)
    value = procrustes(*halved(x, x + 0.5 * normal(4000, 8, seed=1)))
    assert value == pytest.approx(1.25**-0.5, abs=0.006)


def test_directions_that_training_leaves_open_count_nothing():
    """Four training items span three of ten dimensions; random rotations of the others make no difference."""
    x, y = normal(104, 10), normal(104, 10, seed=1)
    parts = x[:4], y[:4], x[4:], y[4:]
    moved = [part - part_train.mean(0) for part, part_train in zip(parts, parts[:2] * 2, strict=True)]
    left, _, right = torch.linalg.svd(moved[0].T @ moved[1])
    scores = []
    for seed in range(200):
        free = torch.eye(10, dtype=torch.float64)
        free[3:, 3:] = turn(7, seed) * torch.sign(normal(7, seed=seed))
        scores.append(((moved[2] @ left @ free @ right) * moved[3]).sum() / moved[2].norm() / moved[3].norm())
    assert procrustes(*parts) == pytest.approx(float(torch.stack(scores).mean()), abs=0.02)


def test_constant_dimensions_and_duplicates_change_nothing():
    x, y = normal(100, 3), normal(100, 3) + normal(100, 3, seed=1)
    padded = torch.cat([torch.full((100, 2), 7.0), x, torch.zeros(100, 1)], 1)
    value = procrustes(*halved(x, y))
    assert procrustes(*halved(padded, y)) == pytest.approx(value, abs=1e-10)
    assert procrustes(*halved(x, padded)) == pytest.approx(procrustes(*halved(x, x)), abs=1e-10)
    doubled = [part.repeat(2, 1) for part in halved(x, y)]
    assert procrustes(*doubled) == pytest.approx(value, abs=1e-10)


def test_a_mean_of_a_million_in_float32():
    x = (1e6 + 8 * normal(500, 6)).float()
    y = (x.double() + 4 * normal(500, 6, seed=1)).float()
    expected = naive(*(part.double() - 1e6 for part in halved(x, y)))
    assert procrustes(*halved(x, y)) == pytest.approx(expected, abs=1e-9)


def test_wrong_codes_are_refused_in_one_sentence():
    x = normal(20, 3)
    with pytest.raises(NotApplicableError, match="all codes of a space are equal"):
        procrustes(x, torch.full((20, 3), 0.1), x, x)
    with pytest.raises(ValueError, match="x_train and y_train must hold the same items in the same order"):
        procrustes(x, x[:19], x, x)
    with pytest.raises(ValueError, match="x and y must hold the same items in the same order, got 20 and 19"):
        procrustes(x, x, x, x[:19])
    with pytest.raises(ValueError, match="y_train and y must have equally many dimensions, got 3 and 2"):
        procrustes(x, x, x, x[:, :2])
    with pytest.raises(ValueError, match="x_train and y_train must hold at least 2 items, got 1"):
        procrustes(x[:1], x[:1], x, x)
    with pytest.raises(ValueError, match="y_train must be finite, but 1 of its 20 items hold NaN or infinity"):
        procrustes(x, x.index_fill(0, torch.tensor([3]), torch.inf), x, x)
