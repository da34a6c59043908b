import math
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from torch import nn

from latentbench import ContractError, DataSpec, Draw, GradientModel, Model, Split
from latentbench.errors import DivergedError
from latentbench.plugins import Plugins
from latentbench.training.budget import Budget
from latentbench.training.convergence import late_fall
from latentbench.training.engine import train_model
from latentbench.training.trainer import derive_seed

FASHION = Path("/usr/share/datasets/fashion-mnist")


class LinearAE(GradientModel):
    class Params(Model.Params):
        latent_dim: int = 3

    def __init__(self, params, data):
        super().__init__(params, data)
        size = math.prod(data.shape)
        self.encoder_net, self.decoder_net = nn.Linear(size, params.latent_dim), nn.Linear(params.latent_dim, size)

    def loss(self, batch, noise):
        flat = batch.inputs.flatten(1)
        return {"total": (self.decoder_net(self.encoder_net(flat)) - flat).square().mean()}

    def encode(self, inputs):
        return self.encoder_net(inputs.flatten(1))


class Recorder(GradientModel):
    """One weight that learns nothing; remembers every batch and its noise."""

    def __init__(self, data=None, draws=None):
        super().__init__(Model.Params(), data)
        self.weight = nn.Parameter(torch.ones(2))
        self.draws, self.batches, self.noises = draws or {}, [], []

    def noise_spec(self):
        return self.draws

    def loss(self, batch, noise):
        self.batches.append(batch)
        self.noises.append(noise)
        return {"total": (self.weight * batch.inputs.flatten(1)[:, :2]).sum(1).mean()}

    def encode(self, inputs):
        return inputs.flatten(1)

    @property
    def rows(self):
        return [batch.rows.tolist() for batch in self.batches]


@pytest.fixture(scope="module")
def low_rank():
    """500 rows of rank 3 in 20 dimensions, off center, with a little noise."""
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(500, 3)) * [3, 2, 1]
    axes = np.linalg.qr(rng.normal(size=(20, 3)))[0].T
    rows = factors @ axes + rng.normal(size=20) + 0.1 * rng.normal(size=(500, 20))
    return Split(rows.astype(np.float32))


@pytest.fixture
def ten():
    return Split(np.arange(40, dtype=np.float32).reshape(10, 4), labels=np.arange(10), factors=np.ones((10, 1)),
                 factor_names=("one",), factor_sizes=(0,))  # fmt: skip


def linear(split, seed=0, latent_dim=3):
    torch.manual_seed(seed)
    return LinearAE(LinearAE.Params(latent_dim=latent_dim), DataSpec.of(split))


def mse(model, inputs):
    flat = inputs.flatten(1)
    with torch.no_grad():
        return float((model.decoder_net(model.encoder_net(flat)) - flat).square().mean())


def pca_mse(train, rows, width):
    fitted = PCA(width, svd_solver="covariance_eigh").fit(train.astype(np.float64))
    return float(np.square(fitted.inverse_transform(fitted.transform(rows)) - rows).mean())


def test_a_linear_autoencoder_reaches_the_error_of_pca(low_rank):
    model = linear(low_rank)
    history = train_model(model, low_rank, Budget(epochs=100, batch_size=20, learning_rate=5e-2), 0)
    reached = mse(model, torch.from_numpy(low_rank.inputs))
    assert reached == pytest.approx(pca_mse(low_rank.inputs, low_rank.inputs, 3), rel=0.02)
    assert reached >= pca_mse(low_rank.inputs, low_rank.inputs, 3)
    assert late_fall(history) < 0.01


