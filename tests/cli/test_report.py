"""The verb report for several runs, and the command line that a run records."""

import json
import shutil

import pytest

from latentbench.cli._shared.command_line import command_line, without_secrets

QUICK = ("-d", "digits", "-m", "pca", "--seeds", 1, "-s", "r2", "-p", "latent_dim=2")


@pytest.fixture(scope="module")
def run(finished_run):
    return finished_run(None, *QUICK)


def test_a_run_records_the_command_that_asked_for_it_and_its_page_tells_it(run):
    request = json.loads((run / "run.json").read_text())
    words = " ".join(map(str, ("latentbench run", *QUICK, "--workers 0 -o", run)))
    assert request["command"] == words
    page = (run / "report.html").read_text()
    assert f"<pre>{words}</pre>" in page
    assert request["asked_at"][:10] in page
    assert "digits: 1,294 training, 143 validation and 360 test items; the data have the sha256 " in page


def test_several_runs_stand_in_one_page_and_nothing_is_written_into_them(cli, run, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(run, other)
    before = {path: path.stat().st_mtime_ns for path in [*run.iterdir(), *other.iterdir()]}
    page = tmp_path / "both.html"
    assert cli("report", run, other, "-o", page)[:2] == (0, f"{page}\n")
    assert before == {path: path.stat().st_mtime_ns for path in [*run.iterdir(), *other.iterdir()]}
    text = page.read_text()
    assert "<h2>run: digits</h2>" in text
    assert "<h2>other: digits</h2>" in text


def test_several_runs_need_a_place_and_each_is_named_once(cli, run, tmp_path):
    where = "the page of several runs belongs in none of their folders; name a file with -o"
    assert cli("report", run, tmp_path) == (2, "", f"latentbench: {where}\n")
    again = run / ".." / "run"
    told = f"latentbench: {again} is named twice; name each run once\n"
    assert cli("report", run, again, "-o", "x.html") == (2, "", told)


@pytest.mark.parametrize(
    ("argument", "kept"),
    [
        ("password=abc", "password=***"),
        ("cluster.api_key=a=b", "cluster.api_key=***"),
        ("AUTH-TOKEN=a\nb", "AUTH-TOKEN=***"),
        ("s3://me:abc@host/x", "s3://***@host/x"),
        ("n_tokens=4", "n_tokens=4"),
        ("tokens=4", "tokens=4"),
        ("beta_vae.beta=1,4", "beta_vae.beta=1,4"),
        ("-o", "-o"),
    ],
)
def test_secrets_are_not_recorded(argument, kept):
    assert without_secrets([argument]) == [kept]


def test_outside_a_command_line_there_is_none():
    assert command_line() == ""
