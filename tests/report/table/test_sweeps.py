"""Settings that vary: what is drawn, and what is chosen, on which split."""

import math
import re

import pandas as pd
import pytest

from latentbench.errors import UnknownNameError
from latentbench.table.build import comparison_table
from latentbench.table.render import render
from latentbench.table.sweeps import sweeps

VALIDATION = {2: 0.50, 4: 0.80, 8: 0.79, 16: 0.60}
TEST = {2: 0.52, 4: 0.70, 8: 0.78, 16: 0.90}  # another setting is best there


def number(text):
    return int(text) if text.isdigit() else float(text) if text[0].isdigit() else text


def swept(builder, validation=VALIDATION, test=TEST, seeds=5, name="latent_dim", score="r2", **changes):
    """Results of vae and pca over an axis, whose scores on the two splits are given."""
    for value in test:
        builder.add(f"vae({name}={value})", {score: test[value]}, seeds=seeds, spread=0.001, **changes)
        builder.add(f"pca({name}={value})", {score: test[value] - 0.3})
    results = builder.results()
    means = results.scores.groupby("label")["value"].mean()

    def setting(label):
        varied = re.search(rf"\({name}=([^)]*)\)", label)
        return {name: number(varied[1])} if varied else {}

    def on_validation(row):
        lower = 0.3 if row.reference else 0.0
        return validation.get(row.varied.get(name), 0.0) + row.value - means[row.label] - lower

    results.vary(setting, value=on_validation)
    return results


def is_best(row):
    return row.label == "vae(latent_dim=4)"


def test_the_choice_is_made_on_the_validation_split_and_test_is_read_for_it_alone(builder):
    (sweep,) = sweeps(swept(builder))
    (choice,) = sweep.choices
    assert (choice.model, choice.chosen, choice.tried) == ("vae", "latent_dim=4", 4)
    assert choice.validation.mean == pytest.approx(0.80)
    assert choice.test.mean == pytest.approx(0.70)
    text = render(comparison_table(swept(type(builder)())))
    assert "* .800±" in text
    assert ".700±" in text
    assert not any(f"{value:.3f}".lstrip("0") in text for value in (0.78, 0.9, 0.52))


def test_a_score_that_is_better_low_chooses_the_lowest(builder):
    (sweep,) = sweeps(swept(builder, score="walk_kd"))
    assert sweep.choices[0].chosen == "latent_dim=2"


def test_a_line_is_a_model_over_the_axis_in_order(builder):
    (sweep,) = sweeps(swept(builder))
    (curve,) = sweep.curves
    assert [(line.label, line.reference) for line in curve.lines] == [("vae", ""), ("pca", "yardstick")]
    assert [point.x for point in curve.lines[0].points] == [2, 4, 8, 16]
    assert [point.value.mean for point in curve.lines[0].points] == pytest.approx(list(VALIDATION.values()))
    assert all(point.value.seeds == 5 and point.value.half > 0 for point in curve.lines[0].points)
    assert all(math.isnan(point.value.half) for point in curve.lines[1].points)
    assert sweep.items == 143


def test_words_make_a_choice_and_no_curve(builder):
    kinds = {"conv": 0.5, "mlp": 0.7}
    results = swept(builder, kinds, {"conv": 0.8, "mlp": 0.6}, name="backbone")
    (sweep,) = sweeps(results)
    assert sweep.curves == ()
    assert sweep.choices[0].chosen == "backbone=mlp"
    text = render(comparison_table(results))
    assert "To reconstruct the input (r2): vae with backbone=mlp, of 2 tried." in text


def test_a_collapsed_setting_is_not_chosen_and_one_that_has_not_converged_may_be(builder):
    results = swept(builder)
    results.change(is_best, test=False, flags=("collapsed",))
    assert sweeps(results)[0].choices[0].chosen == "latent_dim=8"
    results.change(is_best, test=False, flags=("not converged",))
    assert sweeps(results)[0].choices[0].chosen == "latent_dim=4"


