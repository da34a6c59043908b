"""A latent space in a few words."""

import numpy as np
import torch

from latentbench import LatentSpace, Posterior
from latentbench.latent.parts import SpaceData


def test_a_space_says_what_it_holds():
    space = LatentSpace.from_arrays(
        codes=np.eye(1200),
        labels=["<a>", "b"] * 600,
        inputs=np.zeros((1200, 1, 8, 8)),
        decode=torch.sin,
        name="mine",
    )
    assert repr(space) == (
        "<LatentSpace mine: items: 1,200; codes: 1,200 dimensions; inputs: 1 x 8 x 8; classes: 2 (<a>, b); "
        "also has: decoder>"
    )
    page = space._repr_html_()
    assert "&lt;a&gt;" in page
    assert "<a>" not in page


def test_numbers_of_one_axis_factors_and_many_classes():
    space = LatentSpace.from_arrays(
        codes=np.zeros((20, 1)),
        labels=[f"class of {number:02}" for number in range(20)],
        inputs=np.zeros((20, 3)),
        factors=np.zeros((20, 2)),
        factor_names=("size", "hue"),
    )
    said = repr(space)
    assert "codes: 1 dimension; inputs: 3;" in said
    assert "classes: 20 (class of 00, " in said
    assert "class of 11, ...)" in said
    assert "factors: size, hue; also has: nothing else" in said


def test_classes_without_names_are_counted():
    assert "classes: 3;" in repr(LatentSpace.from_arrays(codes=np.zeros((3, 2)), labels=[0, 1, 2]))


def test_looking_computes_nothing():
    def refused():
        raise AssertionError("computed by looking")

    space = LatentSpace(SpaceData(codes=refused, inputs=refused), name="lazy")
    later = "codes: computed when first used; inputs: loaded when first used"
    assert repr(space) == f"<LatentSpace lazy: {later}; also has: nothing else>"
    space = LatentSpace(SpaceData(labels=torch.zeros(4, dtype=torch.int64), codes=lambda: torch.zeros(4, 3)))
    assert "items: 4; codes: computed when first used" in repr(space)
    assert space.codes.shape == (4, 3)
    assert "items: 4; codes: 3 dimensions" in repr(space)
    assert "posterior" in repr(space.replaced(posterior=Posterior(torch.zeros(4, 3), torch.ones(4, 3))))
