import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from latentbench_models.regularized.wae_mmd import WAEMMD


def kernel_sum(x, y):
    squared = cdist(x, y, "sqeuclidean")
    return sum(6 * scale / (6 * scale + squared) for scale in (0.1, 0.2, 0.5, 1, 2, 5, 10))  # 2 d = 6


def test_its_loss_is_that_of_the_paper(tried, parts):
    found = parts(tried(WAEMMD, strength=30.0))
    codes, prior = found.codes, found.noise["prior"]
    others = ~np.eye(24, dtype=bool)
    within = (kernel_sum(codes, codes)[others].sum() + kernel_sum(prior, prior)[others].sum()) / (24 * 23)
    apart = within - 2 * kernel_sum(codes, prior).sum() / 24**2
    assert found.terms["discrepancy"] == pytest.approx(apart, rel=1e-5)
    assert found.terms["total"] == pytest.approx(found.terms["distortion"] + 30 * apart, rel=1e-5)


def test_without_strength_it_is_the_ae(tried, as_ae):
    own, other = as_ae(tried(WAEMMD, strength=0.0))
    assert torch.equal(own, other)


def test_its_prior_is_the_standard_normal(tried):
    prior = tried(WAEMMD).build().prior
    assert prior.mean.tolist() == [0, 0, 0]
    assert prior.variance.tolist() == [1, 1, 1]
