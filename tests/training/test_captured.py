"""The CUDA path without a GPU: steps recorded once and replayed train to the same numbers.

Tapes of conftest.py play the graphs; test_cuda.py asks the same of real ones.
"""

import contextlib
import itertools

import pytest
import torch

from latentbench import ContractError, DataSpec
from latentbench.training import graphs
from latentbench.training import trainer as trainer_module
from latentbench.training.budget import Budget
from latentbench.training.cursors import DeviceCursor, HostCursor
from latentbench.training.engine import Training
from latentbench.training.graphs import StepGraphs

BUDGET = Budget(epochs=6, batch_size=8, learning_rate=1e-2)  # of 44 rows: 6 steps an epoch, the last with 4


# the cursor


def test_the_device_cursor_moves_as_the_host_cursor_does():
    steps, device = 44, torch.device("cpu")
    host, there = HostCursor(steps), DeviceCursor(steps, device)
    weight = torch.nn.Parameter(torch.ones(2))
    optimizers = [torch.optim.Adam([weight], lr=cursor.learning_rate(0.1), fused=True) for cursor in (host, there)]
    rows = torch.arange(100) * 3
    for step in range(steps):
        if step % 7 == 0:
            host.rewind()
            there.rewind()
        size = 5 if step % 7 == 6 else 12
        assert torch.equal(rows[host.rows(size)], rows[there.rows(size)])
        assert float(there.progress(device)) == pytest.approx(float(host.progress(device)), rel=1e-6)
        rates = []
        for cursor, optimizer in zip((host, there), optimizers, strict=True):
            cursor.set_learning_rate([optimizer], 0.1)
            rates.append(float(optimizer.param_groups[0]["lr"]))
            cursor.advance(size)
        assert rates[1] == pytest.approx(rates[0], rel=1e-6)
    assert there.progress(device).dtype == host.progress(device).dtype == torch.float32


@pytest.mark.parametrize("step", [0, 1, 17, 43])
def test_both_cursors_jump(step):
    host, there = HostCursor(44), DeviceCursor(44, torch.device("cpu"))
    for cursor in (host, there):
        cursor.jump(step)
    device = torch.device("cpu")
    assert float(host.progress(device)) == float(there.progress(device)) == pytest.approx(step / 44)


def test_the_place_of_the_learning_rate_stays():
    cursor = DeviceCursor(10, torch.device("cpu"))
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.ones(1))], lr=cursor.learning_rate(0.1))
    place = optimizer.param_groups[0]["lr"].data_ptr()
    cursor.set_learning_rate([optimizer], 0.1)
    assert optimizer.param_groups[0]["lr"].data_ptr() == place
    assert float(optimizer.param_groups[0]["lr"]) == pytest.approx(0.1 * 0.02)


# the graphs


def test_three_steps_of_a_size_run_as_they_are_then_one_is_captured(tapes):
    steps, state = StepGraphs(torch.device("cpu")), torch.zeros(())
    ran = []

    def step(size):
        ran.append(size)
        state.add_(size)

    for size in (8, 8, 4, 8, 8, 4, 8, 4, 4, 8):
        steps.run(size, lambda size=size: step(size))
    assert ran == [8, 8, 4, 8, 8, 4, 4, 4]  # three of each, and one more that is captured
    assert [tape.replays for tape in tapes] == [3, 1]
    assert float(state) == 6 * 8 + 4 * 4


def test_eager_steps_wait_for_what_was_asked_before_and_are_waited_for(tapes):
    steps = StepGraphs(torch.device("cpu"))
    steps.run(8, lambda: None)
    current = torch.cuda.current_stream(None)
    assert steps._stream.waited == [current]
    assert current.waited == [steps._stream]


@pytest.mark.parametrize("step", [lambda: torch.ones(3).sum().item(), lambda: torch.ones(3)[torch.ones(3) > 0]])
def test_a_step_that_reads_from_the_device_is_refused(tapes, step):
    steps = StepGraphs(torch.device("cpu"))
    for _ in range(3):
        steps.run(8, step)
    with pytest.raises(ContractError) as caught:
        steps.run(8, step)
    assert str(caught.value) == (
        "loss cannot be captured as a CUDA graph: it must do the same work every step and read nothing back from "
        "the device (.item(), boolean masks); if it must, declare capturable = False "
        "(operation not permitted when stream is capturing)"
    )


