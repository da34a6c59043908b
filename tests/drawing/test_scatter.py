import io
import subprocess
import sys
from itertools import combinations

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from latentbench.drawing.scatter import class_looks, code_map, draw_classes, mark_anchors, settle_marks
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
        boxes = [mark.text.get_window_extent() for mark in marks]
    assert [mark.text.get_text() for mark in marks] == names
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    for box in boxes:
        assert (np.array(box.min) >= -1).all()
        assert (np.array(box.max) <= 301).all()


def settled(places, labels, names=None):
    """The texts of a map of 3 x 3 inches, their places and their boxes in pixels."""
    figure = Figure(figsize=(3, 3))
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    with settings():
        marks = draw_classes(axes, places, labels, 4, names)
        settle_marks(axes, marks)
        texts = [mark.text for mark in marks]
        return texts, [text.get_window_extent() for text in texts], axes


@pytest.mark.parametrize("names", [None, {0: "sandal", 1: "ankle boot", 2: "bag"}])
def test_a_mark_stands_on_a_dot_of_its_class(names):
    """Also where the median of a class lies between its two heaps, where there is nothing."""
    rng = np.random.default_rng(0)
    heaps = np.array([[0, 0], [0, 9], [9, 5]])[np.arange(90) // 30]
    places, labels = heaps + rng.normal(size=(90, 2)), np.array([0, 0, 1])[np.arange(90) // 30]
    labels[::9] = 2
    texts, _, _ = settled(places, labels, names)
    for number, text in enumerate(texts):
        near = np.linalg.norm(places[labels == number] - text.get_position(), axis=1)
        assert near.min() < 1e-6
    assert min(abs(texts[0].get_position()[1] - middle) for middle in (0, 9)) < 3


@pytest.mark.parametrize("classes", [2, 10, 20])
def test_numbers_of_classes_that_lie_on_each_other_are_not_read_as_one(classes):
    places = np.random.default_rng(1).normal(size=(600, 2))
    _, boxes, _ = settled(places, np.arange(600) % classes)
    for one, other in combinations(boxes, 2):
        apart = max(one.x0 - other.x1, other.x0 - one.x1, 2 * (one.y0 - other.y1), 2 * (other.y0 - one.y1))
        assert apart > 6


def test_a_class_keeps_its_color_where_another_is_missing():
    assert class_looks([0, 1, 2, 12])[2] == class_looks([2, 7])[2]
    assert class_looks([2])[2][0] == class_looks([12])[12][0]
    assert class_looks([2])[2][1] != class_looks([12])[12][1]
    assert len(set(class_looks([5, 100, 2000]).values())) == 3


def test_a_mark_follows_its_dot():
    places, labels = clouds(3)
    anchors = mark_anchors(places, labels)
    axes = Figure().add_subplot()
    with settings():
        marks = draw_classes(axes, places + 5, labels, 4, None, anchors)
    for mark, row in zip(marks, anchors.values(), strict=True):
        np.testing.assert_allclose(mark.text.get_position(), places[row] + 5)


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