def test_a_setting_whose_trials_all_failed_is_left_out_but_counted(builder):
    results = swept(builder)
    results.change(is_best, test=False, status="failed", value=math.nan)
    (choice,) = sweeps(results)[0].choices
    assert (choice.chosen, choice.tried) == ("latent_dim=8", 4)
    assert len(sweeps(results)[0].curves[0].lines[0].points) == 3


def test_a_setting_that_lost_seeds_is_not_chosen(builder):
    results = swept(builder)
    results.change(lambda row: is_best(row) and row.seed > 0, test=False, status="diverged", value=math.nan)
    (choice,) = sweeps(results)[0].choices
    assert (choice.chosen, choice.tried) == ("latent_dim=8", 4)


@pytest.mark.parametrize("values", [{"learned": 0.7, 0.1: 0.5}, {"learned": 0.7, 0.1: 0.5, 0.2: 0.6}])
def test_words_among_numbers_are_settings_too(builder, values):
    results = swept(builder, values, values, name="sigma")
    (sweep,) = sweeps(results)
    assert sweep.choices[0].chosen == "sigma=learned"
    assert [curve.axis for curve in sweep.curves] == ["sigma"] * (len(values) == 3)
    render(comparison_table(results))


def test_a_reference_that_varies_alone_stays(builder):
    builder.add("vae", {"r2": 0.7}, seeds=5)
    results = swept(builder)
    results.rows, results.validation_rows = (
        [row for row in rows if not row.label.startswith("vae(")]
        for rows in (results.rows, results.validation_rows)
    )
    results.trials[:] = [trial for trial in results.trials if not trial.label.startswith("vae(")]
    columns = [column.label for column in comparison_table(results).comparisons[0].columns]
    assert columns == [*(f"pca(latent_dim={d})" for d in TEST), "vae"]


def test_a_model_whose_settings_all_failed_is_still_in_the_table(builder):
    results = swept(builder)
    results.change(lambda row: row.model == "vae", status="failed", value=math.nan)
    assert sweeps(results)[0].choices == ()
    columns = [column.label for column in comparison_table(results).comparisons[0].columns]
    assert "vae(latent_dim=2)" in columns


def test_settings_whose_interval_reaches_the_best_are_named(builder):
    close = {2: 0.50, 4: 0.8000, 8: 0.7999, 16: 0.60}
    assert sweeps(swept(builder, close))[0].choices[0].close == ("latent_dim=8",)


def test_purposes_narrow_down(builder):
    results = swept(builder)
    assert sweeps(results, ("keep",))
    assert sweeps(results, ("find",)) == []
    with pytest.raises(UnknownNameError, match="no purpose 'kep'; did you mean 'keep'"):
        comparison_table(results, ("kep",))


def test_two_axes_make_a_line_for_each_setting_of_the_other(builder):
    for d in (2, 8):
        for beta in (1, 4):
            builder.add(f"beta_vae(latent_dim={d}, beta={beta})", {"r2": d / 10 + beta / 100}, seeds=2)
    results = builder.results()
    results.vary(lambda label: {name: int(value) for name, value in sorted(re.findall(r"(\w+)=(\d)", label))})
    (sweep,) = sweeps(results)
    lines = {curve.axis: [line.label for line in curve.lines] for curve in sweep.curves}
    assert lines == {
        "beta": ["beta_vae(latent_dim=2)", "beta_vae(latent_dim=8)"],
        "latent_dim": ["beta_vae(beta=1)", "beta_vae(beta=4)"],
    }
    assert sweep.choices[0].tried == 4


def test_the_table_of_an_axis_replaces_a_comparison_that_would_repeat_it(builder):
    results = swept(builder)
    text = render(comparison_table(results))
    assert text.startswith("fashion_mnist over latent_dim   validation split (143 items)")
    assert max(map(len, text.splitlines())) <= 100
    assert "To reconstruct the input (r2): vae with latent_dim=4, of 4 tried." in text
    assert "18/18" not in text
    for option in ("every", "ranks", "relative"):
        assert "over latent_dim" not in render(comparison_table(results, **{option: True}))


def test_the_comparison_stays_where_another_model_does_not_vary(builder):
    builder.add("ae", {"r2": 0.7}, seeds=5)
    build = swept(builder)
    heads = [line for line in render(comparison_table(build)).splitlines() if line.startswith("fashion_mnist")]
    assert len(heads) == 2
    assert "over latent_dim" in heads[1]


