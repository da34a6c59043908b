import numpy as np
import pytest

from latentbench.drawing.captions import framed

FRAMES = [np.full((60, 300, 3), shade, np.uint8) for shade in (40, 90)]
LEGEND = [(f"class {number}", "#bd1f01", marker) for number, marker in enumerate("o^sDo^")]


def reds(strip):
    return (np.abs(strip.astype(int) - (0xBD, 0x1F, 0x01)).max(axis=2) < 8).sum()


@pytest.mark.parametrize("legend", [(), LEGEND])
def test_all_frames_have_the_same_title_and_legend_around_the_picture(legend):
    first, second = framed(FRAMES, "vae on digits, seed 0: " + "many words " * 9, legend)
    assert first.shape == second.shape
    (top,) = {int(np.flatnonzero((each == shade).all((1, 2)))[0]) for each, shade in ((first, 40), (second, 90))}
    np.testing.assert_array_equal(first[top : top + 60], FRAMES[0])
    np.testing.assert_array_equal(first[:top], second[:top])
    assert (first[:top] < 128).any()
    assert (first[:, -3:][:top] == 255).all()  # nothing is cut at the right
    assert (reds(first[top + 60 :]) > 6 * 20) == bool(legend)


def test_nothing_that_moves_needs_no_title():
    assert framed([], "a title") == []
