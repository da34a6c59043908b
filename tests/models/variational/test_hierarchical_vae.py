"""The hierarchical VAE beside its formula, written in the levels themselves; and how it draws and reconstructs."""

import numpy as np
import pytest
import torch
from scipy.stats import kstest

from latentbench import NotApplicableError
from latentbench.training.budget import Budget
from latentbench_models.variational.hierarchical_vae import HierarchicalVAE


def foretold(model, top):
    """Mean and variance of the lower level given the top, layer by layer."""
    weights = model.decoder_net.prior_net.parameters()
    first, bias, second, offset = (value.detach().double().numpy() for value in weights)
    mean, log_variance = np.split(np.maximum(top @ first.T + bias, 0) @ second.T + offset, 2, axis=1)
    return mean, np.exp(log_variance)


def divergence(mean, variance, other_mean, other_variance):
    ratio = variance / other_variance
    return 0.5 * (ratio - 1 - np.log(ratio) + (mean - other_mean) ** 2 / other_variance).sum(1)


@pytest.mark.parametrize(("shape", "dtype"), [((1, 8, 8), "uint8"), ((12,), "float32")])
def test_its_loss_is_that_of_the_levels(tried, parts, shape, dtype):
    found = parts(tried(HierarchicalVAE, latent_dim=5, top=2, shape=shape, dtype=dtype))
    model, eps = found.model, found.noise["eps"]
    mean, variance = found.mean, found.variance
    u = mean[:, :2] + np.sqrt(variance[:, :2]) * eps[:, :2]
    m, s2 = foretold(model, u)
    lower_mean, lower_variance = m + np.sqrt(s2) * mean[:, 2:], s2 * variance[:, 2:]
    w = lower_mean + np.sqrt(lower_variance) * eps[:, 2:]
    with torch.no_grad():
        logits = model.decoder_net.decoder_net(torch.from_numpy(np.hstack([u, w])).float())
        distortion = model.likelihood.nll(logits, found.batch.inputs).double().mean().item()
    rate = divergence(mean[:, :2], variance[:, :2], 0.0, 1.0) + divergence(lower_mean, lower_variance, m, s2)
    assert found.terms["rate"] == pytest.approx(rate.mean(), rel=1e-5)
    assert found.terms["total"] == pytest.approx(distortion + rate.mean(), rel=1e-5)


def test_draws_of_the_prior_decode_to_the_lower_level_drawn_given_the_top(tried):
    model = tried(HierarchicalVAE, latent_dim=3, top=2).gradient_model()
    noise = torch.randn(4000, 3, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        codes = model.prior.sample(noise)
        codes[:, :2] = codes[:1, :2]
        lower = model.decoder_net.lower(codes)[:, 0].double().numpy()
        decoded = model.decode(codes)
        assert torch.equal(decoded, model.likelihood.mean(model.decoder_net(codes)))
    mean, variance = foretold(model, codes[:1, :2].double().numpy())
    assert kstest(lower, "norm", args=(mean.item(), np.sqrt(variance).item())).pvalue > 0.01


def test_a_reconstruction_is_decoded_from_the_means_of_both_levels(tried):
    model = tried(HierarchicalVAE, latent_dim=4).gradient_model()
    inputs = tried(HierarchicalVAE, latent_dim=4).batch().inputs
    with torch.no_grad():
        means = model.posterior(inputs).mean
        m, s2 = foretold(model, means[:, :2].double().numpy())
        lower = torch.from_numpy(m + np.sqrt(s2) * means[:, 2:].double().numpy()).float()
        both = torch.cat([means[:, :2], lower], dim=1)
        expected = model.likelihood.mean(model.decoder_net.decoder_net(both))
        torch.testing.assert_close(model.decode(model.encode(inputs)), expected)


@pytest.mark.parametrize("params", [{"latent_dim": 1}, {"latent_dim": 4, "top": 4}])
def test_each_level_needs_a_number(tried, params):
    with pytest.raises(NotApplicableError, match="hierarchical_vae needs a number for each level, got top="):
        tried(HierarchicalVAE, **params).gradient_model()


def test_killed_and_resumed_it_learns_the_same_bits(tried, resumed_alike):
    shown = tried(HierarchicalVAE)
    resumed_alike(shown.gradient_model, shown.split, Budget(epochs=2, batch_size=8))
