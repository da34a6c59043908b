import numpy as np
import pytest

from latentbench.explore.map import Coloring, choose_coloring, class_marks
from latentbench.testing import gallery

NAMED, NUMBERED = "names: classes, at their medians", "numbers: classes, at their medians"


@pytest.mark.parametrize(
    ("names", "marks", "words"),
    [
        (("sandal", "bag"), ["sandal", "bag"], NAMED),
        ((), ["0", "1"], NUMBERED),
        (("5", "-1"), ["5", "-1"], NUMBERED),
        (("7", "cat"), ["class 7", "cat"], NAMED),
        (("1.5", "日本"), ["class 1.5", "日本"], NAMED),
        (("n" * 40, " "), ["nnnnnnn...nnnnnn", 'class " "'], NAMED),
    ],
)
def test_marks_of_classes(names, marks, words):
    assert list(class_marks([0, 1], names).values()) == marks
    assert Coloring("label", np.array([0, 1, 1]), class_names=names).words == words


def test_classes_of_a_space_have_their_names():
    coloring = choose_coloring(gallery(60, 100), np.arange(60))
    assert coloring.marks == {0: "tall", 1: "round", 2: "wide"}


def test_too_many_classes_have_no_marks():
    coloring = Coloring("label", np.arange(30), class_names=tuple(f"kind {number}" for number in range(30)))
    assert coloring.marks == {}
    assert coloring.words == "30 classes, too many for colors"
