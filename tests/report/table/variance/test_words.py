"""The analysis of variance of a run, printed."""

import csv
import io
import math
import re

import pytest

from latentbench.errors import RequestError, UnknownNameError
from latentbench.table.variance.build import variance_tables
from latentbench.table.variance.words import render_variance


@pytest.fixture
def studied(builder):
    """Two methods with two settings each; the method decides r2, the setting knn10."""
    for label, r2, knn10 in (
        ("vae(1)", 0.5, 0.2),
        ("vae(2)", 0.5, 0.8),
        ("ae(1)", 0.9, 0.2),
        ("ae(2)", 0.9, 0.8),
        ("pca", 0.1, 0.1),
    ):
        builder.add(label, {"r2": r2, "knn10": knn10, "rate": 3.0, "train_seconds": 9.0}, seeds=3)
    for row in builder.rows:
        row["value"] = 3.0 if row["score"] == "rate" else row["value"]
    return builder


def test_each_score_says_what_its_variance_is_made_of(studied):
    (table,) = variance_tables(studied.results())
    found = {each.line.score: each.shares for each in table.rows}
    assert (found["r2"].method, found["knn10"].setting) == pytest.approx((1, 1), abs=1e-3)
    assert (table.methods, table.settings, table.trials) == (("vae", "ae"), 4, 12)
    text = render_variance([table])
    assert "fashion_mnist: variance  2 methods  4 settings  12 trials" in text
    assert "on average over 2 scores: method 50 %, setting 50 %, seed 0 %" in " ".join(text.split())
    assert re.search(r"keep +r2 +up +12 +1\.00 \(1\.00\) +\.00 \(\.00\) +\.00 \(\.00\) +\.21", text)
    assert "all trials equal: rate" in text
    assert "train_seconds" not in text
    assert "pca" not in text


def test_only_scores_that_are_asked_for_are_analyzed(studied):
    (table,) = variance_tables(studied.results(), ["find"])
    assert [each.line.score for each in table.rows] == ["knn10"]
    with pytest.raises(UnknownNameError, match="no purpose 'fnd'; did you mean 'find'"):
        variance_tables(studied.results(), ["fnd"])


def test_what_is_missing_flagged_or_uneven_is_told(studied):
    studied.fail("ae(2)", 2)
    for row in studied.rows:
        if row["label"] == "vae(1)":
            row["flags"] = ("collapsed", "not converged")
    (table,) = variance_tables(studied.results())
    text = " ".join(render_variance([table]).split())
    assert "settings and seeds are not equally many; every trial counts alike" in text
    assert "1 trial without a value left out" in text
    assert "3 trials flagged as worthless counted" in text


def test_one_seed_a_setting_is_refused_with_what_to_do(builder):
    builder.add("vae(1)", {"r2": 0.5}, seeds=1).add("vae(2)", {"r2": 0.6}, seeds=1)
    sentence = (
        "--variance: r2 on fashion_mnist cannot be analyzed, as no setting has the values of two seeds; run "
        "several settings (-p) with two seeds (--seeds 2) or more"
    )
    with pytest.raises(RequestError, match=re.escape(sentence)):
        variance_tables(builder.results())


@pytest.mark.parametrize("form", ["md", "latex", "html", "csv"])
def test_every_form_holds_every_share(studied, form):
    text = render_variance(variance_tables(studied.results()), form)
    for word in ("knn10", "method", "setting", "seed"):
        assert word in text
    if form == "csv":
        rows = list(csv.DictReader(io.StringIO(text)))
        assert [row["score"] for row in rows] == ["r2", "knn10"]
        assert all(
            math.isclose(sum(float(row[name]) for name in ("method", "setting", "seed")), 1) for row in rows
        )
