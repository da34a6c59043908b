import numpy as np
import pytest
import torch

from latentbench.errors import NotApplicableError, UnknownNameError
from latentbench.latent import sampling
from latentbench.latent.sampling import (
    SOURCES,
    fit_gaussian,
    fit_mixture,
    sample_codes,
    sampler_name,
    training_codes,
)
from latentbench.latent.space import LatentSpace
from latentbench.model import Posterior

MANY = 20_000


def normal(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape)).float()


def clouds(n=3000, centers=((-6.0, 0.0), (6.0, 0.0), (0.0, 9.0)), stretch=(2.0, 0.5)):
    """Three clouds, the second as large as both others."""
    middles = torch.tensor(centers)[torch.tensor([0, 1, 1, 2]).repeat(n // 4)]
    return middles + normal(len(middles), 2) * torch.tensor(stretch)


def space_of(codes, **more):
    return LatentSpace.from_arrays(codes=codes, **more)


def standard(d):
    return Posterior(torch.zeros(d), torch.ones(d))


def moments_of(codes):
    return codes.double().mean(0), torch.cov(codes.double().T)


def test_where_codes_are_drawn_from():
    plain, with_prior = space_of(normal(50, 3)), space_of(normal(50, 3), prior=standard(3))
    assert (
        sampler_name(plain)
        == sampler_name(with_prior, "gaussian")
        == ("a full Gaussian fitted to the training codes")
    )
    assert sampler_name(with_prior) == "the prior"
    assert sampler_name(plain, "mixture") == "a mixture of 10 full Gaussians fitted to the training codes"
    assert torch.equal(sample_codes(plain, 9, 1), sample_codes(plain, 9, 1, "gaussian"))
    assert torch.equal(sample_codes(with_prior, 9, 1), sample_codes(with_prior, 9, 1, "prior"))
    assert not torch.equal(sample_codes(with_prior, 9, 1), sample_codes(with_prior, 9, 1, "gaussian"))


@pytest.mark.parametrize("how", SOURCES)
def test_draws_repeat_and_follow_their_seed(how):
    space = space_of(normal(200, 3), prior=standard(3))
    first = sample_codes(space, 20, 5, how)
    assert first.shape == (20, 3)
    assert first.dtype == torch.float32
    assert torch.equal(first, sample_codes(space, 20, 5, how))
    assert not torch.equal(first, sample_codes(space, 20, 6, how))


def test_the_prior_has_its_moments():
    prior = Posterior(torch.tensor([1.0, -2.0]), torch.tensor([4.0, 0.25]))
    mean, covariance = moments_of(sample_codes(space_of(normal(5, 2), prior=prior), MANY, 0, "prior"))
    torch.testing.assert_close(mean, prior.mean.double(), atol=0.05, rtol=0)
    torch.testing.assert_close(covariance, torch.diag(prior.variance).double(), atol=0.1, rtol=0)


@pytest.mark.parametrize("how", ["gaussian", "mixture"])
def test_moments_of_the_training_codes_are_recovered(how):
    codes = normal(4000, 3) @ torch.tensor([[2.0, 1, 0], [0, 1, 0.5], [0, 0, 0.1]]) + torch.tensor([5.0, 0, -5])
    space = space_of(normal(30, 3, seed=9), train=space_of(codes))
    mean, covariance = moments_of(sample_codes(space, MANY, 3, how))
    wanted, spread = moments_of(codes)
    torch.testing.assert_close(mean, wanted, atol=0.06, rtol=0)
    torch.testing.assert_close(covariance, spread, atol=0.15, rtol=0)


def test_a_mixture_finds_its_clouds_and_a_gaussian_does_not():
    codes = clouds()
    fitted = fit_mixture(codes, parts=3)
    order = fitted.means[:, 0].argsort()
    torch.testing.assert_close(fitted.weights[order], torch.tensor([0.25, 0.25, 0.5]).double(), atol=0.01, rtol=0)
    middles = torch.tensor([[-6.0, 0], [0, 9], [6, 0]]).double()
    torch.testing.assert_close(fitted.means[order], middles, atol=0.25, rtol=0)
    covariances = fitted.roots @ fitted.roots.transpose(1, 2)
    expected = torch.diag(torch.tensor([4.0, 0.25])).double()
    torch.testing.assert_close(covariances, expected.expand(3, 2, 2), atol=0.3, rtol=0)

    def share_in_the_gap(drawn):
        return float(((drawn[:, 0].abs() < 1) & (drawn[:, 1].abs() < 3)).double().mean())

    space = space_of(codes)
    assert share_in_the_gap(sample_codes(space, MANY, 0, "mixture")) < 0.01
    assert share_in_the_gap(sample_codes(space, MANY, 0, "gaussian")) > 0.03


def test_a_mixture_does_not_depend_on_the_scale_of_codes():
    small, large = (fit_mixture(scale * clouds()) for scale in (1e-6, 1e3))
    torch.testing.assert_close(small.weights, large.weights, atol=1e-3, rtol=0)
    torch.testing.assert_close(1e6 * small.means, 1e-3 * large.means, atol=1e-2, rtol=1e-3)


def test_dimensions_without_spread_stay_where_they_are():
    codes = torch.cat([clouds(400), torch.full((400, 1), 7.0)], 1)
    assert (sample_codes(space_of(codes), 50, 0, "mixture")[:, 2] == 7).all()
    samples = sample_codes(space_of(torch.full((40, 2), 3.0)), 5, 0, "mixture")
    assert (samples == 3).all()


def test_few_distinct_codes_are_a_mixture_still():
    drawn = sample_codes(space_of(torch.tensor([[0.0, 0], [1, 2], [4, 1]]).repeat(20, 1)), 30, 0, "mixture")
    assert torch.isfinite(drawn).all()


def test_a_mixture_looks_at_some_of_many_codes(monkeypatch):
    monkeypatch.setattr(sampling, "MIXTURE_ROWS", 500)
    fitted = fit_mixture(clouds(), parts=3)
    middles = torch.tensor([[-6.0, 0], [0, 9], [6, 0]]).double()
    torch.testing.assert_close(fitted.means[fitted.means[:, 0].argsort()], middles, atol=0.6, rtol=0)
    monkeypatch.setattr(sampling, "MIXTURE_ELEMENTS", 100)
    assert fit_mixture(clouds(), parts=3).means.shape == (3, 2)


def test_a_root_of_the_covariance():
    codes = clouds()
    mean, root = fit_gaussian(codes)
    wanted, covariance = moments_of(codes)
    torch.testing.assert_close(mean, wanted)
    torch.testing.assert_close(root @ root.T, covariance)


def test_codes_of_the_training_split_where_there_is_one():
    train = space_of(normal(7, 2))
    assert training_codes(space_of(normal(3, 2), train=train)) is train.codes
    assert training_codes(train) is train.codes


def test_sampling_needs_the_prior_or_enough_codes():
    with pytest.raises(NotApplicableError, match="no prior"):
        sample_codes(space_of(normal(40, 2)), 3, 0, "prior")
    with pytest.raises(NotApplicableError, match="a mixture of 10 parts needs at least 20 codes, got 19"):
        sample_codes(space_of(normal(19, 2)), 3, 0, "mixture")


def test_one_code_is_drawn_again_and_again():
    space = space_of([[1.0, 2.0]])
    assert sample_codes(space, 3, 0).tolist() == [[1.0, 2.0]] * 3


def test_sampling_checks_its_arguments():
    space = space_of(normal(30, 2))
    for request in (lambda: sample_codes(space, 3, 0, "gausian"), lambda: sampler_name(space, "gausian")):
        with pytest.raises(UnknownNameError, match="there is no source 'gausian'; did you mean 'gaussian'"):
            request()
    with pytest.raises(ValueError, match="count must be at least 0, got -1"):
        sample_codes(space, -1, 0)
