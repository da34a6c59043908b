import numpy as np
import pytest
import torch

from latentbench import Batch, DataSpec, LatentSpace, Split
from latentbench.testing.gallery import decode_spots
from latentbench.training.budget import Budget
from latentbench.training.engine import train_model
from latentbench_models.image_autodecoder import ImageAutodecoder

BUDGET = Budget(epochs=60, batch_size=16, learning_rate=5e-3)


def spots(count, seed):
    """Images of one bright spot that moves and grows."""
    codes = torch.randn(count, 5, generator=torch.Generator().manual_seed(seed)) * torch.tensor([1, 1, 1, 0, 0])
    return Split((decode_spots(codes) * 255).round().to(torch.uint8).numpy())


def make(split, **params):
    torch.manual_seed(0)
    return ImageAutodecoder(
        ImageAutodecoder.Params(**{"latent_dim": 4, "channels": 8, **params}), DataSpec.of(split)
    )


@pytest.fixture(scope="module")
def learned():
    """A model after training, its losses, and the test images seen through it."""
    train, test = spots(120, 0), spots(24, 1)
    model = make(train)
    history = train_model(model, train, BUDGET, 0)
    return model, history, LatentSpace.of_model(model, test, train)


def test_learning_reaches_images_that_were_not_seen(learned):
    _, history, space = learned
    assert history[-1]["total"] < history[0]["total"] - 100  # nats
    variance = (space.inputs - space.inputs.mean(0)).square().mean()
    assert (space.reconstructions - space.inputs).square().mean() < 0.2 * variance


def test_codes_lie_in_the_unit_ball(learned):
    model, _, space = learned
    assert space.codes.norm(dim=1).max() <= 1 + 1e-6
    assert space.train.codes.norm(dim=1).max() <= 1 + 1e-6
    assert space.codes.std() > 0.1
    assert "prior" not in space.supplies
    assert model.encoder == "optimized"


def test_codes_come_from_the_image_and_not_from_the_table(learned):
    """An image has the same code wherever it stands, and another table with the same spread changes no code."""
    model, _, space = learned
    order = torch.arange(23, -1, -1)
    torch.testing.assert_close(space.encode(space.inputs[order]), space.codes[order], atol=2e-2, rtol=0)
    state = model.get_state()
    mixed = make(spots(120, 0))
    mixed.set_state(state | {"code_table.weight": state["code_table.weight"][::-1]})
    with torch.no_grad():
        torch.testing.assert_close(mixed.eval().encode(space.inputs[:5]), space.codes[:5], atol=2e-2, rtol=0)


def test_the_loss_reads_the_codes_of_its_rows():
    split = spots(8, 0)
    model = make(split)
    inputs = torch.from_numpy(split.inputs[:2] / np.float32(255))
    batch = Batch(inputs, torch.tensor([5, 2]), None, None, torch.tensor(0.0))
    model.loss(batch, {})["total"].backward()
    assert model.code_table.weight.grad.any(1).nonzero()[:, 0].tolist() == [2, 5]


def test_more_steps_and_starts_never_fit_much_worse(learned):
    model, _, space = learned
    errors = []
    for changes in ({"fit_steps": 3}, {}, {"fit_starts": 4}):
        other = make(spots(120, 0), **changes)
        other.set_state(model.get_state())
        with torch.no_grad():
            codes = other.eval().encode(space.inputs)
            errors.append(-other.log_likelihood(space.inputs, codes).mean().item())
    assert errors[0] > errors[1] + 10
    assert errors[2] < errors[1] + 1
