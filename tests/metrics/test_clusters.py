from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from latentbench import LatentSpace, NotApplicableError, Posterior
from latentbench_metrics.clusters import (
    KMeansAgreement,
    Separation,
    calinski_harabasz,
    davies_bouldin,
    kmeans_agreement,
    knn_accuracy,
    partition_agreement,
    silhouette,
    silhouette_per_item,
)
from latentbench_metrics.neighbors import Neighbors, SampledNeighbors, nearest_rows
from latentbench_metrics.subsets import folds, pairs, some_rows

LINE = torch.tensor([[0.0], [1], [10], [11]], dtype=torch.float64)
SIDES = torch.tensor([0, 0, 1, 1])
SCORES = (silhouette, davies_bouldin, calinski_harabasz)


def blobs(count=300, dim=5, classes=4, seed=0, spread=1.0):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (count,), generator=generator)
    labels[:classes] = torch.arange(classes)
    centers = 3 * torch.randn(classes, dim, generator=generator, dtype=torch.float64)
    return centers[labels] + spread * torch.randn(count, dim, generator=generator, dtype=torch.float64), labels


def test_c1_four_points():
    assert silhouette(LINE, SIDES) == pytest.approx((19 / 21 + 17 / 19) / 2, abs=1e-9)
    assert davies_bouldin(LINE, SIDES) == pytest.approx(0.1, abs=1e-9)
    assert calinski_harabasz(LINE, SIDES) == pytest.approx(200, abs=1e-9)


def test_c2_far_from_the_origin_in_float32():
    assert silhouette((LINE + 1e4).float(), SIDES) == pytest.approx(0.8997494, abs=1e-4)
    codes, labels = blobs()
    far = (codes + 1e4).float()
    for score in SCORES:
        assert score(far, labels) == pytest.approx(score(codes, labels), rel=2e-3)


