import io

import numpy as np
import pytest
from PIL import Image, ImageSequence

from latentbench.drawing.animation import animation, frame, moving_ways, side_by_side

LONG = "a title that is far longer than its small column"


def noise(*shape):
    return np.random.default_rng(0).random(shape)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_frame_is_an_enlarged_image(channels):
    image = noise(channels, 10, 20)
    picture = frame(image)
    assert picture.shape == (60, 120, 3)
    assert picture.dtype == np.uint8
    np.testing.assert_array_equal(picture[::6, ::6, -1], np.round(image[-1].astype(np.float32) * 255))
    assert frame(image, 100).shape == (100, 200, 3)


def test_frames_stand_side_by_side_under_their_titles():
    picture, other = frame(np.zeros((1, 56, 56))), frame(np.zeros((3, 56, 80)))
    both = side_by_side([picture, other], ["a", LONG])
    wide = both.shape[1]
    assert both.dtype == np.uint8
    assert wide > 56 + 80
    dark = (both.sum(2) == 0).sum(0)
    assert (dark >= 56).sum() == 56 + 80
    edges = np.concatenate([both[:2].ravel(), both[-2:].ravel(), both[:, :2].ravel(), both[:, -2:].ravel()])
    assert (edges == 255).all()
    assert (both[2:20] < 128).any()  # the titles
    with pytest.raises(ValueError, match="zip"):
        side_by_side([picture, other], ["a"])


def test_ways_move_there_and_back_side_by_side():
    ways = [
        [frame(np.full((1, 56, 56), level)) for level in levels] for levels in ((0.0, 0.2, 0.4), (1.0, 0.8, 0.6))
    ]
    frames = moving_ways(ways, ["a", "b"])
    assert len(frames) == 4
    for shown, place in zip(frames, (0, 1, 2, 1), strict=True):
        np.testing.assert_array_equal(shown, side_by_side([way[place] for way in ways], ["a", "b"]))
    with pytest.raises(ValueError, match="zip"):
        moving_ways([ways[0], ways[1][:2]], ["a", "b"])


@pytest.mark.parametrize("form", ["webp", "gif"])
def test_an_animation_has_its_frames_and_repeats(form):
    frames = [frame(np.full((1, 16, 16), level)) for level in (0.0, 0.3, 0.6, 1.0)]
    content = animation(frames, 120, form)
    image = Image.open(io.BytesIO(content))
    assert image.format == form.upper()
    assert image.n_frames == 4
    assert image.size == (64, 64)
    assert image.info["loop"] == 0
    shown = [np.asarray(picture.convert("RGB")).mean() for picture in ImageSequence.Iterator(image)]
    np.testing.assert_allclose(shown, [0, 77, 153, 255], atol=4)
    assert image.info["duration"] == 120
    assert content == animation(frames, 120, form)


def test_frames_of_several_sizes_are_refused():
    with pytest.raises(ValueError, match="all of one size"):
        animation([np.zeros((4, 4, 3), np.uint8), np.zeros((4, 5, 3), np.uint8)])
    with pytest.raises(ValueError, match="at least one"):
        animation([])
