import io
import json

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from latentbench.drawing.drawing import Drawing, write_drawing
from latentbench.drawing.formats import STILL_FORMS, Formats
from latentbench.drawing.sheet_layout import Sheet
from latentbench.errors import RequestError

NUMBERS = pd.DataFrame({"t": [0.0, 1.0], "step": [np.nan, 2.0]})
SHEET = Sheet(np.zeros((1, 2, 1, 28, 28)), title="From one to another")
FRAMES = [np.full((20, 20, 3), 40 * step, np.uint8) for step in range(4)]


def plot():
    figure = Figure(layout="constrained")
    figure.add_subplot().set_title("a title")
    return figure


def endings(paths):
    return [path.suffix for path in paths]


def test_a_drawing_lies_beside_its_numbers(tmp_path):
    written = write_drawing(Drawing(SHEET, NUMBERS, "one"), tmp_path / "new" / "one.two")
    assert [path.name for path in written] == ["one.two.png", "one.two.csv"]
    pd.testing.assert_frame_equal(pd.read_csv(written[1]), NUMBERS)
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == sorted(path.name for path in written)


@pytest.mark.parametrize("still", [SHEET, plot()], ids=["sheet", "figure"])
def test_every_still_comes_in_every_format_with_what_it_is_about(still, tmp_path):
    drawing = Drawing(still, NUMBERS, "From one to another", about={"seed": 3})
    png, svg, pdf, _ = write_drawing(drawing, tmp_path / "a", Formats(STILL_FORMS))
    with Image.open(png) as picture:
        assert json.loads(picture.text["Description"]) == {"seed": 3}
        assert picture.text["Title"] == "From one to another"
    assert "From one to another" in svg.read_text()
    assert "<text" in svg.read_text()
    assert pdf.read_bytes().startswith(b"%PDF")
    assert b"CreationDate" not in pdf.read_bytes()


def test_what_moves_is_an_animation_beside_the_still(tmp_path):
    drawing = Drawing(SHEET, NUMBERS, "one", FRAMES, 40, others={"obj": b"v 0 0 0"})
    written = write_drawing(drawing, tmp_path / "a")
    assert endings(written) == [".png", ".webp", ".obj", ".csv"]
    with Image.open(written[1]) as film:
        assert film.n_frames == 4
    assert endings(write_drawing(drawing, tmp_path / "b", Formats(moving="gif"))) == [
        ".png",
        ".gif",
        ".obj",
        ".csv",
    ]
    assert endings(write_drawing(drawing, tmp_path / "c", Formats(moving=None))) == [".png", ".obj", ".csv"]


def test_the_same_drawing_gives_the_same_bytes():
    formats = Formats(STILL_FORMS)
    first, again = (Drawing(plot(), NUMBERS, "one", FRAMES).files(formats) for _ in range(2))
    assert first == again


def test_a_picture_is_drawn_once():
    drawing = Drawing(plot(), NUMBERS, "one")
    assert drawing.picture("svg") is drawing.picture("svg")
    assert Image.open(io.BytesIO(drawing.picture("png"))).width > 100


def test_a_folder_that_cannot_be_written_is_an_error_in_one_sentence(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RequestError, match=r"^figures cannot be written to .*file"):
        write_drawing(Drawing(SHEET, NUMBERS, "one"), tmp_path / "file" / "one")