@pytest.mark.slow
@pytest.mark.skipif(not FASHION.exists(), reason="dataset-fashion-mnist is not installed")
def test_a_linear_autoencoder_reaches_the_error_of_pca_on_fashion_mnist():
    actual = Plugins().load("dataset", "fashion_mnist")
    train, test = actual(actual.Params()).load()
    model = linear(train, latent_dim=16)
    train_model(model, train, Budget(epochs=12, batch_size=64, learning_rate=1e-3), 0)
    rows = test.inputs.reshape(len(test), -1) / 255
    reached = mse(model, torch.from_numpy(rows).float())
    assert reached == pytest.approx(pca_mse(train.inputs.reshape(len(train), -1) / 255, rows, 16), rel=0.02)


# randomness


def weights_after(split, seed, weights_seed=0):
    model = linear(split, weights_seed)
    train_model(model, split, Budget(epochs=2, batch_size=64), seed)
    return model.state_dict()


def test_the_same_seed_gives_the_same_bits(low_rank):
    first, second = weights_after(low_rank, 0), weights_after(low_rank, 0)
    torch.rand(7)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_another_seed_gives_other_weights_from_the_same_start(low_rank):
    first, second = weights_after(low_rank, 0), weights_after(low_rank, 1)
    assert all(not torch.equal(first[name], second[name]) for name in first)


def test_seeds_of_different_purposes_differ():
    seeds = {derive_seed(seed, purpose) for seed in range(10) for purpose in ("weights", "order", "noise", "fit")}
    assert len(seeds) == 40
    assert derive_seed(0, "weights") == 15930457594142475  # a promise: trials of old runs can be made again


def test_the_order_of_the_data_depends_on_the_seed_alone(ten):
    budget = Budget(epochs=3, batch_size=4)
    plain, noisy, other = Recorder(), Recorder(draws={"eps": Draw("normal", (5,))}), Recorder()
    for model, seed in ((plain, 0), (noisy, 0), (other, 1)):
        train_model(model, ten, budget, seed)
    assert plain.rows == noisy.rows
    assert plain.rows != other.rows


def test_each_epoch_sees_every_row_once_in_another_order(ten):
    model = Recorder()
    train_model(model, ten, Budget(epochs=2, batch_size=4), 0)
    assert [len(rows) for rows in model.rows] == [4, 4, 2, 4, 4, 2]
    first, second = ([row for rows in epoch for row in rows] for epoch in (model.rows[:3], model.rows[3:]))
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second


def test_batches_hold_what_belongs_to_their_rows(ten):
    model = Recorder()
    train_model(model, ten, Budget(epochs=1, batch_size=4), 0)
    for batch in model.batches:
        assert torch.equal(batch.inputs, torch.from_numpy(ten.inputs)[batch.rows])
        assert torch.equal(batch.labels, batch.rows)
        assert batch.factors.dtype == torch.float32


def test_uint8_images_come_as_floats_up_to_one():
    images = np.full((6, 1, 2, 2), 255, dtype=np.uint8)
    model = Recorder()
    train_model(model, Split(images), Budget(epochs=1, batch_size=6), 0)
    (batch,) = model.batches
    assert torch.equal(batch.inputs, torch.ones(6, 1, 2, 2))
    assert batch.labels is None
    assert batch.factors is None


def test_noise_is_drawn_from_a_generator_of_its_own(ten):
    draws = {"eps": Draw("normal", (2,)), "u": Draw("uniform", ())}
    model = Recorder(draws=draws)
    train_model(model, ten, Budget(epochs=1, batch_size=10), 3)
    generator = torch.Generator().manual_seed(derive_seed(3, "noise"))
    (noise,) = model.noises
    assert torch.equal(noise["eps"], torch.randn((10, 2), generator=generator))
    assert torch.equal(noise["u"], torch.rand((10,), generator=generator))


def test_the_global_generator_is_left_alone(ten):
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    train_model(Recorder(draws={"eps": Draw("normal", (2,))}), ten, Budget(epochs=1), 0)
    assert torch.equal(torch.rand(3), expected)


# schedule and optimizers


def test_progress_goes_from_0_to_just_below_1(ten):
    model = Recorder()
    train_model(model, ten, Budget(epochs=2, batch_size=4), 0)
    assert [float(batch.progress) for batch in model.batches] == pytest.approx([step / 6 for step in range(6)])


