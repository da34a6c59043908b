import numpy as np
import pytest
import torch
from scipy.stats import norm

from latentbench.errors import NotApplicableError
from latentbench.latent.grids import active_dimensions, corner_items, four_corner_grid, manifold_grid
from latentbench.latent.space import LatentSpace
from latentbench.model import Posterior

SCALES = torch.tensor([1.0, 5.0, 0.1, 2.0])


def space_of(codes, **more):
    return LatentSpace.from_arrays(codes=codes, **more)


def codes(n=1001):
    return torch.from_numpy(np.random.default_rng(0).standard_normal((n, 4))).float() * SCALES + 3


def test_dimensions_by_their_activity():
    assert active_dimensions(space_of(codes())).tolist() == [1, 3, 0, 2]
    assert active_dimensions(space_of(codes() / SCALES**2, train=space_of(codes()))).tolist() == [1, 3, 0, 2]


def test_a_grid_through_the_data():
    grid = manifold_grid(space_of(codes()), 5)
    assert grid.shape == (5, 5, 4)
    levels = (np.arange(5) + 0.5) / 5
    np.testing.assert_allclose(grid[2, :, 1], np.quantile(codes()[:, 1], levels), rtol=1e-5)
    np.testing.assert_allclose(grid[:, 2, 3], np.quantile(codes()[:, 3], levels)[::-1], rtol=1e-5)
    assert (grid[:, :, 1] == grid[:1, :, 1]).all()
    for rest in (0, 2):
        np.testing.assert_allclose(grid[:, :, rest], codes()[:, rest].mean(), rtol=1e-5)


def test_a_grid_through_the_prior():
    prior = Posterior(torch.tensor([0.0, 1, 2, 3]), torch.tensor([1.0, 4, 9, 16]))
    grid = manifold_grid(space_of(codes(), prior=prior), 3, dims=(2, 0))
    normal = norm.ppf([1 / 6, 1 / 2, 5 / 6])
    np.testing.assert_allclose(grid[1, :, 2], 2 + 3 * normal, rtol=1e-5)
    np.testing.assert_allclose(grid[:, 1, 0], normal[::-1], atol=1e-6)
    assert (grid[:, :, 1] == 1).all()
    assert (grid[:, :, 3] == 3).all()


def test_a_prior_of_another_family_has_its_own_quantiles():
    class LogNormal(Posterior):
        def sample(self, noise):
            return super().sample(noise).exp()

    grid = manifold_grid(space_of(codes(), prior=LogNormal(torch.zeros(4), torch.ones(4))), 3, dims=(0, 1))
    np.testing.assert_allclose(grid[0, :, 0], np.exp(norm.ppf([1 / 6, 1 / 2, 5 / 6])), rtol=1e-5)


def test_what_is_no_grid():
    with pytest.raises(NotApplicableError, match="two dimensions or more"):
        manifold_grid(space_of(codes()[:, :1]), 3)
    for dims in ((0, 4), (1, 1), (-1, 0)):
        with pytest.raises(ValueError, match="two different ones from 0 to 3"):
            manifold_grid(space_of(codes()), 3, dims)
    with pytest.raises(ValueError, match="side must be at least 1, got 0"):
        manifold_grid(space_of(codes()), 0)


def test_a_grid_between_four_corners():
    corners = np.array([[-1.0, 4], [3, 5], [0, 0], [2, -1]])
    grid = four_corner_grid(corners, 5)
    assert grid.shape == (5, 5, 2)
    np.testing.assert_array_equal(grid[[0, 0, -1, -1], [0, -1, 0, -1]], corners)
    np.testing.assert_allclose(grid[2, 2], corners.mean(axis=0))
    np.testing.assert_allclose(grid[0, 1], [0, 4.25])
    for wrong, side in ((corners[:3], 5), (corners, 1)):
        with pytest.raises(ValueError, match=r"needs corners \(4, k\) and a side of at least 2"):
            four_corner_grid(wrong, side)


PAGE = np.array([[-9.0, 9], [9, 9], [-9, -9], [9, -9]])  # in reading order


def classes_at(middles, n=30):
    """Clouds of n items and their labels, the exact middle of each first."""
    draw = np.random.default_rng(1).standard_normal((len(middles), n // 2, 2))
    places = np.concatenate([np.zeros((len(middles), 1, 2)), draw, -draw], axis=1) + middles[:, None]
    return places.reshape(-1, 2), np.repeat(np.arange(len(middles)), 1 + 2 * (n // 2))


@pytest.mark.parametrize("turn", range(4))
def test_corners_are_the_middles_of_the_four_classes_that_enclose_most(turn):
    inner = np.array([[0.0, 0], [3, -2], [-4, 2]])
    places, labels = classes_at(np.concatenate([np.roll(PAGE, turn, axis=0), inner]))
    items = corner_items(places, labels)
    np.testing.assert_array_equal(places[items], PAGE)


def test_corners_without_classes():
    places = np.random.default_rng(0).uniform(-1, 1, (4000, 2))
    corners = places[corner_items(places)]
    np.testing.assert_allclose(corners, 0.9 * PAGE / 9, atol=0.06)
    np.testing.assert_array_equal(corners, places[corner_items(places, np.arange(4000) % 3)])


def test_corners_of_many_classes():
    middles = np.random.default_rng(2).uniform(-3, 3, (60, 2))
    places, labels = classes_at(np.concatenate([middles, PAGE]))
    np.testing.assert_array_equal(places[corner_items(places, labels)], PAGE)
    with pytest.raises(ValueError, match=r"places must be \(n, 2\) with at least 4 rows"):
        corner_items(places[:3])


def test_one_item_has_a_grid_of_its_own():
    grid = manifold_grid(LatentSpace.from_arrays(codes=[[1.0, 2.0]]), 2)
    assert grid.reshape(4, 2).tolist() == [[1.0, 2.0]] * 4


def test_corners_are_four_different_items():
    assert len(set(corner_items([[0, 0], [1, 0], [2, 0], [3, 0], [10, 10]]))) == 4
    assert len(set(corner_items(np.zeros((9, 2))))) == 4
    assert set(corner_items([[0, 0], [9, 9], [9, 0], [0, 9], [4, 4]])) == {0, 1, 2, 3}


def test_corners_that_cannot_be_found_say_so():
    with pytest.raises(ValueError, match="places must be finite"):
        corner_items(np.full((9, 2), np.nan))
    with pytest.raises(ValueError, match="a label for each of the 9 places, got 8"):
        corner_items(np.zeros((9, 2)), np.arange(8) % 4)
