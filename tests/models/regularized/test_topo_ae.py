import numpy as np
import pytest
import torch
from scipy.sparse.csgraph import minimum_spanning_tree
from scipy.spatial.distance import cdist

from latentbench_models.ae import AE
from latentbench_models.regularized.topo_ae import TopoAE, spanning_trees


def edges_of(distances):
    return np.nonzero(minimum_spanning_tree(distances).toarray())


def test_its_loss_is_that_of_the_paper(tried, parts):
    shown = tried(TopoAE, strength=20.0)
    shown.gradient_model()
    found = parts(shown)
    flat = found.inputs.reshape(24, -1)
    inputs, codes = cdist(flat, flat), cdist(found.codes, found.codes)
    inputs = inputs / inputs.max()
    topology = sum(0.5 * ((inputs[tree] - codes[tree]) ** 2).sum() for tree in map(edges_of, (inputs, codes)))
    assert found.terms["topology"] == pytest.approx(topology / 24, rel=1e-5)
    assert found.terms["total"] == pytest.approx(found.terms["distortion"] + 20 * topology / 24, rel=1e-5)


@pytest.mark.parametrize("count", [2, 3, 40])
def test_trees_are_those_of_scipy(count):
    points = np.random.default_rng(count).normal(size=(2, count, 3))
    lengths = np.stack([cdist(each, each) for each in points])
    trees = spanning_trees(torch.from_numpy(lengths))
    for tree, each in zip(trees, lengths, strict=True):
        pairs = {tuple(sorted(edge)) for edge in tree.T.tolist()}
        assert pairs == {tuple(sorted(edge)) for edge in zip(*edges_of(each), strict=True)}


def test_a_scale_of_the_codes_is_learned(tried):
    shown = tried(TopoAE)
    model = shown.gradient_model()
    with torch.no_grad():
        before = model.loss(shown.batch(), {})["topology"]
        list(model.encoder_net.parameters())[-1].mul_(3)
        list(model.encoder_net.parameters())[-2].mul_(3)
        model.code_scale.mul_(3)
        torch.testing.assert_close(model.loss(shown.batch(), {})["topology"], before)


def test_images_that_are_all_the_same_have_finite_gradients(tried):
    shown = tried(TopoAE)
    model, batch = shown.gradient_model(), shown.batch()
    batch.inputs[:] = batch.inputs[:1].clone()
    model.loss(batch, {})["total"].backward()
    assert all(torch.isfinite(weight.grad).all() for weight in model.parameters())


def test_without_strength_it_is_the_ae(tried):
    shown = tried(TopoAE, strength=0.0)
    model, batch = shown.gradient_model(), shown.batch()
    with torch.no_grad():
        assert torch.equal(model.loss(batch, {})["total"], AE.loss(model, batch, {})["total"])
