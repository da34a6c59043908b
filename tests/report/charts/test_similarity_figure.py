"""The figure of pair scores: what stands in its cells, how they are colored, and its numbers."""

import csv
import io
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle

from latentbench.report.charts.plots import chart
from latentbench.report.charts.similarity_figure import (
    contrast,
    similarity_alt,
    similarity_figure,
    similarity_numbers,
)
from latentbench.report.charts.similarity_plot import similarity_plot
from latentbench.similarity import measuring
from latentbench.similarity.render import number_of, render_similarity
from latentbench.similarity.similarity import compare_models
from tests.similarity.conftest import Apart, Explained, Shared, asked, model_of, seeds_of


class Kept(Shared):
    """As stitching: there is no null."""

    symmetric = False
    has_null = False


@pytest.fixture
def models():
    """Two models of one signal that seeds find alike, two others of near signals, and one of a single seed."""
    generator = torch.Generator().manual_seed(0)
    signal, other = torch.randn(2, 80, generator=generator)
    near = 0.8 * signal + 0.6 * other
    return [
        model_of("ae", seeds_of(signal, 0.05, 3, generator)),
        model_of("vae", seeds_of(near, 0.05, 3, generator)),
        model_of("network", seeds_of(torch.randn(80, generator=generator), 0.05, 3, generator)),
        model_of("pca", [torch.stack([signal, other], 1)]),
    ]


@pytest.fixture
def compared(models, tmp_path, monkeypatch):
    monkeypatch.setattr(measuring, "PERMUTATIONS", 40)

    def make(*classes, models=models):
        return compare_models("digits", models, [asked(cls) for cls in classes], tmp_path)

    return make


def texts(panel, models):
    """The text of each cell, by its labels."""
    return {
        (models[int(text.get_position()[1])], models[int(text.get_position()[0])]): text
        for text in panel.texts
        if text.get_text() and "unrelated" not in text.get_text()
    }


def painted(panel):
    (image,) = panel.images
    return np.asarray(image.get_array())


def legend(figure):
    return " ".join(" ".join(text.get_text() for text in figure.texts).split())


def test_cells_hold_the_numbers_of_the_csv_and_their_marks(compared):
    similarity = compared(Shared)
    (matrix,) = similarity.matrices
    panel = similarity_figure(similarity).axes[0]
    written = {labels: text.get_text() for labels, text in texts(panel, matrix.models).items()}
    rows = {
        (row["row"], row["column"]): row
        for row in csv.DictReader(io.StringIO(render_similarity(similarity, "csv")))
    }
    assert written.keys() == rows.keys()
    for labels, text in written.items():
        mean = rows[labels]["mean"]
        assert text.lstrip("<~") == number_of(float(mean) if mean else float("nan"))
    assert written["ae", "vae"].startswith("<.")
    assert written["ae", "network"].startswith("~")
    assert written["ae", "ae"][0] not in "<~"
    assert written["pca", "pca"] == "-"


def test_the_seeds_of_a_model_are_framed_and_only_they(compared):
    similarity = compared(Shared)
    panel = similarity_figure(similarity).axes[0]
    frames = [patch for patch in panel.patches if isinstance(patch, Rectangle)]
    centers = {(frame.get_x() + frame.get_width() / 2, frame.get_y() + frame.get_height() / 2) for frame in frames}
    models = similarity.matrices[0].models
    expected = {models.index(label) for label in ("ae", "vae", "network")}
    assert {tuple(np.round(center, 6)) for center in centers} == {(place, place) for place in expected}


def test_the_legend_explains_the_marks_that_occur_and_no_others(compared, models):
    words = legend(similarity_figure(compared(Shared)))
    assert "framed: seeds of one model" in words
    assert "< below the seeds of either model" in words
    assert "~ no more than unrelated spaces" in words
    assert "unrelated spaces: what they reach in 5 % of 40 permutations of the items" in words
    assert "from the model of the row" not in words
    assert "gray" not in words
    words = legend(similarity_figure(compared(Explained, models=[models[0], models[3]])))
    assert "explained: from the model of the row to that of the column" in words
    assert not {"<", "~"} & set(words)


