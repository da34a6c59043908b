from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PolyCollection

from latentbench.drawing.formats import Formats
from latentbench.report.charts.label_figure import label_alt, label_figure, label_numbers
from latentbench.report.charts.plots import plots, write_figures
from latentbench.table.label_budgets.curves import items_scored, label_curves

PROBE = ("linear_probe_n10", "linear_probe_n100", "linear_probe_n1000", "linear_probe_accuracy")
KNN = ("knn10_n10", "knn10_n100", "knn10")
ACCURACIES = {
    "pixels": (0.4, 0.6, 0.8, 0.85),
    "pca": (0.42, 0.61, 0.74, 0.75),
    "untrained": (0.2, 0.3, 0.4, 0.45),
    "ae": (0.5, 0.7, 0.82, 0.84),
    "vae": (0.45, 0.65, 0.81, 0.84),
}


@pytest.fixture
def run(builder):
    """Results with label budgets of a linear probe and of nearest neighbors."""

    def make(seeds=5, models=tuple(ACCURACIES)):
        for label in models:
            values = ACCURACIES[label.partition("(")[0]]
            scores = dict(zip(PROBE, values, strict=True)) | dict(
                zip(KNN, np.array(values[:3]) + 0.02, strict=True)
            )
            builder.add(label, scores, seeds=seeds, spread=0.01, purpose="find", headline=False)
        return builder.results()

    return make


@pytest.fixture
def drawn(run):
    def make(**options):
        results = run(**options)
        return label_figure("fashion_mnist", 10_000, label_curves(results, "fashion_mnist"))

    return make


def named(figure, panel, name):
    """The line of a model, by the style that the legend gives it."""
    (legend,) = figure.legends
    texts = [text.get_text().strip() for text in legend.get_texts()]
    handle = legend.get_lines()[texts.index(name)]
    style = handle.get_color(), handle.get_linestyle(), handle.get_marker()
    (line,) = [
        line for line in panel.lines if (line.get_color(), line.get_linestyle(), line.get_marker()) == style
    ]
    return line


def test_a_panel_for_each_family_and_a_line_for_each_model(drawn):
    figure = drawn()
    probe, knn = figure.axes
    assert [panel.get_title(loc="left") for panel in figure.axes] == [
        "find: linear_probe (up)",
        "find: knn10 (up)",
    ]
    assert len(probe.lines) == len(knn.lines) == len(ACCURACIES)
    assert figure.get_suptitle() == (
        "fashion_mnist, test split (10000 items), 5 seeds; bands: 95 % intervals over seeds"
    )
    assert {text.get_text().strip() for text in figure.legends[0].get_texts()} == set(ACCURACIES)


def test_labels_stand_on_a_log_axis_and_all_of_them_at_its_end(drawn):
    probe, knn = drawn().axes
    for panel, ticks in ((probe, ["10", "100", "1000", "all"]), (knn, ["10", "100", "all"])):
        assert panel.get_xscale() == "log"
        assert [tick.get_text() for tick in panel.get_xticklabels()] == ticks
        assert panel.get_xlabel() == "labeled training items"
    assert list(probe.get_xticks()) == [10, 100, 1000, 10_000]


def test_lines_run_through_the_means(drawn):
    figure = drawn()
    for label, values in ACCURACIES.items():
        line = named(figure, figure.axes[0], label)
        assert line.get_xdata() == pytest.approx([10, 100, 1000, 10_000])
        assert line.get_ydata() == pytest.approx(values)


def test_only_contenders_have_bands_and_all_of_it_lies_inside(drawn):
    figure = drawn()
    figure.canvas.draw()
    for panel in figure.axes:
        bands = [part for part in panel.collections if isinstance(part, PolyCollection)]
        assert len(bands) == 2
        low, high = panel.get_ylim()
        for band in bands:
            assert low <= band.get_paths()[0].vertices[:, 1].min()
            assert band.get_paths()[0].vertices[:, 1].max() <= high


def test_one_seed_has_no_bands(drawn):
    figure = drawn(seeds=1)
    assert figure.get_suptitle() == "fashion_mnist, test split (10000 items), 1 seed"


def test_too_many_models_are_left_out_and_counted(drawn):
    figure = drawn(seeds=1, models=("pixels", *(f"ae(x={place})" for place in range(41))))
    assert figure.get_suptitle().endswith("; 41 models are left out")
    assert len(figure.axes[0].lines) == 1


def test_numbers_and_words(run):
    results = run()
    curves = label_curves(results, "fashion_mnist")
    frame = label_numbers("fashion_mnist", curves)
    assert len(frame) == 5 * (4 + 3)
    row = frame[(frame["score"] == "knn10") & (frame["label"] == "ae") & (frame["labels"] == "all")].iloc[0]
    assert row["value"] == pytest.approx(0.84)
    assert row["value_low"] < 0.84 < row["value_high"]
    assert "linear_probe: pixels .400 with 10, .600 with 100, .800 with 1000, .850 with all; pca" in label_alt(
        "fashion_mnist", curves
    )
    assert items_scored(results, "fashion_mnist") == 10_000


def test_figure_and_sentences_are_among_those_of_the_run(run, tmp_path):
    results = run()
    (plot,) = [plot for plot in plots(results) if plot.stem == "labels-fashion_mnist"]
    assert plot.heading == "Labels needed"
    assert [sentence.split(":")[0] for sentence in plot.sentences] == [
        "With few labels (linear_probe)",
        "With few labels (knn10)",
    ]
    for _ in range(2):  # files of an earlier request are replaced
        write_figures(plots(results), tmp_path, Formats(("svg",)))
    assert {"labels-fashion_mnist.svg", "labels-fashion_mnist.csv"} <= {path.name for path in tmp_path.iterdir()}
    assert len(pd.read_csv(tmp_path / "labels-fashion_mnist.csv")) == 35
    svg = (tmp_path / "labels-fashion_mnist.svg").read_text("utf-8")
    assert re.search(r">\s*all\s*<", svg)


def test_without_budgets_there_is_no_such_figure(builder):
    results = builder.add("ae", {"knn10": 0.8, "linear_probe_n10": 0.5}).results()
    assert [plot.stem for plot in plots(results) if plot.stem.startswith("labels")] == []
