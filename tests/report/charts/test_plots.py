import json
import math
import re
import subprocess
import sys
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_hex

from latentbench.drawing.formats import Formats
from latentbench.drawing.panels import axis_scale, legible, round_ticks, spread_out
from latentbench.drawing.style import COLORS, INK, LineOf, line_styles, model_places
from latentbench.errors import RequestError
from latentbench.report.charts.axes import shown_range
from latentbench.report.charts.curve_figure import curve_figure
from latentbench.report.charts.plots import plots, write_figures
from latentbench.report.charts.tradeoff_figures import cost_figure, rate_figure
from latentbench.report.charts.tradeoffs import cost_marks, rate_marks
from latentbench.table.sweeps import Estimate, sweeps

DIMS = (2, 4, 16)
R2 = {2: 0.3, 4: 0.6, 16: 0.5}
NO = "no posterior"
BOTH = Formats(("svg", "pdf"))


def finished(builder, **changes):
    """Results that know what was varied; on the validation split all is 0.05 higher."""
    results = builder.results(**changes)
    results.vary(setting, value=lambda row: row.value + 0.05)
    return results


def drawn_rate(results, dataset):
    return rate_figure(results, dataset, *rate_marks(results, dataset))


def drawn_cost(results, dataset):
    return cost_figure(results, dataset, cost_marks(results, dataset))


def setting(label):
    """What varied, read from a label as "vae(beta=4.0)"."""
    varied = re.search(r"\((\w+)=([\d.]+)\)", label)
    return {varied[1]: json.loads(varied[2])} if varied else {}


@pytest.fixture
def swept(builder):
    def make(seeds=3, dataset="digits", dims=DIMS):
        for dim in dims:
            rest = {"knn10": 0.7, "rate": 2.0 * dim, "train_seconds": 5.0}
            builder.add(f"vae(latent_dim={dim})", {"r2": R2[dim], **rest}, seeds=seeds, dataset=dataset)
            own = {"r2": R2[dim] + 0.1, "knn10": 0.8, "rate": NO}
            builder.add(f"pca(latent_dim={dim})", own, dataset=dataset, train_seconds=0.01)
        builder.add("untrained", {"r2": -0.1, "knn10": 0.2}, dataset=dataset)
        builder.add("pixels", {"r2": 1.0, "knn10": 0.95}, dataset=dataset)
        return finished(builder)

    return make


@pytest.fixture
def curve(swept):
    def make(**options):
        (sweep,) = sweeps(swept(**options))
        return sweep, curve_figure(sweep, "latent_dim")

    return make


def lines_of(panel, style):
    return [line for line in panel.lines if line.get_linestyle() == style]


def numbers(results, folder, stem):
    write_figures(plots(results), folder)
    return pd.read_csv(folder / f"{stem}.csv")


@pytest.mark.parametrize(
    ("values", "scale"),
    [
        ([2, 4, 8], "linear"),
        ([2, 4, 8.1], "log"),
        ([1, 4, 16], "log"),
        ([0, 1, 16], "symlog"),
        ([0, 1, 2], "linear"),
        ([-1, 1, 16], "linear"),
        ([16], "linear"),
        ([0], "linear"),
    ],
)
def test_an_axis_is_logarithmic_where_values_span_more_than_a_factor_of_four(values, scale):
    assert axis_scale(values) == scale


def test_one_far_point_does_not_flatten_the_rest():
    near = [Estimate(mean) for mean in (0.2, 0.4, 0.5, 0.7)]
    assert shown_range([*near, Estimate(-35.0)]) == shown_range(near)
    assert shown_range([*near, Estimate(math.nan), Estimate(-math.inf)]) == shown_range(near)


@pytest.mark.parametrize(
    "means", [[0.5, 0.57, 0.567], [0.5, 0.5, 0.5, 0.4], [0.566, 0.571, 0.567, 0.509], [0.1, 9]]
)
def test_ordinary_points_are_never_left_out(means):
    low, high = shown_range([Estimate(mean) for mean in means])
    assert low < min(means)
    assert high > max(means)


def test_a_range_has_a_length_and_room_for_intervals():
    low, high = shown_range([Estimate(0.0)])
    assert low < 0 < high
    low, high = shown_range([Estimate(0.5, 0.3, 0.7), Estimate(0.6, -90.0, 90.0)])
    assert low < 0.3
    assert low > -1
    assert 0.7 <= high < 2
    assert shown_range([]) == (0, 1)


