"""A trial trained in a group equals the trial alone, whatever the model asks for; one that diverges ends alone."""

import inspect
from dataclasses import replace

import numpy as np
import pytest
import torch

from latentbench import ContractError, DataSpec, GradientModel, Model
from latentbench.errors import DivergedError
from latentbench.params import per_member_fields
from latentbench.plugins import Plugins
from latentbench.training.budget import Budget
from latentbench.training.engine import Training, train_model
from latentbench.training.members import Stack

OWN = ("Small", "Centers", "Adversarial", "Informed", "Sloped")
SEEDS = (0, 1, 5)
BUDGET = Budget(epochs=9, batch_size=8, learning_rate=1e-2)  # of 44 rows: 54 steps, the last of an epoch with 4
FEW = BUDGET.model_copy(
    update={"epochs": 3}
)  # where many are tried: 18 steps, with each kind of batch three times


def train_group(models, split, budget, seeds):
    """Train trials of one model together; return their histories, or the error of one that diverged."""
    training = Training(models, split, budget, seeds)
    for _ in training:
        continue
    return list(training.histories)


def groupable(plugins, name):
    model_class = plugins.load("model", name)
    return issubclass(model_class, GradientModel) and model_class.groupable


INSTALLED = Plugins()
DISCOVERED = ("short_vae", *(name for name in INSTALLED.names("model") if groupable(INSTALLED, name)))
IN_ROOMS = {  # of a package of its own, with the backbone of those beside it: one layout suffices
    name for name in DISCOVERED[1:] if INSTALLED.load("model", name).__module__.count(".") > 1
}
CASES = {name: (name, {}, (1, 8, 8) if name in IN_ROOMS else (1, 16, 16)) for name in DISCOVERED}
CASES |= {name: (name, {}, (3, 4, 4)) for name in OWN}
CASES |= {
    "vae on odd color images": ("vae", {}, (3, 9, 10)),
    "beta_vae of bits": ("beta_vae", {"likelihood": "bernoulli", "hidden": 8}, (1, 8, 8)),
    "vae with a fixed sigma": ("vae", {"sigma": 0.3}, (1, 8, 8)),
    "ae without convolutions": ("ae", {"backbone": "mlp"}, (3, 4, 4)),
    "ae with residual blocks": ("ae", {"backbone": "residual"}, (1, 16, 17)),
}
SHAPES_ONLY = {"deepsdf"}  # take signed distances and nothing else
# torch warns of itself when it first takes a forward derivative
forward = pytest.mark.filterwarnings("ignore:.*torch.jit.script")


@pytest.fixture
def split_of(make_split):
    """A function that returns data for a case."""

    def split(case):
        drawn = make_split(CASES[case][2])
        return replace(drawn, inputs=drawn.inputs / np.float32(64) - 2) if case in SHAPES_ONLY else drawn

    return split


@pytest.fixture
def make(models):
    """A function that returns a model of a case in float64; what may differ in a group is multiplied."""

    def model(case, split, seed, varied=1.0):
        name, params, _ = CASES[case]
        model_class = models(name)
        small = {} if name in OWN else {"latent_dim": 2, "channels": 4, "width": 8, "points": 16, "projection": 8}
        params = {key: value for key, value in small.items() if key in model_class.Params.model_fields} | params
        plain = model_class.Params(**params)
        values = {field: getattr(plain, field) * varied for field in per_member_fields(model_class.Params)}
        torch.manual_seed(seed)
        return model_class(model_class.Params(**{**params, **values}), DataSpec.of(split)).double()

    return model


@pytest.fixture
def members(make):
    """A function that returns the models of a group: of other seeds and with other parameters."""

    def group(case, split, varied=(1.0, 0.3, 2.0)):
        return [make(case, split, *each) for each in zip(SEEDS, varied, strict=True)]

    return group


def train_alone(models, split, budget, seeds=SEEDS):
    return [train_model(model, split, budget, seed) for model, seed in zip(models, seeds, strict=True)]


def assert_same(actual, expected):
    """Weights and buffers agree to a millionth."""
    for one, other in zip(actual, expected, strict=True):
        for name, value in other.state_dict().items():
            torch.testing.assert_close(one.state_dict()[name], value, rtol=1e-6, atol=1e-12, msg=name)


def assert_same_histories(actual, expected):
    for one, other in zip(actual, expected, strict=True):
        assert [set(losses) for losses in one] == [set(losses) for losses in other]
        for mine, its in zip(one, other, strict=True):
            assert mine == pytest.approx(its, rel=1e-6, abs=1e-12)


