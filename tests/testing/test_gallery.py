from __future__ import annotations

import math

import pytest
import torch

from latentbench.latent.parts import REASONS
from latentbench.testing import CHANGES, blurred, gallery, moved, permuted_labels, random_codes, reordered
from latentbench.testing.gallery import decode_spots


@pytest.fixture(scope="module")
def space():
    return gallery()


def test_it_supplies_everything(space):
    assert space.supplies == REASONS.keys()


def test_no_grid_point_is_in_two_splits(space):
    points = [{tuple(row) for row in look.factors.tolist()} for look in (space, space.train, space.validation)]
    assert [len(own) for own in points] == [1000, 1500, 300]
    assert len(set.union(*points)) == 2800


def test_codes_are_right(space):
    assert space.codes.shape == (1000, 5)
    torch.testing.assert_close(space.reconstructions, space.inputs, atol=0.05, rtol=0)
    for column in range(5):
        both = torch.stack([space.codes[:, column].double(), space.factors[:, column]])
        assert torch.corrcoef(both)[0, 1] > 0.98
    assert ((space.inputs >= 0) & (space.inputs <= 1)).all()
    assert space.codes.std(0).tolist() == pytest.approx([1, 1, 1, 3, 1], abs=0.2)


def test_splits_share_no_grid_point(space):
    test, train = ({tuple(row) for row in part.factors.tolist()} for part in (space, space.train))
    assert len(test) == len(space)
    assert not test & train


def test_it_is_always_the_same_and_says_what_it_cannot(space):
    torch.testing.assert_close(gallery().inputs, space.inputs, atol=0, rtol=0)
    assert not torch.equal(gallery(seed=1).inputs, space.inputs)
    with pytest.raises(ValueError, match="3072"):
        gallery(3000, 73)


def test_the_likelihood_is_a_normalized_gaussian(space):
    code = space.codes[:1].double()
    image = decode_spots(code)
    at_mean = space.log_likelihood(image, code)
    assert float(at_mean) == pytest.approx(-256 * math.log(0.05 * math.sqrt(2 * math.pi)))
    assert float(at_mean - space.log_likelihood(image + 0.05, code)) == pytest.approx(128, rel=1e-6)


@pytest.mark.parametrize("change", CHANGES)
def test_other_coordinates_are_the_same_space(space, change):
    other = moved(space, change, seed=3)
    assert not torch.allclose(other.codes, space.codes, atol=0.1)
    torch.testing.assert_close(other.reconstructions, space.reconstructions, atol=1e-4, rtol=0)
    torch.testing.assert_close(other.encode(space.inputs), other.codes, atol=1e-4, rtol=0)
    torch.testing.assert_close(other.posterior.kl(other.prior), space.posterior.kl(space.prior))
    samples = other.code_samples
    torch.testing.assert_close(other.decode(samples), space.decode(space.code_samples), atol=1e-4, rtol=0)
    volume = {"scale": 5 * math.log(4)}.get(change, 0.0)
    if change != "axis_scale":
        gap = space.prior.log_prob(space.code_samples) - other.prior.log_prob(samples)
        assert gap.tolist() == pytest.approx([volume] * len(space), abs=2e-3)
    ratio = other.train.codes.double().std(0).prod() / space.train.codes.double().std(0).prod()
    if change == "shift":
        assert float(ratio) == pytest.approx(1, rel=1e-4)


def test_the_density_of_a_moved_posterior_integrates_to_one(space):
    other = moved(space, "rotation", seed=1)
    noise = torch.randn(1000, 5, generator=torch.Generator().manual_seed(0))
    samples = other.prior.sample(noise)
    exact = torch.distributions.MultivariateNormal(torch.zeros(5), torch.eye(5)).log_prob(samples)
    torch.testing.assert_close(other.prior.log_prob(samples), exact, atol=1e-4, rtol=0)


def test_an_unknown_change_is_named(space):
    with pytest.raises(ValueError, match=r"rotation.*got 'twist'"):
        moved(space, "twist")


def test_a_posterior_cannot_meet_a_prior_of_other_coordinates(space):
    with pytest.raises(TypeError, match="moved as the posterior was"):
        moved(space, "shift").posterior.kl(space.prior)


def test_items_in_another_order_keep_what_is_theirs(space):
    other = reordered(space, seed=2)
    order = [space.codes.tolist().index(row) for row in other.codes[:20].tolist()]
    assert order != list(range(20))
    for name in ("inputs", "labels", "factors", "reconstructions"):
        torch.testing.assert_close(getattr(other, name)[:20], getattr(space, name)[order])
    torch.testing.assert_close(other.posterior.mean[:20], space.posterior.mean[order])


def test_spoiled_spaces_are_spoiled(space):
    lost = random_codes(space)
    both = torch.corrcoef(torch.cat([lost.codes, space.codes], 1).T)[:5, 5:]
    assert both.abs().max() < 0.15
    assert (lost.codes.std(0) / space.codes.std(0)).tolist() == pytest.approx([3] * 5, abs=0.3)
    assert (lost.encode(space.inputs) == space.codes).all(1).double().mean() < 0.01
    torch.testing.assert_close(lost.encode(space.inputs), lost.encode(space.inputs))
    assert not torch.equal(lost.train.codes, space.train.codes)
    labels = permuted_labels(space)
    assert (labels.labels == space.labels).double().mean() < 0.5
    assert sorted(labels.labels.tolist()) == sorted(space.labels.tolist())
    assert (labels.factors == space.factors).all(1).double().mean() < 0.05
    dim = blurred(space)
    assert dim.reconstructions.amax() < space.reconstructions.amax()
    kept = (dim.reconstructions.sum() / space.reconstructions.sum()).item()
    assert kept == pytest.approx(1, abs=0.05)


def test_a_little_noise_changes_codes_little(space):
    noise = 0.1 * torch.randn(space.inputs.shape, generator=torch.Generator().manual_seed(0))
    moved = space.encode((space.inputs + noise).clamp(0, 1))
    ways = (moved - space.codes).abs().mean(0) / space.codes.std(0)
    assert ways[:2].max() < 0.1  # x and y
    assert ways.max() < 2
