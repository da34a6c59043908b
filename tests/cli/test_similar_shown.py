"""`latentbench similar`: the figure that it writes, and the section of the page."""

import csv
import io
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from latentbench import load_results
from latentbench.cli._shared.stitched import _split
from latentbench.similarity import measuring
from latentbench.similarity.render import number_of
from latentbench_metrics.pairs.stitching import stitched_r2

TOML = """
models = ["ae", "vae"]
references = ["pca", "untrained"]
maps = []
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
    status, out, err = cli("similar", run, "--format", "csv,svg,pdf")
    assert status == 0
    stem = run / "figures" / "similarity-digits"
    assert err.splitlines()[-4:] == [  # above them, where it takes long, how far it is
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
    figure = run / "figures" / "similarity-digits-scores=cka.png"
    before = figure.read_bytes()
    assert cli("similar", run, "-s", "cka", "--calibrated")[0] == 0
    assert figure.read_bytes() == before


def test_own_codes_have_a_figure_where_a_folder_is_named(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for name in "ab":
        np.save(f"{name}.npy", rng.normal(size=(50, 2)))
    assert "similarity-" not in cli("similar", "a=a.npy", "b=b.npy", "-s", "cka")[2]
    status, _, err = cli("similar", "a=a.npy", "b=b.npy", "-s", "cka", "-o", "drawn")
    assert status == 0
    paths = err.split()[-2:]
    assert [path.rpartition(".")[2] for path in paths] == ["png", "csv"]
    assert {str(path.relative_to(tmp_path)) for path in (tmp_path / "drawn").iterdir()} == set(paths)


def test_the_page_has_a_section_where_scores_are_stored_and_none_else(cli, run, monkeypatch):
    assert cli("report", run)[0] == 0
    assert HEADING not in (run / "report.html").read_text()
    told = cli("similar", run)[1]
    for name in ("compared", "prepared", "given_to_pair"):
        monkeypatch.setattr(measuring, name, None)  # nothing is computed for the page
    before = (run / "figures" / "similarity-digits.png").read_bytes()
    assert cli("report", run)[0] == 0
    page = (run / "report.html").read_text()
    section = page[page.index(f">{HEADING}</h3>") :].partition("<h3")[0]
    assert all(word in section for word in ("null", "ceiling", "unrelated spaces", "seeds of one model"))
    said = re.findall(r"<li>(.*?)</li>", section)
    assert said
    assert all(sentence in " ".join(told.split()) for sentence in said)
    assert 'alt="How alike models are on digits. cka: ' in section
    assert section.count("<img") == 1
    assert (run / "figures" / "similarity-digits.png").read_bytes() == before


def test_a_page_written_by_run_has_the_section_too(cli, run, tmp_path):
    cli("similar", run, "-s", "cka")
    (tmp_path / "mine.toml").write_text(TOML)
    assert cli("run", tmp_path / "mine.toml", "--workers", 0, "-o", run)[0] == 0
    assert HEADING in (run / "report.html").read_text()
    assert (run / "figures" / "similarity-digits-scores=cka.png").exists()


def test_decoders_exchange_codes(cli, finished, tmp_path):
    status, out, _ = cli(
        "similar", finished, "--show", "ae,vae", "--format", "png,svg,pdf", "-o", tmp_path / "drawn"
    )
    assert status == 0
    paths = [Path(line) for line in out.splitlines()]
    assert [path.name for path in paths] == [
        f"stitched-digits-ae-vae.{end}" for end in ("png", "svg", "pdf", "csv")
    ]
    numbers = pd.read_csv(paths[-1])
    assert numbers["row"].tolist() == [
        "ae by itself",
        "vae by itself",
        "ae encodes, vae decodes",
        "vae encodes, ae decodes",
    ]
    svg = paths[1].read_text()
    for line in numbers.itertuples():
        assert f">{line.row}: r2 {line.r2:.3f}</text>" in svg
    assert ">input</text>" in svg
    with Image.open(paths[0]) as picture:
        about = json.loads(picture.text["Description"])
    assert len(about["items"]) == len(about["item_names"]) == 8
    assert about["seeds"] == dict(zip(numbers["encoder"][:2], numbers["encoder_seed"][:2], strict=True))


def test_what_is_shown_is_what_is_scored(cli, finished, tmp_path):
    """The r2 of a row is the pair score of the two trials that are shown."""
    shown = cli("similar", finished, "--show", "ae,vae", "--items", "3,1", "-o", tmp_path)[1]
    numbers = pd.read_csv(shown.splitlines()[-1])
    results = load_results(finished)
    trials = {(trial.label, trial.seed): results.latent_space(trial) for trial in results.trials}
    for line in numbers[2:].itertuples():
        pair = trials[line.encoder, line.encoder_seed], trials[line.decoder, line.decoder_seed]
        assert line.r2 == pytest.approx(stitched_r2(*pair), abs=1e-5)
    assert numbers["items"].unique().tolist() == [360]
    assert "items=3_1" in shown


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--show", "ae,untrained"], "untrained: no decoder; choose two other models of"),
        (["--show", "ae,vay"], "this run has no model 'vay'; did you mean 'vae'?"),
        (["--show", "ae"], "--show takes two models as A,B, got 'ae'; there are ae, vae, pca, untrained"),
        (["--show", "ae,ae"], "--show takes two models as A,B, got 'ae,ae'"),
        (["--show", "ae,vae", "--items", "360"], "--items must be a test item from 0 to 359, got 360"),
        (["--show", "ae,vae", "-s", "cka"], "--scores is about matrices, and --show draws pictures"),
        (["--show", "ae,vae", "--format", "csv"], "--format csv is about matrices, and --show draws pictures"),
        (["--show", "ae,vae", "mine=mine.npy"], "--show draws two models of one run"),
        (["--items", "3"], "--items is about the pictures of --show; add --show A,B or leave it out"),
    ],
)
def test_what_cannot_be_shown_is_refused_in_one_sentence(cli, finished, words, sentence):
    status, out, err = cli("similar", finished, *words)
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    assert sentence in err


def test_models_whose_names_hold_commas_are_told_apart():
    labels = ["vae(beta=1,latent_dim=2)", "vae(beta=4,latent_dim=2)", "ae"]
    assert _split(",".join(labels[:2]), labels) == (labels[0], labels[1])
    assert _split(f"ae,{labels[0]}", labels) == ("ae", labels[0])
    assert _split("ae,beta_vae", labels) == ("ae", "beta_vae")