def test_ticks_and_texts_keep_apart():
    assert round_ticks(0.5, 30) == [1.0, 3.0, 10.0, 30.0]
    assert len(round_ticks(1e-4, 1e6)) > 0
    assert legible([], []) == set()
    assert legible([0, 1], [4, 4]) == {0, 1}
    assert min(np.diff(spread_out([0.1, 0.1, 0.1, 0.9], 0.2))) >= 0.2 - 1e-9


@pytest.mark.parametrize(("reference", "cue"), [("", "marker"), ("yardstick", "dash"), ("floor", "dash")])
@pytest.mark.parametrize("same", [False, True])
def test_no_two_lines_differ_in_color_alone(reference, cue, same):
    lines = {f"line {place}": LineOf("vae" if same else f"model {place}", reference) for place in range(4)}
    styles = list(line_styles(lines).values())
    assert len({style.dash if same else getattr(style, cue) for style in styles}) == 4
    many = line_styles({f"line {place}": LineOf(f"model {place}") for place in range(30)}).values()
    assert len({(style.color, style.marker) for style in many}) == 30
    of_one = line_styles({f"line {place}": LineOf("vae") for place in range(30)}).values()
    assert len({style.color for style in of_one}) == 30
    assert len({style.marker for style in of_one}) == 1


def test_a_model_has_one_color_and_one_marker_in_all_figures():
    places = model_places([("ae", ""), ("pca", "yardstick"), ("vae", ""), ("nmf", "yardstick")])
    alone = line_styles({"vae": LineOf("vae"), "nmf": LineOf("nmf", "yardstick")}, places)
    every = line_styles(
        {
            "nmf": LineOf("nmf", "yardstick"),
            "pca": LineOf("pca", "yardstick"),
            "ae": LineOf("ae"),
            "vae": LineOf("vae"),
        },
        places,
    )
    assert alone == {name: every[name] for name in alone}
    assert alone["vae"].color == COLORS[1]
    level = line_styles({"vae": LineOf("vae", level=True)}, places)["vae"]
    assert (level.color, level.marker) == (COLORS[1], "")


def test_a_model_has_its_color_in_every_chart_of_a_run(builder):
    """Also where another one, that comes before it, is left out: an autoencoder has no rate."""
    builder.add("ae", {"r2": 0.6, "rate": NO}, seeds=3, dataset="digits")
    builder.add("vae", {"r2": 0.5, "rate": 3.0}, seeds=3, dataset="digits")
    results = finished(builder)
    for figure in (drawn_rate(results, "digits"), drawn_cost(results, "digits")):
        assert COLORS[1] in {to_hex(line.get_color()) for line in figure.axes[0].lines if line.get_marker() == "s"}


def test_a_panel_for_each_score_and_a_line_for_each_model(curve):
    _, figure = curve()
    assert [panel.get_title(loc="left") for panel in figure.axes] == ["keep: r2 (up)", "find: knn10 (up)"]
    for panel in figure.axes:
        assert len(panel.lines) == 4  # vae, pca, untrained, pixels
        assert panel.get_xscale() == "log"
        assert list(panel.get_xticks()) == list(DIMS)
        assert [tick.get_text() for tick in panel.get_xticklabels()] == ["2", "4", "16"]


def test_the_yardstick_is_dashed_and_only_the_contender_has_a_band(curve):
    _, figure = curve()
    panel = figure.axes[0]
    (dashed,) = [line for line in panel.lines if line.get_marker() == "x"]
    assert dashed.is_dashed()
    assert not next(line for line in panel.lines if line.get_marker() == "o").is_dashed()
    assert to_hex(dashed.get_color()) == to_hex(INK)
    assert dashed.get_ydata() == pytest.approx([R2[dim] + 0.15 for dim in DIMS])
    bands = [part for part in panel.collections if isinstance(part, PolyCollection)]
    assert [to_hex(band.get_facecolor()[0]) for band in bands] == [COLORS[0]]


