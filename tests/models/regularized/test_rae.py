import numpy as np
import pytest
import torch

from latentbench_models.regularized.rae import RAE


def test_with_l2_its_loss_is_that_of_the_paper(tried, parts):
    found = parts(tried(RAE, beta=0.7, strength=0.3))
    length = 0.5 * (found.codes**2).sum(1).mean()
    weights = sum((value.astype(np.float64) ** 2).sum() for value in arrays_of(found.model.decoder_net))
    assert found.terms["length"] == pytest.approx(length, rel=1e-5)
    assert found.terms["l2"] == pytest.approx(weights, rel=1e-5)
    expected = found.terms["distortion"] + 0.7 * length + 0.3 * weights
    assert found.terms["total"] == pytest.approx(expected, rel=1e-5)


def arrays_of(net):
    return [value.detach().numpy() for value in net.parameters()]


@pytest.mark.parametrize(("shape", "dtype"), [((1, 8, 8), "uint8"), ((12,), "float32")])
def test_with_gp_the_slope_is_the_difference_quotient_of_the_decoder(tried, parts, shape, dtype):
    shown = tried(RAE, regularizer="gp", beta=0.7, strength=5.0, shape=shape, dtype=dtype)
    found = parts(shown)
    model, step = found.model.double(), 1e-6
    steps = step * torch.eye(3, dtype=torch.float64)
    codes, slopes = torch.from_numpy(found.codes), np.empty((24, 3))
    for dim in range(3):
        with torch.no_grad():
            change = (model.decode(codes + steps[dim]) - model.decode(codes - steps[dim])).numpy()
        jacobian = change / (2 * step) / model.data.spread
        slopes[:, dim] = (jacobian * found.noise["direction"]).reshape(24, -1).sum(1)
    penalty = 0.5 * (slopes**2).sum(1).mean()
    assert found.terms["gp"] == pytest.approx(penalty, rel=1e-5)
    length = 0.5 * (found.codes**2).sum(1).mean()
    expected = found.terms["distortion"] + 0.7 * length + 5 * penalty
    assert found.terms["total"] == pytest.approx(expected, rel=1e-5)


def test_the_mean_over_directions_is_half_the_squared_norm_of_the_jacobian(tried):
    model = tried(RAE, regularizer="gp").gradient_model()
    code = torch.tensor([[0.3, -0.2, 0.5]])
    exact = 0.5 * torch.autograd.functional.jacobian(model.decode, code).square().sum().item()
    draws = torch.randn(20_000, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    estimate = model._slope(code.expand(20_000, 3), draws).item()
    assert estimate == pytest.approx(exact, rel=0.03)


@pytest.mark.parametrize("regularizer", ["l2", "gp"])
def test_without_strength_and_beta_it_is_the_ae(tried, as_ae, regularizer):
    own, other = as_ae(tried(RAE, regularizer=regularizer, strength=0.0, beta=0.0))
    assert torch.equal(own, other)
