import pytest

from latentbench.errors import RequestError
from latentbench.report.diff import Side, compare, regressions
from latentbench.scores import UNDECLARED
from latentbench.table.build import comparison_table
from latentbench.table.render import render
from latentbench.table.sweeps import sweeps

GAUSSIAN, BERNOULLI = "gaussian, sigma learned", "bernoulli"
OF = {"vae": GAUSSIAN, "beta_vae(4)": GAUSSIAN, "coin": BERNOULLI, "coin(2)": BERNOULLI, "pca": ""}
ELBO = {"vae": 900.0, "beta_vae(4)": 850.0, "coin": -90.0, "coin(2)": -80.0, "pca": "no posterior"}


def results(builder, likelihoods=OF, means=ELBO):
    for label, likelihood in likelihoods.items():
        scores = {"elbo": means[label], "r2": 0.5}
        builder.add(label, scores, likelihood=likelihood, seeds=5, purpose="keep")
    made = builder.results(per_likelihood=frozenset({"elbo"}))
    made.change(lambda row: row.score == "elbo", unit="nats")
    return made


def rows_of(made, score="elbo"):
    (comparison,) = comparison_table(made).comparisons
    labels = [column.label for column in comparison.columns]
    return {
        row.likelihood: dict(zip(labels, row.cells, strict=True)) for row in comparison.rows if row.score == score
    }


def test_a_score_that_mixes_likelihoods_has_a_row_for_each(builder):
    rows = rows_of(results(builder))
    assert list(rows) == [GAUSSIAN, BERNOULLI]
    marked = [
        (name, label, cell.mark) for name, cells in rows.items() for label, cell in cells.items() if cell.mark
    ]
    assert marked == [(GAUSSIAN, "vae", "*"), (BERNOULLI, "coin(2)", "*")]  # none across
    assert {label: cell.status for label, cell in rows[BERNOULLI].items()} == {
        **dict.fromkeys(("pca", "vae", "beta_vae(4)"), "not applicable"),
        **dict.fromkeys(("coin", "coin(2)"), "ok"),
    }
    assert rows[BERNOULLI]["vae"].reason == "another likelihood"
    assert rows[BERNOULLI]["pca"].reason == "no posterior"
    assert rows[GAUSSIAN]["vae"].rank == (1, 1)


def test_other_scores_and_one_likelihood_have_one_row(builder):
    assert list(rows_of(results(builder), "r2")) == [""]
    same = {label: OF["vae"] if label != "pca" else "" for label in OF}
    assert list(rows_of(results(type(builder)(), same))) == [""]


def test_without_a_declaration_nothing_is_marked(builder):
    rows = rows_of(results(builder, {**OF, "coin": UNDECLARED, "coin(2)": UNDECLARED}))
    assert list(rows) == [GAUSSIAN, UNDECLARED]
    assert not any(cell.mark or cell.rank for cell in rows[UNDECLARED].values())
    alone = rows_of(results(type(builder)(), dict.fromkeys(("coin", "coin(2)"), UNDECLARED)))
    assert list(alone) == [UNDECLARED]
    assert not any(cell.mark for cell in alone[UNDECLARED].values())


def test_a_failed_reference_makes_no_row(builder):
    made = results(builder)
    made.change(lambda row: row.label == "pca", status="failed", reason="out of memory")
    rows = rows_of(made)
    assert list(rows) == [GAUSSIAN, BERNOULLI]
    assert {cells["pca"].status for cells in rows.values()} == {"failed"}


@pytest.mark.parametrize("form", ["text", "md", "latex", "html", "csv"])
def test_every_form_says_which(builder, form):
    printed = render(comparison_table(results(builder)), form)
    if form == "csv":
        header, *lines = (line.split(",") for line in printed.replace(f'"{GAUSSIAN}"', "gaussian").splitlines())
        assert header[-2:] == ["items", "likelihood"]
        assert [(line[2], line[-1]) for line in lines] == [("elbo", "gaussian"), ("elbo", "bernoulli"), ("r2", "")]
        return
    one_line = " ".join(printed.split())
    assert "elbo, nats" in one_line
    assert f"({GAUSSIAN})" in one_line
    assert f"({BERNOULLI})" in one_line
    assert "another likelihood" in one_line


def test_ranks_and_relative_values_are_of_one_likelihood(builder):
    made = results(builder)
    made.change(lambda row: row.score == "elbo", floor=-1000.0, ceiling=1000.0)
    (comparison,) = comparison_table(made, relative=True).comparisons
    assert [row.name for row in comparison.rows] == [f"elbo, {GAUSSIAN}", f"elbo, {BERNOULLI}", "r2"]
    averages = comparison_table(made, ranks=True).averages
    assert [average.likelihood for average in averages if average.score == "elbo"] == [GAUSSIAN, BERNOULLI]


def test_a_setting_is_chosen_within_its_likelihood(builder):
    settings = {"vae(a)": GAUSSIAN, "vae(b)": GAUSSIAN, "vae(c)": BERNOULLI}
    made = results(builder, settings, {"vae(a)": 900.0, "vae(b)": 800.0, "vae(c)": -90.0})
    made.vary(lambda label: {"likelihood": label})
    (sweep,) = sweeps(made)
    chosen = [(choice.line.name, choice.label, choice.tried) for choice in sweep.choices if choice.score == "elbo"]
    assert chosen == [(f"elbo, {GAUSSIAN}", "vae(a)", 2)]  # one setting of the other is no choice


def test_runs_are_not_compared_across_likelihoods(builder, monkeypatch):
    made = results(builder)
    monkeypatch.setattr("latentbench.report.diff._refuse_other_data", lambda *_: None)
    rows = {row.score: row for row in compare(Side(made, "vae"), Side(made, "coin"))}
    assert (rows["elbo"].verdict, rows["elbo"].paired) == ("different likelihoods", None)
    assert rows["r2"].verdict == "="
    with pytest.raises(RequestError, match="a limit of elbo needs models of one likelihood"):
        regressions(list(rows.values()), {"elbo": 0.1})
    assert regressions(list(rows.values()), {"r2": 0.1}) == []
    (same,) = [row for row in compare(Side(made, "vae"), Side(made, "beta_vae(4)")) if row.score == "elbo"]
    assert same.verdict == "worse"
