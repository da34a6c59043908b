import csv
import io
import shutil

import pandas as pd
import pytest

import latentbench
from latentbench.table.build import comparison_table
from latentbench.table.conditions import (
    CLEAN,
    Conditions,
    RunConditions,
    conditions_in_words,
    run_conditions,
)
from latentbench.table.render import render

COSTS = ("train_seconds", "images_per_second", "peak_memory_bytes")
ALONE = {"concurrency": 1, "group_size": 1}


def printed(results, form="text", **options):
    return " ".join(render(comparison_table(results, **options), form).split())


def changed(build, label, seeds=range(5), **changes):
    for row in build.rows:
        if row["label"] == label and row["seed"] in seeds:
            row.update(changes)
    return build.results()


def marks(results):
    return {row.score: [cell.mark for cell in row.cells] for row in comparison_table(results).comparisons[0].rows}


def test_conditions_stand_beside_costs_in_every_form(drawn_results):
    said = "cost: cpu, 1 thread, 2 trials at once, ungrouped, float32"
    results = drawn_results().results()
    for form in ("text", "md", "latex", "html"):
        assert said in printed(results, form), form
        assert all(score.replace("_", r"\_") in printed(results, "latex") for score in COSTS)
        assert "655MB" in printed(results, form), form
    assert said not in printed(results, purposes=("find",))
    assert said in printed(results, purposes=("cost",))


def test_csv_keeps_raw_numbers(drawn_results):
    rows = csv.DictReader(io.StringIO(render(comparison_table(drawn_results().results()), "csv")))
    values = {row["score"]: (row["pca_mean"], row["pca_n"], row["unit"]) for row in rows}
    assert values["peak_memory_bytes"] == ("655000000.0", "1", "B")
    assert values["images_per_second"] == ("", "0", "1/s")


def test_costs_come_in_one_order_and_after_those_of_others(builder):
    costs = {"my_cost": 1.0, "peak_memory_bytes": 2.0, "images_per_second": 3.0, "train_seconds": 4.0}
    builder.add("ae", costs, kind="cost", purpose="cost")
    assert list(marks(builder.results())) == [*COSTS, "my_cost"]


def test_a_model_without_steps_has_no_images_per_second_and_no_letter(drawn_results):
    text = printed(drawn_results().results())
    assert "a no posterior cost: cpu" in text
    assert "not recorded" not in text


def test_clean_costs_need_no_better_ones(drawn_results):
    assert CLEAN in printed(drawn_results().results())
    build = drawn_results()
    for row in build.rows:
        row.update(ALONE)
    text = printed(build.results())
    assert "1 thread, 1 trial at a time, ungrouped, float32" in text
    assert CLEAN not in text


@pytest.mark.parametrize(
    ("changes", "mixture"),
    [
        ({"concurrency": 1}, "run 1 and 2 at a time"),
        ({"group_size": 10}, "trained in groups of 1 and 10"),
        ({"threads": 2}, "on 1 and 2 threads"),
        ({"device": "H200"}, "on H200 and cpu"),
        ({"threads": 4, "group_size": 5}, "on 1 and 4 threads and trained in groups of 1 and 5"),
    ],
)
def test_costs_under_unequal_conditions_are_told_and_not_marked(drawn_results, changes, mixture):
    equal = marks(drawn_results().results())
    results = changed(drawn_results(), "vae", seeds=[3], **changes)
    assert f"cost rows mix trials {mixture}: compare them with care, none is marked" in printed(results)
    unequal = marks(results)
    assert all(set(unequal[score]) == {""} and "*" in equal[score] for score in COSTS)
    assert {score: row for score, row in unequal.items() if score not in COSTS} == {
        score: row for score, row in equal.items() if score not in COSTS
    }
    ranks = comparison_table(results, ranks=True).comparisons[0].rows
    assert {cell.rank for row in ranks if row.score in COSTS for cell in row.cells} == {None}


def test_precision_is_a_choice(drawn_results):
    results = changed(drawn_results(), "vae", precision="bfloat16")
    assert "ungrouped, bfloat16 and float32 clean times" in printed(results)
    assert marks(results) == marks(drawn_results().results())


def test_a_reference_that_ran_otherwise_is_told_and_disturbs_no_mark(drawn_results):
    build = drawn_results()
    changed(build, "untrained", threads=9)  # not in the default table
    results = changed(build, "pca", device="Xeon", group_size=4, precision="bfloat16")
    text = printed(results)
    assert "ungrouped, float32; pca: Xeon, groups of 4" in text
    assert "mix" not in text
    assert marks(results) == marks(drawn_results().results())


def test_what_gave_no_cost_has_no_conditions(drawn_results):
    build = drawn_results().fail("vae", 1)
    assert "mix" not in printed(changed(build, "vae", seeds=[1], device="", threads=None))


def test_references_alone_tell_theirs(builder):
    text = printed(builder.add("pca", {"train_seconds": 2.0}).results())
    assert "cost: cpu, 1 thread, 2 trials at once, ungrouped, float32" in text


def test_costs_under_unequal_conditions_have_no_average_rank(builder):
    for place in range(6):
        for label in ("ae", "vae"):
            builder.add(label, {"train_seconds": 2.0, "r2": 0.5}, dataset=f"d{place}")
    text = printed(builder.results(), ranks=True)
    assert "train_seconds, average ranks over 6 data sets" in text
    assert "train_seconds, average ranks" not in printed(changed(builder, "vae", concurrency=1), ranks=True)


def test_nothing_is_told_where_nothing_is_known():
    assert conditions_in_words(run_conditions({"ae": []}, ["ae"])) == ()
    assert conditions_in_words(RunConditions((Conditions("cpu"),))) == ("cost: cpu",)


def test_the_tidy_frame_has_them_as_whole_numbers_that_may_be_missing(tmp_path):
    benchmark = latentbench.Benchmark(
        models=("ae",),
        references=(),
        seeds=2,
        scores=("train_seconds",),
        params={"backbone": "mlp", "channels": 8},
        budget={"epochs": 1, "train_limit": 64},
    )
    latentbench.run(benchmark, tmp_path, workers=0)
    lost = latentbench.load_results(tmp_path).trials[1].key
    shutil.rmtree(tmp_path / "trials" / lost)
    results = latentbench.load_results(tmp_path)
    results.write()
    for frame in (results.scores, pd.read_parquet(tmp_path / "scores.parquet")):
        for name in ("threads", "concurrency", "group_size"):
            assert frame[name].dtype == "Int64"
            assert list(frame[name].isna()) == [False, True]
        assert list(frame["threads"].dropna()) == [1]
    assert "1 thread, 1 trial at a time, " in printed(results)