def test_the_ring_is_at_the_best_on_validation_and_the_diamond_at_its_value_on_test(curve):
    sweep, figure = curve()
    ring, diamond = (part.get_offsets()[0].tolist() for part in figure.axes[0].collections[-2:])
    choice = next(choice for choice in sweep.choices if choice.score == "r2")
    assert choice.chosen == "latent_dim=4"
    assert ring == pytest.approx([4, 0.65])
    assert diamond == pytest.approx([4, 0.6])
    assert "3 seeds; ring: chosen there, diamond: its value on test" in figure.get_suptitle()
    assert figure.get_suptitle().startswith("digits, validation split (143 items)")


def test_one_value_and_one_seed_can_be_drawn(curve):
    _, figure = curve(seeds=1, dims=(4,))
    assert len(lines_of(figure.axes[0], "-")) == 2  # vae and pixels
    assert list(figure.axes[0].get_xticks()) == [4]


def test_an_axis_that_was_not_varied_is_refused(curve):
    sweep, _ = curve()
    with pytest.raises(ValueError, match=r"nothing was varied along 'beta', but \['latent_dim'\]"):
        curve_figure(sweep, "beta")


def test_a_diverged_point_is_named_under_its_panel(swept):
    results = swept()
    results.change(lambda row: (row.label, row.score) == ("vae(latent_dim=16)", "r2"), value=-35.0)
    (sweep,) = sweeps(results)
    panel = curve_figure(sweep, "latent_dim").axes[0]
    assert panel.get_ylim()[0] > -1
    assert "outside: vae at 16 (-35)" in panel.get_xlabel()
    cost = drawn_cost(results, "digits").axes[0]
    assert "outside: vae(latent_dim=16) (-35)" in cost.get_xlabel()


def test_ten_models_have_ten_legend_entries_that_differ(builder):
    for place in range(10):
        for beta in (1.0, 8.0):
            builder.add(f"_m{place}$x_1$(beta={beta})", {"r2": 0.05 * place + beta / 100}, seeds=2)
    (sweep,) = sweeps(finished(builder))
    figure = curve_figure(sweep, "beta")
    (legend,) = figure.legends
    assert [text.get_text().strip() for text in legend.get_texts()] == [
        f"_m{place}$x_1$" for place in range(10)
    ] + ["floor"]
    figure.canvas.draw()  # no mathematics is read out of the dollars


def test_rate_has_a_mark_for_each_setting_and_a_level_for_each_yardstick(swept):
    figure = drawn_rate(swept(), "digits")
    (panel,) = figure.axes
    marks = next(line for line in panel.lines if line.get_marker() == "o")
    assert marks.get_xydata() == pytest.approx(np.array([(2 * dim, R2[dim]) for dim in DIMS]))
    assert len(lines_of(panel, "--")) == len(DIMS)
    texts = [text.get_text() for text in panel.texts]
    assert texts == ["pca(latent_dim=2) .400", "pca(latent_dim=4) .700", "pca(latent_dim=16) .600", "2", "4", "16"]


def test_without_a_rate_or_r2_there_is_no_rate_figure(builder):
    results = finished(builder.add("ae", {"r2": 0.8, "rate": NO}).add("pca", {"r2": 0.7}))
    assert drawn_rate(results, "fashion_mnist") is None
    results = finished(builder.add("vae", {"rate": 12.0}))
    assert drawn_rate(results, "fashion_mnist") is None
    assert drawn_rate(results, "another") is None


def test_cost_leaves_out_floors_and_what_was_not_trained(swept, builder):
    results = swept()
    figure = drawn_cost(results, "digits")
    assert [panel.get_xscale() for panel in figure.axes] == ["log", "log"]
    assert [text.get_text().strip() for text in figure.legends[0].get_texts()] == [
        "vae, by latent_dim",
        "pca, by latent_dim",
    ]
    results.change(train_seconds=math.nan)
    assert drawn_cost(results, "digits") is None
    assert drawn_cost(results, "another") is None


