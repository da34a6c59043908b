"""`latentbench similar`: spaces of runs and own codes, compared pair by pair."""

import csv
import io
import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest

from latentbench.similarity import measuring

ROWS = 80
QUICK = ["cka", "linear_r2", "mcc", "mutual_knn", "procrustes"]
TOML = """
models = ["ae"]
references = ["pca", "random_projection"]
maps = []
scores = ["knn5"]
seeds = 3
params = {latent_dim = 2}

[budget]
epochs = 1
train_limit = 200
"""


@pytest.fixture(autouse=True)
def _quick(monkeypatch, tmp_path):
    monkeypatch.setattr(measuring, "PERMUTATIONS", 20)
    monkeypatch.setenv("LATENTBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture(scope="module")
def run(finished_run):
    return finished_run(TOML)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of codes, in which commands are typed."""
    rng = np.random.default_rng(0)
    signal, labels = rng.normal(size=(ROWS, 2)), np.arange(ROWS) % 4
    for seed in range(3):
        np.save(tmp_path / f"a{seed}.npy", signal + 0.1 * rng.normal(size=(ROWS, 2)))
        np.save(tmp_path / f"b{seed}.npy", signal @ [[0, 1], [-1, 0]] + 0.1 * rng.normal(size=(ROWS, 2)))
        np.save(tmp_path / f"c{seed}.npy", rng.normal(size=(1, ROWS, 3))[0])
    pd.DataFrame(signal).assign(labels=labels).to_csv(tmp_path / "named.csv", index=False)
    pd.DataFrame(signal).assign(labels=rng.permutation(labels)).to_csv(tmp_path / "turned.csv", index=False)
    np.save(tmp_path / "short.npy", signal[1:])
    np.save(tmp_path / "nan.npy", np.where(np.arange(ROWS)[:, None] == 3, np.nan, signal))
    np.save(tmp_path / "flat.npy", np.ones((ROWS, 2)))
    np.save(tmp_path / "line.npy", signal[:, :1])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def three(folder):
    return [f"{name}={','.join(f'{name}{seed}.npy' for seed in range(3))}" for name in "abc"]


def cells(out):
    """Rows of the CSV by score, row and column."""
    return {(row["score"], row["row"], row["column"]): row for row in csv.DictReader(io.StringIO(out))}


def test_seeds_and_unrelated_codes_are_told_from_alike_ones(cli, folder):
    status, out, _ = cli("similar", *three(folder), "--format", "csv")
    assert status == 0
    rows = cells(out)
    assert {score for score, _, _ in rows} == set(QUICK)
    assert float(rows["procrustes", "a", "b"]["mean"]) > 0.95
    assert float(rows["procrustes", "a", "b"]["p_null"]) < 0.05
    assert float(rows["procrustes", "a", "c"]["p_null"]) > 0.05
    assert float(rows["cka", "a", "a"]["mean"]) > 0.95
    assert rows["cka", "a", "a"]["pairs"] == "3"
    assert rows["linear_r2", "a", "a"]["pairs"] == "6"


def test_text_fits_80_columns_and_explains_its_marks(cli, folder):
    status, out, _ = cli("similar", *three(folder))
    assert status == 0
    assert max(map(len, out.splitlines())) <= 80
    assert "how alike 3 models are" in out
    assert "No more alike than unrelated spaces are" in out
    assert "~ no more than unrelated spaces" in out
    assert "[ ] seeds of one model" in out
    assert re.search(r"unrelated spaces reach \S+ to \S+ in 5 % of 20 permutations", out)
    assert "fitted on one half of the items and scored on the other, both ways" in " ".join(out.split())


@pytest.mark.parametrize("form", ["md", "latex", "html"])
def test_other_formats_hold_the_same_numbers(cli, folder, form):
    text = cli("similar", *three(folder), "-s", "cka")[1]
    other = cli("similar", *three(folder), "-s", "cka", "--format", form)[1]
    numbers = re.findall(r"\.\d{3}", text)
    assert sorted(numbers) == sorted(re.findall(r"\.\d{3}", other))
    assert {"md": "| model |", "latex": r"\begin{table}", "html": "<table>"}[form] in other


def test_calibrated_values_are_those_of_the_csv(cli, folder):
    rows = cells(cli("similar", *three(folder), "-s", "cka", "--format", "csv")[1])
    out = cli("similar", *three(folder), "-s", "cka", "--calibrated")[1]
    assert "a share of the way from unrelated spaces to equal ones" in " ".join(out.split())
    assert f"{float(rows['cka', 'a', 'b']['calibrated']):.3f}".removeprefix("0") in out


def test_models_of_a_run_are_compared_and_kept_in_it(cli, run, monkeypatch):
    status, out, _ = cli("similar", run, "--format", "csv")
    assert status == 0
    rows = cells(out)
    assert {row for _, row, _ in rows} == {"ae", "pca", "random_projection"}
    assert rows["cka", "pca", "pca"]["mean"] == ""
    assert rows["cka", "ae", "ae"]["pairs"] == "3"
    kept = {path.name: path.read_bytes() for path in (run / "similarity").iterdir()}
    assert {name.split("-v")[0] for name in kept} == set(QUICK)
    monkeypatch.setattr(measuring, "compared", None)
    monkeypatch.setattr(measuring, "prepared", None)
    assert cli("similar", run, "--format", "csv")[:2] == (0, out)
    assert {path.name: path.read_bytes() for path in (run / "similarity").iterdir()} == kept


def test_own_codes_stand_beside_a_run(cli, run, folder):
    records = {json.loads(path.read_text())["trial"]["model"]: path for path in run.glob("trials/*/trial.json")}
    codes = np.load(records["pca"].with_name("codes.npz"))["codes"]  # one trial; a mean over seeds would lie lower
    np.save(folder / "mine.npy", 2 * codes + 1)
    status, out, _ = cli("similar", run, "mine=mine.npy", "-s", "procrustes", "--format", "csv")
    assert status == 0
    alike = {b: float(row["mean"]) for (_, a, b), row in cells(out).items() if a == "mine" and b != "mine"}
    assert set(alike) == {"ae", "pca", "random_projection"}
    assert alike["pca"] > 0.99 > alike["random_projection"]


def test_two_runs_of_the_same_data_are_compared(cli, run, folder):
    other = folder / "again"
    shutil.copytree(run, other, ignore=shutil.ignore_patterns("similarity"))
    status, out, _ = cli(
        "similar", run, other, "-s", "cka", "--models", "pca (run),pca (again)", "--format", "csv"
    )
    assert status == 0
    assert float(cells(out)["cka", "pca (run)", "pca (again)"]["mean"]) == pytest.approx(1)
    assert not (other / "similarity").exists()


def test_two_runs_of_other_data_are_refused(cli, run, finished_run):
    words = ["-d", "digits:classes=0,1,2", "-m", "pca", "--seeds", "1", "-s", "knn5", "-p", "latent_dim=2"]
    status, _, err = cli("similar", run, finished_run(None, *words))
    assert status == 2
    assert "give spaces of the same items" in err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["a=a0.npy"], "expected two models to compare, got a; give a run of several, or own codes"),
        (["a=a0.npy", "b=short.npy"], "short.npy"),
        (["a=named.csv", "b=turned.csv"], "labels"),
        (["a=a0.npy", "b=nan.npy"], "nan"),
        (["a=a0.npy", "b=b0.npy", "-s", "ckb"], "there is no pair score 'ckb'; did you mean 'cka'?"),
        (["a=a0.npy", "b=b0.npy", "-s", "cka", "--all"], "leave one of them out"),
        (["a=a0.npy", "b=b0.npy", "--models", "a,d"], "there is no model 'd' here; there are a, b"),
        (["a=a0.npy", "a=b0.npy"], "a is given twice"),
        (["a=a0.npy", "b=lost.npy"], "lost.npy"),
        (["nothing"], "nothing"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_one_sentence(cli, folder, words, sentence):
    status, out, err = cli("similar", *words)
    assert (status, out) == (2, "")
    assert err.startswith("latentbench: ")
    assert err.count("\n") == 1
    assert sentence in err


def test_odd_codes_give_an_answer_or_a_reason(cli, folder):
    status, out, _ = cli("similar", "a=a0.npy", "flat=flat.npy", "line=line.npy", "--format", "csv")
    assert status == 0
    rows = cells(out)
    assert rows["cka", "a", "flat"]["mean"] == ""
    assert rows["cka", "a", "flat"]["reason"] == "all codes of a space are equal"
    assert 0 < float(rows["cka", "a", "line"]["mean"]) < 1


def test_damage_to_what_is_kept_is_told(cli, run, folder):
    copy = folder / "copy"
    shutil.copytree(run, copy)
    assert cli("similar", copy, "-s", "cka")[0] == 0
    path = next((copy / "similarity").glob("cka-*"))
    path.write_text(path.read_text().replace("0.", "0.1", 1))
    status, _, err = cli("similar", copy, "-s", "cka")
    assert status == 2
    assert "remove it and run the same command again" in err
