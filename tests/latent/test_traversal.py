import numpy as np
import pytest
import torch

from latentbench import LatentSpace, Posterior
from latentbench.latent.traversal import activity, activity_unit, most_active, quantile_levels, traverse
from latentbench.testing import gallery


def normal(mean, variance):
    mean, variance = torch.tensor(mean), torch.tensor(variance)
    prior = Posterior(torch.zeros(mean.shape[1]), torch.ones(mean.shape[1]))
    return LatentSpace.from_arrays(codes=mean, posterior=Posterior(mean, variance), prior=prior)


class Odd(Posterior):
    """Another family."""


# activity


def test_activity_is_the_variance_of_codes():
    codes = np.random.default_rng(0).normal(size=(500, 3)) * [1.0, 3.0, 0.1]
    space = LatentSpace.from_arrays(codes=codes)
    np.testing.assert_allclose(activity(space), codes.astype(np.float32).astype(float).var(0), rtol=1e-6)
    assert activity_unit(space) == "variance"
    assert most_active(space) == [1, 0, 2]
    assert most_active(space, 2) == [1, 0]


def test_activity_is_the_divergence_of_each_dimension():
    space = normal([[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]], [[1.0, 1.0, 0.5], [1.0, 1.0, 0.5]])
    halves = 0.5 * (0.5 - 1 - np.log(0.5))
    np.testing.assert_allclose(activity(space), [0.5, 0.0, halves], rtol=1e-6)
    assert activity_unit(space) == "nats"
    assert most_active(space) == [0, 2, 1]


def test_activities_add_up_to_the_rate():
    space = gallery(200, 100)
    rate = space.posterior.kl(space.prior).double().mean()
    torch.testing.assert_close(activity(space).sum(), rate, rtol=1e-5, atol=0)


def test_another_family_of_posteriors_is_measured_by_its_codes():
    means = torch.tensor([[0.0, 0.0], [2.0, 0.0]])
    space = normal([[0.0, 0.0], [2.0, 0.0]], [[1.0, 1.0], [1.0, 1.0]])
    odd = space.replaced(posterior=Odd(means, torch.ones_like(means)))
    assert activity_unit(odd) == "variance"
    assert activity(odd).tolist() == [1.0, 0.0]


def test_of_equally_active_dimensions_the_first_comes_first():
    assert most_active(LatentSpace.from_arrays(codes=[[0.0, 0, 0], [1.0, 1, 1]])) == [0, 1, 2]


# traverse


def test_only_one_dimension_moves_and_through_its_quantiles():
    codes = np.random.default_rng(0).gamma(2.0, size=(1000, 4))
    space = LatentSpace.from_arrays(codes=codes)
    paths = traverse(space, item=7, dims=[2, 0], steps=5)
    assert paths.shape == (2, 5, 4)
    for row, dim in enumerate([2, 0]):
        others = [other for other in range(4) if other != dim]
        assert torch.equal(paths[row][:, others], space.codes[7, others].expand(5, 3))
        expected = np.quantile(codes[:, dim], [0.05, 0.275, 0.5, 0.725, 0.95])
        np.testing.assert_allclose(paths[row, :, dim], expected, rtol=1e-5)


def test_without_an_item_it_starts_from_the_mean_and_takes_all_dimensions():
    codes = torch.randn(300, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 5.0, 2.0])
    paths = traverse(LatentSpace.from_arrays(codes=codes + 10))
    assert paths.shape == (3, 9, 3)
    torch.testing.assert_close(paths[0, 0, [0, 2]], (codes + 10).mean(0)[[0, 2]])
    widths = [float(paths[row, -1, dim] - paths[row, 0, dim]) for row, dim in enumerate([1, 2, 0])]
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] > 2


def test_quantiles_are_those_of_posterior_samples():
    """A dimension that was switched off has means at 0, and samples all over the prior."""
    space = normal([[0.0]] * 2000, [[1.0]] * 2000)
    path = traverse(space, steps=3)[0, :, 0]
    assert path[0] == pytest.approx(-1.645, abs=0.15)
    assert path[2] == pytest.approx(1.645, abs=0.15)


def test_levels_are_even_and_symmetric():
    assert quantile_levels(9).tolist() == pytest.approx(np.linspace(0.05, 0.95, 9))
    with pytest.raises(ValueError, match=r"^a traversal needs at least 2 steps, got 1$"):
        quantile_levels(1)


def test_traversals_of_the_gallery_change_what_the_dimension_means():
    """Dimension 0 is the spot's x: along it the light moves to the right and nowhere else."""
    space = gallery(300, 100)
    images = space.decode(traverse(space, dims=[0], steps=5)[0])[:, 0]
    place = torch.arange(16.0)
    across = (images.sum(1) * place).sum(1) / images.sum((1, 2))
    down = (images.sum(2) * place).sum(1) / images.sum((1, 2))
    assert (across.diff() > 0.5).all()
    assert float(down.max() - down.min()) < 0.1


@pytest.mark.parametrize("item", [-1, 3])
def test_an_item_that_is_not_there_is_said(item):
    with pytest.raises(IndexError, match=f"item must be from 0 to 2, got {item}"):
        traverse(LatentSpace.from_arrays(codes=np.eye(3)), item)


@pytest.mark.parametrize("dim", [-1, 3])
def test_a_dimension_that_is_not_there_is_said(dim):
    with pytest.raises(IndexError, match=f"dims must be from 0 to 2, got {dim}"):
        traverse(LatentSpace.from_arrays(codes=np.eye(3)), 0, [0, dim])
