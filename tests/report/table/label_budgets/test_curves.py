import math

import pytest

from latentbench.table.build import comparison_table
from latentbench.table.label_budgets.curves import ALL, budgets_of, label_curves
from latentbench.table.label_budgets.needed import label_contests, labels_needed
from latentbench.table.label_budgets.words import label_reading
from latentbench.table.render import render

PROBE = {10: 0.4, 100: 0.6, 1000: 0.8}


def scores(family="linear_probe", **values):
    """Accuracies by name, as n10=.4, every=.9."""
    names = {"every": "linear_probe_accuracy"}
    return {names.get(name, f"{family}_{name}"): value for name, value in values.items()}


@pytest.fixture
def run(builder):
    """Pixels with .4, .6, .8 and .9, and models: label -> accuracies with 10, 100, 1000 and all labels."""

    def make(seeds=5, pixels=(0.4, 0.6, 0.8, 0.9), **models):
        for label, values in {"pixels": pixels, **models}.items():
            given = dict(zip(("n10", "n100", "n1000", "every"), values, strict=True))
            builder.add(label, scores(**given), seeds=seeds, purpose="find", headline=False)
        return builder.results()

    return make


def test_families_are_scores_that_differ_in_the_number_of_labels_alone():
    assert budgets_of(["linear_probe_n1000", "linear_probe_n10", "linear_probe_auc", "iwae_k50", "knn_n0"]) == {
        "linear_probe": [10, 1000]
    }


def test_a_curve_runs_from_few_labels_to_all(run):
    (curve,) = label_curves(run(ae=(0.5, 0.7, 0.82, 0.88)), "fashion_mnist")
    assert (curve.axis, curve.score, curve.purpose, curve.better) == ("labels", "linear_probe", "find", "up")
    pixels, ae = curve.lines
    assert (pixels.reference, ae.reference) == ("ceiling", "")
    assert [point.x for point in ae.points] == [10, 100, 1000, ALL]
    assert [point.value.mean for point in ae.points] == pytest.approx([0.5, 0.7, 0.82, 0.88])
    assert ae.points[0].value.seeds == 5
    assert ae.points[0].value.low < 0.5 < ae.points[0].value.high


def test_all_labels_may_have_the_name_of_the_family_and_need_not_be_there(builder):
    builder.add("ae", scores("knn10", n10=0.5, n100=0.6) | {"knn10": 0.8}, purpose="find")
    builder.add("vae", scores("other", n10=0.5, n100=0.6), purpose="find")
    knn, other = label_curves(builder.results(), "fashion_mnist")
    assert [point.x for point in knn.lines[0].points] == [10, 100, ALL]
    assert [point.x for point in other.lines[0].points] == [10, 100]


def test_one_budget_or_another_data_set_has_no_curve(builder):
    builder.add("ae", {"linear_probe_n10": 0.5, "linear_probe_n100": "too few", "r2": 0.5})
    assert label_curves(builder.results(), "fashion_mnist") == []
    assert label_curves(builder.results(), "digits") == []


@pytest.mark.parametrize(
    ("target", "labels"),
    [(0.3, 10), (0.4, 10), (0.5, 10**1.5), (0.6, 100), (0.75, 10**2.75), (0.8, 1000), (0.81, math.inf)],
)
def test_labels_are_interpolated_over_their_logarithm(target, labels):
    assert labels_needed(PROBE, target) == pytest.approx(labels)


def test_a_curve_that_falls_counts_where_it_first_gets_there():
    assert labels_needed({10: 0.4, 100: 0.8, 1000: 0.7}, 0.75) == pytest.approx(10 ** (1 + 0.35 / 0.4))


def test_who_clearly_needs_fewest_labels(run):
    results = run(ae=(0.5, 0.7, 0.9, 0.95), vae=(0.4, 0.6, 0.9, 0.95))
    (contest,) = label_contests(results, "fashion_mnist")
    assert (contest.target, contest.budget, contest.beyond) == ("pixels", 1000, None)
    assert [model.label for model in contest.models] == ["ae", "vae"]
    assert contest.models[0].interval[0] == pytest.approx(10**2.5, rel=0.05)
    assert contest.tied == ("ae",)
    (said,) = label_reading(results, "fashion_mnist")
    assert said.startswith(
        "With few labels (linear_probe): pixels with 1000 labels (.800) are matched by ae with 3"
    )
    assert ", clearly fewer than vae with 4" in said


