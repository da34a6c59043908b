"""The reading of a comparison in plain words, from planted marks, and from planted tables."""

import math

import pytest

from latentbench.table.baselines import Standing
from latentbench.table.build import comparison_table
from latentbench.table.comparison import Cell, Column, Comparison, ComparisonRow
from latentbench.table.comparison_display import displays
from latentbench.table.sentences import reading, verdicts

COLUMNS = (
    Column("pca", "yardstick", deterministic=True, ok=1, trials=1),
    Column("ae", ok=5, trials=5),
    Column("vae", ok=5, trials=5),
    Column("pixels", "ceiling", deterministic=True, ok=1, trials=1),
)
BASELINES = ("pca", "pixels", "the floor")


def row(score, purpose, better, *cells, ae=(), vae=(), ahead=(), items=5000, tested=True):
    """A row of pca, ae, vae and pixels; `ae` and `vae` name what these do not beat, `ahead` what beats them."""
    values = tuple(Cell(mean=mean, mark=mark, status="ok", seeds=5) for mean, mark in cells)
    standings = (
        {name: Standing(BASELINES, rest, ahead) for name, rest in (("ae", ae), ("vae", vae))} if tested else {}
    )
    return ComparisonRow(score, purpose, better, values, 0.0, 1.0, items=items, standings=standings)


def read(*rows, columns=COLUMNS, **more):
    return reading(Comparison("digits", columns, rows, seeds=5, ok=12, trials=12, **more))


KEEP = row("r2", "keep", "up", (0.66, ""), (0.80, ""), (0.83, "*"), (1.0, ""))
TIE = (0.5, ""), (0.55, "="), (0.56, "*"), (0.5, "")


def test_purposes_with_one_verdict_share_a_sentence():
    assert read(KEEP, row("knn10", "find", "up", *TIE), row("ari", "group", "up", *TIE)) == [
        "To reconstruct the input (r2): vae.",
        "To find similar items (knn10) and to group items by class (ari): ae and vae, not separable.",
    ]


@pytest.mark.parametrize(
    ("standing", "expected"),
    [
        ({"ae": ("pca",), "vae": ("pca",)}, "no model clearly beats pca"),
        ({"ae": ("pca", "pixels"), "vae": ("pca", "pixels")}, "no model clearly beats pca or pixels"),
        ({"ae": ("pixels",), "vae": ("pixels", "pca")}, "no model clearly beats pixels"),
        ({"ae": ("pixels",), "vae": ("pixels",), "ahead": ("pixels",)}, "pixels clearly beats every model"),
        ({"ae": ("the floor",), "vae": ("the floor",)}, "no model clearly beats the floor"),
        ({"ae": ("pca",)}, "vae; ae is not separable from it, but does not clearly beat pca"),
        ({"vae": ("pca", "pixels")}, "ae; vae is not separable from it, but does not clearly beat pca or pixels"),
        (
            {"ae": ("pca",), "vae": ("pixels",)},
            "ae and vae, not separable, but they do not clearly beat every baseline (pca and pixels)",
        ),
    ],
)
def test_what_does_not_clearly_beat_a_baseline_is_not_recommended(standing, expected):
    assert read(row("ari", "group", "up", *TIE, **standing)) == [f"To group items by class (ari): {expected}."]


@pytest.mark.parametrize(
    ("cells", "standing", "expected"),
    [
        ((0.8, 0.9), {}, "of the models tested, vae"),
        ((0.8, 0.9), {"vae": ("pca",)}, "of the models tested, vae, but it does not clearly beat pca"),
        (
            (0.8, 0.9),
            {"vae": ("pca",), "ahead": ("pca",)},
            "of the models tested, vae, but it does clearly worse than pca",
        ),
    ],
)
def test_models_that_were_not_tested_are_not_spoken_of(cells, standing, expected):
    ae, vae = cells
    made = row("ari", "group", "up", (0.5, ""), (ae, ""), (vae, "*"), (0.5, ""), **standing)
    del made.standings["ae"]
    assert read(made) == [f"To group items by class (ari): {expected}."]


@pytest.mark.parametrize(
    ("standing", "expected"),
    [
        ({"ae": ("pca",), "vae": ("pca",)}, "no model tested clearly beats pca"),
        ({"ae": ("pca",), "vae": ("pca",), "ahead": ("pca",)}, "pca clearly beats every model tested"),
    ],
)
def test_no_model_means_none_of_those_tested(standing, expected):
    columns = (*COLUMNS, Column("umap", ok=3, trials=3))
    made = row("ari", "group", "up", *TIE, (0.9, ""), **standing)
    assert read(made, columns=columns) == [f"To group items by class (ari): {expected}."]


@pytest.mark.parametrize(
    ("columns", "items", "expected"),
    [
        ((Column("ae", flags={"collapsed": 2}, ok=5, trials=5),), 5000, "Collapsed: ae in 2 of 5 trials."),
        ((COLUMNS[1],), 360, "Only 360 test items: differences of about 1 % are noise."),
        ((Column("ae", ok=3, trials=5),), 5000, "gave no result (ae)."),
    ],
)
def test_cautions_follow(columns, items, expected):
    rows = [row("r2", "keep", "up", (0.66, ""), (0.80, ""), (0.83, "*"), (1.0, ""), items=items)]
    said = reading(Comparison("digits", (COLUMNS[0], *columns, *COLUMNS[2:]), rows, seeds=5, ok=10, trials=12))
    assert any(line.endswith(expected) for line in said[1:]), said


