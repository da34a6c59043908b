"""Models of inputs far from 0 learn what they learn of inputs about 0."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from latentbench import DataSpec, LatentSpace, Split
from latentbench.api import score
from latentbench.params import build_params
from latentbench.plugins import Plugins
from latentbench.training.budget import Budget
from latentbench.training.engine import train_model
from latentbench_models.centering import Center, Standard
from latentbench_models.likelihood import Likelihood, LikelihoodParams

FAR = (1e3, 1e4, 1e6, -1e4)


def plane(shift, count=400):
    """Float32 points of a plane in eight dimensions, `shift` from 0."""
    rng = np.random.default_rng(0)
    points = rng.normal(size=(count, 2)) @ rng.normal(size=(2, 8)) + shift
    return Split(points[:300].astype(np.float32)), Split(points[300:].astype(np.float32))


def fitted(name, train, **params):
    cls = Plugins().load("model", name)
    torch.manual_seed(0)
    model = cls(build_params(cls.Params, params, name), DataSpec.of(train))
    if hasattr(model, "loss"):
        train_model(model, train, Budget(epochs=30, batch_size=50, learning_rate=5e-3), seed=0)
        model.eval()
    else:
        model.fit(train, torch.Generator().manual_seed(0))
    return model


def r2_of(name, shift, **params):
    train, test = plane(shift)
    model = fitted(name, train, latent_dim=2, **params)
    (value,) = score(LatentSpace.of_model(model, test, train), ["r2"]).value
    return value


def exact_r2(shift):
    """PCA of the same float32 numbers by NumPy, in float64."""
    train, test = (split.inputs.astype(np.float64) for split in plane(shift))
    mean = train.mean(0)
    axes = np.linalg.svd(train - mean, full_matrices=False)[2][:2]
    left = (test - mean) - (test - mean) @ axes.T @ axes
    return 1 - (left**2).mean() / train.var(0).mean()


@pytest.mark.parametrize("shift", [0.0, *FAR])
def test_pca_keeps_a_plane(shift):
    rounding = float(np.spacing(np.float32(abs(shift) + 4))) ** 2 / 12  # of its outputs, which are float32 too
    assert r2_of("pca", shift) == pytest.approx(exact_r2(shift), abs=1e-6 + rounding)
    assert r2_of("pca", shift) > 0.999


@pytest.mark.parametrize("name", ["random_projection", "ae", "vae"])
def test_what_is_added_does_not_matter(name):
    about_zero = r2_of(name, 0.0)
    assert about_zero > (0 if name == "random_projection" else 0.9)
    for shift in (1e3, 1e4):
        assert r2_of(name, shift) == pytest.approx(about_zero, abs=0.02)


@pytest.mark.parametrize("shift", FAR)
def test_codes_far_from_zero(shift):
    train, test = plane(shift)
    near, far = plane(0.0)[0], train
    for name in ("pca", "untrained", "random_projection"):
        one, other = (fitted(name, split, latent_dim=2) for split in (near, far))
        codes = one.encode(torch.from_numpy(plane(0.0)[1].inputs))
        moved = other.encode(torch.from_numpy(test.inputs))
        size = codes.std()
        tolerance = 1e-4 + 4 * np.spacing(np.float32(abs(shift)))
        assert torch.allclose(moved / size, codes / size, atol=float(tolerance)), name


def test_a_state_gives_the_same_model():
    train, test = plane(1e4)
    inputs = torch.from_numpy(test.inputs)
    for name in ("pca", "random_projection", "ae"):
        model = fitted(name, train, latent_dim=2)
        again = type(model)(model.params, DataSpec.of(train))
        again.set_state(model.get_state())
        assert torch.equal(again.encode(inputs), model.encode(inputs))
        codes = model.encode(inputs)
        assert torch.equal(again.decode(codes), model.decode(codes))


@pytest.mark.parametrize("sigma", ["learned", 3.0])
def test_the_likelihood_is_that_of_the_inputs_as_they_are(sigma):
    train, _ = plane(1e3)
    data = DataSpec.of(train)
    likelihood = Likelihood(LikelihoodParams(sigma=sigma), data)
    inputs, logits = torch.from_numpy(train.inputs[:5]), torch.randn(5, 8)
    width = sigma if sigma != "learned" else 0.5 * data.spread
    normal = torch.distributions.Normal(likelihood.mean(logits).double(), width)
    expected = -normal.log_prob(inputs.double()).sum(1)
    assert likelihood.nll(logits, inputs).tolist() == pytest.approx(expected.tolist(), rel=1e-3)


def test_images_stay_as_they_are():
    images = Split(np.zeros((4, 1, 8, 8), np.uint8))
    assert DataSpec.of(images).mean is None
    standard = Standard(DataSpec.of(images))
    inputs = torch.rand(4, 1, 8, 8)
    assert standard.inward(inputs) is inputs
    assert standard.outward(inputs) is inputs
    assert not standard.state_dict()
    assert Center.of(images).mean.dtype == torch.float32


@pytest.mark.parametrize("value", [0.0, 0.1, 1000.1])
def test_inputs_that_do_not_vary_have_no_scale(value):
    data = DataSpec.of(Split(np.full((30, 3), value, np.float32)))
    assert data.spread == 1
    assert data.mean == pytest.approx(np.full(3, value), rel=1e-6)


def test_maps_are_made_of_centered_inputs():
    train, _ = plane(0.0, 360)
    far = Split(train.inputs + np.float32(1000))
    near = Split((far.inputs.astype(np.float64) - 1000).astype(np.float32))
    tsne = [fitted("tsne", split).embed(torch.from_numpy(split.inputs[:60])) for split in (near, far)]
    apart = [torch.pdist(each) for each in tsne]
    assert float(torch.corrcoef(torch.stack(apart))[0, 1]) > 0.99
