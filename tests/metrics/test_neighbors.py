from __future__ import annotations

import pytest
import torch

from latentbench import LatentSpace, Posterior
from latentbench_metrics.neighbors import Neighbors, SampledNeighbors, knn_accuracy


def blobs(count=300, dim=5, classes=4, seed=0, spread=1.0):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (count,), generator=generator)
    labels[:classes] = torch.arange(classes)
    centers = 3 * torch.randn(classes, dim, generator=generator, dtype=torch.float64)
    return centers[labels] + spread * torch.randn(count, dim, generator=generator, dtype=torch.float64), labels


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


def test_a_collapsed_posterior_is_found_on_samples_only(space):
    weak = 1e-3 * space.codes, torch.ones_like(space.codes)
    train = 1e-3 * space.train.codes, torch.ones_like(space.train.codes)
    bank = LatentSpace.from_arrays(codes=train[0], labels=space.train.labels, posterior=Posterior(*train))
    collapsed = LatentSpace.from_arrays(codes=weak[0], labels=space.labels, posterior=Posterior(*weak), train=bank)
    assert Neighbors(Neighbors.Params()).compute(collapsed)["knn10"].mean() > 0.8
    assert SampledNeighbors(SampledNeighbors.Params()).compute(collapsed)["knn10_sample"].mean() < 0.2


def test_without_a_training_split_neighbors_come_from_folds(space):
    plain = LatentSpace.from_arrays(codes=space.codes, labels=space.labels, posterior=space.posterior)
    scores = Neighbors(Neighbors.Params()).compute(plain)["knn10"]
    assert scores.shape == (len(space),)
    assert 0.7 < scores.mean() < 1
    assert torch.equal(Neighbors(Neighbors.Params()).compute(plain)["knn10"], scores)
    doubled = LatentSpace.from_arrays(
        codes=torch.arange(100.0)[:, None], labels=torch.arange(100)
    )  # each label once: no fold may see the item itself
    assert Neighbors(Neighbors.Params()).compute(doubled)["knn1"].sum() == 0
    assert 0 < SampledNeighbors(SampledNeighbors.Params()).compute(plain)["knn10_sample"].mean() < 1
