from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from latentbench import LatentSpace, NotApplicableError
from latentbench_metrics.clusters import (
    FisherRatio,
    KMeansAgreement,
    Separation,
    calinski_harabasz,
    davies_bouldin,
    fisher_ratio,
    kmeans_agreement,
    partition_agreement,
    silhouette,
    silhouette_per_item,
)
from latentbench_metrics.neighbors import Neighbors, SampledNeighbors, knn_accuracy

LINE = torch.tensor([[0.0], [1], [10], [11]], dtype=torch.float64)
SIDES = torch.tensor([0, 0, 1, 1])
SCORES = (silhouette, davies_bouldin, calinski_harabasz)


def blobs(count=300, dim=5, classes=4, seed=0, spread=1.0):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (count,), generator=generator)
    labels[:classes] = torch.arange(classes)
    centers = 3 * torch.randn(classes, dim, generator=generator, dtype=torch.float64)
    return centers[labels] + spread * torch.randn(count, dim, generator=generator, dtype=torch.float64), labels


def test_indices_of_four_points():
    assert silhouette(LINE, SIDES) == pytest.approx((19 / 21 + 17 / 19) / 2, abs=1e-9)
    assert davies_bouldin(LINE, SIDES) == pytest.approx(0.1, abs=1e-9)
    assert calinski_harabasz(LINE, SIDES) == pytest.approx(200, abs=1e-9)


def test_indices_far_from_the_origin_in_float32():
    assert silhouette((LINE + 1e4).float(), SIDES) == pytest.approx(0.8997494, abs=1e-4)
    codes, labels = blobs()
    far = (codes + 1e4).float()
    for score in SCORES:
        assert score(far, labels) == pytest.approx(score(codes, labels), rel=2e-3)


