from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from latentbench import LatentSpace, NotApplicableError
from latentbench.latent.parts import SpaceData, SpaceMaps
from latentbench.latent.space import OtherSplits
from latentbench_metrics import robustness
from latentbench_metrics.neighbors import Neighbors, knn_accuracy
from latentbench_metrics.robustness import Noise, PixelShift, code_drift, noisy, shifted_by_one

METRICS = (Noise, PixelShift)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def codes(count=200, dim=4, seed=0):
    return torch.randn(count, dim, generator=generator(seed), dtype=torch.float64)


def arrays(space, **changes):
    bank = LatentSpace.from_arrays(codes=space.train.codes, inputs=space.train.inputs, labels=space.train.labels)
    given = {
        "codes": space.codes,
        "inputs": space.inputs,
        "labels": space.labels,
        "encode": space.encode,
        **changes,
    }
    return LatentSpace.from_arrays(**{"train": bank, **given})


def compute(metric, space):
    return metric(metric.Params()).compute(space)


def test_noise_has_the_stated_size_and_stays_in_range():
    gray = torch.full((50, 1, 28, 28), 0.5)
    assert float((noisy(gray, generator()) - gray).std()) == pytest.approx(0.1, rel=0.02)
    black = noisy(torch.zeros(50, 1, 28, 28), generator())
    assert float(black.min()) == 0
    assert float(black.mean()) == pytest.approx(0.1 * (2 * torch.pi) ** -0.5, rel=0.02)  # half of it is cut off
    assert float(noisy(torch.ones(9, 1, 8, 8), generator()).max()) == 1
    assert torch.equal(noisy(gray, generator(3)), noisy(gray, generator(3)))


def test_noise_of_columns_follows_their_spread():
    columns, spread = torch.zeros(20_000, 3), torch.tensor([0.0, 1.0, 50.0])
    actual = noisy(columns, generator(), spread).std(0)
    assert actual.tolist() == pytest.approx([0, 0.1, 5], rel=0.03)


def test_images_move_by_one_pixel_in_every_direction():
    images = torch.rand(400, 2, 5, 7, generator=generator())
    moved = shifted_by_one(images, generator(1))
    padded = torch.nn.functional.pad(images, (1, 1, 1, 1), mode="replicate")
    looks = [padded[:, :, 1 + dy : 6 + dy, 1 + dx : 8 + dx] for dy, dx in ((1, 0), (-1, 0), (0, 1), (0, -1))]
    same = torch.stack([(moved == look).flatten(1).all(1) for look in looks])
    assert same.sum(0).tolist() == [1] * 400
    assert (same.sum(1) > 70).all()
    assert torch.equal(moved, shifted_by_one(images, generator(1)))


def test_code_drift_of_known_moves():
    grid = torch.cartesian_prod(torch.arange(6.0), torch.arange(6.0))
    assert code_drift(grid, grid) == 0
    assert code_drift(grid, grid + torch.tensor([0.3, 0.4])) == pytest.approx(0.5)
    lonely = torch.tensor([[0.0], [1.0], [4.0]])  # nearest others at 1, 1 and 3
    assert code_drift(lonely, lonely + 1) == pytest.approx(3 / 5)
    with pytest.raises(NotApplicableError, match="every code lies on another"):
        code_drift(torch.zeros(5, 2), torch.ones(5, 2))


def test_code_drift_agrees_with_scikit_learn():
    from sklearn.neighbors import NearestNeighbors

    z = codes()
    z[:5] = z[5:10]  # some lie on another
    moved = z + 0.1 * codes(seed=1)
    nearest = NearestNeighbors(n_neighbors=2).fit(z.numpy()).kneighbors()[0][:, 0]
    expected = float((moved - z).norm(dim=1).mean()) / nearest.mean()
    assert code_drift(z, moved) == pytest.approx(expected, rel=1e-9)
    assert code_drift(z.float(), moved.float()) == pytest.approx(expected, rel=1e-4)


@given(seed=st.integers(0, 10_000), scale=st.floats(0.01, 100), shift=st.floats(-100, 100))
@settings(max_examples=10, deadline=None)
def test_drift_is_invariant(seed, scale, shift):
    z, moved = codes(50, seed=seed), codes(50, seed=seed + 1)
    turn = torch.linalg.qr(codes(4, seed=seed))[0]
    order = torch.randperm(50, generator=generator(seed))
    both = ((scale * points @ turn + shift)[order] for points in (z, moved))
    assert code_drift(*both) == pytest.approx(code_drift(z, moved), rel=1e-6)


