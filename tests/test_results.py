"""Score rows and frames of a run folder that an earlier version wrote, and how often its files are read."""

import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from latentbench.errors import RunFolderError, UnknownNameError
from latentbench.files.archives import read_npz
from latentbench.files.json_files import read_json
from latentbench.records import Record
from latentbench.results import Results
from latentbench.score_rows import ScoreRow, ScoreRows, likelihood_of
from latentbench.table.build import comparison_table
from latentbench.table.render import render
from latentbench.table.sweeps import sweeps
from latentbench.trial import Trial

pytestmark = pytest.mark.filterwarnings("ignore:score files are missing")  # of the frozen run
FROZEN = Path(__file__).parent / "frozen_run"
INTEGERS = ("epochs", "seed", "model_version", "metric_version", "n_eval")
FLOATS = ("train_seconds", "latent_dim", "value", "se", "floor", "ceiling", "score_seconds")
COUNTS = ("threads", "concurrency", "group_size")
SWITCHES = ("deterministic", "headline")


@pytest.fixture
def frozen(tmp_path):
    """A run with settings that vary, and with failed, impossible, unscored and missing trials."""
    files = json.loads((FROZEN / "run.json").read_text())
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
    return tmp_path


def only(rows, **wanted):
    return [row for row in rows if all(getattr(row, name) == value for name, value in wanted.items())]


def test_the_written_csv_is_that_of_the_version_before_rows_were_records(frozen):
    results = Results(frozen)
    results.write()
    written = pd.read_csv(frozen / "scores.csv", dtype=str, keep_default_na=False)
    assert set(written.pop("node")) == {""}  # a column of later
    assert written.to_csv(index=False) == (FROZEN / "scores.csv").read_text()
    both = pd.concat([results.scores, results.validation])
    pd.testing.assert_frame_equal(pd.read_parquet(frozen / "scores.parquet"), both.reset_index(drop=True))


def test_columns_of_both_frames_have_the_types_of_before(frozen):
    results = Results(frozen)
    for frame in (results.scores, results.validation):
        types = {name: str(kind) for name, kind in frame.dtypes.items()}
        assert list(types) == [name for name in ScoreRow.__dataclass_fields__ if name != "compared"]
        assert {name for name, kind in types.items() if kind == "int64"} == set(INTEGERS)
        assert {name for name, kind in types.items() if kind == "float64"} == set(FLOATS)
        assert {name for name, kind in types.items() if kind == "Int64"} == set(COUNTS)
        assert {name for name, kind in types.items() if kind == "bool"} == set(SWITCHES)


def test_a_row_holds_typed_values(frozen):
    row = only(Results(frozen).rows, label="vae(latent_dim=8)", seed=1, score="rate")[0]
    assert row.flags == ("not converged",)
    assert row.varied == {"latent_dim": 8}
    assert row.params["latent_dim"] == row.latent_dim == 8
    assert (row.budget.epochs, row.epochs) == (80, 80)
    assert row.threads == 1


def test_a_flag_of_one_score_stands_on_all_rows_of_its_trial(frozen):
    rows = only(Results(frozen).rows, label="vae(latent_dim=2)", seed=1)
    assert {row.flags for row in rows} == {("collapsed",)}
    assert {row.flags for row in only(Results(frozen).rows, label="vae(latent_dim=2)", seed=0)} == {()}


def test_a_named_floor_is_the_mean_of_the_reference_with_the_same_setting(frozen):
    rows = Results(frozen).rows
    for dim in (2, 8):
        values = [row.value for row in only(rows, label=f"untrained(latent_dim={dim})", score="knn10")]
        (row,) = only(rows, label=f"vae(latent_dim={dim})", seed=0, score="knn10")
        assert row.floor == pytest.approx(sum(values) / len(values), abs=1e-12)
        assert row.ceiling == only(rows, label="pixels", score="knn10")[0].value


@pytest.mark.parametrize(
    ("label", "seed", "status", "reason"),
    [
        ("ae(latent_dim=8)", 0, "failed", "out of memory"),
        ("ae(latent_dim=8)", 1, "missing", "not run yet"),
        ("ae(latent_dim=8)", 2, "missing", "not computed"),
        ("mine(latent_dim=8)", 0, "timeout", "out of memory"),
        ("pca(latent_dim=128)", 0, "not applicable", "n_components=128, there are 64 pixels"),
    ],
)
def test_a_gap_is_a_row_with_its_reason(frozen, label, seed, status, reason):
    (row,) = only(Results(frozen).rows, label=label, seed=seed, score="knn10")
    assert (row.status, row.reason, row.has_value) == (status, reason, False)


def test_a_model_from_a_file_is_named_without_its_folder(frozen):
    assert {row.model for row in only(Results(frozen).rows, label="mine(latent_dim=8)")} == {"nets.py:Mine"}


def test_scores_asked_for_by_name_have_no_others_beside_them(frozen):
    results = Results(frozen)
    results.request["scores"] = ["r2", "knn5"]
    assert {row.score for row in results.rows} == {"r2", "knn5"}
    results = Results(frozen)
    results.request["scores"] = ["knn"]
    assert {row.score for row in results.rows} == {"knn1", "knn5", "knn10"}


def test_a_run_that_asks_for_nothing_is_refused(frozen):
    results = Results(frozen)
    results.request["trials"] = []
    with pytest.raises(RunFolderError, match="asks for no score of any trial"):
        _ = results.rows


