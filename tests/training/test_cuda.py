"""Training on CUDA: `python -m pytest -m gpu`. On a CPU the same tests run with tapes in place of CUDA graphs.

All trainings compared begin from the same weights and go through the same rows with the same noise, drawn on the
CPU: a GPU's generators draw others. Batches of 8 from 44 rows leave a last one of 4, with a graph of its own.
"""

import contextlib

import pytest
import torch

from latentbench import DataSpec
from latentbench.training import graphs
from latentbench.training.budget import Budget
from latentbench.training.engine import Training
from latentbench.training.inputs import ResidentInputs, StreamedInputs
from latentbench.training.trainer import Trainer, derive_seed

BUDGET = Budget(epochs=5, batch_size=8, learning_rate=3e-3)
CASES = {"vae": ((1, 8, 8), {"channels": 4, "latent_dim": 2}), "Adversarial": ((3, 4, 4), {})}  # one has players
CUDA = pytest.param(
    "cuda", marks=[pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")]
)


@pytest.fixture(params=["cpu", CUDA])
def device(request):
    """Where steps are captured."""
    if request.param == "cpu":
        request.getfixturevalue("tapes")
    return request.param


@pytest.fixture
def begin(models, make_split, capture, monkeypatch):
    """A function that begins a training of so many seeds of a case."""
    plain = torch.randperm
    monkeypatch.setattr(
        Trainer, "_generator", lambda _, seed, purpose: torch.Generator().manual_seed(derive_seed(seed, purpose))
    )
    monkeypatch.setattr(
        torch, "randperm", lambda count, generator, device: plain(count, generator=generator).to(device)
    )

    def training(case, count, device, captured=True, budget=BUDGET, dtype=torch.float64):
        shape, params = CASES[case]
        cls, split, made = models(case), make_split(shape), []
        for seed in range(count):
            torch.manual_seed(seed)
            made.append(cls(cls.Params(**params), DataSpec.of(split)).to(dtype).place(device))
            made[-1].capturable = captured
        begun = Training(made, split, budget, range(5, 5 + count))
        if captured and begun.trainer.graphs is None:
            capture(begun.trainer)
        return begun

    return training


def finish(training):
    for _ in training:
        continue
    return training


def assert_same(actual, expected, rel):
    for mine, its in zip(actual.histories, expected.histories, strict=True):
        assert len(mine) == len(its)
        assert mine[-1] == pytest.approx(its[-1], rel=rel, abs=1e-9)
    for one, other in zip(actual.models, expected.models, strict=True):
        for name, value in other.state_dict().items():
            torch.testing.assert_close(one.state_dict()[name].cpu(), value.cpu(), rtol=rel, atol=1e-9, msg=name)


@pytest.mark.parametrize("count", [1, 3], ids=["alone", "stacked"])
@pytest.mark.parametrize("case", CASES)
def test_captured_steps_train_as_eager_ones_on_the_device_and_on_the_cpu(device, begin, monkeypatch, case, count):
    captured = finish(begin(case, count, device))
    assert set(captured.trainer.graphs._graphs) == {8, 4}
    with monkeypatch.context() as patch:
        patch.setattr(graphs, "EAGER_STEPS", 10**6)
        eager = finish(begin(case, count, device))
    assert not eager.trainer.graphs._graphs
    assert_same(captured, eager, rel=1e-8)
    assert_same(captured, finish(begin(case, count, "cpu", captured=False)), rel=1e-3)  # there, rates are float64


@pytest.mark.parametrize("case", CASES)
def test_a_trial_in_a_stack_is_the_trial_alone(device, begin, case):
    stacked, alone = finish(begin(case, 2, device)), finish(begin(case, 1, device))
    assert stacked.histories[0][-1] == pytest.approx(alone.histories[0][-1], rel=1e-6, abs=1e-9)


def test_a_model_that_cannot_be_captured_trains_eagerly(device, begin):
    training = finish(begin("Adversarial", 1, device, captured=False))
    assert training.trainer.graphs is None
    assert_same(training, finish(begin("Adversarial", 1, "cpu", captured=False)), rel=1e-6)


def test_captured_steps_in_bfloat16_are_near_those_in_float32(device, begin):
    half = BUDGET.model_copy(update={"precision": "bfloat16"})
    single = finish(begin("vae", 2, device, dtype=torch.float32))
    rounded = finish(begin("vae", 2, device, dtype=torch.float32, budget=half))
    for one, other in zip(rounded.histories, single.histories, strict=True):
        assert one[-1]["total"] == pytest.approx(other[-1]["total"], rel=0.03, abs=0.5)


@pytest.mark.parametrize("count", [1, 2], ids=["alone", "stacked"])
def test_inputs_that_are_brought_to_the_device_are_found_by_captured_steps(device, begin, make_split, count):
    resident, streamed = (begin("vae", count, device) for _ in range(2))
    assert isinstance(resident.trainer.inputs, ResidentInputs)
    lead = (count,) if count > 1 else ()
    place = streamed.trainer.device
    streamed.trainer.inputs = StreamedInputs(make_split(CASES["vae"][0]).inputs, lead, 8, place)
    assert_same(finish(streamed), finish(resident), rel=1e-8)


def test_a_captured_training_goes_on_where_it_was_stopped(device, begin):
    whole, first, second = (begin("Adversarial", 2, device) for _ in range(3))
    finish(whole)
    with contextlib.closing(iter(first)) as epochs:
        for _ in range(2):
            next(epochs)
        second.resume([first.state(index) for index in range(2)])
    assert_same(finish(second), whole, rel=1e-8)
