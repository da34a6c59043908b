import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys

import pytest
from PIL import Image

from latentbench.cli import VERBS
from latentbench.plugins import Plugins

TOML = """
models = ["ae"]
references = []
maps = []
seeds = 2
scores = ["r2", "knn10", "rate"]
budget = {epochs = 1, batch_size = 64, train_limit = 200}
params = {latent_dim = 2}
[on.digits]
budget = {epochs = 1}
"""
ODD = '''
from latentbench import Metric, Model, Score, hookimpl

class Fails(Model):
    """Cannot be trained."""
    decoder = "none"
    class Params(Model.Params):
        latent_dim: int = 2
    def fit(self, train, generator): raise RuntimeError("no luck")
    def encode(self, inputs): return inputs.flatten(1)[:, : self.params.latent_dim]

class Works(Fails):
    """Can be trained."""
    def fit(self, train, generator): pass

class Breaks(Metric):
    """Cannot be computed."""
    scores = {"breaks": Score("up", "nothing")}
    def compute(self, space): raise RuntimeError("no luck either")

@hookimpl
def register_models(register):
    register("fails", Fails, summary="a model that fails")

@hookimpl
def register_metrics(register):
    register("breaks", Breaks, summary="a metric that fails")
'''


@pytest.fixture
def toml(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(TOML)
    return path


@pytest.fixture(scope="module")
def finished(finished_run):
    """A finished run to print."""
    return finished_run(TOML)


def process(*arguments):
    return subprocess.run([sys.executable, "-m", "latentbench", *arguments], capture_output=True, text=True)


# help


@pytest.mark.parametrize(
    ("arguments", "drawn"),
    [(["--help"], False), (["--version"], False), (["list", "models"], True), (["run", "--help"], False)],
)
def test_help_and_lists_import_no_torch(arguments, drawn):
    code = (
        "import sys\nfrom latentbench.cli import main\n"
        f"try: main({arguments!r})\nexcept SystemExit as end: assert end.code == 0\n"
        "heavy = {'torch', 'numpy', 'pandas', 'sklearn', 'scipy', 'matplotlib', 'rich'} & set(sys.modules)\n"
        f"heavy -= {{'rich'}} if {drawn} else set()\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(cli, verb):
    status, out, _ = cli(verb, "--help")
    assert status == 0
    assert out.startswith(f"Usage: latentbench {verb}")
    assert verb in cli("--help")[1]


def test_a_verb_that_is_not_there(cli):
    status, _, err = cli("rnu")
    assert status == 2
    assert "No such command 'rnu'" in err


# list, info, env


@pytest.mark.parametrize("what", ["dataset", "model", "metric"])
def test_list_shows_every_name(cli, what):
    status, out, _ = cli("list", f"{what}s")
    assert status == 0
    assert [line.split()[0] for line in out.splitlines() if not line.startswith(" ")] == Plugins().names(what)
    assert [row["name"] for row in json.loads(cli("list", f"{what}s", "--json")[1])] == Plugins().names(what)


def test_list_plugins_shows_failures(cli, tmp_path, monkeypatch):
    (tmp_path / "broken.py").write_text("raise RuntimeError('no luck')")
    info = tmp_path / "broken-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[latentbench]\nbroken = broken\n")
    monkeypatch.syspath_prepend(tmp_path)
    status, out, _ = cli("list", "plugins")
    assert status == 0
    assert "broken:broken 1.0\n  FAILED:  RuntimeError: no luck (broken.py:1)\n" in out
    rows = {row["name"]: row for row in json.loads(cli("list", "plugins", "--json")[1])}
    assert rows["broken:broken"]["error"] == "RuntimeError: no luck (broken.py:1)"
    assert "vae" in rows["latentbench:latentbench-models"]["supplies"]["model"]
    assert "warning: plugin broken:broken 1.0 failed to load" in cli("list", "models")[2]


def test_info_explains_a_model(cli):
    status, out, _ = cli("info", "beta_vae")
    assert status == 0
    assert out.startswith("model beta_vae, version 3, from latentbench:latentbench-models ")
    words = " ".join(out.split())
    assert 'source: Higgins et al. 2017, "beta-VAE: Learning Basic Visual Concepts with a Constrained' in words
    assert "loss: `-log p(x | z) + beta * KL(q(z | x) || p(z))`, z drawn from q(z | x)." in words
    assert "in groups: yes, with trials that differ in the seed, beta" in words
    (row,) = [re.split(r"  +", line.strip()) for line in out.splitlines() if line.startswith("  beta ")]
    assert row[:3] == ["beta", "4.0", "number, >= 0"]
    assert "weight of the rate, in nats per image" in " ".join(out.split())


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("tsne", ["encodes: no: all items of a split", "decodes: no", "new items: none", "in tables: shown, not"]),
        ("umap", ["reloads: no: scored with its trial", "seeds: several"]),
        ("pca", ["new items: from a Gaussian", "in groups: no: it takes no gradient steps", "as a yardstick"]),
        ("supervised", ["in tables: an upper bound, trained by labels: never starred"]),
        ("gan", ["encodes: yes, by fitting a code to each input", "new items: from its prior", "reloads: yes"]),
    ],
)
def test_info_says_what_a_model_can_do(cli, name, facts):
    words = " ".join(cli("info", name)[1].split())
    assert [fact for fact in facts if fact not in words] == []