FIRST_RATE = 0.02  # of the highest: the warm-up begins at a thousandth of the run, a fiftieth of the rise


def step_of(optimizer, ten):
    model = Recorder()
    train_model(model, ten, Budget(epochs=1, batch_size=10, learning_rate=0.1, optimizer=optimizer), 0)
    gradient = torch.from_numpy(ten.inputs[:, :2]).mean(0)
    return model.weight.detach(), gradient, 0.1 * FIRST_RATE


def test_sgd_takes_the_step_of_the_book(ten):
    weight, gradient, rate = step_of("sgd", ten)
    torch.testing.assert_close(weight, 1 - rate * gradient)


def test_adam_takes_the_step_of_the_book(ten):
    weight, _, rate = step_of("adam", ten)
    torch.testing.assert_close(weight, torch.full((2,), 1 - rate))


def test_adamw_also_shrinks_the_weights(ten):
    weight, _, rate = step_of("adamw", ten)
    torch.testing.assert_close(weight, torch.full((2,), (1 - rate * 0.01) - rate), rtol=0, atol=1e-7)


def test_history_holds_the_mean_over_rows_not_over_batches(ten):
    model = Recorder()
    model.weight.requires_grad_(False)
    model.weight.fill_(0.5)
    model.free = nn.Parameter(torch.zeros(()))

    def loss(batch, noise):
        return {"total": batch.inputs.mean() + 0 * model.free, "twice": 2 * batch.inputs.mean()}

    model.loss = loss
    messages = []
    history = train_model(model, ten, Budget(epochs=2, batch_size=4), 0, lambda *event: messages.append(event))
    assert [losses["total"] for losses in history] == pytest.approx([19.5, 19.5])
    assert [losses["twice"] for losses in history] == pytest.approx([39, 39])
    assert messages == [(1, history[0]), (2, history[1])]


def test_bfloat16_is_near_float32(low_rank):
    finals = []
    for precision in ("float32", "bfloat16"):
        model = linear(low_rank)
        budget = Budget(epochs=3, batch_size=64, precision=precision)
        finals.append(train_model(model, low_rank, budget, 0)[-1]["total"])
        assert model.encoder_net.weight.dtype == torch.float32
    assert finals[1] == pytest.approx(finals[0], rel=0.05)
    assert finals[1] != finals[0]


# contracts