def test_running_out_of_memory_is_told_as_such(tapes):
    steps = StepGraphs(torch.device("cpu"))

    def step():
        if torch.utils._python_dispatch._get_current_dispatch_mode() is not None:
            raise torch.OutOfMemoryError("no room")

    for _ in range(3):
        steps.run(8, step)
    with pytest.raises(torch.OutOfMemoryError):
        steps.run(8, step)


@pytest.fixture
def unbroken(monkeypatch):
    monkeypatch.setattr(StepGraphs, "broken", False)


@pytest.mark.parametrize("ends", [False, True], ids=["in the step", "hidden by the end of the capture"])
def test_a_lack_of_memory_is_seen_where_the_end_of_the_capture_hides_it(tapes, unbroken, monkeypatch, ends):
    """Torch's graph ends the capture while the error is on its way, and that fails too."""
    steps, plain = StepGraphs(torch.device("cpu")), torch.cuda.graph

    @contextlib.contextmanager
    def graph(*args, **kwargs):
        try:
            with plain(*args, **kwargs):
                yield
        finally:
            if ends:
                raise torch.AcceleratorError("CUDA error: operation failed due to a previous error")

    monkeypatch.setattr(torch.cuda, "graph", graph)

    def step():
        if torch.utils._python_dispatch._get_current_dispatch_mode() is not None:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    for _ in range(3):
        steps.run(8, step)
    with pytest.raises(torch.OutOfMemoryError, match=r"^CUDA out of memory\. Tried to allocate 2 GiB$"):
        steps.run(8, step)
    assert StepGraphs.broken == ends


# trainings

CASES = {
    "ae": ((1, 16, 16), {"channels": 4, "latent_dim": 2}),
    "vae": ((3, 9, 10), {"channels": 4, "latent_dim": 2}),
    "beta_vae": ((1, 8, 8), {"channels": 4, "latent_dim": 2, "likelihood": "bernoulli"}),
    "short_vae": ((1, 8, 8), {"channels": 4, "latent_dim": 2}),
    "Centers": ((3, 4, 4), {}),
    "Adversarial": ((3, 4, 4), {}),
    "Informed": ((3, 4, 4), {}),
    "Sloped": ((3, 4, 4), {}),
}
forward = pytest.mark.filterwarnings("ignore:.*torch.jit.script")


@pytest.fixture
def begin(models, make_split, capture):
    """A function that begins a training, with captured steps if asked."""

    def training(case, count=1, captured=False, budget=BUDGET, start=0, dtype=torch.float64):
        shape, params = CASES[case]
        model_class, split = models(case), make_split(shape)
        made = []
        for seed in range(start, start + count):
            torch.manual_seed(seed)
            made.append(model_class(model_class.Params(**params), DataSpec.of(split)).to(dtype).place("cpu"))
        one = Training(made, split, budget, range(5, 5 + count))
        if captured:
            capture(one.trainer)
        return one

    return training


@pytest.fixture
def eager(begin, monkeypatch):
    """A function that does a training as on CUDA, but for the graphs."""

    def finished(*case, **options):
        with monkeypatch.context() as patch:
            patch.setattr(graphs, "EAGER_STEPS", 10**6)
            return finish(begin(*case, captured=True, **options))

    return finished


def finish(training):
    for _ in training:
        continue
    return training


def assert_same(actual, expected, rel=1e-12):
    for one, other in zip(actual.histories, expected.histories, strict=True):
        assert [set(losses) for losses in one] == [set(losses) for losses in other]
        for mine, its in zip(one, other, strict=True):
            assert mine == pytest.approx(its, rel=rel, abs=1e-9)
    for one, other in zip(actual.models, expected.models, strict=True):
        for name, value in other.state_dict().items():
            torch.testing.assert_close(one.state_dict()[name], value, rtol=rel, atol=1e-9, msg=name)