@pytest.mark.parametrize("kind", ["dataset", "model", "metric"])
def test_info_explains_everything_there_is(cli, kind):
    for name in Plugins().names(kind):
        status, out, _ = cli("info", name)
        assert status == 0
        assert f"{kind} {name}, version " in out


def test_info_explains_a_score(cli):
    status, out, _ = cli("info", "knn10")
    assert status == 0
    assert out.startswith("score knn10, of metric knn, version 1 (`latentbench info knn`)")
    rows = {tuple(re.split(r"  +", line.strip())) for line in out.splitlines()}
    assert {("better", "up", "purpose", "find"), ("range", "0 to 1", "kind", "quality")} <= rows
    assert "compared" not in out
    assert "compared  within a likelihood" in cli("info", "elbo")[1]


def test_env_is_what_a_run_records(cli):
    status, out, _ = cli("env", "--json")
    assert status == 0
    assert {"python", "cores", "versions", "plugins"} <= set(json.loads(out))
    assert "latentbench:latentbench-models" in cli("env")[1]


# wrong requests

WRONG = {
    "unknown model": (["run", "-m", "vea"], "there is no model 'vea'; did you mean 'vae'?"),
    "unknown dataset": (["run", "-d", "digit"], "there is no dataset 'digit'; did you mean 'digits'?"),
    "unknown score": (["run", "-s", "r3"], "there is no score 'r3'; did you mean 'r2'?"),
    "unknown preset": (["run", "--preset", "quik"], "there is no preset 'quik'; did you mean 'quick'?"),
    "unknown purpose": (["run", "--for", "fnd"], "no purpose 'fnd'; did you mean 'find'?"),
    "negative": (["run", "-p", "latent_dim=-1"], "latent_dim should be greater than or equal to 1, got -1"),
    "no number": (["run", "-p", "latent_dim=x"], "latent_dim should be a valid integer, got 'x'"),
    "unknown parameter": (["run", "-p", "latnt_dim=8"], "has a parameter 'latnt_dim'; did you mean 'latent_dim'?"),
    "no value": (["run", "-p", "latent_dim="], "-p takes NAME=VALUE or NAME=VALUE,VALUE,..., got 'latent_dim='"),
    "two parameters in one": (
        ["run", "-p", "latent_dim=64,channels=16"],
        "-p takes one parameter, got 'latent_dim=64,channels=16': write -p latent_dim=64 -p channels=16",
    ),
    "no file": (
        ["run", "none.toml"],
        "benchmark none.toml must be a file, nothing is there; check the path",
    ),
    "learning rate of 0": (["run", "--learning-rate", "0"], "learning_rate should be greater than 0, got 0.0"),
    "no seeds": (["run", "--seeds", "0"], ""),
    "unknown option": (["run", "--sedes", "3"], ""),
    "plugin file": (["run", "--plugin", "none.py"], "none.py cannot be loaded: there is no file"),
    "blocked name": (["run", "--no-plugin", "nonsense"], "--no-plugin nonsense: no such plugin"),
    "no class": (["run", "-m", "none.py:Model"], "there is no file "),
    "info": (
        ["info", "knn11"],
        "there is no dataset, model, metric, pair metric or score 'knn11'; did you mean 'knn1' or 'knn10'",
    ),
    "table": (["table", "nowhere"], "nowhere is not a run folder: it has no run.json"),
    "report": (["report", "nowhere"], "nowhere is not a run folder: it has no run.json"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_request_ends_with_status_2_and_one_sentence(cli, tmp_path, monkeypatch, case):
    monkeypatch.chdir(tmp_path)
    arguments, sentence = WRONG[case]
    status, out, err = cli(*arguments)
    assert status == 2
    assert out == ""
    assert sentence in err
    assert "Traceback" not in err
    if err.startswith("latentbench: "):
        assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("given", ["", "OMP_WAIT_POLICY=ACTIVE", "GOMP_SPINCOUNT=7"])
def test_threads_wait_awake_for_a_short_time_unless_it_is_set(given, cli, monkeypatch):
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        monkeypatch.setenv(name, "7")  # so that it is put back afterwards
        monkeypatch.delenv(name)
    name, _, value = (given or "GOMP_SPINCOUNT=5000").partition("=")
    if given:
        monkeypatch.setenv(name, value)
    assert cli("list", "plugins")[0] == 0
    waiting = {each: os.environ[each] for each in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT") if each in os.environ}
    assert waiting == {name: value}


def test_a_wrong_request_in_a_process_of_its_own():
    done = process("run", "-m", "vea")
    assert (done.returncode, done.stdout) == (2, "")
    said = [line for line in done.stderr.splitlines() if not line.startswith("planning, ")]  # on a busy machine
    assert len(said) == 1
    assert said[0].startswith("latentbench: there is no model 'vea'; did you mean 'vae'?")


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        ("file", "latentbench: {} is no folder; choose another place for the run with -o"),
        ("file/run", "latentbench: the run folder {} cannot be written: a file stands where a "),
    ],
)
def test_an_output_that_cannot_be_written_ends_with_status_2(cli, toml, tmp_path, place, sentence):
    (tmp_path / "file").write_text("in the way")
    status, _, err = cli("run", toml, "--workers", "0", "-o", tmp_path / place)
    assert status == 2
    assert sentence.format(tmp_path / place) in err
    assert "Traceback" not in err


# run


def test_a_run_prints_its_table_and_says_where_all_is(cli, toml, tmp_path):
    status, out, err = cli("run", toml, "--workers", "0", "-o", tmp_path / "run")
    assert status == 0
    assert "r2" in out
    assert "2 trials to run" in err
    assert "[2/2] ae on digits, seed 1: ok in " in err
    assert str(tmp_path / "run" / "report.html") in err
    assert (tmp_path / "run" / "report.html").stat().st_size > 1000
    again = cli("run", toml, "--workers", "0", "-o", tmp_path / "run")
    assert again[:2] == (0, out)
    assert "0 trials to run" in again[2]


def test_flags_choose(cli, tmp_path):
    status, _, _ = cli(
        "run", "-d", "digits", "-m", "vae", "-s", "r2", "-s", "knn10", "--seeds", 1, "--epochs", 1,
        "--batch-size", 50, "--learning-rate", "1e-3", "--train-limit", 150, "-p", "latent_dim=2,3",
        "--workers", 0, "-o", tmp_path / "run",
    )  # fmt: skip
    assert status == 0
    request = json.loads((tmp_path / "run" / "run.json").read_text())
    trials = [trial for trial in request["trials"] if trial["model"] == "vae"]
    assert [trial["label"] for trial in trials] == ["vae(latent_dim=2)", "vae(latent_dim=3)"]
    budget = trials[0]["budget"]
    chosen = {"epochs": 1, "batch_size": 50, "learning_rate": 1e-3, "train_limit": 150}
    assert {name: budget[name] for name in chosen} == chosen
    with (tmp_path / "run" / "scores.csv").open() as file:
        assert {row["score"] for row in csv.DictReader(file)} == {"r2", "knn10"}


def test_the_default_folder_is_named_by_data_and_title(cli, toml, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli("run", toml, "--workers", "0", "--seeds", "1")[0] == 0
    assert (tmp_path / "results" / "digits-mine" / "run.json").is_file()


def test_purposes_choose_rows(cli, finished):
    status, out, _ = cli("table", finished, "--for", "find")
    assert status == 0
    assert "knn10" in out
    assert "r2" not in out


def test_a_trial_that_fails_ends_with_status_1(cli, toml, tmp_path, plugin_file):
    status, out, err = cli(
        "run", toml, "--plugin", plugin_file(ODD), "-m", "fails", "-m", "ae", "--workers", 0,
        "-o", tmp_path / "run",
    )  # fmt: skip
    assert status == 1
    assert "fails" in out
    assert "fails on digits, seed 0: failed in " in err
    assert "RuntimeError: no luck" in err
    assert "Traceback" not in err


def test_a_score_that_fails_ends_with_status_1(cli, toml, tmp_path, plugin_file):
    status, _, err = cli(
        "run", toml, "--plugin", plugin_file(ODD), "-s", "breaks,r2", "--workers", 0, "-o", tmp_path / "run"
    )
    assert status == 1
    assert "score breaks failed: RuntimeError: no luck either" in err


def test_a_model_straight_from_a_file(cli, toml, tmp_path, plugin_file):
    path = plugin_file(ODD.replace("@hookimpl", ""))
    status, out, _ = cli("run", toml, "-m", f"{path}:Works", "--workers", 0, "-o", tmp_path / "run")
    assert status == 0
    assert "Works" in out
    again = cli("table", tmp_path / "run")
    assert again[0] == 0
    assert "Works" in again[1]


def test_a_dry_run_tells_and_writes_nothing(cli, toml, tmp_path):
    status, out, _ = cli("run", toml, "--dry-run", "-o", tmp_path / "run")
    assert status == 0
    assert out.splitlines()[1].split()[:3] == ["digits", "ae", "2"]
    assert f"2 of 2 trials to run in {tmp_path / 'run'}: about " in out
    assert re.search(r"about [\d.]+ minutes with \d workers? \([\d.]+ training, [\d.]+ scoring\), \d+ MB", out)
    assert not (tmp_path / "run").exists()


def test_a_dry_run_with_damaged_data_writes_nothing(cli, toml, tmp_path):
    status, out, _ = cli(
        "run", toml, "-d", f"fashion_mnist:path={tmp_path}", "-d", "digits", "--dry-run", "-o", tmp_path / "run"
    )
    assert status == 0
    assert "digits" in out
    assert not (tmp_path / "run").exists()


def test_a_dry_run_knows_what_is_done_already(cli, finished):
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("*")}
    status, out, _ = cli("run", finished.parent / "mine.toml", "--seeds", 3, "--dry-run", "-o", finished)
    assert status == 0
    assert "1 of 3 trials to run" in out
    assert {path: path.stat().st_mtime_ns for path in finished.rglob("*")} == before


# table, report


def test_a_table_as_text(cli, finished):
    status, out, _ = cli("table", finished)
    assert status == 0
    assert all(len(line) <= 80 for line in out.splitlines())
    assert "knn10" in out


@pytest.mark.parametrize("columns", [60, 80, 150])
def test_a_table_fits_the_terminal(columns, cli, finished, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    _, out, _ = cli("table", finished, "--all")
    assert columns / 2 < max(map(len, out.splitlines())) <= columns


def test_a_table_of_ranks(cli, finished):
    status, out, _ = cli("table", finished, "--ranks")
    assert status == 0
    assert "no ranks with fewer than five seeds" in out
    assert "±" not in out
    assert cli("table", finished, "--ranks", "--relative")[::2] == (
        2, "latentbench: ranks are the same relative to floor and ceiling: choose --ranks or --relative\n",
    )  # fmt: skip


def test_a_table_as_markdown(cli, finished):
    status, out, _ = cli("table", finished, "--all", "--format", "md")
    assert status == 0
    rows = [line for line in out.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in rows}) == 1
    assert set(rows[1]) <= set("|-: ")
    assert len(rows) == 4  # rate is not applicable to any model here


def test_a_table_as_csv(cli, finished):
    status, out, _ = cli("table", finished, "--all", "--format", "csv")
    assert status == 0
    rows = list(csv.DictReader(io.StringIO(out)))
    assert {"r2", "knn10"} <= {value for row in rows for value in row.values()}
    assert all(None not in row and None not in row.values() for row in rows)


def test_a_report_goes_where_it_is_told(cli, finished, tmp_path):
    mine = tmp_path / "figures" / "rate-mine.svg"  # as figures of ours are called
    mine.parent.mkdir()
    mine.write_text("mine")
    status, out, _ = cli("report", finished, "-o", tmp_path / "page.html")
    assert status == 0
    assert out == f"{tmp_path / 'page.html'}\n"
    assert "<html" in (tmp_path / "page.html").read_text().lower()
    assert mine.read_text() == "mine"
    assert list(mine.parent.iterdir()) == [mine]


def test_figures_come_in_the_formats_that_are_asked_for(cli, finished, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    assert cli("report", run)[0] == 0
    usual = sorted(path.name for path in (run / "figures").iterdir())
    assert {name.rpartition(".")[2] for name in usual} == {"png", "csv"}
    assert cli("report", run, "--format", "svg,pdf")[0] == 0
    stems = {name.rpartition(".")[0] for name in usual}
    assert sorted(path.name for path in (run / "figures").iterdir()) == sorted(
        f"{stem}.{ending}" for stem in stems for ending in ("svg", "pdf", "csv")
    )


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--format", "svg,gif"], "--format takes png, svg and pdf, separated by commas, not 'gif'"),
        (
            ["--format", "pdf", "-o", "page.html"],
            "--format is of figures, and with -o only the page is written; leave one of them out",
        ),
    ],
)
def test_formats_of_figures_that_cannot_be_are_refused(cli, finished, words, sentence):
    assert cli("report", finished, *words) == (2, "", f"latentbench: {sentence}\n")