@pytest.mark.parametrize(("dim", "expected"), [(64, 0.2507), (256, 0.0853)])
def test_c3_silhouette_shrinks_with_dimension(dim, expected):
    codes = torch.randn(1000, dim, generator=torch.Generator().manual_seed(1))
    codes[500:, 0] += 10
    value = silhouette(codes, torch.arange(1000) // 500)
    assert value == pytest.approx(expected, abs=0.01)
    assert value == pytest.approx(1 - math.sqrt(2 * dim / (2 * dim + 100)), abs=0.01)


def test_c4_partitions():
    agreement = partition_agreement(torch.tensor([0, 0, 1, 1]), torch.tensor([0, 0, 1, 2]))
    assert agreement["ari"] == pytest.approx(0.571429, abs=1e-6)
    assert agreement["nmi"] == pytest.approx(0.8, abs=1e-6)


def test_c6_random_labels():
    codes = torch.randn(10_000, 8, generator=torch.Generator().manual_seed(2))
    labels = torch.arange(10_000) % 10
    renamed = torch.randperm(10, generator=torch.Generator().manual_seed(3))[labels]
    train, test = codes[:5000], codes[5000:]
    found = knn_accuracy(train, labels[:5000], test, labels[5000:], 1)
    assert found == pytest.approx(0.1, abs=0.02)
    assert knn_accuracy(train, renamed[:5000], test, renamed[5000:], 1) == found
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
    monkeypatch.setattr("latentbench_metrics.clusters.CHUNK", 7)
    torch.testing.assert_close(silhouette_per_item(codes, labels), whole)


@pytest.mark.parametrize("k", [1, 5, 10])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_knn_agrees_with_scikit_learn(k, dtype):
    from sklearn.neighbors import KNeighborsClassifier

    codes, labels = blobs(count=900, spread=3.0)
    train, test = codes[:600].to(dtype), codes[600:].to(dtype)
    # scikit-learn also takes the lowest class in a tie
    expected = KNeighborsClassifier(k).fit(train.numpy(), labels[:600].numpy()).score(
        test.numpy(), labels[600:].numpy()
    )  # fmt: skip
    assert knn_accuracy(train, labels[:600], test, labels[600:], k) == pytest.approx(expected, abs=1e-9)


def test_knn_ties_go_to_the_lowest_class():
    bank, labels = torch.tensor([[-1.0], [1.0]]), torch.tensor([3, 1])
    query = torch.tensor([[0.5]])
    assert knn_accuracy(bank, labels, query, torch.tensor([1]), 2) == 1
    assert knn_accuracy(bank, labels.flip(0), query, torch.tensor([1]), 2) == 1


def test_neighbors_are_exact_where_the_matrix_product_is_not():
    close = torch.tensor([[1000.0], [1000.001], [1000.002], [-1000.0]])
    assert nearest_rows(close, torch.tensor([[1000.0012], [1000.0022]]), 1).flatten().tolist() == [1, 2]


def test_neighbors_in_chunks(monkeypatch):
    codes, _ = blobs()
    whole = nearest_rows(codes, codes, 4)
    assert whole[:, 0].tolist() == list(range(len(codes)))
    monkeypatch.setattr("latentbench_metrics.neighbors.ELEMENTS", 1000)
    assert torch.equal(nearest_rows(codes, codes, 4), whole)


def test_wrong_requests_are_refused():
    with pytest.raises(ValueError, match=r"k \(=5\) must be at most .* \(=4\)"):
        knn_accuracy(LINE, SIDES, LINE, SIDES, 5)
    with pytest.raises(ValueError, match="at least two classes"):
        silhouette(LINE, torch.zeros(4, dtype=torch.int64))


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
    found = Neighbors(Neighbors.Params()).compute(space)
    assert set(found) == {"knn1", "knn5", "knn10"}
    expected = knn_accuracy(space.train.codes, space.train.labels, space.codes, space.labels, 10)
    assert float(found["knn10"].mean()) == expected > 0.8
    sampled = SampledNeighbors(SampledNeighbors.Params()).compute(space)["knn10_sample"]
    assert 0.5 < float(sampled.mean()) < expected
    agreement = KMeansAgreement(KMeansAgreement.Params()).compute(space)
    assert agreement == kmeans_agreement(space.codes, space.labels, seed=0)


def test_a_collapsed_posterior_is_found_on_samples_only(space):
    weak = 1e-3 * space.codes, torch.ones_like(space.codes)
    train = 1e-3 * space.train.codes, torch.ones_like(space.train.codes)
    bank = LatentSpace.from_arrays(codes=train[0], labels=space.train.labels, posterior=Posterior(*train))
    collapsed = LatentSpace.from_arrays(codes=weak[0], labels=space.labels, posterior=Posterior(*weak), train=bank)
    assert Neighbors(Neighbors.Params()).compute(collapsed)["knn10"].mean() > 0.8
    assert SampledNeighbors(SampledNeighbors.Params()).compute(collapsed)["knn10_sample"].mean() < 0.2


def test_without_a_training_split_neighbors_come_from_folds(space):
    plain = LatentSpace.from_arrays(codes=space.codes, labels=space.labels, posterior=space.posterior)
    found = Neighbors(Neighbors.Params()).compute(plain)["knn10"]
    assert found.shape == (len(space),)
    assert 0.7 < found.mean() < 1
    assert torch.equal(Neighbors(Neighbors.Params()).compute(plain)["knn10"], found)
    doubled = LatentSpace.from_arrays(
        codes=torch.arange(100.0)[:, None], labels=torch.arange(100)
    )  # each label once: no fold may see the item itself
    assert Neighbors(Neighbors.Params()).compute(doubled)["knn1"].sum() == 0
    assert 0 < SampledNeighbors(SampledNeighbors.Params()).compute(plain)["knn10_sample"].mean() < 1


def test_large_spaces_are_scored_on_the_same_seeded_items(monkeypatch, space):
    monkeypatch.setattr(Neighbors, "max_items", 100)
    found = Neighbors(Neighbors.Params()).compute(space)["knn1"]
    rows = some_rows(len(space), 100)
    expected = knn_accuracy(space.train.codes, space.train.labels, space.codes[rows], space.labels[rows], 1)
    assert found.shape == (100,)
    assert float(found.mean()) == expected


def test_what_a_space_lacks_makes_scores_not_applicable(space):
    bare = LatentSpace.from_arrays(codes=space.codes)
    assert bare.missing(Separation.needs) == "no labels"
    for metric in (Separation, Neighbors, SampledNeighbors, KMeansAgreement):
        with pytest.raises(NotApplicableError):
            metric(metric.Params()).compute(bare)
    same = LatentSpace.from_arrays(codes=torch.ones(30, 2), labels=torch.arange(30) % 3)
    with pytest.raises(NotApplicableError, match="all codes are equal"):
        Separation(Separation.Params()).compute(same)
    single = LatentSpace.from_arrays(codes=torch.randn(30, 2), labels=torch.zeros(30))
    with pytest.raises(NotApplicableError, match="1 classes in 30 items"):
        Separation(Separation.Params()).compute(single)
    few = LatentSpace.from_arrays(codes=torch.randn(3, 2), labels=torch.zeros(3))
    tiny = LatentSpace.from_arrays(codes=torch.randn(30, 2), labels=torch.zeros(30), train=few)
    with pytest.raises(NotApplicableError, match="needs 10 training codes, has 3"):
        Neighbors(Neighbors.Params()).compute(tiny)


def test_folds_are_stratified():
    labels = torch.arange(100) % 10
    fold = folds(labels, 5, seed=1)
    assert torch.equal(torch.bincount(labels * 5 + fold), torch.full((50,), 2))
    assert not torch.equal(fold, folds(labels, 5, seed=2))


def test_pairs_use_no_row_twice_and_cross_classes():
    labels = torch.arange(101) % 3
    starts, ends = pairs(101, 40, seed=0, labels=labels)
    assert (labels[starts] != labels[ends]).all()
    assert len(set(starts.tolist()) | set(ends.tolist())) == 2 * len(starts)
    assert len(pairs(101, 7)[0]) == 7
    assert len(pairs(101, 700)[0]) == 50
