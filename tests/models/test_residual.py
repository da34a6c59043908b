"""The residual backbone: what a block computes, which images it takes, and that every model can have it."""

import numpy as np
import pytest
import torch
from torch.nn.functional import conv2d

from latentbench import DataSpec, LatentbenchError
from latentbench.params import build_params
from latentbench.plugins import Plugins
from latentbench.testing import check_model
from latentbench.testing.specimens import drawn, specimens
from latentbench.training.budget import Budget
from latentbench.training.engine import train_model
from latentbench_models.nets import make_decoder, make_encoder
from latentbench_models.residual import ResidualBlock

PLUGINS = Plugins()
CLASSES = {
    name: PLUGINS.load("model", name)
    for name in PLUGINS.names("model")
    if PLUGINS.find("model", name).plugin.name.endswith("-models")
}
WITH_BACKBONE = [name for name, found in CLASSES.items() if "backbone" in found.Params.model_fields]
SMALL = {"latent_dim": 3, "channels": 4, "projection": 8, "fit_steps": 2, "backbone": "residual"}
SHAPES = [(1, 28, 28), (3, 32, 32), (3, 64, 64), (1, 17, 23), (2, 16, 40)]


def made(name, shape=(1, 16, 16), **params):
    known = {key: value for key, value in {**SMALL, **params}.items() if key in CLASSES[name].Params.model_fields}
    split = drawn(shape, "uint8" if len(shape) == 3 else "float32", 8)
    torch.manual_seed(0)
    return CLASSES[name](build_params(CLASSES[name].Params, known, name), DataSpec.of(split))


def normalized(image, groups):
    """Each group of channels of each image less its mean, over its standard deviation."""
    parts = image.reshape(len(image), groups, -1).numpy()
    centered = parts - parts.mean(2, keepdims=True)
    scaled = centered / np.sqrt(centered.var(2, keepdims=True) + 1e-5)
    return torch.from_numpy(scaled).reshape(image.shape)


def swish(image):
    return image / (1 + torch.exp(-image))


@pytest.mark.parametrize(("channels", "groups"), [(12, 3), (16, 4), (64, 8), (5, 1), (1, 1)])
def test_a_block_adds_two_convolutions_of_what_is_normalized_by_groups(channels, groups):
    block = ResidualBlock(channels).double()
    image = torch.randn(3, channels, 5, 4, dtype=torch.float64)
    with torch.no_grad():
        inner = conv2d(swish(normalized(image, groups)), block.first.weight, padding=1)
        added = conv2d(swish(normalized(inner, groups)), block.second.weight, block.second.bias, padding=1)
        torch.testing.assert_close(block(image), image + added)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_images_of_many_sizes_go_there_and_back(shape):
    encoder, decoder = make_encoder("residual", shape, 6, 4), make_decoder("residual", shape, 6, 4, hidden=5)
    with torch.no_grad():
        codes = encoder(torch.rand(2, *shape))
        assert codes.shape == (2, 6)
        assert decoder(codes).shape == (2, *shape)


def test_brightness_reaches_the_code():
    encoder = make_encoder("residual", (1, 16, 16), 6, 4)
    with torch.no_grad():
        dark, bright = encoder(torch.stack([torch.full((1, 16, 16), 0.1), torch.full((1, 16, 16), 0.9)]))
    assert (dark - bright).abs().max() > 0.01


@pytest.mark.parametrize("name", WITH_BACKBONE)
def test_every_model_with_a_network_can_have_it(name):
    model = made(name)
    network = model if isinstance(model, torch.nn.Module) else model.net
    assert any(isinstance(module, ResidualBlock) for module in network.modules())
    inputs = torch.rand(4, 1, 16, 16)
    codes = model.encode(inputs) if model.encoder != "none" else model.embed(inputs)
    assert codes.shape == (4, 3)
    if model.decoder != "none":
        assert model.decode(codes).shape == inputs.shape


@pytest.mark.parametrize("shape", [(1, 15, 15), (1, 28, 15), (1, 8, 8), (12,)], ids=str)
@pytest.mark.parametrize("name", ["ae", "vae", "untrained"])
def test_what_is_too_small_for_it_says_so(name, shape):
    with pytest.raises(LatentbenchError) as caught:
        made(name, shape)
    assert str(caught.value) == (
        "the residual backbone takes images (c, h, w) with sides of at least 16, "
        f"got inputs of shape {shape}; choose backbone=auto"
    )


@pytest.mark.parametrize("name", ["ae", "vae"])
def test_a_model_with_it_keeps_every_rule(name):
    data = {title: split for title, split in specimens().items() if title in ("color 32 x 32", "odd 17 x 23")}
    assert len(data) == 2
    params = {"latent_dim": 3, "channels": 4, "backbone": "residual"}
    findings = check_model(name, params=params, data=data, plugins=PLUGINS)
    assert [f"{found.rule} {found.on}: {found.reason}" for found in findings if not found.passed] == []


def test_it_learns_and_is_reloaded_to_the_bit():
    split = drawn((3, 17, 18), "uint8", 24)
    budget = Budget(epochs=6, batch_size=8)
    first, again, reloaded = (made("ae", (3, 17, 18)) for _ in range(3))
    history = train_model(first, split, budget, 0)
    assert history[-1]["total"] < history[0]["total"]
    assert train_model(again, split, budget, 0) == history
    reloaded.set_state(first.get_state())
    inputs = torch.from_numpy(split.inputs).float() / 255
    with torch.no_grad():
        assert torch.equal(reloaded.encode(inputs), first.encode(inputs))
        assert torch.equal(again.encode(inputs), first.encode(inputs))
