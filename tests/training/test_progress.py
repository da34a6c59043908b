"""A training goes on where it was stopped, to the same bits; a damaged file is told of and begun again."""

import warnings

import pytest
import torch

from latentbench import DataSpec
from latentbench.training.budget import Budget
from latentbench.training.engine import Training
from latentbench.training.progress import Progress, read_progress, write_progress

BUDGET = Budget(epochs=5, batch_size=8, learning_rate=1e-2)
SEEDS = (0, 7, 3)
CASES = {
    "vae": ((1, 16, 16), {"channels": 4, "latent_dim": 2}),
    "beta_vae": ((3, 9, 10), {"channels": 4, "latent_dim": 2}),
    "Centers": ((3, 4, 4), {}),
    "Adversarial": ((3, 4, 4), {}),
    "Informed": ((3, 4, 4), {}),
}


@pytest.fixture
def begin(models, make_split):
    """A function that begins a training; its weights lie as the machinery puts them."""

    def training(case, count=1, budget=BUDGET, start=0):
        shape, params = CASES[case]
        model_class, split = models(case), make_split(shape)
        made = []
        for seed in range(start, start + count):
            torch.manual_seed(seed)
            made.append(model_class(model_class.Params(**params), DataSpec.of(split)).place("cpu"))
        return Training(made, split, budget, SEEDS[:count])

    return training


def run(training, epochs):
    """Go on until that many epochs are done."""
    for epoch, _ in training:
        if epoch == epochs:
            return training
    return training


def saved(training, folder):
    """Write what every member needs to files, and read it back."""
    for index in range(len(training.models)):
        write_progress(folder / str(index), Progress(training.state(index), 1.5, "abc"))
    return [read_progress(folder / str(index)).state for index in range(len(training.models))]


def assert_same_bits(actual, expected):
    assert actual.histories == expected.histories
    for one, other in zip(actual.models, expected.models, strict=True):
        for name, value in other.state_dict().items():
            assert torch.equal(one.state_dict()[name], value), name


@pytest.mark.parametrize("count", [1, 3], ids=["alone", "group"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("case", CASES)
def test_a_training_goes_on_to_the_same_bits(begin, tmp_path, case, precision, count):
    budget = BUDGET.model_copy(update={"precision": precision})
    whole = run(begin(case, count, budget), 5)
    states = saved(run(begin(case, count, budget), 2), tmp_path)
    second = begin(case, count, budget, start=10)  # other weights, which must not matter
    second.resume(states)
    states = saved(run(second, 4), tmp_path)
    third = begin(case, count, budget, start=20)
    third.resume(states)
    assert [epoch for epoch, _ in third] == [5]
    assert_same_bits(third, whole)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
@pytest.mark.parametrize("case", ["vae", "Adversarial"])
def test_every_optimizer_goes_on(begin, tmp_path, case, optimizer):
    budget = BUDGET.model_copy(update={"optimizer": optimizer, "learning_rate": 1e-4})
    whole = run(begin(case, 2, budget), 5)
    third = begin(case, 2, budget, start=10)
    third.resume(saved(run(begin(case, 2, budget), 3), tmp_path))
    assert_same_bits(run(third, 5), whole)


def test_models_are_up_to_date_when_a_training_is_resumed(begin, tmp_path):
    first = run(begin("beta_vae", 2), 3)
    second = begin("beta_vae", 2, start=10)
    second.resume(saved(first, tmp_path))
    assert_same_bits(second, first)


def test_a_member_of_a_group_can_go_on_alone(begin, tmp_path):
    whole = run(begin("vae", 3), 5)
    states = saved(run(begin("vae", 3), 3), tmp_path)
    alone = begin("vae", 1, start=10)
    alone.resume(states[:1])
    run(alone, 5)
    assert alone.histories[0][-1]["total"] == pytest.approx(whole.histories[0][-1]["total"], rel=1e-3)


def test_the_state_is_a_copy(begin):
    training = begin("vae")
    iterator = iter(training)
    next(iterator)
    state = training.state(0)
    before = {name: value.clone() for name, value in state.tensors.items()}
    next(iterator)
    assert all(torch.equal(state.tensors[name], value) for name, value in before.items())
    assert len(state.history) == 1
    assert {value.device.type for value in state.tensors.values()} == {"cpu"}


def test_all_is_told_again(begin, tmp_path):
    training = run(begin("Centers"), 2)
    state = training.state(0)
    write_progress(tmp_path / "p", Progress(state, 12.25, "abc"))
    actual = read_progress(tmp_path / "p")
    assert (actual.seconds, actual.source, list(actual.state.history)) == (12.25, "abc", training.histories[0])
    assert set(actual.state.tensors) == set(state.tensors)
    assert {"weight.encoder_net.0.weight", "buffer.center", "order", "noise"} <= set(state.tensors)
    assert all(torch.equal(actual.state.tensors[name], value) for name, value in state.tensors.items())


def test_nothing_is_left_beside_the_file(begin, tmp_path):
    for epoch in (1, 2):
        write_progress(tmp_path / "p", Progress(run(begin("Centers"), epoch).state(0), 1.0))
    assert [path.name for path in tmp_path.iterdir()] == ["p"]
    assert len(read_progress(tmp_path / "p").state.history) == 2


DAMAGE = {
    "empty": lambda data: b"",
    "cut": lambda data: data[: len(data) // 2],
    "not such a file": lambda data: b"hello" * 100,
    "no header": lambda data: data[8:],
    "another file": lambda data: other(),
    "broken words": lambda data: data.replace(b"history", b"histxry"),
}


def other():
    from safetensors.torch import save

    return save({"a": torch.zeros(2)})


@pytest.mark.parametrize("case", DAMAGE)
def test_a_damaged_file_is_told_of_and_left_out(begin, tmp_path, case):
    path = tmp_path / "p"
    write_progress(path, Progress(run(begin("Centers"), 1).state(0), 1.0))
    path.write_bytes(DAMAGE[case](path.read_bytes()))
    with pytest.warns(UserWarning, match=r"p is damaged \(.*\); the trial begins again$"):
        assert read_progress(path) is None


def test_without_a_file_a_trial_begins(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_progress(tmp_path / "p") is None
