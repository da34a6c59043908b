import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from scipy.stats import norm

from latentbench_models.variational.iwae import IWAE


@pytest.mark.parametrize("samples", [1, 4])
def test_its_bound_is_that_of_the_paper(tried, parts, samples):
    found = parts(tried(IWAE, samples=samples))
    deviation = np.sqrt(found.variance)
    weights = np.empty((24, samples))
    for draw in range(samples):
        codes = found.mean + deviation * found.noise["eps"][:, draw]
        with torch.no_grad():
            of_data = found.model.log_likelihood(found.batch.inputs, torch.from_numpy(codes).float())
        ratio = norm.logpdf(codes).sum(1) - norm.logpdf(codes, found.mean, deviation).sum(1)
        weights[:, draw] = of_data.double().numpy() + ratio
    bound = (logsumexp(weights, axis=1) - np.log(samples)).mean()
    assert found.terms["total"] == pytest.approx(-bound, rel=1e-5)
    assert found.terms["total"] <= -weights.mean() + 1e-4


def test_more_samples_bound_the_likelihood_more_tightly(tried):
    few, many = tried(IWAE, samples=1), tried(IWAE, samples=30)
    with torch.no_grad():
        loose, tight = (
            np.mean([shown.gradient_model().loss(shown.batch(), shown.noise(shown.gradient_model(), seed))["total"]
                     for seed in range(5)])
            for shown in (few, many)
        )  # fmt: skip
    assert tight < loose
