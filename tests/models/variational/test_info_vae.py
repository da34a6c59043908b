import numpy as np
import pytest
import torch

from latentbench_models.terms import maximum_mean_discrepancy
from latentbench_models.variational.info_vae import InfoVAE


def kernel(x, y, name):
    squared, dims = ((x - y) ** 2).sum(), len(x)
    if name == "gaussian":
        return np.exp(-squared / (2 * dims))
    return sum(2 * dims * s / (2 * dims * s + squared) for s in (0.1, 0.2, 0.5, 1, 2, 5, 10))


def mmd(codes, samples, name):
    """Gretton et al. 2012, equation 3, pair by pair."""
    count = len(codes)
    within = [
        sum(kernel(rows[i], rows[j], name) for i in range(count) for j in range(count) if i != j)
        for rows in (codes, samples)
    ]
    across = np.mean([kernel(x, y, name) for x in codes for y in samples])
    return sum(within) / (count * (count - 1)) - 2 * across


@pytest.mark.parametrize("name", ["imq", "gaussian"])
def test_its_loss_is_that_of_the_paper(tried, parts, name):
    found = parts(tried(InfoVAE, alpha=0.3, strength=20.0, kernel=name))
    apart = mmd(found.codes, found.noise["prior"], name)
    rate = 0.5 * (found.mean**2 + found.variance - 1 - np.log(found.variance)).sum(1).mean()
    assert found.terms["discrepancy"] == pytest.approx(apart, rel=1e-5, abs=1e-6)
    expected = found.terms["distortion"] + 0.7 * rate + 19.3 * apart
    assert found.terms["total"] == pytest.approx(expected, rel=1e-5)


def test_an_alpha_of_0_and_a_strength_of_1_is_the_vae(tried, as_vae):
    own, other = as_vae(tried(InfoVAE, alpha=0.0, strength=1.0))
    assert torch.equal(own, other)


@pytest.mark.parametrize("name", ["imq", "gaussian"])
def test_the_discrepancy_is_0_of_the_same_distribution_and_grows_with_the_distance(name):
    one, other = torch.randn(2, 400, 5, generator=torch.Generator().manual_seed(0))
    near, far, farther = (maximum_mean_discrepancy(one + shift, other, name).item() for shift in (0, 1, 3))
    assert abs(near) < 0.01 < far < farther


def test_the_discrepancy_of_single_rows_is_finite():
    assert torch.isfinite(maximum_mean_discrepancy(torch.zeros(1, 3), torch.ones(1, 3), "imq"))
