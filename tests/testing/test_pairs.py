"""The pairs of spaces that pair metrics are tried on are what they say."""

from typing import get_args

import pytest
import torch

from latentbench.metric import Need
from latentbench.testing import gallery
from latentbench.testing.pairs import codes_alone, codes_with_train, limited, odd_pair, odd_titles, whole_spaces

NEEDS = get_args(Need)


@pytest.fixture(scope="module")
def pair():
    return whole_spaces(40)


def test_both_spaces_have_all_that_a_metric_can_need(pair):
    for space in pair:
        assert space.supplies == set(NEEDS)


def test_the_second_look_shows_the_same_items_in_other_coordinates(pair):
    one, other = pair
    assert (one.dim, other.dim) == (5, 6)
    assert torch.equal(one.inputs, other.inputs)
    assert torch.allclose(other.encode(other.inputs), other.codes, atol=1e-5)
    assert torch.allclose(other.decode(other.codes), one.decode(one.codes), atol=1e-4)
    shown = other.log_likelihood(other.inputs, other.codes)
    assert torch.allclose(shown, one.log_likelihood(one.inputs, one.codes), rtol=1e-3)
    assert other.train.codes.shape == (len(one.train), 6)
    assert torch.allclose(other.train.decode(other.train.codes), one.train.decode(one.train.codes), atol=1e-4)


def test_the_second_look_bends_what_it_turns(pair):
    one, other = (space.codes.double() - space.codes.double().mean(0) for space in pair)
    rest = other - one @ torch.linalg.lstsq(one, other).solution
    assert 0.02 < float(rest.square().sum() / other.square().sum()) < 0.5


@pytest.mark.parametrize("need", NEEDS)
def test_a_limited_space_has_its_codes_and_what_is_named(pair, need):
    for space in pair:
        left = limited(space, {need})
        assert left.supplies == {need} | ({"decoder"} if need == "decoder_gradient" else set())
        assert torch.equal(left.codes, space.codes)


def test_codes_alone_are_alone():
    assert [space.supplies for space in codes_alone(20, ())] == [set(), set()]
    one, other = codes_with_train(20, {"labels"})
    assert one.supplies == other.supplies == {"train", "labels"}
    assert one.train.supplies == {"labels"}


def test_odd_pairs_have_what_is_needed_or_are_none():
    for title in odd_titles(("decoder", "inputs")):
        for space in odd_pair(title, 3, ("decoder", "inputs"))[:1]:
            assert {"decoder", "inputs"} <= space.supplies
            assert ("train" in space.supplies) == ("no training split" not in title)
    assert not [title for title in odd_titles(("train",)) if "no training split" in title]
    assert odd_titles(("posterior",)) == []


def test_odd_pairs_show_the_same_items_and_the_fewest_are_as_few_as_asked_for():
    for title in odd_titles(("inputs",)):
        one, other = odd_pair(title, 3, ("inputs",))
        assert torch.equal(one.inputs, other.inputs)
        assert len(one) == (3 if title.startswith("the fewest items") else 24)
    assert odd_pair("one dimension and four", 3, ())[1].dim == 4
    assert len({len(space.train) for space in odd_pair("training splits of unequal length", 3, ())}) == 2


def test_the_gallery_itself_is_the_first_of_a_pair(pair):
    assert torch.equal(pair[0].codes, gallery(40, 200).codes)
