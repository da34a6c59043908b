"""The comparison table in Python: printed, in a notebook, as a frame."""

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from latentbench.table.build import comparison_table
from latentbench.table.render import render
from latentbench.table.shown import ShownTable


@pytest.fixture
def table(drawn_results):
    return comparison_table(drawn_results().results())


def test_it_prints_as_the_command_line_does(table):
    shown = ShownTable(table)
    assert f"{shown!r}\n" == f"{shown}\n" == render(table)


def test_a_notebook_shows_marks_sentences_and_legend(table):
    page = ElementTree.fromstring(f"<div>{ShownTable(table)._repr_html_()}</div>")  # noqa: S314 - our own
    cells = ["".join(cell.itertext()) for cell in page.iter("td")]
    assert {"* .874±.003", "= .874±.002", ".853±.002"} <= set(cells)
    assert any("to interpolate between items" in "".join(line.itertext()) for line in page.iter("li"))
    assert any("* best" in "".join(line.itertext()) for line in page.iter("p"))


def test_the_frame_holds_what_the_table_shows(table):
    frame = ShownTable(table).frame
    comparison = table.comparisons[0]
    assert len(frame) == len(comparison.rows) * len(comparison.columns)
    assert list(dict.fromkeys(frame["model"])) == ["pca", "ae", "vae", "beta_vae(4)", "pixels"]
    row = frame.set_index(["score", "model"]).loc[("r2", "ae")]
    cell = comparison.rows[0].cells[1]
    assert (row["mean"], row["low"], row["high"]) == (cell.mean, cell.low, cell.high)
    assert (row["mark"], row["seeds"], row["n"], row["floor"], row["ceiling"]) == ("*", 5, 10_000, 0.0, 1.0)
    assert (row["purpose"], row["better"], row["status"]) == ("keep", "up", "ok")
    none = frame.set_index(["score", "model"]).loc[("knn10_sample", "pca")]
    assert (none["status"], none["reason"], none["seeds"]) == ("not applicable", "no posterior", 0)
    assert np.isnan(none["mean"])


def test_a_column_for_each_model_is_one_step_away(table):
    wide = ShownTable(table).frame.pivot(index="score", columns="model", values="mean")
    assert wide.loc["r2", "vae"] == pytest.approx(0.874, abs=1e-3)


def test_ranks_are_columns_where_they_are_shown(drawn_results):
    frame = ShownTable(comparison_table(drawn_results().results(), ranks=True)).frame.set_index(["score", "model"])
    assert frame.loc[("r2", "ae"), ["best_rank", "worst_rank"]].tolist() == [1, 2]
    assert frame.loc[("r2", "beta_vae(4)"), ["best_rank", "worst_rank"]].tolist() == [3, 3]
    assert frame.loc[("knn10_sample", "ae"), ["best_rank", "worst_rank"]].isna().all()
