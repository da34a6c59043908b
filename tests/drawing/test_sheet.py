import io
import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image, ImageSequence

from latentbench.drawing.animation import animation, frame, moving_ways, side_by_side
from latentbench.drawing.bodies import shaded
from latentbench.drawing.montage import patchwork
from latentbench.drawing.pictures import as_pictures
from latentbench.drawing.sheet import draw_sheet, write_figure
from latentbench.drawing.sheet_layout import Sheet
from latentbench.errors import NotApplicableError

LONG = "a title that is far longer than its small column"


def noise(*shape):
    return np.random.default_rng(0).random(shape)


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


# pictures


def test_images_in_range_stay_as_they_are():
    images = torch.rand(3, 1, 4, 5)
    np.testing.assert_array_equal(as_pictures(images), images.numpy())
    np.testing.assert_array_equal(as_pictures(3 * images), (3 * images).numpy().clip(0, 1))
    color = torch.rand(2, 3, 4, 5) - 0.5
    np.testing.assert_array_equal(as_pictures(color), color.numpy().clip(0, 1))


def test_signed_distances_show_their_inside_white():
    lines = torch.linspace(-1, 1, 41)
    inside = torch.hypot(lines[:, None], lines[None]) - 0.5  # a disc
    picture = as_pictures(inside[None, None])[0, 0]
    assert picture[20, 20] > 0.99
    assert picture[0, 0] < 0.01
    assert picture[20, 10] == pytest.approx(0.5, abs=0.01)
    assert np.isfinite(as_pictures(1e9 * inside[None, None])).all()


def test_images_below_zero_are_no_distances():
    images = torch.rand(4, 1, 28, 28) - 0.2
    np.testing.assert_array_equal(as_pictures(images), images.numpy().clip(0, 1))
    flat = torch.full((1, 1, 28, 28), -0.2)
    assert as_pictures(flat, like=images).max() == 0
    lines = torch.linspace(-1, 1, 28)
    disc = (torch.hypot(lines[:, None], lines[None]) - 0.5)[None, None]
    assert as_pictures(flat, like=disc).min() > 0.99
    assert as_pictures(-flat, like=disc).max() < 0.01


def test_bodies_in_space_are_drawn_as_their_surfaces():
    line = (2 * torch.arange(16) + 1) / 16 - 1
    body = ((line**2)[:, None, None] + (line**2)[:, None] + line**2).sqrt()[None, None] - 0.5
    np.testing.assert_array_equal(as_pictures(body), shaded(body))
    empty = torch.full((1, 1, 16, 16, 16), 0.4)
    assert as_pictures(empty, like=body).max() == 0
    for no_distances in (empty, torch.rand(1, 1, 16, 16, 16) - 0.5):
        with pytest.raises(NotApplicableError, match=r"these items have shape \(1, 16, 16, 16\)$"):
            as_pictures(no_distances)


@pytest.mark.parametrize("shape", [(2, 5), (2, 2, 8, 8), (8, 8), (1, 1, 1, 8, 8), (1, 3, 8, 8, 8)])
def test_what_is_no_picture_is_refused(shape):
    with pytest.raises(
        NotApplicableError, match="only images of one or three channels and signed distances in space"
    ):
        as_pictures(torch.zeros(shape))


# sheets


