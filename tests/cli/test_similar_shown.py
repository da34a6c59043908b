"""`latentbench similar`: the figure that it writes, and the section of the page."""

import csv
import io
import re
import shutil

import numpy as np
import pytest

from latentbench.similarity import measuring
from latentbench.similarity.render import number_of

TOML = """
models = ["ae", "vae"]
references = ["pca", "random_projection"]
scores = ["knn5"]
seeds = 3
params = {latent_dim = 2}

[budget]
epochs = 1
train_limit = 200
"""
HEADING = "How alike the spaces are"


@pytest.fixture(autouse=True)
def _quick(monkeypatch, tmp_path):
    monkeypatch.setattr(measuring, "PERMUTATIONS", 20)
    monkeypatch.setenv("LATENTBENCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def finished(finished_run):
    return finished_run(TOML)


@pytest.fixture
def run(finished, tmp_path):
    """A copy of the run, in which nothing is compared yet."""
    shutil.copytree(finished, tmp_path / "run")
    return tmp_path / "run"


def test_a_figure_and_its_numbers_are_written_into_the_run(cli, run):
    others = {path.name: path.read_bytes() for path in (run / "figures").glob("*")}
    status, out, err = cli("similar", run, "--format", "csv")
    assert status == 0
    stem = run / "figures" / "similarity-digits"
    assert err.splitlines() == [
        *(f"{stem}.{ending}" for ending in ("svg", "pdf", "csv")),
        f"`latentbench report {run}` shows in its page how alike its models are",
    ]
    assert stem.with_suffix(".csv").read_text() == out.rstrip("\n") + "\n"
    assert stem.with_suffix(".pdf").read_bytes().startswith(b"%PDF")
    svg = stem.with_suffix(".svg").read_text()
    rows = {(row["row"], row["column"]): row for row in csv.DictReader(io.StringIO(out)) if row["score"] == "cka"}
    for row in rows.values():
        assert f"{number_of(float(row['mean'] or 'nan'))}</text>" in svg
    assert {name: (run / "figures" / name).read_bytes() for name in others} == others


def test_the_same_numbers_give_the_same_bytes(cli, run):
    assert cli("similar", run, "-s", "cka")[0] == 0
    figure = run / "figures" / "similarity-digits-scores=cka.svg"
    before = figure.read_bytes()
    assert cli("similar", run, "-s", "cka", "--calibrated")[0] == 0
    assert figure.read_bytes() == before


def test_own_codes_have_a_figure_where_a_folder_is_named(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for name in "ab":
        np.save(f"{name}.npy", rng.normal(size=(50, 2)))
    assert cli("similar", "a=a.npy", "b=b.npy", "-s", "cka")[2] == ""
    status, _, err = cli("similar", "a=a.npy", "b=b.npy", "-s", "cka", "-o", "drawn")
    assert status == 0
    paths = err.split()
    assert [path.rpartition(".")[2] for path in paths] == ["svg", "pdf", "csv"]
    assert {str(path.relative_to(tmp_path)) for path in (tmp_path / "drawn").iterdir()} == set(paths)


def test_the_page_has_a_section_where_scores_are_stored_and_none_else(cli, run, monkeypatch):
    assert cli("report", run)[0] == 0
    assert HEADING not in (run / "report.html").read_text()
    told = cli("similar", run)[1]
    for name in ("compared", "prepared", "given_to_pair"):
        monkeypatch.setattr(measuring, name, None)  # nothing is computed for the page
    before = (run / "figures" / "similarity-digits.svg").read_bytes()
    assert cli("report", run)[0] == 0
    page = (run / "report.html").read_text()
    section = page[page.index(f"<h3>{HEADING}</h3>") :].partition("<h3>")[2].partition("<h3>")[0]
    assert all(word in section for word in ("null", "ceiling", "unrelated spaces", "seeds of one model"))
    said = re.findall(r"<li>(.*?)</li>", section)
    assert said
    assert all(sentence in " ".join(told.split()) for sentence in said)
    assert 'alt="How alike models are on digits. cka: ' in section
    assert section.count("<img") == 1
    assert (run / "figures" / "similarity-digits.svg").read_bytes() == before


def test_a_page_written_by_run_has_the_section_too(cli, run, tmp_path):
    cli("similar", run, "-s", "cka")
    (tmp_path / "mine.toml").write_text(TOML)
    assert cli("run", tmp_path / "mine.toml", "--workers", 0, "-o", run)[0] == 0
    assert HEADING in (run / "report.html").read_text()
    assert (run / "figures" / "similarity-digits-scores=cka.svg").exists()