class Codebook(Recorder):
    """Keeps a running mean of its inputs in a buffer that gradients do not reach."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(4))

    def update(self, state, batch, noise):
        return {"mean": 0.9 * state["mean"] + 0.1 * batch.inputs.mean(0)}


def test_update_renews_buffers_after_each_step(ten):
    model = Codebook()
    train_model(model, ten, Budget(epochs=2, batch_size=4), 0)
    expected = torch.zeros(4)
    for batch in model.batches:
        expected = 0.9 * expected + 0.1 * batch.inputs.mean(0)
    torch.testing.assert_close(model.mean, expected)
    assert "mean" in model.get_state()


class Players(GradientModel):
    """The first pulls `a` to `b`, the second pulls `b` to 1."""

    players: ClassVar = {"follower": ("a",), "leader": ("b",)}

    def __init__(self):
        super().__init__(Model.Params(), None)
        self.a, self.b = nn.Parameter(torch.tensor(5.0)), nn.Parameter(torch.tensor(0.0))
        self.idle = nn.Parameter(torch.tensor(7.0))
        self.calls = []

    def loss(self, batch, noise, player):
        self.calls.append(player)
        if player == "follower":
            return {"total": (self.a - self.b).square() + 0 * self.idle}
        return {"total": (self.b - 1).square() + 0 * self.a, "gap": self.b.detach()}

    def encode(self, inputs):
        return inputs


def test_players_take_turns_each_with_its_own_parameters(ten):
    model = Players()
    budget = Budget(epochs=200, batch_size=5, learning_rate=0.1, optimizer="sgd")
    history = train_model(model, ten, budget, 0)
    assert model.calls[:4] == ["follower", "leader", "follower", "leader"]
    assert tuple(p.item() for p in (model.a, model.b, model.idle)) == pytest.approx((1, 1, 7), abs=1e-3)
    assert set(history[0]) == {"follower_total", "leader_total", "leader_gap"}
    assert late_fall(history) == 0.0  # losses of a game need not fall


def test_a_player_without_parameters_breaks_the_contract(ten):
    class Missing(Players):
        players: ClassVar = {"critic": ("critic.", "judge.")}

    with pytest.raises(ContractError) as caught:
        train_model(Missing(), ten, Budget(epochs=1), 0)
    assert str(caught.value) == "no parameter's name begins with critic. or judge. (player 'critic')"


@pytest.mark.parametrize(("losses", "named"), [({"loss": 1}, "loss"), ({}, "nothing")])
def test_a_loss_without_total_breaks_the_contract(ten, losses, named):
    model = Recorder()
    model.loss = lambda batch, noise: losses
    with pytest.raises(ContractError) as caught:
        train_model(model, ten, Budget(epochs=1), 0)
    assert str(caught.value) == f"loss must return a term named 'total', got {named}"


@pytest.mark.parametrize(
    ("losses", "sentence"),
    [
        (torch.tensor(1.0), "loss must return terms by name, as {'total': ...}, got Tensor"),
        ({"total": torch.ones(3)}, "'total' is of shape (3,)"),
        ({"total": torch.tensor(1.0), "rate": torch.ones(2, 2)}, "'rate' is of shape (2, 2)"),
        ({"total": torch.tensor(1.0), "rate": 2.0}, "'rate' is of type float"),
    ],
)
def test_what_a_loss_must_not_return(ten, losses, sentence):
    model = Recorder()
    model.loss = lambda batch, noise: losses
    with pytest.raises(ContractError) as caught:
        train_model(model, ten, Budget(epochs=1), 0)
    assert str(caught.value).endswith(sentence)


def test_a_loss_that_is_not_finite_ends_the_trial_with_a_sentence(ten):
    model, messages = Recorder(), []
    plain = model.loss
    model.loss = lambda batch, noise: {
        "total": plain(batch, noise)["total"] / (float(batch.progress) < 0.5),
        "rate": torch.tensor(2.0),
    }
    budget = Budget(epochs=2, batch_size=10, learning_rate=1e-9)
    with pytest.raises(DivergedError) as caught:
        train_model(model, ten, budget, 0, lambda *event: messages.append(event))
    assert str(caught.value) == (
        "the loss stopped being finite in epoch 2 (total = inf); try a lower learning rate"
    )
    assert [epoch for epoch, _ in messages] == [1]


def test_the_model_comes_back_in_evaluation_mode(ten):
    model = Recorder()
    train_model(model, ten, Budget(epochs=1), 0)
    assert not model.training


# convergence


LATE = {
    "no epoch": ([], 0.0),
    "one epoch": ([3.0], 1.0),
    "flat": ([3.0] * 10, 0.0),
    "rising": ([1.0, 2.0, 3.0], 0.0),
    "falls at once": ([10.0] + [1.0] * 9, 0.0),
    "falls all along": ([float(-step) for step in range(11)], 0.1),
    "below zero": ([-1.0, -2.0, -3.0], 0.5),
    "twenty epochs": ([float(20 - step) for step in range(20)], 2 / 19),
    "rises at the end": ([10.0, 0.0, 1.0], -0.1),
    "one last epoch by chance": ([10.0] + [1.0] * 38 + [0.9], 0.05 / 9.1),
}


@pytest.mark.parametrize("case", LATE)
def test_late_fall(case):
    totals, expected = LATE[case]
    assert late_fall([{"total": total} for total in totals]) == pytest.approx(expected)