@pytest.mark.parametrize("side", [8, 28, 64, 200])
def test_small_images_are_enlarged_by_whole_pixels(side):
    images = noise(1, 1, 3, side, side)
    picture = opened(draw_sheet(Sheet(images)))
    times = max(1, -(-56 // side))
    height, width = picture.shape[:2]
    assert side * times <= min(height, width) <= side * times + 40
    expected = np.round(images[0, 0].transpose(1, 2, 0) * 255).repeat(times, 0).repeat(times, 1)
    found = [
        (top, left)
        for top in range(height - side * times + 1)
        for left in range(width - side * times + 1)
        if np.abs(picture[top : top + side * times, left : left + side * times] - expected).max() <= 1
    ]
    assert len(found) == 1


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

    renderer = figure.canvas.get_renderer()
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
    for number, (one, box) in enumerate(places):
        for other, beside in places[:number]:
            apart = box.x0 >= beside.x1 or beside.x0 >= box.x1 or box.y0 >= beside.y1 or beside.y0 >= box.y1
            assert apart, (one, other)


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
    told = Image.open(io.BytesIO(draw_sheet(full_sheet(), about={"seed": 3, "model": "vae"}))).info
    assert json.loads(told["Description"]) == {"seed": 3, "model": "vae"}


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


# frames and patches


@pytest.mark.parametrize("channels", [1, 3])
def test_a_frame_is_an_enlarged_image(channels):
    image = noise(channels, 10, 20)
    made = frame(image)
    assert made.shape == (60, 120, 3)
    assert made.dtype == np.uint8
    np.testing.assert_array_equal(made[::6, ::6, -1], np.round(image[-1].astype(np.float32) * 255))
    assert frame(image, 100).shape == (100, 200, 3)


def test_frames_stand_side_by_side_under_their_titles():
    one, other = frame(np.zeros((1, 56, 56))), frame(np.zeros((3, 56, 80)))
    both = side_by_side([one, other], ["a", LONG])
    wide = both.shape[1]
    assert both.dtype == np.uint8
    assert wide > 56 + 80
    dark = (both.sum(2) == 0).sum(0)
    assert (dark >= 56).sum() == 56 + 80
    edges = np.concatenate([both[:2].ravel(), both[-2:].ravel(), both[:, :2].ravel(), both[:, -2:].ravel()])
    assert (edges == 255).all()
    assert (both[2:20] < 128).any()  # the titles
    with pytest.raises(ValueError, match="zip"):
        side_by_side([one, other], ["a"])


def test_ways_move_there_and_back_side_by_side():
    ways = [
        [frame(np.full((1, 56, 56), level)) for level in levels] for levels in ((0.0, 0.2, 0.4), (1.0, 0.8, 0.6))
    ]
    made = moving_ways(ways, ["a", "b"])
    assert len(made) == 4
    for shown, place in zip(made, (0, 1, 2, 1), strict=True):
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
    shown = [np.asarray(one.convert("RGB")).mean() for one in ImageSequence.Iterator(image)]
    np.testing.assert_allclose(shown, [0, 77, 153, 255], atol=4)
    assert image.info["duration"] == 120
    assert content == animation(frames, 120, form)


def test_frames_of_several_sizes_are_refused():
    with pytest.raises(ValueError, match="all of one size"):
        animation([np.zeros((4, 4, 3), np.uint8), np.zeros((4, 5, 3), np.uint8)])
    with pytest.raises(ValueError, match="at least one"):
        animation([])


def test_a_patchwork_is_centered_rows():
    images = np.stack([np.full((1, 56, 56), level) for level in (0.1, 0.2, 0.3)])
    whole = patchwork(images, [1, 2])
    assert whole.shape == (1, 114, 114)
    assert (whole[0, :56, 29:85] == np.float32(0.1)).all()
    assert (whole[0, 58:, :56] == np.float32(0.2)).all()
    assert (whole[0, 58:, 58:] == np.float32(0.3)).all()
    assert (whole[0, :56, :29] == 1).all()


def test_a_figure_lies_beside_its_numbers(tmp_path):
    numbers = pd.DataFrame({"t": [0.0, 1.0], "step": [np.nan, 2.0]})
    written = write_figure(tmp_path / "new" / "one.two", {"png": b"a", "webp": b"b"}, numbers)
    assert [path.name for path in written] == ["one.two.png", "one.two.webp", "one.two.csv"]
    assert [path.read_bytes() for path in written[:2]] == [b"a", b"b"]
    pd.testing.assert_frame_equal(pd.read_csv(written[2]), numbers)
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == sorted(path.name for path in written)


@pytest.mark.parametrize(("place", "turned"), [(2, False), (0, True)])
def test_a_long_title_lies_over_empty_columns_and_stands_where_there_are_none(place, turned):
    """In the middle of its column: at the edge it would lie beside the sheet."""
    columns = [""] * 5
    columns[place] = "transport-of-mass"
    drawn = draw_sheet(Sheet(np.zeros((1, 5, 1, 56, 56)), columns=columns), "svg").decode()
    assert ("rotate(-90" in drawn) == turned
    full = draw_sheet(Sheet(np.zeros((1, 5, 1, 56, 56)), columns=["transport-of-mass"] * 5), "svg").decode()
    assert "rotate(-90" in full
