import io
import subprocess
import sys
from itertools import combinations

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from latentbench.drawing.scatter import code_map, draw_classes, settle_marks
from latentbench.drawing.style import COLORS, settings


def opened(content):
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGBA"))


def clouds(classes):
    rng = np.random.default_rng(2)
    labels = np.repeat(np.arange(classes), 30)
    return rng.normal(size=(len(labels), 2)) + 9 * np.stack([labels % 5, labels // 5], 1), labels


def colors_in(content):
    picture = opened(content)
    return {f"#{r:02x}{g:02x}{b:02x}" for r, g, b in np.unique(picture[picture[..., 3] > 0][:, :3], axis=0)}


def has_near(colors, wanted):
    target = np.array([int(wanted[i : i + 2], 16) for i in (1, 3, 5)])
    levels = np.array([[int(color[i : i + 2], 16) for i in (1, 3, 5)] for color in colors])
    return np.abs(levels - target).max(axis=1).min() <= 4


def test_each_class_has_its_color_and_its_number():
    content = code_map(*clouds(10))
    assert all(has_near(colors_in(content), color) for color in COLORS)
    assert has_near(colors_in(content), "#111111")  # the numbers
    assert opened(content)[0, 0, 3] == 0  # transparent: fits light and dark pages


def test_without_labels_or_with_too_many_there_is_one_color():
    places, labels = clouds(25)
    for content in (code_map(places), code_map(places, labels)):
        assert has_near(colors_in(content), COLORS[0])
        assert not has_near(colors_in(content), COLORS[2])


@pytest.mark.parametrize("spread", [0, 1])
def test_marks_move_apart_and_stay_inside(spread):
    figure = Figure(figsize=(3, 3))
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    names = ["trouser", "a name of 16 let", "日本", "sandal", "class 7", "dress"]
    places, labels = np.random.default_rng(0).random((60, 2)) * spread, np.arange(60) % 6
    places[labels == 1] += 5 * spread  # at the edge of the picture
    with settings():
        marks = draw_classes(axes, places, labels, 4, dict(enumerate(names)))
        settle_marks(axes, marks)
        boxes = [mark.get_window_extent() for mark in marks]
    assert [mark.get_text() for mark in marks] == names
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    for box in boxes:
        assert (np.array(box.min) >= -1).all()
        assert (np.array(box.max) <= 301).all()


def test_bare_numbers_stay_at_the_medians():
    axes = Figure().add_subplot()
    places, labels = clouds(3)
    marks = draw_classes(axes, places, labels, 4)
    settle_marks(axes, marks)
    assert [mark.get_text() for mark in marks] == ["0", "1", "2"]
    for number, mark in enumerate(marks):
        np.testing.assert_allclose(mark.get_position(), np.median(places[labels == number], axis=0))


def test_the_same_map_is_the_same_file():
    assert code_map(*clouds(3)) == code_map(*clouds(3))


def test_collapsed_codes_can_be_drawn():
    assert code_map(np.zeros((5, 2)), np.zeros(5, int))


def test_pyplot_is_never_imported():
    code = (
        "import sys, numpy; from latentbench.drawing.scatter import code_map; "
        "code_map(numpy.eye(2), numpy.arange(2)); "
        "print('matplotlib.figure' in sys.modules, 'matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False"]
