import numpy as np
import pytest
import torch

from latentbench_models.regularized.contractive_ae import ContractiveAE


@pytest.mark.parametrize(("shape", "dtype"), [((1, 8, 8), "uint8"), ((12,), "float32")])
def test_its_loss_is_that_of_the_difference_quotients_of_the_encoder(tried, parts, shape, dtype):
    found = parts(tried(ContractiveAE, strength=3.0, shape=shape, dtype=dtype))
    model, flat = found.model.double(), found.inputs.reshape(24, -1)
    step, slopes = 1e-6, np.empty_like(flat)
    for number in range(flat.shape[1]):
        change = np.zeros(flat.shape[1])
        change[number] = step
        ends = [torch.from_numpy((flat + way * change).reshape(found.inputs.shape)) for way in (1, -1)]
        with torch.no_grad():
            above, below = (model.encode(end).numpy() for end in ends)
        slopes[:, number] = ((above - below) / (2 * step) * found.noise["direction"]).sum(1)
    penalty = ((slopes * model.data.spread) ** 2).sum(1).mean()
    assert found.terms["slope"] == pytest.approx(penalty, rel=1e-5)
    assert found.terms["total"] == pytest.approx(found.terms["distortion"] + 3 * penalty, rel=1e-5)


def test_the_mean_over_directions_is_the_squared_norm_of_the_jacobian(tried):
    shown = tried(ContractiveAE)
    model, image = shown.gradient_model(), shown.inputs[:1]
    exact = torch.autograd.functional.jacobian(model.encode, image).square().sum().item()
    draws = torch.randn(4000, 3, generator=torch.Generator().manual_seed(0))
    estimate = model._slope(image.expand(4000, 1, 8, 8), draws).item()
    assert estimate == pytest.approx(exact, rel=0.06)


def test_without_strength_it_is_the_ae(tried, as_ae):
    own, other = as_ae(tried(ContractiveAE, strength=0.0))
    assert torch.equal(own, other)
