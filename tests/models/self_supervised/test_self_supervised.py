"""Losses of self-supervised encoders beside their formulas, written out in NumPy; and their buffers."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from latentbench import Batch, DataSpec, NotApplicableError
from latentbench.testing.specimens import drawn
from latentbench.training.budget import Budget
from latentbench_models.self_supervised.barlow_twins import BarlowTwins
from latentbench_models.self_supervised.byol import BYOL
from latentbench_models.self_supervised.simclr import SimCLR
from latentbench_models.self_supervised.supervised import Supervised
from latentbench_models.self_supervised.vicreg import VICReg

SPLIT = drawn((1, 9, 9), "uint8", rows=10)
TWO_VIEWS = [BarlowTwins, BYOL, SimCLR, VICReg]


def make(cls, seed=0, split=SPLIT, **params):
    torch.manual_seed(seed)
    small = {"latent_dim": 3, "channels": 4, **({} if cls is Supervised else {"projection": 6})}
    return cls(cls.Params(**{**small, **params}), DataSpec.of(split))


def batch_of(split=SPLIT, progress=0.5):
    inputs = torch.from_numpy(split.inputs / np.float32(255)).double()
    rows, labels = torch.arange(len(split)), torch.from_numpy(split.labels)
    return Batch(inputs, rows, labels, None, torch.tensor(progress, dtype=torch.float64))


def noise_of(model):
    generator = torch.Generator().manual_seed(0)
    return {name: draw.sample(len(SPLIT), generator).double() for name, draw in model.noise_spec().items()}


def looked_at(cls, **params):
    """Return a model in float64, the terms of its loss, and its two projections as NumPy arrays."""
    model = make(cls, **params).double()
    batch, noise = batch_of(), noise_of(model)
    terms = {name: value.item() for name, value in model.loss(batch, noise).items()}
    views = model.both_views(batch.inputs, noise)
    return model, terms, views


def projected(model, view):
    return model.head_net(model.encoder_net(view)).detach().numpy()


def batch_normalized(rows, tiny=1e-5):
    return (rows - rows.mean(0)) / np.sqrt(rows.var(0) + tiny)


def test_the_head_is_batch_normalization_between_dense_layers():
    model, _, (view, _) = looked_at(SimCLR)
    first, normal, _, last = model.head_net
    codes = model.encoder_net(view).detach().numpy()
    scale, offset = normal.weight.detach().numpy(), normal.bias.detach().numpy()
    hidden = np.maximum(scale * batch_normalized(codes @ first.weight.detach().numpy().T) + offset, 0)
    np.testing.assert_allclose(projected(model, view), hidden @ last.weight.detach().numpy().T, atol=1e-12)


@pytest.mark.parametrize("temperature", [0.5, 0.1])
def test_simclr_is_the_normalized_cross_entropy_of_pairs(temperature):
    model, terms, views = looked_at(SimCLR, temperature=temperature)
    count, rows = len(SPLIT), projected(model, torch.cat(views))
    total = 0.0
    for i in range(2 * count):
        partner = (i + count) % (2 * count)
        cosines = {
            k: rows[i] @ rows[k] / (np.linalg.norm(rows[i]) * np.linalg.norm(rows[k]))
            for k in range(2 * count)
            if k != i
        }
        others = sum(np.exp(cosine / temperature) for cosine in cosines.values())
        total -= np.log(np.exp(cosines[partner] / temperature) / others)
    assert terms == {"total": pytest.approx(total / (2 * count), rel=1e-9)}


def test_vicreg_is_the_sum_of_its_three_terms():
    model, terms, views = looked_at(VICReg, invariance=3, variance=5, covariance=7)
    first, second = (projected(model, view) for view in views)
    invariance = sum((first[row, i] - second[row, i]) ** 2 for row in range(10) for i in range(6)) / 60
    variance = covariance = 0.0
    for rows in (first, second):
        variance += np.mean([max(0.0, 1 - np.sqrt(np.var(column, ddof=1) + 1e-4)) for column in rows.T])
        table = np.cov(rows.T, ddof=1)
        covariance += sum(table[i, j] ** 2 for i in range(6) for j in range(6) if i != j) / 6
    assert terms["invariance"] == pytest.approx(invariance, rel=1e-9)
    assert terms["variance"] == pytest.approx(variance, rel=1e-9)
    assert terms["covariance"] == pytest.approx(covariance, rel=1e-9)
    assert terms["total"] == pytest.approx(3 * invariance + 5 * variance + 7 * covariance, rel=1e-9)


def test_barlow_twins_compares_the_cross_correlation_with_the_identity():
    model, terms, views = looked_at(BarlowTwins, redundancy=0.3)
    first, second = (batch_normalized(projected(model, view)) for view in views)
    table = np.array([[np.mean(first[:, i] * second[:, j]) for j in range(6)] for i in range(6)])
    invariance = sum((1 - table[i, i]) ** 2 for i in range(6))
    redundancy = sum(table[i, j] ** 2 for i in range(6) for j in range(6) if i != j)
    assert terms["invariance"] == pytest.approx(invariance, rel=1e-9)
    assert terms["redundancy"] == pytest.approx(redundancy, rel=1e-9)
    assert terms["total"] == pytest.approx(invariance + 0.3 * redundancy, rel=1e-9)


def test_byol_predicts_the_targets_of_the_other_view():
    model, terms, views = looked_at(BYOL)
    predicted = [model.predictor_net(model.head_net(model.encoder_net(view))).detach().numpy() for view in views]
    targets = [projected(model, view) for view in views]  # at the start the copy is the encoder
    total = 0.0
    for one, other in zip(predicted, reversed(targets), strict=True):
        one = one / np.linalg.norm(one, axis=1, keepdims=True)
        other = other / np.linalg.norm(other, axis=1, keepdims=True)
        total += np.square(one - other).sum(1).mean()
    assert terms == {"total": pytest.approx(total, rel=1e-9)}


@pytest.mark.parametrize(("progress", "stays"), [(0.0, 0.9), (0.5, 0.95), (0.75, 1 - 0.1 * (1 - 0.5**0.5) / 2)])
def test_the_copy_of_byol_moves_to_the_encoder(progress, stays):
    model = make(BYOL, momentum=0.9).double()
    before = {name: value.clone() for name, value in model.named_buffers()}
    with torch.no_grad():
        for weight in model.parameters():
            weight += 1
        after = model.update(dict(model.named_buffers()), batch_of(progress=progress), {})
    weights = dict(model.named_parameters())
    copied = [name for name in before if name.startswith("target_")]
    assert {name.removeprefix("target_") for name in copied} == {
        name for name in weights if name.startswith(("encoder_net", "head_net"))
    }
    for name in copied:
        expected = stays * before[name] + (1 - stays) * weights[name.removeprefix("target_")]
        torch.testing.assert_close(after[name], expected, rtol=1e-12, atol=1e-12)


def test_no_gradient_reaches_the_copy():
    model = make(BYOL)
    assert not {name for name, _ in model.named_parameters() if name.startswith("target_")}
    assert not any(value.requires_grad for value in model.buffers())


@pytest.mark.parametrize("cls", TWO_VIEWS)
def test_killed_and_resumed_it_learns_the_same_bits(cls, resumed_alike):
    whole = resumed_alike(lambda seed: make(cls, seed=seed), SPLIT, Budget(epochs=3, batch_size=4))
    if cls is BYOL:
        moved = whole.target_head_net[0].weight
        assert not torch.equal(moved, make(cls).target_head_net[0].weight)
        assert not torch.equal(moved, whole.head_net[0].weight)


@pytest.mark.parametrize("cls", [*TWO_VIEWS, Supervised])
def test_a_code_is_the_representation_before_the_head_and_depends_on_its_input_alone(cls):
    model, inputs = make(cls), batch_of().inputs.float()
    codes = model.encode(inputs)
    assert codes.shape == (len(SPLIT), 3)
    assert model.decoder == "none"
    with torch.no_grad():
        for weight in [*getattr(model, "head_net", model.encoder_net[:0]).parameters()]:
            weight.zero_()
    torch.testing.assert_close(model.encode(inputs[3:4]), codes[3:4], rtol=0, atol=1e-6)


def test_the_offset_of_codes_is_no_weight():
    """Batch normalization in the head would hide it from the loss."""
    assert make(SimCLR).encoder_net[-1].bias is None
    assert make(Supervised).encoder_net[-1].bias is not None


def test_supervised_is_the_cross_entropy_of_labels():
    model, batch = make(Supervised).double(), batch_of()
    codes = model.encode(batch.inputs).detach().numpy()
    layer = model.classifier_net
    logits = codes @ layer.weight.detach().numpy().T + layer.bias.detach().numpy()
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    expected = -np.mean([np.log(row[label]) for row, label in zip(shares, SPLIT.labels, strict=True)])
    assert model.loss(batch, {})["total"].item() == pytest.approx(expected, rel=1e-9)


def test_supervised_needs_labels():
    with pytest.raises(NotApplicableError, match="supervised needs labels, these data have none"):
        make(Supervised, split=replace(SPLIT, labels=None, class_names=()))


def test_none_is_a_baseline_that_others_must_beat():
    assert not any(cls.reference for cls in (*TWO_VIEWS, Supervised))
