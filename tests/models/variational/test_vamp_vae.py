from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.special import logsumexp
from scipy.stats import norm

from latentbench import Posterior
from latentbench_models.variational.mixtures import NormalMixture, PosteriorOfMixture
from latentbench_models.variational.vamp_vae import VampVAE

MEANS, VARIANCES = torch.tensor([[-2.0], [1.0], [4.0]]), torch.tensor([[0.2], [1.0], [0.5]])
THREE = NormalMixture.of(Posterior(MEANS, VARIANCES))


def density(at):
    parts = zip(MEANS[:, 0].tolist(), VARIANCES[:, 0].tolist(), strict=True)
    return np.mean([norm.pdf(at, mean, np.sqrt(variance)) for mean, variance in parts], axis=0)


@pytest.mark.parametrize(("shape", "dtype"), [((1, 8, 8), "uint8"), ((12,), "float32")])
def test_its_loss_is_that_of_the_paper(tried, parts, shape, dtype):
    shown = tried(VampVAE, pseudo_inputs=6, shape=shape, dtype=dtype)
    found = parts(shown)
    model, free = found.model, found.model.pseudo.detach()
    mean = 0 if dtype == "uint8" else torch.from_numpy(shown.split.inputs.mean(0))
    inputs = 1 / (1 + (-free).exp()) if dtype == "uint8" else mean + model.data.spread * free
    with torch.no_grad():
        components = model.posterior(inputs)
    means, variances = components.mean.double().numpy(), components.variance.double().numpy()
    log_prior = [
        logsumexp(norm.logpdf(code, means, np.sqrt(variances)).sum(1)) - np.log(6) for code in found.codes
    ]
    log_posterior = norm.logpdf(found.codes, found.mean, np.sqrt(found.variance)).sum(1)
    rate = np.mean(log_posterior - log_prior)
    assert found.terms["rate"] == pytest.approx(rate, rel=1e-5, abs=1e-5)
    assert found.terms["total"] == pytest.approx(found.terms["distortion"] + rate, rel=1e-5)


def test_the_density_of_a_mixture_is_the_mean_of_its_components():
    at = torch.linspace(-4, 6, 9)[:, None]
    np.testing.assert_allclose(THREE.log_prob(at).exp().numpy(), density(at[:, 0].numpy()), rtol=1e-5)


def test_samples_of_a_mixture_are_distributed_as_it_is():
    noise = torch.randn(60_000, 1, generator=torch.Generator().manual_seed(0))
    codes = THREE.sample(noise)[:, 0].numpy()
    shares, edges = np.histogram(codes, bins=np.linspace(-4, 7, 23))
    expected = [quad(density, low, high)[0] for low, high in pairwise(edges)]
    np.testing.assert_allclose(shares / 60_000, expected, atol=0.006)
    assert THREE.mean.item() == pytest.approx(codes.mean(), abs=0.03)
    assert THREE.variance.item() == pytest.approx(codes.var(), rel=0.02)


def test_the_divergence_from_a_mixture_is_that_of_quadrature():
    posterior = PosteriorOfMixture(torch.tensor([[0.5], [4.0]]), torch.tensor([[0.3], [0.4]]))
    expected = []
    for mean, variance in ((0.5, 0.3), (4.0, 0.4)):
        own = norm(mean, np.sqrt(variance))
        expected.append(quad(lambda at, own=own: own.pdf(at) * (own.logpdf(at) - np.log(density(at))), -3, 8)[0])
    np.testing.assert_allclose(posterior.kl(THREE).numpy(), expected, atol=0.05)


def test_of_one_component_it_is_the_divergence_of_normals():
    mean, variance = torch.randn(2, 5, 4, generator=torch.Generator().manual_seed(0)).unbind()
    variance = variance.exp()
    one = Posterior(torch.full((1, 4), 0.3), torch.full((1, 4), 2.0))
    closed, posterior = Posterior(mean, variance).kl(one), PosteriorOfMixture(mean, variance)
    torch.testing.assert_close(posterior.kl(NormalMixture.of(one)), closed)
    torch.testing.assert_close(posterior.kl(one), closed)
