import xml.etree.ElementTree as ElementTree

import pytest
from matplotlib.figure import Figure

from latentbench.drawing.encoding import encoded

HOSTILE = [
    "\x1b[31mred\x07",
    "half \ud800 a character",
    "no character \uffff",
    "null \x00",
    "a & b < c",
    "日本 $x$",
]


def figure_of(name):
    figure = Figure()
    axes = figure.add_subplot()
    axes.plot([0, 1], label=name)
    axes.set_title(name)
    axes.legend(title=name)
    axes.text(0, 0, name, parse_math=False)
    figure.suptitle(name)
    return figure


@pytest.mark.parametrize("name", HOSTILE)
def test_svg_is_well_formed_whatever_the_names(name):
    drawn = encoded(figure_of(name), "svg", {"Title": name, "Date": None})
    root = ElementTree.fromstring(drawn)  # noqa: S314 - our own
    assert root.tag.endswith("svg")


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("form", ["png", "pdf"])
def test_other_forms_can_be_drawn(name, form):
    about = {"Title": name} if form == "pdf" else {"Description": name}
    assert encoded(figure_of(name), form, about)[:4] in (b"\x89PNG", b"%PDF")