def test_per_item_values_are_read_once_and_only_where_there_are_some(frozen, monkeypatch):
    results = Results(frozen)
    trial = next(trial for trial in results.trials if trial.label == "vae(latent_dim=8)")
    knn = next(request for request in results.requests if request.metric == "knn")
    record = Record(frozen, trial.key)
    record.write_arrays(knn.file("test", "items.npz"), {"knn1": np.arange(3.0), "knn10": np.ones(3)})
    reads = []

    def counted(path, digest):
        reads.append(path.name)
        return read_npz(path, digest)

    monkeypatch.setattr("latentbench.records.read_npz", counted)
    for _ in range(2):
        assert results.items(trial.key, "knn1").tolist() == [0, 1, 2]
        assert results.items(trial.key, "knn10").tolist() == [1, 1, 1]
        assert results.items(trial.key, "knn5") is None
        assert results.items(trial.key, "r2") is None
        assert results.items(trial.key, "nonsense") is None
    assert [f"scores/{name}" for name in reads] == [knn.file("test", "items.npz")]


def test_each_file_is_read_once(frozen, monkeypatch):
    reads = Counter()

    def counted(path):
        reads[path] += 1
        return read_json(path)

    monkeypatch.setattr("latentbench.files.json_files.read_json", counted)
    results = Results(frozen)
    assert not results.complete
    results.write()
    results.table()
    assert reads == Counter(frozen.rglob("*.json"))


def test_rows_of_some_labels_are_those_among_all(frozen):
    alone, whole = Results(frozen), Results(frozen)
    (dataset,) = {row.dataset for row in whole.rows}
    label = whole.trials[-1].label
    few = alone.rows_of(dataset, {label})
    assert few
    assert [repr(row) for row in few] == [repr(row) for row in whole.rows if row.label == label]
    assert len(alone.rows_of(dataset)) == len(whole.rows)
    assert alone.rows_of("another") == []
    assert [repr(row) for row in alone.rows_of(scores={"mse", "r2"})] == [
        repr(row) for row in whole.rows if row.score in ("mse", "r2")
    ]
    assert [row.trial for row in alone.first_rows] == [trial.key for trial in whole.trials]
    assert all(any(row is other for other in alone.rows) for row in few)  # each is made once


def test_a_table_makes_the_rows_of_what_it_shows(frozen, monkeypatch):
    shown, made = Results(frozen), set()
    columns = {column.label for column in comparison_table(shown).comparisons[0].columns}
    chosen = {choice.label for sweep in sweeps(shown) for choice in sweep.choices}
    rows = ScoreRows._of

    def noted(self, stored):
        if self._split == "test":
            made.add(stored.trial.label)
        return rows(self, stored)

    monkeypatch.setattr(ScoreRows, "_of", noted)
    results = Results(frozen)
    comparison_table(results)
    floors = {trial.label for trial in results.trials if trial.traits.reference == "floor"}
    assert columns | chosen <= made
    hidden = sweeps(results)[0].hidden
    assert hidden
    assert not made & hidden
    assert made <= columns | floors


def test_a_record_without_a_declared_likelihood_is_shown_as_before(frozen):
    """Versions before `Traits.likelihood` guessed it from the parameters."""
    results = Results(frozen)
    trial = next(trial for trial in results.trials if trial.label == "vae(latent_dim=8)")
    assert trial.traits.likelihood is None
    assert {row.likelihood for row in only(results.rows, trial=trial.key)} == {"gaussian, sigma learned"}
    assert results.per_likelihood == frozenset()
    declared = replace(trial, traits=replace(trial.traits, likelihood="laplace"))
    again = Trial.from_json(json.loads(json.dumps(declared.to_json())))
    assert (likelihood_of(again), again.key) == ("laplace", trial.key)


def test_results_say_how_much_is_there(frozen):
    results = Results(frozen)
    assert re.fullmatch(
        rf"<Results of {re.escape(str(frozen))}: \d+ models on .+, \d+ of \d+ trials ok, \d+ scores>",
        repr(results),
    )
    ok = sum(trial.ok for trial in results.trials)
    assert f", {ok} of {len(results.trials)} trials ok, " in repr(results)


def test_a_notebook_shows_the_comparison_table(frozen):
    results = Results(frozen)
    assert results._repr_html_() == render(comparison_table(results), "html")
    assert str(results.comparison(["keep"])) + "\n" == render(comparison_table(results, ["keep"]))
    pd.testing.assert_frame_equal(results.table(["keep"]), results.comparison(["keep"]).frame)
    with pytest.raises(UnknownNameError, match="kep"):
        results.table(["kep"])


def test_a_notebook_shows_why_there_is_no_table(frozen):
    path = frozen / "run.json"
    values = json.loads(path.read_text())
    values.pop("sha256", None)
    path.write_text(json.dumps({**values, "requests": [], "title": "<nothing>"}))
    assert Results(frozen)._repr_html_() == f"<p>{frozen} asks for no score of any trial</p>"


def test_scores_that_are_not_there_are_told(frozen):
    results = Results(frozen)
    first = next(trial for trial in results.trials if trial.ok)
    path = frozen / "trials" / first.key / results.requests[0].file("test", "json")
    path.unlink()
    said = rf"^score files are missing \(2 of \d+\), the first {re.escape(str(path))};"
    with pytest.warns(UserWarning, match=said):
        assert Results(frozen).rows
