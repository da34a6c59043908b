import numpy as np
import pytest

from latentbench.drawing.captions import caption_lines
from latentbench.explore.tour import _stop_words
from latentbench.explore.tour_frames import tour_frames

CLASSES = np.array([1, 0, 0])


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("sandal", "ankle boot"), ["ankle boot", "ankle boot to sandal", "sandal", "sandal", "sandal"]),
        ((), ["class 1", "class 1 to class 0", "class 0", "class 0", "class 0"]),
        (("7", "日本"), ["日本", "日本 to class 7", "class 7", "class 7", "class 7"]),
    ],
)
def test_captions_say_from_which_class_to_which(names, words):
    captions = _stop_words(CLASSES, names, 3, 2, 1)
    assert captions[:5] == words
    assert captions[5] == f"{words[4]} to {words[0]}"


def test_captions_fit_their_width():
    assert caption_lines("class 1 to class 0", 224) == "class 1 to class 0"
    assert caption_lines("a very long...y long name to another long...f letters", 224).count("\n") == 1
    assert "..." in caption_lines("w" * 60, 224)


def test_a_long_caption_changes_no_frame_but_its_own():
    places, images = np.random.default_rng(0).random((30, 2)), np.zeros((2, 1, 8, 8))
    words = ["sandal to ankle boot, or whatever else there is to be seen", "bag"]
    frames = tour_frames(places, None, places[:2], images, words)
    assert frames[0].shape == frames[1].shape
    for picture in frames:
        border = np.concatenate([picture[:2].ravel(), picture[-2:].ravel(), picture[:, -2:].ravel()])
        assert (border == 255).all()
