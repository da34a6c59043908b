import io
import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from latentbench.drawing.drawing import Drawing
from latentbench.drawing.sheet import draw_sheet as draw_figure
from latentbench.drawing.sheet_layout import Sheet

LONG = "a title that is far longer than its small column"


def noise(*shape):
    return np.random.default_rng(0).random(shape)


def draw_sheet(sheet, form="png", about=None):
    return Drawing(sheet, pd.DataFrame(), sheet.title, about=about or {}).picture(form)


def opened(content):
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(int)


def full_sheet(shape=(2, 5, 1, 28, 28), **changes):
    names = [f"way {row}" for row in range(shape[0])]
    words = {
        "rows": names,
        "columns": [f"t = {column}" for column in range(shape[1])],
        "title": "From one to another",
        "curves": {name: noise(shape[1] - 1) for name in names},
        "curve_title": "change from column to column",
    }
    return Sheet(noise(*shape), **{**words, **changes})


def test_images_grow_until_titles_of_columns_need_no_turn():
    words = ["item 3 (T-shirt/top)", "item 4 (bag)"]
    small, large = (opened(draw_sheet(Sheet(noise(1, 2, 1, 28, 28), (), each))) for each in (["3", "4"], words))
    assert large.shape[1] == small.shape[1] + 2 * 28
    turned = opened(draw_sheet(Sheet(noise(1, 2, 1, 28, 28), (), ["w" * 40, "x"])))
    assert abs(turned.shape[1] - small.shape[1]) < 20


def test_long_titles_are_broken_into_lines():
    wide, high = opened(draw_sheet(Sheet(noise(1, 2, 1, 28, 28), title=8 * "so many words "))).shape[1::-1]
    assert wide < 960
    assert high > opened(draw_sheet(Sheet(noise(1, 2, 1, 28, 28), title="few words"))).shape[0]


@pytest.mark.parametrize("side", [8, 28, 64, 200])
def test_small_images_are_enlarged_by_whole_pixels(side):
    images = noise(1, 1, 3, side, side)
    picture = opened(draw_sheet(Sheet(images)))
    times = max(1, -(-56 // side))
    height, width = picture.shape[:2]
    assert side * times <= min(height, width) <= side * times + 40
    expected = np.round(images[0, 0].transpose(1, 2, 0) * 255).repeat(times, 0).repeat(times, 1)
    sizes = [
        (top, left)
        for top in range(height - side * times + 1)
        for left in range(width - side * times + 1)
        if np.abs(picture[top : top + side * times, left : left + side * times] - expected).max() <= 1
    ]
    assert len(sizes) == 1


@pytest.mark.parametrize("changes", [{}, {"rows": [LONG, "short"]}, {"rows": (), "columns": (), "title": ""}])
def test_images_lie_on_whole_pixels(changes):
    """Matplotlib before 3.11 stretches an image that is a hair too wide by one more pixel."""
    images = draw_figure(full_sheet(**changes)).axes[0].get_window_extent()
    np.testing.assert_allclose(images.min, images.min.round(), atol=1e-6)
    np.testing.assert_array_equal(np.ceil(images.size), [5 * 58 - 2, 2 * 58 - 2])


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"rows": [LONG, "short"]},
        {"columns": [LONG] * 5},
        {"columns": ["item 1234", "0.25", "item 77", "0.75", "item 99999"]},
        {"title": 4 * LONG},
        {"curves": {f"{LONG} {row}": noise(4) for row in range(7)}},
        {"curves": {"big": 1e7 * noise(4), "small": 1e-7 * noise(5)}},
        {"curves": {}},
        {"rows": (), "columns": (), "title": ""},
    ],
    ids=lambda changes: "-".join(changes) or "plain",
)
def test_all_words_stand_inside_the_picture(changes):
    picture = opened(draw_sheet(full_sheet(**changes)))
    edges = np.concatenate(
        [
            picture[:3].reshape(-1),
            picture[-3:].reshape(-1),
            picture[:, :3].reshape(-1),
            picture[:, -3:].reshape(-1),
        ]
    )
    assert (edges == 255).all()


def texts(figure):
    """Where the words of a figure stand, in pixels: those that are not empty."""
    from matplotlib.text import Text

    renderer = FigureCanvasAgg(figure).get_renderer()
    shown = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    return {(text.get_text(), number): text.get_window_extent(renderer) for number, text in enumerate(shown)}


