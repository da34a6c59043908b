import numpy as np
import pytest
import torch

from latentbench_models.variational.factor_vae import FactorVAE

PARAMS = {"gamma": 6.0, "discriminator_width": 7, "discriminator_depth": 2}


def logits_of(net, codes):
    """The discriminator layer by layer; log D / (1 - D)."""
    weights = [value.detach().double().numpy() for value in net.parameters()]
    values = codes
    for matrix, bias in zip(weights[:-2:2], weights[1:-2:2], strict=True):
        values = values @ matrix.T + bias
        values = np.where(values > 0, values, 0.2 * values)
    return (values @ weights[-2].T + weights[-1])[:, 0]


def test_the_loss_of_the_vae_is_that_of_the_paper(tried, parts, as_vae):
    shown = tried(FactorVAE, **PARAMS)
    found = parts(shown)
    correlation = logits_of(found.model.discriminator_net, found.codes).mean()
    assert found.terms["total_correlation"] == pytest.approx(correlation, rel=1e-5)
    rate = 0.5 * (found.mean**2 + found.variance - 1 - np.log(found.variance)).sum(1).mean()
    expected = found.terms["distortion"] + rate + 6 * correlation
    assert found.terms["total"] == pytest.approx(expected, rel=1e-5)


def test_the_discriminator_tells_codes_from_shuffled_ones(tried, parts):
    found = parts(tried(FactorVAE, **PARAMS), player="discriminator")
    codes = found.mean + np.sqrt(found.variance) * found.noise["other"]
    order = found.noise["order"].argsort(0)
    shuffled = np.stack([codes[order[:, dim], dim] for dim in range(3)], axis=1)
    real, mixed = (1 / (1 + np.exp(-logits_of(found.model.discriminator_net, each))) for each in (codes, shuffled))
    expected = -0.5 * (np.log(real) + np.log(1 - mixed)).mean()
    assert found.terms["total"] == pytest.approx(expected, rel=1e-5)
    assert sorted(shuffled[:, 1]) == pytest.approx(sorted(codes[:, 1]))


def test_the_discriminators_loss_moves_nothing_else(tried):
    shown = tried(FactorVAE, **PARAMS)
    model, batch = shown.gradient_model(), shown.batch()
    model.loss(batch, shown.noise(model), "discriminator")["total"].backward()
    moved = {name for name, weight in model.named_parameters() if weight.grad is not None}
    assert moved == {name for name, _ in model.named_parameters() if name.startswith("discriminator_net")}


def test_without_gamma_it_is_the_vae(tried, as_vae):
    own, other = as_vae(tried(FactorVAE, **{**PARAMS, "gamma": 0.0}))
    assert torch.equal(own, other)