def test_colors_are_calibrated_scores_in_all_panels(compared):
    """A score and its complement, which is better the lower it is, have the same colors."""
    similarity = compared(Shared, Apart)
    shared, apart = (painted(panel) for panel in similarity_figure(similarity).axes[:2])
    np.testing.assert_allclose(shared, apart, atol=0.02)
    brightness = shared @ [0.2126, 0.7152, 0.0722]
    order, cells = similarity.matrices[0].models, similarity.matrices[0].cells
    values = [
        (cells[row, column].calibrated, brightness[y, x])
        for y, row in enumerate(order)
        for x, column in enumerate(order)
    ]
    known = sorted((max(value, 0), light) for value, light in values if np.isfinite(value))
    assert all(first[1] >= second[1] - 1e-9 for first, second in pairwise(known))


def test_a_score_without_null_is_gray_and_says_so(compared):
    figure = similarity_figure(compared(Shared, Kept))
    colored, gray = (painted(panel).reshape(-1, 3) for panel in figure.axes[:2])
    assert np.ptp(gray, axis=1).max() < 0.02
    assert np.ptp(colored, axis=1).max() > 0.2
    assert "gray (kept): there is no score of unrelated spaces; compare shades within the panel only" in legend(
        figure
    )
    scale = figure.axes[2]
    assert [tick.get_text() for tick in scale.get_xticklabels()] == ["0", ".5", "1"]
    assert len(similarity_figure(compared(Kept)).axes) == 1  # no scale of colors that nothing has


def test_text_stands_out_from_every_color(compared):
    similarity = compared(Shared, Kept)
    for panel, matrix in zip(similarity_figure(similarity).axes, similarity.matrices, strict=False):
        colors = painted(panel)
        for (row, column), text in texts(panel, matrix.models).items():
            if matrix.cells[row, column].has_value:
                below = colors[matrix.models.index(row), matrix.models.index(column)]
                assert contrast(to_rgb(text.get_color()), tuple(below)) >= 4.5


def test_nothing_is_clipped_and_no_two_texts_overlap(compared, models):
    """Names, titles and legend stay within the figure, for few models and for many of long names."""
    generator = torch.Generator().manual_seed(0)
    long = [
        model_of(f"beta_vae(beta={place}, latent_dim=16)", [torch.randn(80, 2, generator=generator)])
        for place in range(20)
    ]
    for similarity in (
        compared(Shared),
        compared(Shared, Apart, Kept, models=models[:2]),
        compared(Shared, Kept, models=long),
    ):
        figure = similarity_figure(similarity)
        chart("a figure", "of models", figure, pd.DataFrame()).picture("svg")
        whole = figure.bbox
        renderer = FigureCanvasAgg(figure).get_renderer()
        for text in figure.findobj(lambda part: hasattr(part, "get_text") and bool(part.get_text().strip())):
            box = text.get_window_extent(renderer)
            assert box.x0 >= 0
            assert box.y0 >= 0
            assert box.x1 <= whole.x1
            assert box.y1 <= whole.y1
        for panel, matrix in zip(figure.axes, similarity.matrices, strict=False):
            boxes = [text.get_window_extent(renderer) for text in texts(panel, matrix.models).values()]
            wide = panel.get_window_extent().width / len(matrix.models)
            assert max(box.width for box in boxes) <= wide


def test_numbers_are_those_of_the_verb(compared, tmp_path):
    similarity = compared(Shared, Explained)
    numbers = similarity_numbers(similarity)
    assert numbers.to_csv(index=False) == render_similarity(similarity, "csv")
    numbers.to_csv(tmp_path / "numbers.csv", index=False)
    assert len(pd.read_csv(tmp_path / "numbers.csv")) == 2 * 16


def test_words_stand_for_the_figure(compared):
    similarity = compared(Shared)
    said = similarity_alt(similarity)
    assert said.startswith(
        "How alike models are on digits. shared: pca and ae .999, vae and pca .831, vae and ae <.831"
    )
    assert said.endswith("; 3 pairs less alike.")


def test_the_plot_has_the_sentences_and_tells_what_null_and_ceiling_are(compared):
    plot = similarity_plot(compared(Shared), ["a", "b", "c", "d", "e"])
    assert plot.stem == "similarity-digits"
    assert all(word in plot.note for word in ("null", "ceiling", "~", "<", "diagonal"))
    assert any("agree less than the seeds of either" in sentence for sentence in plot.sentences)
    assert plot.sentences[-1] == (
        "Not shown: a, b, c, 2 more models, for which scores are missing (`latentbench similar RUN` computes "
        "them)."
    )
    svg = plot.svg().decode()
    assert svg == plot.svg().decode()
    assert "<text" in svg