def test_noise_on_digits(space, monkeypatch):
    monkeypatch.setattr(robustness, "BATCH", len(space))
    scores = compute(Noise, arrays(space))
    moved = space.encode(noisy(space.inputs, generator(robustness.NOISE_SEED)))
    expected = knn_accuracy(space.train.codes, space.train.labels, moved, space.labels, 10)
    assert scores["knn10_noise"].shape == scores["code_drift"].shape == (len(space),)
    assert float(scores["knn10_noise"].mean()) == expected
    assert 0.6 < expected <= float(compute(Neighbors, space)["knn10"].mean())
    assert float(scores["code_drift"].mean()) == code_drift(space.codes, moved) > 0.1
    assert Noise(Noise.Params()).note(space) == ""


def test_shift_on_digits(space, monkeypatch):
    monkeypatch.setattr(robustness, "BATCH", len(space))
    scores = compute(PixelShift, arrays(space))["knn10_shift"]
    moved = space.encode(shifted_by_one(space.inputs, generator(robustness.SHIFT_SEED)))
    expected = knn_accuracy(space.train.codes, space.train.labels, moved, space.labels, 10)
    assert float(scores.mean()) == expected
    assert 0.2 < expected < float(compute(Neighbors, space)["knn10"].mean()) - 0.05  # a pixel is much of 8


def test_an_encoder_that_undoes_the_change_loses_nothing(space):
    """Codes that do not see noise: the label itself, read from the test set by position."""
    labels = iter([*space.labels, *space.labels])  # once for each metric

    def encode(inputs):
        return torch.stack([next(labels) for _ in inputs]).float()[:, None]

    plain = arrays(
        space,
        encode=encode,
        codes=space.labels.float()[:, None] + 1e-3 * torch.rand(len(space), 1, generator=generator()),
        train=LatentSpace.from_arrays(codes=space.train.labels.float()[:, None], labels=space.train.labels,
                                      inputs=space.train.inputs),
    )  # fmt: skip
    scores = compute(Noise, plain)
    assert scores["knn10_noise"].mean() == 1
    assert compute(PixelShift, plain)["knn10_shift"].mean() == 1


def test_plain_columns_have_noise_but_cannot_be_moved():
    wide = torch.tensor([1.0, 100.0])
    train_inputs, inputs = (wide * codes(count, 2, seed=count).float() for count in (300, 100))
    labels = [(x[:, 0] > 0).long() for x in (train_inputs, inputs)]
    bank = LatentSpace.from_arrays(codes=train_inputs / wide, inputs=train_inputs, labels=labels[0])
    table = LatentSpace.from_arrays(
        codes=inputs / wide, inputs=inputs, labels=labels[1], encode=lambda x: x / wide, train=bank
    )
    scores = compute(Noise, table)
    assert 0.8 < scores["knn10_noise"].mean() < 1
    assert 0.3 < scores["code_drift"].mean() < 1
    assert Noise(Noise.Params()).note(table) == "noise: a tenth of each column's standard deviation"
    with pytest.raises(NotApplicableError, match=r"only images can be moved, inputs are \(2,\)"):
        compute(PixelShift, table)


@pytest.mark.parametrize("metric", METRICS)
def test_not_applicable_without(space, metric):
    for missing, reason in {"encode": "no encoder", "inputs": "no inputs", "train": "no training split"}.items():
        poor = arrays(space, **{missing: None})
        assert poor.missing(metric.needs) == reason
        with pytest.raises(NotApplicableError, match=reason):
            compute(metric, poor)
    unlabeled = LatentSpace.from_arrays(codes=space.train.codes, inputs=space.train.inputs)
    with pytest.raises(NotApplicableError, match="no labels in the training split"):
        compute(metric, arrays(space, train=unlabeled))


def test_noise_on_fashion_mnist_costs_pca_what_was_measured(fashion_mnist, monkeypatch):
    """PCA-16: .837 on clean images, .830 on noisy ones that are clipped."""
    train, train_labels, images, labels = fashion_mnist
    flat = train[:20_000].flatten(1)
    mean = flat.mean(0)
    axes = torch.linalg.eigh((flat - mean).T @ (flat - mean)).eigenvectors[:, -16:]

    def encode(inputs):
        return (inputs.flatten(1) - mean) @ axes

    maps = SpaceMaps(encode=encode)
    bank = LatentSpace(SpaceData(inputs=train, labels=train_labels), maps)
    seen = LatentSpace(SpaceData(inputs=images[:4000], labels=labels[:4000]), maps, OtherSplits(bank))
    clean = float(compute(Neighbors, seen)["knn10"].mean())
    scores = float(compute(Noise, seen)["knn10_noise"].mean())
    assert clean - scores == pytest.approx(0.007, abs=0.006)