def test_a_report_that_cannot_be_written_says_so(cli, finished, tmp_path):
    (tmp_path / "file").write_text("in the way")
    page = tmp_path / "file" / "page.html"
    assert cli("report", finished, "-o", page) == (
        2,
        "",
        f"latentbench: the report {page} cannot be written: something of that name is there already; "
        "choose another path\n",
    )  # fmt: skip


def test_a_reader_that_goes_away_is_no_traceback():
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m latentbench list metrics | head -n 0"], capture_output=True, text=True
    )
    assert "Traceback" not in done.stderr


def test_a_dry_run_says_what_of_the_files_was_left_out(cli, tmp_path):
    for row in range(60):
        file = tmp_path / "photos" / "ab"[row % 2] / f"{row}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("LA", (8, 8), (row, 0 if row < 9 else 255)).save(file)
    (tmp_path / "photos" / "__MACOSX").mkdir()
    (tmp_path / "photos" / "b" / "up").symlink_to(tmp_path / "photos")
    (tmp_path / "photos" / "notes\x1b[31m.txt").write_text("")
    status, out, err = cli("run", "-d", tmp_path / "photos", "-m", "pca", "--dry-run", "-o", tmp_path / "run")
    assert status == 0, err
    assert "photos: b/up is a link to a folder above it" in out
    assert "photos: one entry, __MACOSX, left out: hidden or the system's" in out
    assert "photos: one entry, notes\\x1b[31m.txt, left out: no images" in out
    assert "photos: transparency is dropped, what is behind it is seen, in 9 images, the first 0.png" in out
