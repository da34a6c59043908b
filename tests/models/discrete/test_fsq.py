import numpy as np
import pytest
import torch

from latentbench.testing.specimens import drawn
from latentbench.testing.tried import TriedModel
from latentbench_models.ae import AE
from latentbench_models.discrete.fsq import FSQ


def tried(levels, latent_dim=3):
    params = FSQ.Params(latent_dim=latent_dim, backbone="mlp", channels=2, levels=levels)
    return TriedModel(FSQ, params, drawn((1, 8, 8), "uint8"))


def rounded(outputs, levels):
    """The paper's appendix A.1: bound, round, and divide by half the number of levels."""
    half, offset = (levels - 1) * (1 + 1e-3) / 2, 0.5 * (levels % 2 == 0)
    return np.round(np.tanh(outputs + np.arctanh(offset / half)) * half - offset) / (levels // 2)


@pytest.mark.parametrize("levels", [3, 4, 5, 8])
def test_codes_and_loss_are_those_of_the_paper(levels):
    shown = tried(levels)
    model, batch = shown.gradient_model(), shown.batch()
    with torch.no_grad():
        list(model.encoder_net.parameters())[-2].mul_(2)
        codes = rounded(10 * AE.encode(model, batch.inputs).double().numpy(), levels)
        np.testing.assert_allclose(model.encode(batch.inputs).numpy(), codes, atol=1e-7)
        nll = -model.log_likelihood(batch.inputs, torch.from_numpy(codes).float()).double().mean().item()
        assert model.loss(batch, {})["total"].item() == pytest.approx(nll, rel=1e-5)


@pytest.mark.parametrize("levels", [3, 4, 7, 8])
def test_each_number_takes_every_level_and_no_other(levels):
    model = tried(levels, latent_dim=1).gradient_model()
    model.encoder_net = torch.nn.Flatten()
    codes = model.encode(torch.linspace(-20, 20, 2001)[:, None, None]).flatten()
    values = torch.unique(codes).tolist()
    assert values == pytest.approx([(step - levels // 2) / (levels // 2) for step in range(levels)])


def test_the_gradient_is_that_of_the_bounded_numbers():
    model = tried(8, latent_dim=1).gradient_model()
    model.encoder_net = torch.nn.Flatten()
    inputs = torch.tensor([[[0.04]]], requires_grad=True)
    model.encode(inputs).sum().backward()
    half = 7 * (1 + 1e-3) / 2
    expected = 10 * half * (1 - np.tanh(0.4 + np.arctanh(0.5 / half)) ** 2) / 4
    assert inputs.grad.item() == pytest.approx(expected, rel=1e-5)


def test_outputs_are_standardized_by_running_statistics():
    shown = tried(8)
    model, batch = shown.gradient_model(), shown.batch()
    with torch.no_grad():
        outputs = AE.encode(model, batch.inputs).double().numpy()
        model.load_state_dict(model.update(dict(model.named_buffers()), batch, {}), strict=False)
        center = 0.1 * outputs.mean(0)
        spread = np.sqrt(0.9 * 0.1**2 + 0.1 * ((outputs - center) ** 2).mean(0))
        np.testing.assert_allclose(model.center.numpy(), center, rtol=1e-5)
        np.testing.assert_allclose(model.spread.numpy(), spread, rtol=1e-5)
        codes = rounded((outputs - center) / spread, 8)
        np.testing.assert_allclose(model.encode(batch.inputs).numpy(), codes, atol=1e-7)


def test_a_saturated_encoder_comes_back():
    shown = tried(8)
    model, batch = shown.gradient_model(), shown.batch()
    with torch.no_grad():
        list(model.encoder_net.parameters())[-1].add_(100)  # every bound has slope 0
        assert len(torch.unique(model.encode(batch.inputs))) == 1
        for _ in range(200):
            model.load_state_dict(model.update(dict(model.named_buffers()), batch, {}), strict=False)
        assert len(torch.unique(model.encode(batch.inputs))) > 3