@forward
@pytest.mark.parametrize("count", [1, 3], ids=["alone", "group"])
@pytest.mark.parametrize("case", CASES)
def test_captured_steps_train_to_the_same_numbers(begin, eager, tapes, case, count):
    expected = eager(case, count)
    assert not tapes
    captured = finish(begin(case, count, captured=True))
    assert [tape.replays for tape in tapes] == [6 * 5 - 3, 6 - 3]  # all but three of either size
    assert_same(captured, expected)


@forward
@pytest.mark.parametrize("case", CASES)
def test_what_the_host_counts_and_what_the_device_counts_train_alike(begin, eager, tapes, case):
    assert_same(eager(case, 2), finish(begin(case, 2)), rel=1e-3)  # learning rates of the device are float32


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
@pytest.mark.parametrize("case", ["vae", "Adversarial"])
def test_every_optimizer_can_be_captured(begin, eager, tapes, case, optimizer):
    budget = BUDGET.model_copy(update={"optimizer": optimizer, "learning_rate": 1e-3})
    expected = eager(case, 2, budget=budget)
    assert_same(finish(begin(case, 2, captured=True, budget=budget)), expected)
    assert len(tapes) == 2


def test_blocks_of_rows_and_noise_lie_where_captured_steps_look(begin, eager, tapes, monkeypatch):
    monkeypatch.setattr(trainer_module, "NOISE_BYTES", 8 * 4 * 2 * 3 * 2)  # two batches of a vae at once
    expected = eager("vae", 3)
    captured = finish(begin("vae", 3, captured=True))
    assert captured.trainer.block == 16
    assert len(tapes) == 2
    assert_same(captured, expected)


@pytest.mark.parametrize("count", [1, 2])
def test_captured_steps_in_bfloat16(begin, eager, tapes, count):
    single = {"dtype": torch.float32, "budget": BUDGET.model_copy(update={"precision": "bfloat16"})}
    expected = eager("vae", count, **single)
    assert_same(finish(begin("vae", count, captured=True, **single)), expected, rel=1e-5)
    assert len(tapes) == 2


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("case", ["vae", "Centers", "Adversarial"])
def test_a_captured_training_goes_on(begin, tapes, case, count):
    whole = finish(begin(case, count, captured=True))
    first = begin(case, count, captured=True)
    for _ in itertools.islice(first, 3):
        continue
    second = begin(case, count, captured=True, start=20)
    second.resume([first.state(index) for index in range(count)])
    finish(second)
    assert len(tapes) == 2 + 1 + 1  # three epochs are too few to capture their last steps
    assert_same(second, whole)


def test_replays_follow_the_learning_rate_and_the_order(begin, tapes):
    """A capture that baked a rate or rows in would pass where nothing changes."""
    rates, rows = [], []
    training = begin("vae", captured=True)
    (optimizer,) = training.trainer.optimizers.values()
    for _ in training:
        rates.append(float(optimizer.param_groups[0]["lr"]))
        rows.append(tuple(training.trainer.rows.tolist()))
    assert rates[1:] == sorted(rates[1:], reverse=True)
    assert len(set(rates)) == len(set(rows)) == 6
    assert rates[-1] < 1e-4


def test_a_step_that_the_host_moves_would_be_noticed(begin, eager, tapes):
    training = begin("vae", captured=True)
    training.trainer.cursor = HostCursor(training.trainer.cursor.steps)
    with pytest.raises(AssertionError):
        assert_same(finish(training), eager("vae"), rel=1e-3)


@pytest.mark.parametrize("count", [1, 2])
def test_a_player_leaves_the_gradients_of_the_others_alone(begin, count):
    """Added up in a captured step, they would be written where the others' had been when it was captured."""
    trainer, kept = begin("Adversarial", count).trainer, []
    critic = [weight for name, weight in trainer.members.weights.items() if name.startswith("critic_net")]
    before = [torch.full_like(weight, 3.0) for weight in critic]
    for weight, gradient in zip(critic, before, strict=True):
        weight.grad = gradient.clone()
    autoencoder, _ = trainer.optimizers.values()
    autoencoder.register_step_pre_hook(
        lambda *_: kept.append(all(torch.equal(w.grad, g) for w, g in zip(critic, before, strict=True)))
    )
    next(trainer.steps())
    assert kept == [True]
    assert all(weight.grad is not None for weight in trainer.members.weights.values())
