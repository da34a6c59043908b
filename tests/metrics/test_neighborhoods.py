from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from latentbench import LatentSpace, NotApplicableError
from latentbench_metrics import neighborhoods
from latentbench_metrics._shared import distances, ranks
from latentbench_metrics.geometry import ParticipationRatio, participation_ratio
from latentbench_metrics.neighborhoods import (
    Distances,
    Neighborhoods,
    continuity,
    distance_correlation,
    neighbor_recall,
    neighborhoods_per_item,
    triplet_accuracy,
    trustworthiness,
)

SCORES = (trustworthiness, continuity, neighbor_recall)


def normal(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def embedded(count=200, seed=0):
    """Points in five dimensions and a noisy look at two of them."""
    high = normal(count, 5, seed=seed)
    return high, high[:, :2] + 0.3 * normal(count, 2, seed=seed + 1)


def test_identity_isometry_and_scale_keep_all_neighbors():
    high = normal(1000, 10)
    turn = torch.linalg.qr(normal(10, 10, seed=1))[0]
    for low in (high, high @ turn + 3, 7 * high):
        for score in SCORES:
            assert score(high, low, 10) == pytest.approx(1, abs=1e-9)
        assert distance_correlation(high, low) == pytest.approx(1, abs=1e-9)
        assert triplet_accuracy(high, low) == pytest.approx(1, abs=1e-9)


def test_random_codes_score_as_chance():
    high, low = normal(1000, 10), normal(1000, 2, seed=1)
    assert trustworthiness(high, low, 10) == pytest.approx(0.5, abs=0.02)
    assert continuity(high, low, 10) == pytest.approx(0.5, abs=0.02)
    assert neighbor_recall(high, low, 10) == pytest.approx(10 / 999, abs=0.004)
    assert distance_correlation(high, low) == pytest.approx(0, abs=0.03)
    assert triplet_accuracy(high, low) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("k", [1, 5, 10])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_agrees_with_scikit_learn(k, dtype, monkeypatch):
    from sklearn.manifold import trustworthiness as reference

    monkeypatch.setattr(distances, "BLOCK", 1700)
    high, low = (points.to(dtype) for points in embedded())
    assert trustworthiness(high, low, k) == pytest.approx(
        reference(high.numpy(), low.numpy(), n_neighbors=k), abs=1e-6
    )
    assert continuity(high, low, k) == pytest.approx(reference(low.numpy(), high.numpy(), n_neighbors=k), abs=1e-6)


def test_recall_agrees_with_scikit_learn():
    from sklearn.neighbors import NearestNeighbors

    high, low = embedded()
    near = [NearestNeighbors(n_neighbors=7).fit(x.numpy()).kneighbors(return_distance=False) for x in (high, low)]
    expected = [len(set(a) & set(b)) / 7 for a, b in zip(*near, strict=True)]
    assert neighborhoods_per_item(high, low, 7)["neighbor_recall"].tolist() == pytest.approx(expected)


def test_distances_in_place_of_points():
    high, low = embedded()
    matrices = torch.cdist(high, high), torch.cdist(low, low)
    kept = [matrix.clone() for matrix in matrices]
    for score in SCORES:
        assert score(*matrices, 8, distances=True) == pytest.approx(score(high, low, 8), abs=1e-9)
        assert score(*(m.square() for m in matrices), 8, distances=True) == score(*matrices, 8, distances=True)
    assert all(torch.equal(a, b) for a, b in zip(matrices, kept, strict=True))


def test_distance_correlation_agrees_with_scipy():
    from scipy.stats import spearmanr

    high, low = embedded(60)
    first, second = torch.triu_indices(60, 60, 1)
    every = [(x[first] - x[second]).norm(dim=1).numpy() for x in (high, low)]
    assert distance_correlation(high, low, seed=3) == pytest.approx(spearmanr(*every).statistic, abs=0.01)
    assert distance_correlation(high, low) == distance_correlation(high, low)
    assert distance_correlation(high, low, seed=1) != distance_correlation(high, low)


def test_distance_correlation_of_the_very_pairs(monkeypatch):
    """Ties included: rounded codes."""
    from scipy.stats import spearmanr

    monkeypatch.setattr(neighborhoods, "NUMBERS", 33 * 5)
    high, low = embedded(50)
    generator = torch.Generator().manual_seed(5)
    first = torch.randint(50, (200,), generator=generator)
    second = (first + torch.randint(1, 50, (200,), generator=generator)) % 50
    assert (first != second).all()
    far = [(x[first] - x[second]).norm(dim=1).numpy() for x in (high, low.round())]
    assert distance_correlation(high, low.round(), 200, seed=5) == pytest.approx(spearmanr(*far).statistic)


@pytest.mark.parametrize(("count", "width"), [(40, 1), (90, 2), (500, 784), (30, 12_288)])
def test_lengths_of_pairs_are_sums_of_squared_differences(count, width, monkeypatch):
    """Bit for bit, in blocks that hold many pairs, few or less than one."""
    points = normal(count, width)
    for space in (points, points.float(), (3 * points).long(), points.float().requires_grad_()):
        first, second = torch.randint(0, count, (2, 301), generator=torch.Generator().manual_seed(width))
        naive = (space.detach()[first] - space.detach()[second]).double().square().sum(1)
        for numbers in (2**18, 7 * width, 1):
            monkeypatch.setattr(neighborhoods, "NUMBERS", numbers)
            assert torch.equal(neighborhoods._lengths(space, first, second), naive)


def test_large_spaces_have_the_scores_of_the_naive_formulas():
    from scipy.stats import spearmanr

    count, draws = 2000, 3000
    low = normal(count, 8).float()
    high = low @ normal(8, 784, seed=1).float() + normal(count, 784, seed=2).float()
    generator = torch.Generator().manual_seed(0)
    first = torch.randint(count, (draws,), generator=generator)
    second = (first + torch.randint(1, count, (draws,), generator=generator)) % count
    far = [(x[first].double() - x[second].double()).norm(dim=1).numpy() for x in (high, low)]
    assert distance_correlation(high, low, draws) == pytest.approx(spearmanr(*far).statistic, abs=1e-6)
    generator.manual_seed(0)
    first = torch.randint(count, (draws,), generator=generator)
    steps = torch.randint(1, count, (draws,), generator=generator)
    other = (steps + torch.randint(count - 2, (draws,), generator=generator)) % (count - 1) + 1
    ends = (first + steps) % count, (first + other) % count
    nearer = [torch.lt(*[(x[first].double() - x[end].double()).norm(dim=1) for end in ends]) for x in (high, low)]
    same = float((nearer[0] == nearer[1]).double().mean())
    assert triplet_accuracy(high, low, draws) == pytest.approx(same, abs=1e-6)


def test_triplet_accuracy_agrees_with_loops_over_all_triplets():
    high, low = embedded(30)
    far_high, far_low = (np.linalg.norm(x.numpy()[:, None] - x.numpy(), axis=2) for x in (high, low))
    every = [(i, j, k) for i in range(30) for j in range(30) for k in range(30) if len({i, j, k}) == 3]
    same = [(far_high[i, j] < far_high[i, k]) == (far_low[i, j] < far_low[i, k]) for i, j, k in every]
    actual = triplet_accuracy(high, low, seed=2)
    assert actual == pytest.approx(np.mean(same), abs=0.006)
    assert triplet_accuracy(low, high, seed=2) == actual
    assert triplet_accuracy(high, low, 1000) == triplet_accuracy(high, low, 1000)
    assert triplet_accuracy(high, low, 1000, seed=1) != triplet_accuracy(high, low, 1000)


def test_triplets_are_of_three_different_items():
    """Of three items with distances 1, 3 and 4 in one space and 1, 4 and 3 in the other."""
    high, low = torch.tensor([[0.0], [1], [4]]), torch.tensor([[1.0], [0], [4]])
    assert triplet_accuracy(high, low) == pytest.approx(2 / 3, abs=0.006)  # the far one's neighbors changed order


def test_ties_count_half_but_in_both_spaces():
    high, low = embedded(50)
    assert triplet_accuracy(high, torch.ones(50, 2)) == 0.5
    grid = (high * 2).round()
    assert triplet_accuracy(grid, grid) == 1
    far_high, far_low = (
        torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist") for x in (high, low.round())
    )
    first = (far_high[:, :, None] - far_high[:, None]).sign()
    agree = 1 - (first - (far_low[:, :, None] - far_low[:, None]).sign()).abs() / 2
    i, j, k = torch.meshgrid(*[torch.arange(50)] * 3, indexing="ij")
    expected = float(agree[(i != j) & (j != k) & (i != k)].mean())
    assert triplet_accuracy(high, low.round()) == pytest.approx(expected, abs=0.006)


@pytest.mark.parametrize("k", [1, 4, 12])
def test_ranks_and_neighbors_of_discrete_codes(k, monkeypatch):
    """Of whole numbers, whose distances are equal by the dozen, ranks are of the strictly nearer."""
    generator = torch.Generator().manual_seed(k)
    high = torch.randint(0, 4, (90, 3), generator=generator).double()
    far = torch.cdist(high, high, compute_mode="donot_use_mm_for_euclid_dist").square().round()
    far.fill_diagonal_(torch.inf)
    chosen = torch.randint(0, 90, (90, k), generator=generator)
    expected = [[int((far[i] < far[i, j]).sum()) + 1 for j in chosen[i]] for i in range(90)]
    assert ranks.ranks_of(far, chosen).tolist() == expected
    monkeypatch.setattr(ranks, "FEW", 0)  # by sorting, as for many ranks at once
    assert ranks.ranks_of(far, chosen).tolist() == expected
    assert ranks._all_ranks(far).gather(1, chosen).tolist() == expected
    table, (distances_of,) = ranks.neighbor_table(high, 10).long(), ranks.distances_among(high, given=False)
    assert torch.equal(table[:, 10:].gather(1, chosen), ranks.ranks_of(distances_of, chosen))


def test_scores_are_the_same_from_tables_made_once_and_without():
    high, low = torch.randint(0, 3, (200, 6)).float(), torch.randint(0, 3, (200, 2)).float()
    space = LatentSpace.from_arrays(codes=low, inputs=high).replaced(fingerprint="f" * 64)
    for _ in range(2):
        computed = Neighborhoods(Neighborhoods.Params()).compute(space)
        for name, values in neighborhoods_per_item(high, low, 10).items():
            assert torch.equal(computed[name], values)
        assert Distances(Distances.Params()).compute(space) == {
            "distance_correlation": distance_correlation(high, low),
            "triplet_accuracy": triplet_accuracy(high, low),
        }


def test_a_table_that_would_be_too_large_is_not_made(monkeypatch):
    space = LatentSpace.from_arrays(codes=normal(60, 2), inputs=normal(60, 3)).replaced(fingerprint="f" * 64)
    expected = Neighborhoods(Neighborhoods.Params()).compute(space)
    monkeypatch.setattr(neighborhoods, "MOST_IN_TABLE", 59)
    monkeypatch.setattr(neighborhoods, "neighbor_table", None)
    again = Neighborhoods(Neighborhoods.Params()).compute(space)
    assert all(torch.equal(again[name], values) for name, values in expected.items())


@given(seed=st.integers(0, 10_000), scale=st.floats(0.01, 100), shift=st.floats(-100, 100))
@settings(max_examples=10, deadline=None)
def test_declared_invariances_order_and_precision(seed, scale, shift):
    high, low = embedded(60, seed)
    turn = torch.linalg.qr(normal(2, 2, seed=seed))[0]
    order = torch.from_numpy(np.random.default_rng(seed).permutation(60))
    for score in SCORES:
        value = score(high, low, 5)
        assert score(high[order], (scale * low @ turn + shift)[order], 5) == pytest.approx(value, abs=1e-9)
        assert score(high.float(), low.float(), 5) == pytest.approx(value, abs=0.01)
    moved = scale * low @ turn + shift
    assert distance_correlation(high, moved, 500) == pytest.approx(distance_correlation(high, low, 500), abs=1e-6)
    assert triplet_accuracy(high, moved, 500) == pytest.approx(triplet_accuracy(high, low, 500), abs=2e-3)
    assert triplet_accuracy(high.float(), low.float(), 500) == pytest.approx(
        triplet_accuracy(high, low, 500), abs=5e-3
    )
    assert participation_ratio(moved) == pytest.approx(participation_ratio(low), rel=1e-6)


def test_participation_ratio_of_a_ball_a_line_and_a_spectrum():
    assert participation_ratio(normal(10_000, 8)) == pytest.approx(8, rel=0.05)
    line = normal(500, 1) * torch.tensor([1.0, 2, 3])
    assert participation_ratio(line) == pytest.approx(1, abs=1e-9)
    assert participation_ratio(line.float() + 100) == pytest.approx(1, abs=1e-4)
    values = torch.linalg.eigvalsh(torch.cov(embedded()[1].T))
    expected = float(values.sum() ** 2 / values.square().sum())
    assert participation_ratio(embedded()[1]) == pytest.approx(expected, rel=1e-9)
    assert participation_ratio(embedded()[1].float()) == pytest.approx(expected, rel=1e-5)


def test_collapsed_codes_give_numbers():
    high = normal(100, 16)
    low = torch.cat([high[:, :4], torch.zeros(100, 6), 1e-30 * normal(100, 6)], 1)
    for score in SCORES:
        assert score(high, low, 10) == pytest.approx(score(high, high[:, :4], 10), abs=1e-9)
    assert 3 < participation_ratio(low) <= 4
    few = torch.arange(100)[:, None] % 3  # as a codebook of three
    assert all(math.isfinite(score(high, few, 10)) for score in SCORES)
    assert math.isfinite(distance_correlation(high, few))
    assert 0 <= triplet_accuracy(high, few) <= 1


def test_wrong_requests_are_refused():
    high, low = embedded(20)
    with pytest.raises(ValueError, match=r"k \(=10\) must be at least 1 and less than half .* \(=20\)"):
        trustworthiness(high, low, 10)
    with pytest.raises(ValueError, match=r"got \(20, 5\) and \(19, 2\)"):
        neighbor_recall(high, low[1:], 3)
    with pytest.raises(ValueError, match=r"distances must be \(n, n\)"):
        continuity(high, low, 3, distances=True)
    with pytest.raises(ValueError, match="equally many rows"):
        distance_correlation(high, low[1:])
    for other in (low[1:], low[:2]):
        with pytest.raises(ValueError, match="equally many rows, at least 3"):
            triplet_accuracy(high[:2], other)
    with pytest.raises(NotApplicableError, match="equally far"):
        distance_correlation(high, torch.ones(20, 2))
    with pytest.raises(NotApplicableError, match="all codes are equal"):
        participation_ratio(torch.full((20, 2), 0.1))


def test_metric_on_digits(space):
    plain = LatentSpace.from_arrays(codes=space.codes, inputs=space.inputs)
    scores = {
        **Neighborhoods(Neighborhoods.Params()).compute(plain),
        **Distances(Distances.Params()).compute(plain),
    }
    assert scores["neighbor_recall"].shape == (len(space),)
    flat = space.inputs.flatten(1)
    for score in SCORES:
        assert float(scores[score.__name__].mean()) == pytest.approx(score(flat, space.codes, 10), abs=1e-12)
    assert 0.2 < scores["neighbor_recall"].mean() < 0.9 < scores["trustworthiness"].mean() < 1
    assert 0.5 < scores["distance_correlation"] < scores["triplet_accuracy"] < 1
    pixels = LatentSpace.from_arrays(codes=flat, inputs=space.inputs)
    for metric in (Neighborhoods, Distances):
        for value in metric(metric.Params()).compute(pixels).values():
            assert float(torch.as_tensor(value).mean()) == pytest.approx(1)


def test_codes_that_carry_gradients_are_scored_alike():
    high, low = embedded(40)
    for score in SCORES:
        assert score(high, low.clone().requires_grad_(), 5) == score(high, low, 5)
    matrices = torch.cdist(high, high), torch.cdist(low, low)
    assert continuity(matrices[0], matrices[1].clone().requires_grad_(), 5, distances=True) == continuity(
        high, low, 5
    )
    assert triplet_accuracy(high, low.clone().requires_grad_(), 50) == triplet_accuracy(high, low, 50)


def test_what_a_space_lacks_makes_scores_not_applicable(space):
    bare = LatentSpace.from_arrays(codes=space.codes)
    assert bare.missing(Neighborhoods.needs) == "no inputs"
    with pytest.raises(NotApplicableError, match="no inputs"):
        Neighborhoods(Neighborhoods.Params()).compute(bare)
    collapsed = LatentSpace.from_arrays(codes=torch.full((50, 3), 0.1), inputs=space.inputs[:50])
    for metric in (Neighborhoods, Distances, ParticipationRatio):
        with pytest.raises(NotApplicableError, match="all codes are equal"):
            metric(metric.Params()).compute(collapsed)
    assert ParticipationRatio(ParticipationRatio.Params()).compute(bare) == {
        "participation_ratio": participation_ratio(space.codes)
    }
