import numpy as np
import pytest
import torch

from latentbench.drawing.bodies import shaded
from latentbench.drawing.pictures import as_pictures
from latentbench.errors import NotApplicableError


def test_images_in_range_stay_as_they_are():
    images = torch.rand(3, 1, 4, 5)
    np.testing.assert_array_equal(as_pictures(images), images.numpy())
    np.testing.assert_array_equal(as_pictures(3 * images), (3 * images).numpy().clip(0, 1))
    color = torch.rand(2, 3, 4, 5) - 0.5
    np.testing.assert_array_equal(as_pictures(color), color.numpy().clip(0, 1))


def test_signed_distances_show_their_inside_white():
    lines = torch.linspace(-1, 1, 41)
    inside = torch.hypot(lines[:, None], lines[None]) - 0.5  # a disc
    picture = as_pictures(inside[None, None])[0, 0]
    assert picture[20, 20] > 0.99
    assert picture[0, 0] < 0.01
    assert picture[20, 10] == pytest.approx(0.5, abs=0.01)
    assert np.isfinite(as_pictures(1e9 * inside[None, None])).all()


def test_images_below_zero_are_no_distances():
    images = torch.rand(4, 1, 28, 28) - 0.2
    np.testing.assert_array_equal(as_pictures(images), images.numpy().clip(0, 1))
    flat = torch.full((1, 1, 28, 28), -0.2)
    assert as_pictures(flat, like=images).max() == 0
    lines = torch.linspace(-1, 1, 28)
    disc = (torch.hypot(lines[:, None], lines[None]) - 0.5)[None, None]
    assert as_pictures(flat, like=disc).min() > 0.99
    assert as_pictures(-flat, like=disc).max() < 0.01


def test_bodies_in_space_are_drawn_as_their_surfaces():
    line = (2 * torch.arange(16) + 1) / 16 - 1
    body = ((line**2)[:, None, None] + (line**2)[:, None] + line**2).sqrt()[None, None] - 0.5
    np.testing.assert_array_equal(as_pictures(body), shaded(body))
    empty = torch.full((1, 1, 16, 16, 16), 0.4)
    assert as_pictures(empty, like=body).max() == 0
    for no_distances in (empty, torch.rand(1, 1, 16, 16, 16) - 0.5):
        with pytest.raises(NotApplicableError, match=r"these items have shape \(1, 16, 16, 16\)$"):
            as_pictures(no_distances)


@pytest.mark.parametrize("shape", [(2, 5), (2, 2, 8, 8), (8, 8), (1, 1, 1, 8, 8), (1, 3, 8, 8, 8)])
def test_what_is_no_picture_is_refused(shape):
    with pytest.raises(
        NotApplicableError, match="only images of one or three channels and signed distances in space"
    ):
        as_pictures(torch.zeros(shape))
