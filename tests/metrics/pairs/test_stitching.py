from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LinearRegression

from latentbench import LatentSpace, NotApplicableError
from latentbench_metrics.pairs import stitching
from latentbench_metrics.pairs.stitching import Stitching, stitched_codes, stitched_r2
from tests.metrics.pairs.conftest import normal32


def spaces(noise=0.3, rows=80, train_rows=120):
    """A space of three dimensions, and one of two with a decoder that bends, of the same images."""
    inputs, train_inputs = normal32(rows, 1, 4, 4), normal32(train_rows, 1, 4, 4, seed=1)
    first, second, out = (
        normal32(16, 3, seed=2),
        normal32(16, 2, seed=3),
        normal32(2, 16, seed=4),
    )
    second = (first @ normal32(3, 2, seed=5)) + noise * second

    def decode(codes):
        return torch.tanh(codes @ out).reshape(-1, 1, 4, 4)

    def seen(weights, **maps):
        codes = [images.flatten(1) @ weights for images in (inputs, train_inputs)]
        train = LatentSpace.from_arrays(codes=codes[1], inputs=train_inputs, **maps)
        return LatentSpace.from_arrays(codes=codes[0], inputs=inputs, train=train, **maps)

    return seen(first), seen(second, decode=decode)


def naive(a, b):
    """By scikit-learn, and pixel by pixel."""
    model = LinearRegression().fit(a.train.codes.double().numpy(), b.train.codes.double().numpy())
    images = b.decode(torch.from_numpy(model.predict(a.codes.double().numpy())).float()).numpy()
    inputs = b.inputs.numpy()
    return 1 - ((inputs - images) ** 2).sum() / ((inputs - inputs.mean(0)) ** 2).sum()


@pytest.mark.parametrize("noise", [0.0, 0.3, 5.0])
def test_agrees_with_scikit_learn(noise):
    a, b = spaces(noise)
    assert stitched_r2(a, b) == pytest.approx(naive(a, b), abs=1e-5)


def test_a_linear_image_of_its_codes_is_read_as_well_as_its_own():
    _, b = spaces()
    turned = b.replaced(
        codes=b.codes @ normal32(2, 2, seed=8) + 3,
        train=b.train.replaced(codes=b.train.codes @ normal32(2, 2, seed=8) + 3),
    )
    own = 1 - float((b.inputs - b.reconstructions).square().sum()) / float(
        (b.inputs - b.inputs.mean(0)).square().sum()
    )
    assert stitched_r2(turned, b) == pytest.approx(own, abs=1e-5)
    assert torch.allclose(stitched_codes(turned, b), b.codes, atol=1e-4)


def test_the_note_says_what_the_second_model_keeps_of_its_own_codes():
    metric = Stitching(Stitching.Params())
    a, b = spaces()
    score, note = metric.compute(metric.prepare(a), metric.prepare(b))
    assert score == stitched_r2(a, b)
    assert note == f"r2 of its own codes: {stitched_r2(b, b):.3f}"


def test_items_in_another_order_change_nothing():
    a, b = spaces()
    order, train_order = (torch.from_numpy(np.random.default_rng(0).permutation(count)) for count in (80, 120))
    moved = [space.take(order).replaced(train=space.train.take(train_order)) for space in (a, b)]
    assert stitched_r2(*moved) == pytest.approx(stitched_r2(a, b), abs=1e-5)


def test_of_many_training_items_the_same_seeded_ones(monkeypatch):
    a, b = spaces()
    monkeypatch.setattr(stitching, "TRAIN_ITEMS", 50)
    rows = torch.randperm(120, generator=torch.Generator().manual_seed(0))[:50].sort().values
    few = [space.replaced(train=space.train.take(rows)) for space in (a, b)]
    assert stitched_r2(a, b) == pytest.approx(stitched_r2(*few), abs=1e-6)


def test_copied_and_constant_dimensions_change_nothing():
    a, b = spaces()

    def wide(codes):
        return torch.cat([codes, codes @ normal32(3, 2, seed=9), torch.full((len(codes), 1), 0.3)], 1)

    wider = a.replaced(codes=wide(a.codes), train=a.train.replaced(codes=wide(a.train.codes)))
    assert stitched_r2(wider, b) == pytest.approx(stitched_r2(a, b), abs=1e-4)
    flat = a.replaced(codes=torch.ones(80, 3), train=a.train.replaced(codes=torch.ones(120, 3)))
    assert torch.allclose(stitched_codes(flat, b), b.train.codes.mean(0).expand(80, 2), atol=1e-5)


def test_what_is_missing_is_said_in_one_sentence():
    a, b = spaces()
    alone = LatentSpace.from_arrays(codes=a.codes, inputs=a.inputs)
    for one, other, reason in (
        (alone, b, "no training split"),
        (b, alone, "no training split"),
        (b, a, "no decoder"),
        (a, spaces(train_rows=100)[1], "the training splits have 120 and 100 items"),
        (a, b.replaced(inputs=torch.ones(80, 1, 4, 4)), "the inputs do not vary"),
    ):
        with pytest.raises(NotApplicableError, match=reason):
            stitched_r2(one, other)
    with pytest.raises(ValueError, match="both spaces must hold the same items in the same order, got 80 and 70"):
        stitched_r2(a, spaces(rows=70)[1])