def test_models_that_are_not_separable_share_the_place(builder):
    builder.add("pixels", scores(n10=0.4, n100=0.6, n1000=0.8), purpose="find")
    for label in ("ae", "vae"):
        builder.add(label, scores(n10=0.5, n100=0.7, n1000=0.9), purpose="find", spread=0.02)
    builder.add("beta_vae(4)", scores(n10=0.1, n100=0.7, n1000=0.81), purpose="find")
    (contest,) = label_contests(builder.results(), "fashion_mnist")
    assert set(contest.tied) == {"ae", "vae"}
    (said,) = label_reading(builder.results(), "fashion_mnist")
    assert ", not separable, then beta_vae(4) with 8" in said
    builder.rows = [row for row in builder.rows if row["label"] != "beta_vae(4)"]
    assert label_reading(builder.results(), "fashion_mnist")[0].endswith(", not separable.")


def test_what_nobody_matches_is_said_and_a_smaller_budget_takes_its_place(run):
    (said,) = label_reading(run(ae=(0.45, 0.7, 0.75, 0.8), vae=(0.1, 0.2, 0.3, 0.4)), "fashion_mnist")
    assert said.startswith("With few labels (linear_probe): pixels with 100 labels (.600) are matched by ae with ")
    assert said.endswith("; vae needs more than 1000; pixels with 1000 (.800) by no model.")
    assert "separable" not in said


def test_where_no_model_gets_anywhere(run):
    assert label_reading(run(vae=(0.1, 0.2, 0.3, 0.4)), "fashion_mnist") == (
        "With few labels (linear_probe): no model with up to 1000 labels matches pixels with 10 labels (.400).",
    )


def test_a_model_that_gets_there_in_some_seeds_is_not_ranked(builder):
    builder.add("pixels", scores(n10=0.4, n100=0.6, n1000=0.8), purpose="find")
    builder.add("ae", scores(n10=0.5, n100=0.7, n1000=0.9), purpose="find")
    builder.add("vae", scores(n10=0.3, n100=0.5, n1000=0.8), purpose="find", spread=0.02)
    (contest,) = label_contests(builder.results(), "fashion_mnist")
    assert [model.matched for model in contest.models] == [True, False]
    (said,) = label_reading(builder.results(), "fashion_mnist")
    short = sum(math.isinf(labels) for labels in contest.models[1].by_seed.values())
    assert 0 < short < 5
    assert f"; vae needs more than 1000 in {short} of 5 seeds." in said


def test_three_seeds_are_not_tested(run):
    (said,) = label_reading(run(seeds=3, ae=(0.5, 0.7, 0.9, 0.95), vae=(0.4, 0.6, 0.9, 0.95)), "fashion_mnist")
    assert said.endswith(", not tested against each other.")


def test_one_seed_has_no_interval(run):
    (said,) = label_reading(run(seeds=1, ae=(0.5, 0.7, 0.9, 0.95)), "fashion_mnist")
    assert said.endswith("are matched by ae with 320.")


def test_the_smallest_budget_may_be_more_than_enough(run):
    (said,) = label_reading(run(ae=(0.85, 0.86, 0.9, 0.95)), "fashion_mnist")
    assert said.endswith("pixels with 1000 labels (.800) are matched by ae with 10 or fewer.")


def test_without_pixels_or_with_references_alone_nothing_is_said(builder, run):
    assert label_reading(run(), "fashion_mnist") == ()
    builder.rows.clear()
    builder.add("ae", scores(n10=0.5, n100=0.7, n1000=0.9), purpose="find")
    assert label_contests(builder.results(), "fashion_mnist") == []


def test_nothing_is_chosen_on_the_test_split(run):
    results = run(ae=(0.5, 0.7, 0.9, 0.95))
    results.change(varied=lambda row: {} if row.reference else {"latent_dim": 8})
    assert label_contests(results, "fashion_mnist") == []


def test_flagged_models_do_not_take_part(run):
    results = run(ae=(0.5, 0.7, 0.9, 0.95), vae=(0.9, 0.9, 0.9, 0.95))
    results.change(lambda row: row.label == "vae", flags=("collapsed",))
    (contest,) = label_contests(results, "fashion_mnist")
    assert [model.label for model in contest.models] == ["ae"]


def test_the_table_says_so_where_it_shows_these_scores(run):
    results = run(ae=(0.5, 0.7, 0.9, 0.95))
    said = "With few labels (linear_probe): pixels with 1000 labels"
    assert said not in render(comparison_table(results))
    (few,) = comparison_table(results, ["find"]).comparisons[0].few_labels
    assert few.startswith(said)
    assert said in render(comparison_table(results, every=True), "md")
    assert "With few labels" not in render(comparison_table(results, every=True, ranks=True))
