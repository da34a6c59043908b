from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from latentbench import LatentSpace, NotApplicableError
from latentbench_metrics import probes
from latentbench_metrics.probes import LinearProbe, linear_probe_accuracy, linear_probe_per_item


def blobs(count=600, dim=5, classes=4, seed=0, spread=1.0):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % classes
    centers = 3 * torch.randn(classes, dim, generator=generator, dtype=torch.float64)
    return centers[labels] + spread * torch.randn(count, dim, generator=generator, dtype=torch.float64), labels


def split(codes, labels, at=400):
    return codes[:at], labels[:at], codes[at:], labels[at:]


def compute(space):
    return LinearProbe(LinearProbe.Params()).compute(space)["linear_probe_accuracy"]


def test_codes_that_can_be_separated_and_codes_that_cannot():
    codes, labels = blobs(spread=0.05)
    assert linear_probe_accuracy(*split(codes, labels)) == 1
    noise = torch.randn(6000, 8, generator=torch.Generator().manual_seed(1))
    assert linear_probe_accuracy(*split(noise, torch.arange(6000) % 10, 3000)) == pytest.approx(0.1, abs=0.02)


def test_a_linear_probe_does_not_see_a_ring():
    """What k nearest neighbors would find."""
    points = torch.randn(2000, 2, generator=torch.Generator().manual_seed(0))
    inside = (points.norm(dim=1) < 1.1774).long()  # half of them
    assert linear_probe_accuracy(*split(points, inside, 1000)) < 0.7
    assert linear_probe_accuracy(*split(points.square(), inside, 1000)) > 0.95


@pytest.mark.parametrize("spread", [0.5, 2.0, 5.0])
def test_agrees_with_scikit_learn(spread):
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    codes, labels = blobs(1500, spread=spread)
    train, train_labels, test, test_labels = split(codes, labels, 1000)
    reference = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    expected = reference.fit(train.numpy(), train_labels.numpy()).score(test.numpy(), test_labels.numpy())
    assert linear_probe_accuracy(train, train_labels, test, test_labels) == pytest.approx(expected, abs=0.02)


def test_the_strength_is_chosen_on_held_out_training_rows():
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(150) % 2
    noisy = torch.randn(150, 120, generator=generator, dtype=torch.float64)
    noisy[:, 0] += 2.0 * labels
    weak = probes._best_strength(noisy, labels, seed=0)
    steep = torch.linspace(-1, 1, 1000, dtype=torch.float64)[:, None]
    cut = (steep[:, 0] > 0.8).long()  # an offset that a weak probe cannot reach
    assert weak < probes._best_strength(steep, cut, seed=0) <= max(probes.STRENGTHS)


def test_rows_are_limited_and_seeded(monkeypatch):
    codes, labels = blobs(spread=3.0)
    monkeypatch.setattr(probes, "ROWS", 100)
    first = linear_probe_per_item(*split(codes, labels))
    assert torch.equal(linear_probe_per_item(*split(codes, labels)), first)
    assert not torch.equal(linear_probe_per_item(*split(codes, labels), seed=1), first)


@pytest.mark.parametrize("strength", probes.STRENGTHS)
def test_a_probe_cut_short_is_used_and_says_nothing(strength, monkeypatch):
    monkeypatch.setattr(probes, "TOLERANCE", 1e-30)
    codes, labels = blobs(200)
    assert probes._right(probes._fitted(codes, labels, strength), codes, labels).mean() > 0.9


@given(seed=st.integers(0, 10_000), scale=st.floats(0.01, 100), shift=st.floats(-100, 100))
@settings(max_examples=5, deadline=None)
def test_declared_invariances_and_precision(seed, scale, shift):
    codes, labels = blobs(200, seed=seed)
    value = linear_probe_accuracy(*split(codes, labels, 120))
    assert linear_probe_accuracy(*split(scale * codes + shift, labels, 120)) == pytest.approx(value, abs=0.0126)
    assert linear_probe_accuracy(*split(codes.float(), labels, 120)) == pytest.approx(value, abs=0.0126)
    renamed = torch.tensor([7, 2, 9, 4])[labels]
    assert linear_probe_accuracy(*split(codes, renamed, 120)) == pytest.approx(value, abs=0.0126)


def test_collapsed_and_degenerate_codes():
    codes, labels = blobs(spread=0.05)
    collapsed = torch.cat([codes, torch.zeros(600, 6), torch.full((600, 1), 0.1)], 1)
    assert linear_probe_accuracy(*split(collapsed, labels)) == 1
    assert linear_probe_accuracy(*split(torch.zeros(600, 3), labels)) == pytest.approx(0.25, abs=0.01)
    rare = torch.cat([torch.zeros(399, dtype=torch.int64), torch.tensor([1])])
    assert linear_probe_accuracy(codes[:400], rare, codes[400:], torch.zeros(200)) > 0.9
    unseen = torch.where(labels[400:] == 0, 9, labels[400:])
    assert linear_probe_accuracy(codes[:400], labels[:400], codes[400:], unseen) == pytest.approx(0.75, abs=0.01)


def test_a_single_class_is_not_applicable(space):
    codes, _ = blobs()
    with pytest.raises(NotApplicableError, match="single class"):
        linear_probe_accuracy(*split(codes, torch.zeros(600, dtype=torch.int64)))
    single = LatentSpace.from_arrays(codes=codes, labels=torch.zeros(600))
    with pytest.raises(NotApplicableError, match="single class"):
        compute(single)
    with pytest.raises(NotApplicableError, match="no labels"):
        compute(LatentSpace.from_arrays(codes=codes))


def test_metric_on_digits(space):
    bank = LatentSpace.from_arrays(codes=space.train.codes, labels=space.train.labels)
    seen = LatentSpace.from_arrays(codes=space.codes, labels=space.labels, train=bank)
    scores = compute(seen)
    assert scores.shape == (len(space),)
    expected = linear_probe_accuracy(space.train.codes, space.train.labels, space.codes, space.labels)
    assert float(scores.mean()) == expected > 0.8
    assert LinearProbe(LinearProbe.Params()).note(seen) == ""


def test_without_a_training_split_probes_come_from_folds(space):
    plain = LatentSpace.from_arrays(codes=space.codes, labels=space.labels)
    scores = compute(plain)
    assert 0.75 < scores.mean() < 1
    assert torch.equal(compute(plain), scores)
    assert "5-fold" in LinearProbe(LinearProbe.Params()).note(plain)
    each_once = LatentSpace.from_arrays(codes=torch.arange(40.0)[:, None], labels=torch.arange(40))
    assert compute(each_once).sum() == 0  # no fold sees the item itself
