import numpy as np
import pytest

from latentbench.explore.coloring import Coloring, choose_coloring, class_marks
from latentbench.testing import gallery


@pytest.mark.parametrize(
    ("names", "marks", "legend"),
    [
        (("sandal", "bag"), ["sandal", "bag"], ["sandal", "bag"]),
        ((), ["0", "1"], ["class 0", "class 1"]),
        (("5", "-1"), ["5", "-1"], ["class 5", "class -1"]),
        (("7", "cat"), ["class 7", "cat"], ["class 7", "cat"]),
        (("1.5", "日本"), ["class 1.5", "日本"], ["class 1.5", "日本"]),
        (("n" * 40, " "), ["nnnnnnn...nnnnnn", 'class " "'], ["nnnnnnnnnnn...nnnnnnnnnn", 'class " "']),
    ],
)
def test_marks_and_legend_of_classes(names, marks, legend):
    assert list(class_marks([0, 1], names).values()) == marks
    coloring = Coloring("label", np.array([0, 1, 1]), class_names=names)
    assert list(coloring.legend.values()) == legend
    assert coloring.words == ""


def test_classes_of_a_space_have_their_names():
    coloring = choose_coloring(gallery(60, 100), np.arange(60))
    assert coloring.marks == {0: "tall", 1: "round", 2: "wide"}


def test_too_many_classes_have_no_marks():
    coloring = Coloring("label", np.arange(30), class_names=tuple(f"kind {number}" for number in range(30)))
    assert coloring.marks == coloring.legend == {}
    assert coloring.words == "30 classes, too many for colors"