@pytest.mark.parametrize(("dim", "expected"), [(64, 0.2507), (256, 0.0853)])
def test_silhouette_shrinks_with_dimension(dim, expected):
    codes = torch.randn(1000, dim, generator=torch.Generator().manual_seed(1))
    codes[500:, 0] += 10
    value = silhouette(codes, torch.arange(1000) // 500)
    assert value == pytest.approx(expected, abs=0.01)
    assert value == pytest.approx(1 - math.sqrt(2 * dim / (2 * dim + 100)), abs=0.01)


def test_agreement_of_two_partitions():
    agreement = partition_agreement(torch.tensor([0, 0, 1, 1]), torch.tensor([0, 0, 1, 2]))
    assert agreement["ari"] == pytest.approx(0.571429, abs=1e-6)
    assert agreement["nmi"] == pytest.approx(0.8, abs=1e-6)


def test_random_and_renamed_labels():
    codes = torch.randn(10_000, 8, generator=torch.Generator().manual_seed(2))
    labels = torch.arange(10_000) % 10
    renamed = torch.randperm(10, generator=torch.Generator().manual_seed(3))[labels]
    train, test = codes[:5000], codes[5000:]
    actual = knn_accuracy(train, labels[:5000], test, labels[5000:], 1)
    assert actual == pytest.approx(0.1, abs=0.02)
    assert knn_accuracy(train, renamed[:5000], test, renamed[5000:], 1) == actual
    agreement = kmeans_agreement(test, labels[5000:], seed=0)
    assert agreement["ari"] == pytest.approx(0, abs=0.005)
    assert kmeans_agreement(test, renamed[5000:], seed=0) == pytest.approx(agreement, abs=1e-12)
    for score in SCORES:
        assert score(test, renamed[5000:]) == pytest.approx(score(test, labels[5000:]), abs=1e-9)


@pytest.mark.parametrize(("dim", "spread"), [(2, 0.1), (5, 1.0), (40, 3.0)])
def test_agree_with_scikit_learn(dim, spread):
    from sklearn import metrics

    codes, labels = blobs(dim=dim, spread=spread)
    arrays = codes.numpy(), labels.numpy()
    np.testing.assert_allclose(silhouette_per_item(codes, labels), metrics.silhouette_samples(*arrays), atol=1e-7)
    assert davies_bouldin(codes, labels) == pytest.approx(metrics.davies_bouldin_score(*arrays), rel=1e-9)
    assert calinski_harabasz(codes, labels) == pytest.approx(metrics.calinski_harabasz_score(*arrays), rel=1e-9)
    for score in SCORES:
        assert score(codes.float(), labels) == pytest.approx(score(codes, labels), rel=1e-4)


def test_silhouette_in_chunks_and_of_a_lonely_class(monkeypatch):
    codes, labels = blobs(count=50)
    labels[0] = 9
    whole = silhouette_per_item(codes, labels)
    assert whole[0] == 0
    monkeypatch.setattr("latentbench_metrics._shared.distances.TILE", (7, 19))
    torch.testing.assert_close(silhouette_per_item(codes, labels), whole)


def gaussian(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def test_wrong_requests_are_refused():
    with pytest.raises(ValueError, match=r"k \(=5\) must be at most .* \(=4\)"):
        knn_accuracy(LINE, SIDES, LINE, SIDES, 5)
    with pytest.raises(ValueError, match="at least two classes"):
        silhouette(LINE, torch.zeros(4, dtype=torch.int64))


def by_inverse(codes, labels):
    """tr(S_W^-1 S_B) in numpy."""
    x, y = codes.double().numpy(), labels.numpy()
    within = sum(np.cov(x[y == c].T, bias=True).reshape(x.shape[1], -1) * (y == c).mean() for c in np.unique(y))
    apart = [(x[y == c].mean(0) - x.mean(0), (y == c).mean()) for c in np.unique(y)]
    return np.trace(np.linalg.inv(within) @ sum(w * np.outer(m, m) for m, w in apart))


@pytest.mark.parametrize(("dim", "classes", "spread"), [(1, 2, 1.0), (5, 4, 1.0), (20, 10, 3.0), (3, 7, 0.2)])
def test_fisher_ratio_agrees_with_numpy(dim, classes, spread):
    codes, labels = blobs(dim=dim, classes=classes, spread=spread)
    assert fisher_ratio(codes, labels) == pytest.approx(by_inverse(codes, labels), rel=1e-4)
    assert fisher_ratio(codes.float(), labels) == pytest.approx(fisher_ratio(codes, labels), rel=1e-5)


@pytest.mark.parametrize("dim", [39, 41, 200])
def test_fisher_ratio_of_more_dimensions_than_items(dim):
    """By the full matrices, which the metric does without."""
    codes, labels = np.random.default_rng(dim).normal(size=(40, dim)), np.arange(40) % 4
    x = (codes - codes.mean(0)) / codes.std(0)
    centers = np.stack([x[labels == c].mean(0) for c in range(4)])
    inside = x - centers[labels]
    within, between = inside.T @ inside / 40, centers.T @ centers / 4
    within += 1e-6 * within.trace() / dim * np.eye(dim)
    expected = np.trace(np.linalg.solve(within, between))
    assert fisher_ratio(torch.from_numpy(codes), torch.from_numpy(labels)) == pytest.approx(expected, rel=1e-7)


def test_fisher_ratio_of_two_gaussians_and_by_chance():
    codes = gaussian(20_000, 6)
    labels = torch.arange(20_000) % 2
    assert fisher_ratio(codes, labels) == pytest.approx(6 / 20_000, abs=6e-4)
    codes[labels == 1, 2] += 3
    assert fisher_ratio(codes, labels) == pytest.approx(9 / 4, rel=0.05)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_fisher_ratio_is_affine_invariant(seed):
    codes, labels = blobs(count=80, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(80, generator=generator)
    value = fisher_ratio(codes, labels)
    scales = 10 ** torch.empty(5, dtype=torch.float64).uniform_(-4, 4, generator=generator)
    assert fisher_ratio((scales * codes - 7)[order], labels[order]) == pytest.approx(value, rel=1e-6)
    turn = torch.linalg.qr(torch.randn(5, 5, generator=generator, dtype=torch.float64))[0]
    mix = turn @ torch.diag(torch.tensor([0.2, 1, 1, 2, 5], dtype=torch.float64)) @ turn.flip(0)
    assert fisher_ratio(codes @ mix, labels) == pytest.approx(value, rel=2e-3)
    assert fisher_ratio(codes, 9 - labels) == pytest.approx(value, rel=1e-9)


def test_fisher_ratio_of_collapsed_codes():
    codes, labels = blobs()
    wide = torch.cat([codes, torch.zeros(300, 3), torch.full((300, 1), 0.1), codes[:, :1]], 1)  # one twice
    assert fisher_ratio(wide, labels) == pytest.approx(fisher_ratio(codes, labels), rel=1e-4)
    with pytest.raises(NotApplicableError, match="no class has two different codes"):
        fisher_ratio(labels[:, None].float(), labels)
    perfect = torch.stack([labels.double(), codes[:, 0]], 1)
    assert 1e3 < fisher_ratio(perfect, labels) < math.inf


@given(seed=st.integers(0, 10_000), scale=st.floats(0.01, 100), shift=st.floats(-100, 100))
@settings(max_examples=15, deadline=None)
def test_declared_invariances_and_order(seed, scale, shift):
    codes, labels = blobs(count=60, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    rotation = torch.linalg.qr(torch.randn(5, 5, generator=generator, dtype=torch.float64))[0]
    order = torch.randperm(60, generator=generator)
    moved = (scale * codes @ rotation + shift)[order]
    for score in SCORES:
        assert score(moved, labels[order]) == pytest.approx(score(codes, labels), rel=1e-6)
    bank, query = moved[order.argsort()][:40], moved[order.argsort()][40:]
    for k in (1, 5):
        value = knn_accuracy(codes[:40], labels[:40], codes[40:], labels[40:], k)
        assert knn_accuracy(bank, labels[:40], query, labels[40:], k) == value


def test_kmeans_of_clear_blobs_is_invariant():
    codes, labels = blobs(spread=0.05)
    assert kmeans_agreement(codes, labels, seed=0) == {"nmi": pytest.approx(1), "ari": pytest.approx(1)}
    assert kmeans_agreement(1e4 + 7 * codes.float(), labels, seed=1)["ari"] == pytest.approx(1)


def test_collapsed_codes_give_numbers_without_warnings():
    labels = torch.arange(40) % 4
    assert kmeans_agreement(torch.zeros(40, 3), labels, seed=0)["ari"] == 0
    partly = torch.cat([torch.randn(40, 2), torch.zeros(40, 6)], 1)
    assert all(math.isfinite(score(partly, labels)) for score in SCORES)


def test_metrics_on_digits(space):
    separation = Separation(Separation.Params()).compute(space)
    assert separation["silhouette"].shape == (len(space),)
    assert 0.05 < float(separation["silhouette"].mean()) < 0.5
    ratio = FisherRatio(FisherRatio.Params()).compute(space)
    assert ratio == {"fisher_ratio": fisher_ratio(space.codes, space.labels)}
    assert 5 < ratio["fisher_ratio"] < 50
    scores = Neighbors(Neighbors.Params()).compute(space)
    assert set(scores) == {"knn1", "knn5", "knn10"}
    expected = knn_accuracy(space.train.codes, space.train.labels, space.codes, space.labels, 10)
    assert float(scores["knn10"].mean()) == expected > 0.8
    sampled = SampledNeighbors(SampledNeighbors.Params()).compute(space)["knn10_sample"]
    assert 0.5 < float(sampled.mean()) < expected
    agreement = KMeansAgreement(KMeansAgreement.Params()).compute(space)
    assert agreement == kmeans_agreement(space.codes, space.labels, seed=0)


def test_what_a_space_lacks_makes_scores_not_applicable(space):
    bare = LatentSpace.from_arrays(codes=space.codes)
    assert bare.missing(Separation.needs) == "no labels"
    for metric in (Separation, FisherRatio, Neighbors, SampledNeighbors, KMeansAgreement):
        with pytest.raises(NotApplicableError):
            metric(metric.Params()).compute(bare)
    same = LatentSpace.from_arrays(codes=torch.ones(30, 2), labels=torch.arange(30) % 3)
    with pytest.raises(NotApplicableError, match="all codes are equal"):
        Separation(Separation.Params()).compute(same)
    single = LatentSpace.from_arrays(codes=torch.randn(30, 2), labels=torch.zeros(30))
    with pytest.raises(NotApplicableError, match="1 classes in 30 items"):
        Separation(Separation.Params()).compute(single)
    with pytest.raises(NotApplicableError, match="1 class: needs 2"):
        FisherRatio(FisherRatio.Params()).compute(single)
    few = LatentSpace.from_arrays(codes=torch.randn(3, 2), labels=torch.zeros(3))
    tiny = LatentSpace.from_arrays(codes=torch.randn(30, 2), labels=torch.zeros(30), train=few)
    with pytest.raises(NotApplicableError, match="needs 10 training codes, has 3"):
        Neighbors(Neighbors.Params()).compute(tiny)