@forward
@pytest.mark.parametrize(
    ("case", "matmul"),
    [(case, matmul) for case in CASES for matmul in (True, False) if matmul or case not in IN_ROOMS],
)
def test_trials_in_a_group_are_the_trials_alone(case, matmul, members, split_of):
    split, budget = split_of(case), BUDGET if case in OWN else FEW
    start, alone, together = (members(case, split) for _ in range(3))
    histories = train_alone(alone, split, budget)
    training = Training(together, split, budget, SEEDS, matmul=matmul)
    for _ in training:
        continue
    assert_same(together, alone)
    assert_same_histories(training.histories, histories)
    assert not any(model.training for model in together)
    for before, after in zip(start, together, strict=True):
        assert before.params == after.params
        moved = [not torch.allclose(p, q) for p, q in zip(before.parameters(), after.parameters(), strict=True)]
        assert any(moved)


@forward
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
@pytest.mark.parametrize("case", ["beta_vae", *OWN])
def test_every_optimizer_serves_a_group(case, optimizer, members, split_of):
    split = split_of(case)
    budget = FEW.model_copy(update={"optimizer": optimizer, "learning_rate": 1e-3})
    alone, together = (members(case, split) for _ in range(2))
    histories = train_alone(alone, split, budget)
    assert_same_histories(train_group(together, split, budget, SEEDS), histories)
    assert_same(together, alone)


def test_parameters_of_members_reach_the_loss(make, split_of):
    split = split_of("beta_vae")
    models = [make("beta_vae", split, seed=0, varied=varied) for varied in (1.0, 20.0)]
    first, second = train_group(models, split, BUDGET, [3, 3])
    assert first[0]["distortion"] != second[0]["distortion"]
    assert second[-1]["rate"] < first[-1]["rate"] / 2


def test_members_of_one_seed_and_one_start_are_one(make, split_of):
    split = split_of("vae")
    models = [make("vae", split, seed=0) for _ in range(2)]
    first, second = train_group(models, split, BUDGET, [3, 3])
    assert_same_histories([first], [second])


def test_a_group_in_bfloat16_is_near_its_trials_alone(members, split_of):
    split = split_of("vae")
    budget = BUDGET.model_copy(update={"precision": "bfloat16"})
    alone, together = ([model.float() for model in members("vae", split)] for _ in range(2))
    histories = train_alone(alone, split, budget)
    for actual, expected in zip(train_group(together, split, budget, SEEDS), histories, strict=True):
        assert actual[-1]["total"] == pytest.approx(expected[-1]["total"], rel=0.02, abs=1)
    assert {weight.dtype for model in together for weight in model.parameters()} == {torch.float32}


@pytest.mark.parametrize("case", ["beta_vae", "Centers", "Adversarial"])
def test_models_are_up_to_date_after_every_epoch(case, members, split_of):
    split = split_of(case)
    models = members(case, split)
    for epoch, losses in Training(models, split, BUDGET, SEEDS):
        alone = members(case, split)
        looks = BUDGET.model_copy(update={"checkpoint": epoch})
        expected = [history[-1] for history in train_alone(alone, split, looks)]
        assert_same(models, alone)
        assert_same_histories([losses], [expected])
        if epoch == 3:
            break
    assert epoch == 3


# what is drawn


def test_each_member_has_the_order_and_the_noise_of_its_seed(monkeypatch, members, split_of):
    monkeypatch.setattr("latentbench.training.trainer.NOISE_BYTES", 1.0)  # one batch at a time
    split = split_of("Informed")
    alone, together = (members("Informed", split) for _ in range(2))
    histories = train_alone(alone, split, BUDGET)
    assert_same_histories(train_group(together, split, BUDGET, SEEDS), histories)
    assert histories[0] != histories[1]


class Tied(GradientModel):
    """A linear autoencoder with one matrix, under two names."""

    class Params(Model.Params):
        latent_dim: int = 2
        whole: bool = False

    def __init__(self, params, data):
        super().__init__(params, data)
        self.inward = torch.nn.Linear(16, 2, bias=False)
        self.outward = self.inward if params.whole else torch.nn.Linear(16, 2, bias=False)
        self.outward.weight = self.inward.weight

    def loss(self, batch, noise):
        inputs = batch.inputs.flatten(1)
        return {"total": (self.inward(inputs) @ self.outward.weight - inputs).square().mean()}

    def encode(self, inputs):
        return self.inward(inputs.flatten(1))


@pytest.mark.parametrize("whole", [False, True], ids=["weight", "module"])
def test_a_weight_with_two_names_is_one_weight_in_a_group(make_split, whole):
    split = make_split((1, 4, 4))

    def members():
        torch.manual_seed(0)
        return [Tied(Tied.Params(whole=whole), DataSpec.of(split)).double() for _ in SEEDS]

    alone, together = members(), members()
    histories = train_alone(alone, split, BUDGET)
    assert_same_histories(train_group(together, split, BUDGET, SEEDS), histories)
    assert_same(together, alone)


# a member that diverges

TOO_MUCH = {"beta_vae": 1e200, "Small": 1e200, "Centers": 1e160}