@pytest.mark.parametrize("form", ["md", "latex", "html"])
def test_the_table_of_an_axis_is_printed_in_every_form(form, builder):
    text = render(comparison_table(swept(builder)), form)
    assert "vae with" in text
    assert "test of" in text
    assert ".800" in text
    assert ".700" in text


def test_nothing_varied_makes_nothing(builder):
    results = builder.add("vae", {"r2": 0.8}).results()
    assert sweeps(results) == []
    assert isinstance(results.validation, pd.DataFrame)


def test_the_comparison_shows_the_chosen_settings_and_all_shows_all(builder):
    builder.add("ae", {"r2": 0.7}, seeds=5)
    results = swept(builder)
    columns = [column.label for column in comparison_table(results).comparisons[0].columns]
    assert columns == ["pca(latent_dim=4)", "ae", "vae(latent_dim=4)"]
    text = render(comparison_table(results))
    assert "6 settings not chosen are hidden (--all shows them)" in text
    everything = comparison_table(results, every=True).comparisons[0]
    assert len(everything.columns) == 9
    assert everything.hidden == 0


def test_a_floor_that_differs_with_the_setting_is_not_one_number(builder):
    results = swept(builder)
    results.change(floor=0.1)
    (comparison,) = comparison_table(results, every=True).comparisons
    assert comparison.rows[0].floor == 0.1
    results.change(floor=lambda row: float(len(row.label)))
    (comparison,) = comparison_table(results, every=True).comparisons
    assert math.isnan(comparison.rows[0].floor)


def test_a_setting_takes_part_only_in_the_score_that_chose_it(builder):
    """vae(latent_dim=16) is best on test in both scores, and chosen for r2 alone."""
    builder.add("ae", {"r2": 0.6, "knn10": 0.8}, seeds=5, spread=0.001)
    for d, (r2, knn10) in {2: (0.5, 0.85), 16: (0.9, 0.95)}.items():
        builder.add(f"vae(latent_dim={d})", {"r2": r2, "knn10": knn10}, seeds=5, spread=0.001)
    results = builder.results()
    chosen = {("r2", 16): 0.9, ("knn10", 2): 0.9}
    results.vary(
        lambda label: {name: int(value) for name, value in re.findall(r"(latent_dim)=(\d+)", label)},
        value=lambda row: chosen.get((row.score, row.varied.get("latent_dim")), 0.1),
    )
    (comparison,) = comparison_table(results).comparisons
    assert [column.label for column in comparison.columns] == ["ae", "vae(latent_dim=2)", "vae(latent_dim=16)"]
    marks = {row.score: [cell.mark for cell in row.cells] for row in comparison.rows}
    assert marks == {"r2": ["", "", "*"], "knn10": ["", "*", ""]}
    (everything,) = comparison_table(results, every=True).comparisons
    assert {row.score: [cell.mark for cell in row.cells] for row in everything.rows} == marks


def test_layers_that_are_compared_stand_side_by_side_each_with_its_own_best_setting(builder):
    reached = {("a", 8): 0.5, ("a", 16): 0.6, ("b", 8): 0.9, ("b", 16): 0.8}
    for (layer, size), mean in reached.items():
        builder.add(f"net(layer={layer}, size={size})", {"r2": mean}, seeds=1)
    builder.add("vae", {"r2": 0.7})
    results = builder.results()
    results.change(compared=lambda row: dict(re.findall(r"(layer)=(\w)", row.label)))
    results.vary(lambda label: {name: int(value) for name, value in re.findall(r"(size)=(\d+)", label)})
    (sweep,) = sweeps(results)
    assert [(choice.model, choice.chosen, choice.tried) for choice in sweep.choices] == [
        ("net(layer=a)", "size=16", 2),
        ("net(layer=b)", "size=8", 2),
    ]
    assert sweep.hidden == {"net(layer=a, size=8)", "net(layer=b, size=16)"}
    (curve,) = sweep.curves
    assert [line.label for line in curve.lines if not line.level] == ["net(layer=a)", "net(layer=b)"]
