"""The verb `transport` through the real command line, on a tiny run of digits."""

import pytest
import torch

from latentbench.explore.transport import image_grid, image_means, image_strip


def test_bodies_in_space_are_no_images():
    bodies = torch.rand(4, 1, 6, 6, 6)
    for draw in (
        lambda: image_strip(bodies[:2], 3, ""),
        lambda: image_grid(bodies, "abcd", 3, ""),
        lambda: image_means(bodies, "abcd", torch.ones(4), ""),
    ):
        with pytest.raises(ValueError, match=r"^(images|start and end) must .*1, h, w.*6, 6, 6\)$"):
            draw()
