"""The contract lets trials train together: one stack of weights, one call, the numbers of each alone."""

from contextlib import contextmanager

import pytest
import torch
from torch.func import functional_call, grad, stack_module_state, vmap

from latentbench import Batch, DataSpec
from latentbench.params import per_member_fields
from latentbench.plugins import Plugins

STEPS, ROWS, RATE = 30, 8, 1e-3
DATA = DataSpec(shape=(1, 8, 8), dtype="uint8", n_train=ROWS)


@pytest.fixture(scope="module")
def plugins():
    return Plugins()


def make(plugins, name, seed, **params):
    found = plugins.load("model", name)
    torch.manual_seed(seed)
    return found(found.Params(latent_dim=2, channels=4, **params), DATA).double()


@contextmanager
def varied(model, values):
    """Let parameters be 0-dim tensors around a call."""
    before = model.params
    model.params = before.model_copy(update=values)
    try:
        yield
    finally:
        model.params = before


def gradients_of(model):
    def total(weights, buffers, values, inputs, noise):
        batch = Batch(inputs, torch.arange(len(inputs)), None, None, torch.tensor(0.0))
        with varied(model, values):
            return functional_call(model, (weights, buffers), (batch, noise))["total"]

    return grad(total)


def data_of(model, member):
    """Inputs and noise of every step, other ones for each member."""
    generator = torch.Generator().manual_seed(member)
    inputs = torch.rand(STEPS, ROWS, *DATA.shape, generator=generator, dtype=torch.float64)
    noise = {
        name: torch.randn(STEPS, ROWS, *draw.shape, generator=generator, dtype=torch.float64)
        for name, draw in model.noise_spec().items()
    }
    return inputs, noise


def descend(weights, step_gradients):
    """Plain gradient descent."""
    for step in range(STEPS):
        gradients = step_gradients(step, weights)
        weights = {name: value - RATE * gradients[name] for name, value in weights.items()}
    return weights


def train_alone(model, member):
    inputs, noise = data_of(model, member)

    def step_gradients(step, weights):
        for name, parameter in model.named_parameters():
            parameter.data = weights[name]
        batch = Batch(inputs[step], torch.arange(ROWS), None, None, torch.tensor(0.0))
        total = model.loss(batch, {name: values[step] for name, values in noise.items()})["total"]
        names, parameters = zip(*model.named_parameters(), strict=True)
        return dict(zip(names, torch.autograd.grad(total, parameters), strict=True))

    return descend({name: p.detach().clone() for name, p in model.named_parameters()}, step_gradients)


def train_together(models, values):
    weights, buffers = stack_module_state(models)
    weights = {name: value.detach() for name, value in weights.items()}
    data = [data_of(model, member) for member, model in enumerate(models)]
    inputs = torch.stack([given for given, _ in data])
    noise = {name: torch.stack([drawn[name] for _, drawn in data]) for name in data[0][1]}
    call = vmap(gradients_of(models[0]))

    def step_gradients(step, weights):
        drawn = {name: given[:, step] for name, given in noise.items()}
        return call(weights, buffers, values, inputs[:, step], drawn)

    return descend(weights, step_gradients)


def assert_same(together, alone, start):
    for name, stacked in together.items():
        for member, weights in enumerate(alone):
            torch.testing.assert_close(stacked[member], weights[name], rtol=1e-6, atol=1e-12)
    moved = [not torch.allclose(alone[0][name], value) for name, value in start.items()]
    assert any(moved)


def test_beta_vaes_of_two_seeds_and_two_betas_train_together(plugins):
    cells = [(seed, beta) for seed in (0, 1) for beta in (1.0, 8.0)]
    alone = [train_alone(make(plugins, "beta_vae", *cells[i][:1], beta=cells[i][1]), i) for i in range(4)]
    models = [make(plugins, "beta_vae", seed, beta=1.0) for seed, _ in cells]
    start = dict(models[0].named_parameters())
    betas = torch.tensor([beta for _, beta in cells], dtype=torch.float64)
    together = train_together(models, {"beta": betas})
    assert_same(together, alone, start)
    names = [name for name in together if name.startswith("encoder_net")]
    assert any(not torch.allclose(together[name][0], together[name][1]) for name in names)  # beta reached them


@pytest.mark.parametrize("name", ["ae", "vae"])
def test_trials_that_differ_in_their_seed_train_together(plugins, name):
    alone = [train_alone(make(plugins, name, seed), seed) for seed in (0, 1)]
    models = [make(plugins, name, seed) for seed in (0, 1)]
    assert_same(train_together(models, {}), alone, dict(models[0].named_parameters()))


def test_beta_alone_may_vary_inside_a_group(plugins):
    fields = {name: per_member_fields(plugins.load("model", name).Params) for name in ("ae", "vae", "beta_vae")}
    assert fields == {"ae": frozenset(), "vae": frozenset(), "beta_vae": frozenset({"beta"})}


def test_models_that_say_so_are_groupable(plugins):
    assert all(plugins.load("model", name).groupable for name in ("ae", "vae", "beta_vae"))
    assert not plugins.load("model", "pca").groupable
