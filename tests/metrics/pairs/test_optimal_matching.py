from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from latentbench import LatentSpace, NotApplicableError
from latentbench.latent.transport.pot import pot
from latentbench_metrics.pairs import optimal_matching
from latentbench_metrics.pairs.optimal_matching import OptimalMatching, gromov_wasserstein_match
from tests.metrics.pairs.conftest import normal, shuffled, turn


def relative(codes):
    far = torch.cdist(codes, codes).numpy()
    return far / far.mean()


def test_a_rotated_copy_finds_all_partners():
    x = normal(300, 8)
    assert gromov_wasserstein_match(x, 3 * x @ turn(8) + 5) == pytest.approx(1, abs=1e-9)


def test_noise_of_half_the_standard_deviation():
    """What has shape keeps its partners, an isotropic space loses them; 0.94 and 0.017 measured."""
    x, noise = normal(300, 8), 0.5 * normal(300, 8, seed=1)
    assert gromov_wasserstein_match(x, x + noise) < 0.2
    axes = x * torch.tensor([8.0, 5, 3, 2, 1, 1, 0.5, 0.5])
    assert gromov_wasserstein_match(axes, axes + noise) == pytest.approx(0.94, abs=0.06)


def test_unrelated_spaces_match_by_chance():
    """1 / 300 in the mean; the number of matches is about Poisson with mean 1."""
    values = [
        gromov_wasserstein_match(normal(300, 8, seed=seed), normal(300, 8, seed=50 + seed)) for seed in range(5)
    ]
    assert np.mean(values) == pytest.approx(1 / 300, abs=0.01)


@pytest.mark.parametrize("seed", range(3))
def test_no_random_start_of_the_solver_finds_a_better_plan(seed):
    """An independent oracle: POT itself, started from the true partners and from random permutations."""
    x = normal(60, 3, seed=seed) * torch.tensor([3.0, 2, 1])
    y = x @ turn(3) + 0.1 * normal(60, 3, seed=seed + 9)
    weights, far, other = np.full(60, 1 / 60), relative(x), relative(y)
    generator = np.random.default_rng(seed)
    starts = [np.eye(60) / 60, *(np.eye(60)[generator.permutation(60)] / 60 for _ in range(5))]
    solved = [
        pot().gromov.gromov_wasserstein(far, other, weights, weights, "square_loss", G0=start, log=True)
        for start in starts
    ]
    plan, _ = min(solved, key=lambda result: result[1]["gw_dist"])
    assert gromov_wasserstein_match(x, y) == pytest.approx(np.trace(plan), abs=0.05)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), count=st.integers(5, 40), width=st.integers(1, 5))
def test_the_order_of_items_changes_nothing(seed, count, width):
    """Neither that of both, bit for bit, nor that of one whose partners are told apart from its order."""
    x, y = normal(count, width, seed=seed), normal(count, width, seed=seed) + 0.2 * normal(count, width, seed=1)
    value = gromov_wasserstein_match(x, y)
    order = shuffled(count, seed)
    assert gromov_wasserstein_match(x[order], y[order]) == value
    assert gromov_wasserstein_match(y, x) == value
    assert gromov_wasserstein_match(x, 0.01 * x @ turn(width, seed) - 3) == pytest.approx(1, abs=1e-9)


def test_equal_items_share_their_partners():
    """Each of 40 places has three items: which of them is which cannot be told."""
    x = (normal(40, 3) * torch.tensor([3.0, 2, 1])).repeat(3, 1)
    order = shuffled(120)
    for other in (x, x @ turn(3), x.float()):
        assert gromov_wasserstein_match(x, other) == pytest.approx(1 / 3, abs=1e-6)
        assert gromov_wasserstein_match(x[order], other[order]) == pytest.approx(1 / 3, abs=1e-6)


def test_constant_dimensions_and_other_widths_change_nothing():
    x = normal(60, 3) * torch.tensor([3.0, 2, 1])
    padded = torch.cat([torch.full((60, 2), 7.0), x, torch.zeros(60, 90)], 1)
    assert gromov_wasserstein_match(padded, x) == pytest.approx(1, abs=1e-9)


def test_wrong_codes_are_refused_in_one_sentence():
    with pytest.raises(NotApplicableError, match="all codes of a space are equal"):
        gromov_wasserstein_match(normal(20, 3), torch.full((20, 3), 0.1))
    with pytest.raises(NotApplicableError, match="all items of a space are equally far from each other"):
        gromov_wasserstein_match(normal(20, 3), torch.eye(20))
    with pytest.raises(ValueError, match="x and y must hold the same items in the same order, got 20 and 19"):
        gromov_wasserstein_match(normal(20, 3), normal(19, 3))
    with pytest.raises(ValueError, match="needs at most 1,000 items and at least 1 start, got 1,001 items and 4"):
        gromov_wasserstein_match(normal(1001, 1), normal(1001, 1))
    with pytest.raises(ValueError, match="needs at most 1,000 items and at least 1 start, got 20 items and 0"):
        gromov_wasserstein_match(normal(20, 1), normal(20, 1), starts=0)
    with pytest.raises(ValueError, match="x must be finite, but 1 of its 20 items hold NaN or infinity"):
        gromov_wasserstein_match(normal(20, 3).index_fill(0, torch.tensor([3]), torch.nan), normal(20, 3))


def test_the_metric_solves_once_and_is_the_function_in_any_order(monkeypatch):
    solved = []
    best_plan = optimal_matching._best_plan
    monkeypatch.setattr(optimal_matching, "_best_plan", lambda *given: solved.append(1) or best_plan(*given))
    metric = OptimalMatching(OptimalMatching.Params())
    x = (normal(50, 3) * torch.tensor([3.0, 2, 1])).float()
    y = x + 0.2 * normal(50, 3, seed=1).float()
    a, b = (metric.prepare(LatentSpace.from_arrays(codes=codes)) for codes in (x, y))
    value = metric.compute(a, b)
    order = shuffled(50)
    once = metric.reordered(b, order, None)
    twice = metric.reordered(once, order, None)
    permuted = [metric.compute(a, once), metric.compute(once, a), metric.compute(a, twice)]
    assert metric.compute(metric.reordered(a, order, None), once) == value
    assert len(solved) == 1
    assert value == gromov_wasserstein_match(x, y) > 0.5
    assert permuted[0] == permuted[1] == gromov_wasserstein_match(x, y[order])
    assert permuted[2] == gromov_wasserstein_match(x, y[order][order])
    assert np.mean([metric.compute(a, metric.reordered(b, shuffled(50, seed), None)) for seed in range(400)]) == (
        pytest.approx(1 / 50, abs=0.004)
    )
