import numpy as np
import pytest
import torch

from latentbench.errors import NotApplicableError
from latentbench.latent.space import LatentSpace
from latentbench.latent.variations import neighborhood_name, variations
from latentbench.model import Posterior
from latentbench.testing import gallery

MANY = 20_000


def normal(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape)).float()


def bare(space):
    """The same without a posterior."""
    return space.replaced(posterior=None)


@pytest.fixture(scope="module")
def spots():
    return gallery(60, 200)


def line(train):
    """A point at the origin, and training codes along a line through it."""
    return LatentSpace.from_arrays(
        codes=[[0.0, 0.0]], train=LatentSpace.from_arrays(codes=train), decode=lambda codes: codes
    )


def test_a_width_of_0_gives_the_reconstruction(spots):
    for space in (spots, bare(spots)):
        decoded = space.decode(variations(space, 7, 3, seed=1, width=0))
        assert torch.equal(decoded, space.reconstructions[7:8].expand_as(decoded))


def test_the_posterior_has_its_moments(spots):
    drawn = variations(spots, 3, MANY, seed=0, width=2).double()
    torch.testing.assert_close(drawn.mean(0), spots.codes[3].double(), atol=0.003, rtol=0)
    torch.testing.assert_close(drawn.std(0), torch.full((5,), 0.1).double(), atol=0.003, rtol=0)


def test_the_neighborhood_has_its_moments():
    near = normal(20, 2) * torch.tensor([1.0, 0.1])
    space = line(torch.cat([near, normal(30, 2) + 50]))
    drawn = variations(space, 0, MANY, seed=0).double()
    torch.testing.assert_close(drawn.mean(0), torch.zeros(2).double(), atol=0.03, rtol=0)
    torch.testing.assert_close(torch.cov(drawn.T), torch.cov(near.double().T), atol=0.03, rtol=0)


def test_variations_stay_on_the_line_of_their_neighbors():
    along = torch.linspace(-1, 1, 41)[:, None] * torch.tensor([1.0, 2.0])
    drawn = variations(line(along), 0, 50, seed=0)
    torch.testing.assert_close(drawn[:, 1], 2 * drawn[:, 0])
    assert float(drawn[:, 0].std()) > 0.05


def test_an_item_is_not_its_own_neighbor():
    codes = torch.cat([torch.zeros(1, 2), torch.tensor([[1.0, 0.0]]).repeat(20, 1)])
    drawn = variations(LatentSpace.from_arrays(codes=codes), 0, 5, seed=0)
    assert (drawn == 0).all()  # the twenty others do not vary


def test_inputs_that_are_no_items(spots):
    image = spots.inputs[4]
    amortized = spots.replaced(
        posterior=lambda seen: Posterior(spots.encode(seen), torch.full((len(seen), 5), 0.01))
    )
    for space in (amortized, bare(spots)):
        assert torch.equal(variations(space, image, 1, seed=2, width=0)[0], space.encode(image[None])[0])
    spread = variations(amortized, image, MANY, seed=2).std(0)
    torch.testing.assert_close(spread, torch.full((5,), 0.1), atol=0.003, rtol=0)
    assert torch.equal(variations(bare(spots), image, 3, seed=2), variations(bare(spots), 4, 3, seed=2))


def test_draws_repeat_and_follow_their_seed(spots):
    for space in (spots, bare(spots)):
        assert torch.equal(variations(space, 2, 4, seed=3), variations(space, 2, 4, seed=3))
        assert not torch.equal(variations(space, 2, 4, seed=3), variations(space, 2, 4, seed=4))


def test_what_they_are_drawn_from(spots):
    assert neighborhood_name(spots) == "its posterior"
    assert neighborhood_name(bare(spots)) == "a Gaussian with the covariance of its 20 nearest codes"


def test_variations_check_their_arguments_and_what_the_space_supplies(spots):
    with pytest.raises(ValueError, match="item must be from 0 to 59, got 60"):
        variations(spots, 60, 3, 0)
    with pytest.raises(ValueError, match="width must be at least 0 and finite, got -1"):
        variations(spots, 0, 3, 0, width=-1)
    with pytest.raises(NotApplicableError, match="no posterior of new inputs"):
        variations(spots, spots.inputs[0], 3, 0)
    few = LatentSpace.from_arrays(codes=normal(20, 2))
    with pytest.raises(NotApplicableError, match="needs at least 20 other codes"):
        variations(few, 0, 3, 0)
    with pytest.raises(NotApplicableError, match="no encoder"):
        variations(few, torch.zeros(3), 3, 0)


@pytest.mark.parametrize("seven", [np.int64(7), torch.tensor(7)])
def test_a_row_number_may_have_any_integer_type(spots, seven):
    for space in (spots, bare(spots)):
        assert torch.equal(variations(space, seven, 3, seed=1), variations(space, 7, 3, seed=1))


def test_an_infinite_width_is_refused(spots):
    with pytest.raises(ValueError, match="width must be at least 0 and finite, got inf"):
        variations(spots, 7, 3, seed=1, width=float("inf"))