@pytest.mark.parametrize(
    ("pca", "expected"),
    [
        (0.66, "r2 is highest with vae (.830), ahead of pca (.660)"),
        (0.83, "r2 is highest with vae (.830), no better than pca (.830)"),
        (0.90, "r2 is highest with vae (.830), no better than pca (.900)"),
    ],
)
def test_without_a_test_means_are_told_and_no_more(pca, expected):
    said = read(row("r2", "keep", "up", (pca, ""), (0.80, ""), (0.83, ""), (1.0, ""), tested=False))
    assert said == [f"To reconstruct the input, not tested: {expected}."]


# planted tables: what is true is known
PLANTED = {
    "a clear winner": ({"ae": 0.8, "vae": 0.9, "pca": 0.6, "pixels": 0.7}, "vae"),
    "a tie of models": ({"ae": 0.9, "vae": 0.9001, "pca": 0.6, "pixels": 0.7}, "ae and vae, not separable"),
    "one baseline is better": (
        {"ae": 0.8, "vae": 0.85, "pca": 0.6, "pixels": 0.9},
        "pixels clearly beats every model",
    ),
    "two baselines are better": (
        {"ae": 0.8, "vae": 0.85, "pca": 0.91, "pixels": 0.9},
        "pca and pixels clearly beat every model",
    ),
    "a baseline is equal": ({"ae": 0.8, "vae": 0.9, "pca": 0.9, "pixels": 0.7}, "no model clearly beats pca"),
    "a tie with a baseline": ({"ae": 0.9, "vae": 0.9, "pca": 0.9}, "no model clearly beats pca"),
    "a mean above a baseline, within noise": (
        {"ae": 0.9, "vae": 0.9002, "pca": 0.8998},
        "no model clearly beats pca",
    ),
    "the floor is reached": ({"ae": 0.2, "vae": 0.2002, "pca": 0.1}, "no model clearly beats the floor"),
    "below the floor": ({"ae": 0.1, "vae": 0.12}, "the floor clearly beats every model"),
    "the untrained network does as well": (
        {"ae": 0.8, "vae": 0.9, "untrained": 0.9},
        "no model clearly beats untrained",
    ),
    "no baseline but the floor": ({"ae": 0.8, "vae": 0.9}, "vae"),
    "one model": ({"vae": 0.9, "pca": 0.6}, "vae clearly beats every baseline"),
    "one model as good as pca": ({"vae": 0.9, "pca": 0.9}, "vae does not clearly beat pca"),
    "one model worse than pca": ({"vae": 0.8, "pca": 0.9}, "vae does clearly worse than pca"),
}


@pytest.mark.parametrize("better", ["up", "down", "near:1"])
@pytest.mark.parametrize("case", PLANTED)
def test_a_planted_table_says_what_is_true(builder, case, better):
    """The same truth as a score that should be high, low, or near 1."""
    means, expected = PLANTED[case]
    turned = {"down": lambda mean: 1 - mean, "near:1": lambda mean: 2 - mean}.get(better, lambda mean: mean)
    for label, mean in means.items():
        builder.add(label, {"planted": turned(mean)}, purpose="group", better=better, floor=turned(0.2))
    (comparison,) = comparison_table(builder.results()).comparisons
    assert verdicts(comparison) == [f"To group items by class (planted): {expected}."]


def test_inputs_that_are_the_truth_are_no_baseline(builder):
    for label, mean in {"ae": 0.8, "vae": 0.9, "pixels": 1.0}.items():
        builder.add(label, {"r2": mean, "planted": mean}, purpose="walk", floor=0.0)
    for planted in builder.rows:
        planted["purpose"] = "keep" if planted["score"] == "r2" else "walk"
    (comparison,) = comparison_table(builder.results()).comparisons
    assert verdicts(comparison) == [
        "To reconstruct the input (r2): vae.",
        "To interpolate between items (planted): pixels clearly beats every model.",
    ]


def test_a_floor_belongs_to_its_trial(builder):
    """vae is above the mean of all floors and at its own."""
    builder.add("ae", {"knn10": 0.8}, floor=0.1).add("vae", {"knn10": 0.9}, floor=0.9)
    (comparison,) = comparison_table(builder.results()).comparisons
    assert verdicts(comparison) == ["To find similar items (knn10): vae, but it does not clearly beat the floor."]


def test_a_baseline_that_is_the_floor_is_named_once(builder):
    builder.add("ae", {"walk_kd": 1.0}).add("vae", {"walk_kd": 1.001}).add("pixels", {"walk_kd": 1.0})
    (shown,) = displays(comparison_table(builder.results()))
    assert shown.reading == ("To interpolate between items (walk_kd): no model clearly beats the floor (pixels).",)
    assert ("sentences: against pixels and the floor (paired, Holm, 95 %)",) in shown.legend


