import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from scipy.stats import norm

from latentbench import Posterior
from latentbench_models.variational.beta_tcvae import BetaTCVAE, total_correlation


def weighted_sampling(codes, mean, variance, n_train):
    """Chen et al. 2018, equation S3, one image after the other."""
    count, dims = codes.shape
    found = []
    for code in codes:
        each = np.array([norm.logpdf(code, mean[j], np.sqrt(variance[j])) for j in range(count)])
        joint = logsumexp(each.sum(1)) - np.log(n_train * count)
        product = sum(logsumexp(each[:, k]) - np.log(n_train * count) for k in range(dims))
        found.append(joint - product)
    return np.mean(found)


def test_its_loss_is_that_of_the_paper(tried, parts):
    found = parts(tried(BetaTCVAE, beta=4.5))
    rate = 0.5 * (found.mean**2 + found.variance - 1 - np.log(found.variance)).sum(1).mean()
    with torch.no_grad():
        codes = torch.from_numpy(found.codes).float()
        distortion = -found.model.log_likelihood(found.batch.inputs, codes).double().mean().item()
    correlation = weighted_sampling(found.codes, found.mean, found.variance, n_train=24)
    assert found.terms["total_correlation"] == pytest.approx(correlation, rel=1e-5)
    assert found.terms["total"] == pytest.approx(distortion + rate + 3.5 * correlation, rel=1e-5)


def test_the_number_of_training_items_counts_and_not_that_of_the_batch():
    generator = torch.Generator().manual_seed(0)
    mean, codes = torch.randn(2, 6, 4, generator=generator)
    posterior = Posterior(mean, torch.full_like(mean, 0.3))
    expected = weighted_sampling(codes.double().numpy(), mean.double().numpy(), np.full((6, 4), 0.3), 60_000)
    assert total_correlation(codes, posterior, 60_000).item() == pytest.approx(expected, rel=1e-5)


def test_posteriors_that_are_all_the_same_have_the_correlation_of_the_estimate_alone():
    """q(z) is then a product; the estimate is larger by (d - 1) log N, whatever was drawn."""
    codes = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    posterior = Posterior(torch.zeros(50, 3), torch.ones(50, 3))
    assert total_correlation(codes, posterior, 1000).item() == pytest.approx(2 * np.log(1000), rel=1e-5)


def test_a_beta_of_1_is_the_vae(tried, as_vae):
    own, other = as_vae(tried(BetaTCVAE, beta=1.0))
    assert torch.equal(own, other)