def test_the_numbers_beside_a_figure_are_those_of_the_frame(swept, tmp_path):
    results = swept()
    curves = numbers(results, tmp_path, "curve-digits-latent_dim")
    means = results.validation.groupby(["score", "label"])["value"].mean()
    assert len(curves) == 2 * (2 * len(DIMS) + 2)
    for row in curves.itertuples():
        assert row.value == pytest.approx(means[row.score, row.label])
    chosen = curves[curves["chosen"]]
    assert chosen["label"].tolist()[0] == "vae(latent_dim=4)"
    assert chosen["test"].tolist()[0] == pytest.approx(0.6)
    tested = results.scores.groupby(["score", "label"])["value"].mean()
    cost = pd.read_csv(tmp_path / "cost-digits.csv")
    for row in cost[cost["seed"] == "mean"].itertuples():
        assert row.value == pytest.approx(tested[row.score, row.label])
        assert row.train_seconds == (0.01 if row.model == "pca" else 90)
    rate = pd.read_csv(tmp_path / "rate-digits.csv")
    mark = rate[(rate["label"] == "vae(latent_dim=2)") & (rate["seed"] == "1")]
    frame = results.scores[(results.scores["label"] == "vae(latent_dim=2)") & (results.scores["seed"] == 1)]
    assert mark["rate"].item() == pytest.approx(frame.loc[frame["score"] == "rate", "value"].item())


def test_two_writes_give_equal_bytes_and_svg_holds_text(swept, tmp_path):
    results = swept()
    first = write_figures(plots(results), tmp_path / "a" / "b", BOTH)
    assert [path.name for path in first] == [
        f"{stem}.{ending}"
        for stem in ("curve-digits-latent_dim", "rate-digits", "cost-digits")
        for ending in ("svg", "pdf", "csv")
    ]
    second = write_figures(plots(results), tmp_path / "again", BOTH)
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    svg = first[0].read_text("utf-8")
    texts = [
        "".join(node.itertext())
        for node in ElementTree.fromstring(svg.encode()).iter()  # noqa: S314 - our own file
        if node.tag.endswith("}text")
    ]
    assert {"keep: r2 (up)", "latent_dim", "2", "4", "16"} <= set(texts)
    assert "over seeds 0, 1, 2" in svg
    assert "latentbench" in svg
    assert "sans-serif" in svg
    assert not re.search(r"<dc:date>", svg)
    pdf = first[1].read_bytes()
    assert b"CreationDate" not in pdf
    assert b"/TrueType" in pdf or b"/CIDFontType2" in pdf


@pytest.mark.parametrize("names", [["my/data:1"], ["a/b", "a_b"]])
def test_names_of_data_sets_make_names_of_files(builder, tmp_path, names):
    for name in names:
        builder.add("vae", {"r2": 0.5, "rate": 3.0}, dataset=name)
    paths = write_figures(plots(finished(builder)), tmp_path)
    assert len(set(paths)) == len(paths) == 4 * len(names)
    assert all(path.parent == tmp_path and path.exists() for path in paths)


def test_files_of_formats_that_are_not_asked_for_any_more_are_removed(swept, tmp_path):
    write_figures(plots(swept()), tmp_path, Formats(("pdf",)))
    assert {path.suffix for path in tmp_path.iterdir()} == {".pdf", ".csv"}
    write_figures(plots(swept()), tmp_path)
    assert {path.suffix for path in tmp_path.iterdir()} == {".png", ".csv"}


def test_nothing_to_draw_writes_nothing(builder, tmp_path):
    assert write_figures(plots(finished(builder.add("ae", {"mse": 0.1}))), tmp_path / "figures") == []
    assert not (tmp_path / "figures").exists()


def test_a_folder_that_cannot_be_written_is_an_error_in_one_sentence(swept, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RequestError, match=r"figures cannot be written to .*file"):
        write_figures(plots(swept()), tmp_path / "file")


def test_every_figure_is_told_in_words(swept):
    drawn = plots(swept())
    assert [plot.heading for plot in drawn] == ["Curves", "Rate and quality", "Cost and quality"]
    assert "r2: vae .350 at 2 to .550 at 16, pca .450 at 2 to .650 at 16" in drawn[0].alt
    assert (
        drawn[0]
        .sentences[0]
        .startswith("To reconstruct the input (r2), vae does best with latent_dim=4 of 3 tried")
    )
    assert drawn[0].sentences[0].endswith("(.650±.002), no better than pca; on the test split it is .600±.002.")


def test_a_users_settings_of_matplotlib_change_nothing(swept):
    import matplotlib

    results = swept()
    plain = plots(results)[0].svg()
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red", "svg.fonttype": "path"}):
        assert plots(results)[0].svg() == plain
        assert matplotlib.rcParams["font.size"] == 30


def test_matplotlib_is_not_imported_before_a_figure_is_drawn():
    code = "import sys, latentbench.report.charts.plots; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