@pytest.mark.parametrize("case", TOO_MUCH)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_that_diverges_ends_alone(case, place, members, split_of):
    split = split_of(case)
    budget = BUDGET.model_copy(update={"optimizer": "sgd", "learning_rate": 1e-3})
    varied = [1.0, 0.3, 2.0]
    varied[place] = TOO_MUCH[case]
    alone, together = (members(case, split, varied) for _ in range(2))
    with pytest.raises(DivergedError) as caught:
        train_model(alone[place], split, budget, SEEDS[place])
    actual = train_group(together, split, budget, SEEDS)
    assert isinstance(actual[place], DivergedError)
    assert str(actual[place]).partition("(")[0] == "the loss stopped being finite in epoch 1 "
    assert str(caught.value).partition("(")[0] == str(actual[place]).partition("(")[0]
    for other in {0, 1, 2} - {place}:
        history = train_model(alone[other], split, budget, SEEDS[other])
        assert_same_histories([actual[other]], [history])
        assert_same([together[other]], [alone[other]])


@pytest.fixture
def late(models):
    """A function that returns models that diverge from some progress on."""

    def group(split, *ends):
        model_class = models("Late")
        torch.manual_seed(0)
        return [model_class(model_class.Params(pull=end), DataSpec.of(split)).double() for end in ends]

    return group


def test_members_diverge_in_epochs_of_their_own(make_split, late):
    split = make_split()
    seen = []
    training = Training(late(split, 0.5, 2.0, 0.3), split, BUDGET, SEEDS)
    for epoch, losses in training:
        seen.append([one is None for one in losses])
        assert epoch == len(seen)
    assert seen == [[epoch >= 5, False, epoch >= 3] for epoch in range(1, 10)]
    messages = [str(history).split(" (")[0] for history in training.histories]
    assert messages[0] == "the loss stopped being finite in epoch 5"
    assert len(training.histories[1]) == 9
    assert messages[2] == "the loss stopped being finite in epoch 3"


def test_training_stops_when_all_have_diverged(make_split, late):
    split = make_split()
    training = Training(late(split, 0.2, 0.3), split, BUDGET, [0, 1])
    assert [epoch for epoch, _ in training] == [1, 2, 3]
    assert all(isinstance(history, DivergedError) for history in training.histories)


# contracts


def test_a_model_that_cannot_be_stacked_is_refused(make_split, models):
    class Single(models("Small")):
        groupable = False

    split = make_split()
    pair = [Single(Single.Params(), DataSpec.of(split)) for _ in range(2)]
    with pytest.raises(ContractError, match=r"^Single says groupable = False; train its trials one by one$"):
        train_group(pair, split, BUDGET, [0, 1])
    assert len(train_group(pair[:1], split, BUDGET, [0])[0]) == BUDGET.epochs  # one is no group


@pytest.mark.parametrize("losses", [torch.ones(()), {"loss": torch.ones(())}, {"total": torch.ones(3)}])
def test_a_wrong_loss_is_told_in_a_group_as_it_is_alone(losses, make_split, models):
    class Wrong(models("Small")):
        def loss(self, batch, noise):
            return losses

    split = make_split()
    pair = [Wrong(Wrong.Params(), DataSpec.of(split)) for _ in range(2)]
    with pytest.raises(ContractError) as alone:
        train_model(pair[0], split, BUDGET, 0)
    with pytest.raises(ContractError) as together:
        train_group(pair, split, BUDGET, [0, 1])
    assert str(together.value) == str(alone.value)
    assert str(alone.value).startswith("loss must return")


def test_what_may_vary_inside_a_group(models):
    varied = {name: sorted(per_member_fields(models(name).Params)) for name in DISCOVERED}
    of_one_strength = ("aae", "acai", "contractive_ae", "swae", "topo_ae", "wae_mmd")
    assert {name: fields for name, fields in varied.items() if fields} == {
        **{name: ["strength"] for name in of_one_strength},
        "annealed_vae": ["capacity", "gamma"],
        "barlow_twins": ["redundancy"],
        "beta_tcvae": ["beta"],
        "beta_vae": ["beta"],
        "denoising_ae": ["level"],
        "dip_vae": ["diagonal", "strength"],
        "factor_vae": ["gamma"],
        "gan": ["slope_penalty"],
        "info_vae": ["alpha", "strength"],
        "rae": ["beta", "strength"],
        "simclr": ["temperature"],
        "vae_gan": ["similarity", "slope_penalty"],
        "vicreg": ["covariance", "invariance", "variance"],
        "vq_vae": ["commitment", "pull"],
    }


def test_stacks_hold_the_weights_of_their_members(members, split_of):
    split = split_of("vae")
    models = members("vae", split)
    stack = Stack(models)
    for name, value in stack.weights.items():
        assert all(torch.equal(value[i], dict(m.named_parameters())[name]) for i, m in enumerate(models))


def test_the_samples_use_all_that_a_model_may_ask_for(models):
    source = inspect.getsource(inspect.getmodule(models("Small")))
    asked = ("batch.rows", "batch.labels", "batch.factors", "batch.progress", "def update", "players", "PerMember")
    assert all(word in source for word in asked)