def test_a_model_without_any_baseline_says_so(builder):
    builder.add("ae", {"planted": 0.8}, purpose="find").add("vae", {"planted": 0.9}, purpose="find")
    (comparison,) = comparison_table(builder.results()).comparisons
    assert verdicts(comparison) == ["To find similar items (planted): vae (no baseline has this score)."]


@pytest.mark.parametrize("seeds", [1, 4])
def test_few_seeds_are_no_test(builder, seeds):
    builder.add("ae", {"r2": 0.8}, seeds=seeds).add("vae", {"r2": 0.9}, seeds=seeds).add("pca", {"r2": 0.95})
    (comparison,) = comparison_table(builder.results()).comparisons
    assert verdicts(comparison) == [
        "To reconstruct the input, not tested: r2 is highest with vae (.900), no better than pca (.950)."
    ]


def test_there_may_be_nothing_to_say(builder):
    builder.add("ae", {"walk_kd": 0.6}, seeds=1)
    (comparison,) = comparison_table(builder.results()).comparisons
    assert verdicts(comparison) == [
        "To interpolate between items, not tested: walk_kd is .600 with ae, ahead of the floor (1.000)."
    ]
    (empty,) = comparison_table(builder.results(), purposes=("make",)).comparisons
    assert verdicts(empty) == ["There are no scores to compare."]


@pytest.mark.parametrize(
    ("validation", "expected"),
    [
        (0.3, "of 2 tried"),
        (0.9, "of 2 tried, but not clearly better than pca on the validation split"),
        (0.95, "of 2 tried, but clearly worse than pca on the validation split"),
    ],
)
def test_a_chosen_setting_is_tested_against_the_baseline_of_its_setting(builder, validation, expected):
    for d in (2, 8):
        builder.add(f"vae(latent_dim={d})", {"r2": 0.1 + d / 10}).add(f"pca(latent_dim={d})", {"r2": 0.0})
    results = builder.results()
    results.vary(
        lambda label: {"latent_dim": int(label[-2])},
        value=lambda row: {2: 0.99, 8: validation}[row.varied["latent_dim"]] if row.reference else row.value,
    )
    said = [sentence for shown in displays(comparison_table(results)) for sentence in shown.reading]
    assert said == [f"To reconstruct the input (r2): vae with latent_dim=8, {expected}."]


def test_a_choice_by_few_seeds_says_so(builder):
    builder.add("vae(latent_dim=2)", {"r2": 0.5}, seeds=1).add("vae(latent_dim=8)", {"r2": 0.8}, seeds=1)
    builder.add("pca", {"r2": 0.9})
    results = builder.results()
    results.vary(lambda label: {"latent_dim": int(label[-2])} if label != "pca" else {})
    said = [sentence for shown in displays(comparison_table(results)) for sentence in shown.reading]
    assert said == [
        "One seed: too few to tell models apart, so no stars.",
        "To reconstruct the input (r2): vae with latent_dim=8, of 2 tried, "
        "no better than pca on the validation split.",
        "One seed: baselines are compared by their means alone.",
    ]


@pytest.mark.parametrize(
    ("better", "ceiling", "beyond"),
    [("up", 0.35, True), ("up", 0.42, False), ("down", 0.5, True), ("down", 0.3, False), ("near:0.4", 0.6, True)],
)
def test_a_ceiling_below_the_best_value_is_none(builder, better, ceiling, beyond):
    floor = {"up": 0.0, "down": 1.0}.get(better, 0.0)
    for label, mean in {"ae": 0.4, "vae": 0.41, "pca": 0.39}.items():
        builder.add(label, {"planted": mean}, purpose="group", better=better, floor=floor, ceiling=ceiling)
    (comparison,) = comparison_table(builder.results(), relative=True).comparisons
    assert comparison.beyond == (("planted",) if beyond else ())
    assert [shown.score for shown in comparison.rows] == ([] if beyond else ["planted"])
    assert all(cell.mean <= 1 for shown in comparison.rows for cell in shown.cells)


def test_a_yardstick_alone_may_exceed_a_ceiling_and_a_floor_too(builder):
    builder.add("ae", {"ari": 0.3}).add("pca", {"ari": 0.4}).add("pixels", {"ari": 0.35})
    assert comparison_table(builder.results(), relative=True).comparisons[0].beyond == ("ari",)
    upside_down = type(builder)().add("ae", {"ari": 0.3}, floor=0.5).add("vae", {"ari": 0.2}, floor=0.5)
    assert comparison_table(upside_down.results(), relative=True).comparisons[0].beyond == ("ari",)


def test_relative_says_where_the_wanted_value_lies(builder):
    for label, mean in {"ae": 0.4, "vae": 0.45}.items():
        builder.add(label, {"planted": mean}, purpose="group", better="near:0.5", floor=0.0, ceiling=0.5)
    (shown,) = comparison_table(builder.results(), relative=True).comparisons[0].rows
    assert shown.better == "near:1"
    assert math.isclose(shown.cells[0].mean, 0.8)