@pytest.mark.parametrize(
    "names", [["a", "b"], ["linear", "slerp", "norm", "geodesic", "graph", "pixel fade", LONG]]
)
@pytest.mark.parametrize("columns", [2, 5, 12])
def test_no_words_overlap(monkeypatch, names, columns):
    from matplotlib.figure import Figure

    drawn = []
    save = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda self, *a, **k: (drawn.append(self), save(self, *a, **k)))
    titles = ["item 12345", *["0.25"] * (columns - 2), "item 6"]
    curves = {name: noise(columns - 1) for name in names}
    draw_sheet(full_sheet((len(names), columns, 1, 28, 28), rows=names, columns=titles, curves=curves))
    places = list(texts(drawn[0]).items())
    assert len(places) > len(names) * 2 + columns
    for number, (box_of, box) in enumerate(places):
        for other, beside in places[:number]:
            apart = box.x0 >= beside.x1 or beside.x0 >= box.x1 or box.y0 >= beside.y1 or beside.y0 >= box.y1
            assert apart, (box_of, other)


def test_curves_do_not_hide_the_images():
    bare, curved = opened(draw_sheet(full_sheet(curves={}))), opened(draw_sheet(full_sheet()))
    black = np.zeros((2, 5, 1, 28, 28))
    sheet = full_sheet()
    dark = opened(
        draw_sheet(Sheet(black, sheet.rows, sheet.columns, sheet.title, sheet.curves, sheet.curve_title))
    )
    assert curved.shape[0] > bare.shape[0] + 130
    tall = (dark.sum(2) == 0).sum(0).max()
    assert tall >= 2 * 56  # a column of pixels through both images, all of them black


def test_svg_and_pdf_hold_the_words_as_text():
    svg = draw_sheet(full_sheet(title="A & B, $x$"), "svg", {"seed": 3}).decode()
    assert "<text" in svg
    for word in ("A &amp; B, $x$", "way 1", "t = 4", "change from column to column"):
        assert f">{word}<" in svg
    assert "<dc:description>{&quot;seed&quot;: 3}</dc:description>" in svg or '{"seed": 3}' in svg
    pdf = draw_sheet(full_sheet(), "pdf", {"seed": 3})
    assert pdf.startswith(b"%PDF")
    assert b"TrueType" in pdf or b"/Type42" in pdf or b"CIDFontType2" in pdf


@pytest.mark.parametrize("form", ["png", "svg", "pdf"])
def test_the_same_sheet_is_the_same_file(form):
    assert draw_sheet(full_sheet(), form, {"seed": 1}) == draw_sheet(full_sheet(), form, {"seed": 1})


def test_a_png_tells_what_it_is_of():
    info = Image.open(io.BytesIO(draw_sheet(full_sheet(), about={"seed": 3, "model": "vae"}))).info
    assert json.loads(info["Description"]) == {"seed": 3, "model": "vae"}


def test_sheets_need_images():
    with pytest.raises(ValueError, match="images must be"):
        draw_sheet(Sheet(np.zeros((2, 3, 2, 8, 8))))


def test_pyplot_is_never_imported_and_settings_stay():
    code = (
        "import sys, numpy; from latentbench.drawing.sheet import Sheet, draw_sheet; "
        "draw_sheet(Sheet(numpy.zeros((1, 1, 1, 8, 8)), title='x')); import matplotlib; "
        "print('matplotlib.pyplot' in sys.modules, matplotlib.rcParams['svg.fonttype'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "path"]


@pytest.mark.parametrize(("place", "turned"), [(2, False), (0, True)])
def test_a_long_title_lies_over_empty_columns_and_stands_where_there_are_none(place, turned):
    """In the middle of its column: at the edge it would lie beside the sheet."""
    title, columns = "transport-of-all-the-mass", [""] * 5
    columns[place] = title
    drawn = draw_sheet(Sheet(np.zeros((1, 5, 1, 56, 56)), columns=columns), "svg").decode()
    assert ("rotate(-90" in drawn) == turned
    full = draw_sheet(Sheet(np.zeros((1, 5, 1, 56, 56)), columns=[title] * 5), "svg").decode()
    assert "rotate(-90" in full
