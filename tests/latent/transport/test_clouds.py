from __future__ import annotations

import pytest
import torch

from latentbench import LatentSpace
from latentbench.errors import NotApplicableError
from latentbench.latent.transport.clouds import class_codes, cloud_morph
from latentbench.latent.transport.pot import pot


def two_classes(first=40, second=60, dim=3):
    codes = torch.randn(first + second, dim, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([2] * first + [7] * second)
    codes[first:] = 0.5 * codes[first:] + 5
    mixed = torch.randperm(first + second, generator=torch.Generator().manual_seed(1))
    return LatentSpace.from_arrays(codes=codes[mixed], labels=labels[mixed])


def rows_of(cloud, codes):
    """Where each code of the cloud stands among all."""
    return [int((codes == code).all(1).nonzero()) for code in cloud]


def test_both_ends_are_codes_of_their_class_and_the_way_is_the_cheapest():
    space, shares = two_classes(), torch.tensor([0.0, 0.25, 1.0])
    morph = cloud_morph(space, 2, 7, shares, count=30, seed=4)
    assert morph.shape == (3, 30, 3)
    for end, number in ((morph[0], 2), (morph[-1], 7)):
        rows = rows_of(end, space.codes)
        assert len(set(rows)) == 30
        assert set(space.labels[rows].tolist()) == {number}
    torch.testing.assert_close(morph[1], torch.lerp(morph[0], morph[2], 0.25))
    cheapest = pot().emd2([], [], pot().dist(morph[0].double().numpy(), morph[2].double().numpy()))
    assert float((morph[2] - morph[0]).double().square().sum(1).mean()) == pytest.approx(cheapest, rel=1e-5)


def test_the_cloud_keeps_its_spread_where_means_lose_it():
    space = two_classes()
    middle = cloud_morph(space, 2, 7, torch.tensor([0.5]), count=40)[0]
    deviation = middle.std(0, correction=0)
    ends = [class_codes(space, number).std(0, correction=0) for number in (2, 7)]
    torch.testing.assert_close(deviation, (ends[0] + ends[1]) / 2, rtol=0.15, atol=0)


def test_the_smaller_class_decides_and_a_seed_repeats():
    space, shares = two_classes(), torch.linspace(0, 1, 5)
    morph = cloud_morph(space, 7, 2, shares)
    assert morph.shape == (5, 40, 3)
    assert torch.equal(morph, cloud_morph(space, 7, 2, shares))
    assert not torch.equal(morph[0], cloud_morph(space, 7, 2, shares, seed=1)[0])


def test_cloud_morph_checks_its_arguments():
    space, half = two_classes(), torch.tensor([0.5])
    for from_class, to_class, shares, count, words in (
        (2, 3, half, 5, "no item is of class 3; classes are 2, 7"),
        (2, 2, half, 5, "a morph needs two classes, got class 2 twice"),
        (2, 7, half + 1, 5, r"shares must be \(points,\), in \[0, 1\], got \[1.5\]"),
        (2, 7, half, 0, "count must be from 1 to 1000, got 0"),
    ):
        with pytest.raises(ValueError, match=words):
            cloud_morph(space, from_class, to_class, shares, count)
    with pytest.raises(NotApplicableError, match="no labels"):
        cloud_morph(LatentSpace.from_arrays(codes=torch.ones(4, 2)), 2, 7, half)
