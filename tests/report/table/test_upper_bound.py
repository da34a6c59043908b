"""A model that learns from labels: shown in every form, starred and recommended nowhere, no baseline."""

from dataclasses import replace

import pytest

from latentbench.report.page.write import write_report
from latentbench.table.build import comparison_table
from latentbench.table.render import render
from latentbench.table.sentences import reading
from latentbench.trial import UPPER_BOUND

SAID = "supervised is trained by labels: an upper bound, never starred"
BEST = {"r2": "no decoder", "knn10": 0.99, "knn10_sample": "no posterior", "ari": 0.9}


def bounded(build, label="supervised", **scores):
    """Results with a model that learns from labels, of several seeds."""
    build.add(label, {**BEST, **scores}, reference=UPPER_BOUND)
    for trial in build.trials:
        if trial.label == label:
            trial.traits = replace(trial.traits, reference=UPPER_BOUND)
    return build.results()


def compared(results, **more):
    (comparison,) = comparison_table(results, **more).comparisons
    return comparison


def test_it_has_a_column_beside_the_ceiling_and_no_mark(drawn_results):
    comparison = compared(bounded(drawn_results()))
    assert [column.label for column in comparison.columns][-2:] == ["pixels", "supervised"]
    place = len(comparison.columns) - 1
    marks = {row.score: (row.cells[place].mark, row.cells[place].rank) for row in comparison.rows}
    assert set(marks.values()) == {("", None)}
    (knn,) = [row for row in comparison.rows if row.score == "knn10"]
    assert knn.cells[place].mean == pytest.approx(0.99)
    assert [cell.mark for cell in knn.cells].count("*") == 1


def test_it_changes_no_mark_and_no_sentence_of_the_others(drawn_results):
    without, beside = compared(drawn_results().results()), compared(bounded(drawn_results()))
    assert reading(beside) == reading(without)
    assert [[cell.mark for cell in row.cells[:-1]] for row in beside.rows] == [
        [cell.mark for cell in row.cells] for row in without.rows
    ]
    standings = [each for row in beside.rows for each in row.standings.values()]
    assert standings
    assert not any("supervised" in each.baselines for each in standings)


@pytest.mark.parametrize("form", ["text", "md", "csv", "latex", "html"])
def test_every_form_of_the_table_shows_it_and_says_why(drawn_results, form):
    results = bounded(drawn_results())
    shown = render(comparison_table(results), form)
    assert "supervised" in shown
    assert (SAID in " ".join(shown.split())) == (form != "csv")
    assert "never starred" not in render(comparison_table(drawn_results().results()), form)


def test_several_are_named_in_one_line(drawn_results):
    build = drawn_results()
    bounded(build)
    text = " ".join(render(comparison_table(bounded(build, "taught"))).split())
    assert "supervised and taught are trained by labels: each an upper bound, never starred" in text


def test_the_best_mean_of_an_untested_run_is_not_its_own(builder):
    builder.add("ae", {"knn10": 0.8}, seeds=1).add("pca", {"knn10": 0.7})
    (said, *_) = reading(compared(bounded(builder, knn10=0.99)))
    assert said == "To find similar items, not tested: knn10 is .800 with ae, ahead of the floor (.760)."


def test_ranks_leave_it_out(drawn_results):
    comparison = compared(bounded(drawn_results()), ranks=True)
    assert all(row.cells[-1].rank is None for row in comparison.rows)


def test_the_page_shows_it_without_a_star_and_says_why(builder, seen, tmp_path):
    results = seen(bounded(builder.add("ae", {"knn10": 0.8})), images=False)
    page = write_report(results, [], tmp_path / "report.html").read_text()
    assert SAID in page
    assert 'data-label="supervised"' in page


def test_its_settings_that_agree_with_no_chosen_one_are_hidden(builder):
    for dim in (2, 8):
        builder.add(f"ae(latent_dim={dim})", {"knn10": 0.7 + dim / 100})
        bounded(builder, f"supervised(latent_dim={dim})")
    results = builder.results()
    results.vary(lambda label: {"latent_dim": int(label.split("=")[1].rstrip(")"))})
    labels = [column.label for column in compared(results).columns]
    assert labels == ["ae(latent_dim=8)", "supervised(latent_dim=8)"]
    text = " ".join(render(comparison_table(results)).split())
    assert "To find similar items (knn10): ae with latent_dim=8, of 2 tried" in text
    assert "supervised with" not in text
    assert "supervised" in text
