"""`latentbench score`: own codes side by side, beside a run's models, and more scores for a run."""

import shutil

import numpy as np
import pandas as pd
import pytest

from latentbench.api import load_results

ROWS = 120
TOML = """
models = ["pca"]
references = []
maps = []
scores = ["knn5"]
params = {latent_dim = 2}
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder of codes of the same items in all kinds of files."""
    folder = tmp_path_factory.mktemp("codes")
    rng = np.random.default_rng(0)
    classes = np.arange(ROWS) % 3
    noise = rng.normal(size=(ROWS, 4))
    names = np.array(["cat", "dog", "emu"])[classes]
    np.save(folder / "near.npy", noise + 3 * np.eye(4)[classes])
    np.save(folder / "near1.npy", noise[::-1] + 3 * np.eye(4)[classes])
    np.savez(folder / "both.npz", z_train=noise[:60], z_test=noise, y_train=names[:60], y_test=names)
    pd.DataFrame(noise).to_csv(folder / "far.csv", index=False)
    pd.DataFrame(noise).assign(labels=names).to_csv(folder / "named.csv", index=False)
    pd.DataFrame(noise).assign(labels=names[::-1]).to_csv(folder / "turned.csv", index=False)
    pd.DataFrame(noise, columns=list("abcd")).to_parquet(folder / "far.parquet")
    pd.DataFrame({"label": names}).to_csv(folder / "y.csv", index=False)
    pd.DataFrame({"size": rng.normal(size=ROWS), "kind": classes}).to_csv(folder / "factors.csv", index=False)
    np.save(folder / "short.npy", noise[1:])
    return folder


@pytest.fixture(scope="module")
def trained(finished_run):
    """A finished run of pca on digits."""
    return finished_run(TOML)


@pytest.fixture
def run(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "run")


def digits_codes(run, name, **changes):
    """Save the codes that pca gives the test images of digits."""
    results = load_results(run)
    codes = results.latent_space(results.trials[0]).codes.numpy()
    np.save(run.parent / name, changes.get("codes", codes))
    return run.parent / name


def rows(folder, score):
    return {row.label: row for row in load_results(folder).rows if row.score == score}


def test_codes_in_all_kinds_of_files_stand_side_by_side(cli, files, tmp_path):
    spaces = [f"near={files}/near.npy", f"far={files}/far.parquet", f"named={files}/named.csv"]
    status, out, _ = cli(
        "score",
        *spaces,
        "--labels",
        files / "y.csv",
        "-s",
        "knn5,silhouette",
        "-o",
        tmp_path / "r",
        "--workers",
        0,
    )
    assert status == 0
    assert "y  d=4  3/3 trials ok" in out
    assert "silhouette" in out
    silhouettes = rows(tmp_path / "r", "silhouette")
    assert silhouettes["near"].value > silhouettes["far"].value == silhouettes["named"].value
    assert (tmp_path / "r" / "report.html").stat().st_size > 0


def test_the_labels_beside_codes_are_enough(cli, files, tmp_path):
    status, out, _ = cli("score", f"a={files}/named.csv", "-s", "silhouette", "-o", tmp_path, "--workers", 0)
    assert (status, "named  d=4" in out) == (0, True)
    assert load_results(tmp_path).latent_space(load_results(tmp_path).trials[0]).class_names == (
        "cat",
        "dog",
        "emu",
    )


def test_several_files_are_seeds(cli, files, tmp_path):
    spaces = f"a={files}/near.npy,{files}/near1.npy"
    assert cli("score", spaces, "--labels", files / "y.csv", "-s", "knn5", "-o", tmp_path, "--workers", 0)[0] == 0
    assert [(trial.label, trial.seed) for trial in load_results(tmp_path).trials] == [("a", 0), ("a", 1)]


def test_a_file_that_brings_training_codes_has_a_training_split(cli, files, tmp_path):
    status, *_ = cli("score", f"a={files}/both.npz", "-s", "knn5", "-o", tmp_path, "--workers", 0)
    results = load_results(tmp_path)
    assert status == 0
    assert len(results.latent_space(results.trials[0]).train) == 60
    assert "5-fold" not in rows(tmp_path, "knn5")["a"].reason


def test_factors_are_scored(cli, files, tmp_path):
    words = ("--factors", files / "factors.csv", "-s", "mig", "-o", tmp_path, "--workers", 0)
    assert cli("score", f"a={files}/near.npy", *words)[0] == 0
    assert rows(tmp_path, "mig")["a"].status == "ok"


def test_a_toml_file_says_the_same(cli, files, tmp_path):
    lines = ['scores = ["silhouette"]', f'labels = "{files}/y.csv"', "[codes]", f'a = "{files}/near.npy"']
    (tmp_path / "own.toml").write_text("\n".join([*lines, f'b = ["{files}/far.csv"]']))
    assert cli("run", tmp_path / "own.toml", "-o", tmp_path / "r", "--workers", 0)[0] == 0
    words = ("--labels", files / "y.csv", "-s", "silhouette", "-o", tmp_path / "s", "--workers", 0)
    assert cli("score", f"a={files}/near.npy", f"b={files}/far.csv", *words)[0] == 0
    both = [rows(tmp_path / name, "silhouette") for name in "rs"]
    assert {label: row.value for label, row in both[0].items()} == {
        label: row.value for label, row in both[1].items()
    }
    assert {row.trial for row in both[0].values()} == {row.trial for row in both[1].values()}


def test_a_dry_run_counts_own_codes(cli, files, tmp_path):
    (tmp_path / "own.toml").write_text(f'labels = "{files}/y.csv"\n[codes]\na = "{files}/near.npy"\n')
    status, out, _ = cli("run", tmp_path / "own.toml", "--dry-run", "-o", tmp_path / "r")
    assert (status, "1 of 1 trials to run" in out) == (0, True)
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("verb", "sentence"),
    [
        (("export", "-m", "a"), "has codes that were given, and no model"),
        (("sample", "-m", "a"), "no decoder"),
        (("show",), "no model of this run has reconstructions"),
        (("tour", "-m", "a", "--method", "pca"), "neither decoder nor inputs"),
        (("transport", "--items", "1,2"), "no inputs"),
    ],
)
def test_what_needs_a_model_says_so(cli, files, tmp_path, verb, sentence):
    words = ("--labels", files / "y.csv", "-s", "silhouette", "-o", tmp_path, "--workers", 0)
    assert cli("score", f"a={files}/near.npy", f"b={files}/far.csv", *words)[0] == 0
    status, _, err = cli(verb[0], tmp_path, *verb[1:])
    assert (status, sentence in err) in ((1, True), (2, True))


def test_codes_without_inputs_are_mapped_and_compared(cli, files, tmp_path):
    words = ("--labels", files / "y.csv", "-s", "silhouette", "-o", tmp_path, "--workers", 0)
    assert cli("score", f"a={files}/near.npy", f"b={files}/far.csv", *words)[0] == 0
    assert cli("map", tmp_path, "-m", "a", "--method", "pca")[0] == 0
    (table,) = tmp_path.glob("map/*.csv")
    assert set(pd.read_csv(table)["class_name"]) == {"cat", "dog", "emu"}
    status, out, _ = cli("compare", f"{tmp_path}:a", f"{tmp_path}:b", "--all")
    assert status == 0
    assert "worse" in out
    assert cli("report", tmp_path)[0] == 0


def test_beside_a_run_they_have_its_data_and_its_scores(cli, run):
    codes = digits_codes(run, "mine.npy")
    status, out, _ = cli("score", f"mine={codes}", "-o", run, "--workers", 0)
    assert status == 0
    assert "pca" in out.splitlines()[3] or "mine" in out
    scores = rows(run, "knn5")
    assert set(scores) == {"pca", "mine"}
    results = load_results(run)
    assert {trial.fingerprint for trial in results.trials} == {results.trials[0].fingerprint}
    assert results.latent_space(results.trials[1]).inputs.shape[1:] == (1, 8, 8)
    before = (run / "scores.csv").read_text()
    assert cli("score", f"mine={codes}", "-o", run, "--workers", 0)[0] == 0  # nothing to do
    assert (run / "scores.csv").read_text() == before


def test_new_codes_take_the_place_of_those_of_the_same_name(cli, run):
    first = digits_codes(run, "mine.npy")
    assert cli("score", f"mine={first}", "-o", run, "--workers", 0)[0] == 0
    second = digits_codes(run, "mine.npy", codes=np.random.default_rng(0).normal(size=(360, 3)))
    assert cli("score", f"mine={second}", "-o", run, "--workers", 0)[0] == 0
    assert [trial.label for trial in load_results(run).trials] == ["pca", "mine"]
    assert rows(run, "knn5")["mine"].latent_dim == 3


def test_scores_are_added_to_a_run(cli, run):
    before = rows(run, "knn5")["pca"].value
    status, out, _ = cli("score", run, "-s", "silhouette", "--workers", 0)
    assert (status, "silhouette" in out, "knn5" in out) == (0, True, True)
    assert rows(run, "silhouette")["pca"].status == "ok"
    assert rows(run, "knn5")["pca"].value == before


def test_a_run_is_not_trained_by_score(cli, run):
    (trial,) = load_results(run).trials
    shutil.rmtree(run / "trials" / trial.key)
    status, _, err = cli("score", run, "-s", "silhouette", "--workers", 0)
    assert (status, "0 trials to run" in err) == (0, True)
    assert not (run / "trials" / trial.key).exists()


REFUSED = {
    "another order": (("a={f}/turned.csv", "--labels", "{f}/y.csv"), "line by line; they agree in"),
    "another count": (("a={f}/near.npy", "b={f}/short.npy"), "short.npy holds 119 rows"),
    "no file": (("a={f}/nothing.npy",), "nothing.npy"),
    "no name": (("={f}/near.npy",), "codes are given as NAME=FILE"),
    "a name twice": (
        ("a={f}/near.npy", "a={f}/near1.npy"),
        "a is given twice; give several seeds of one model as a=",
    ),
    "training codes twice": (
        ("a={f}/near.npy", "--train-codes", "a={f}/near.npy", "--train-codes", "a={f}/near1.npy"),
        "a is given twice",
    ),
    "a run and codes": (("{f}", "a={f}/near.npy"), "score takes one run, or codes as NAME=FILE"),
    "a run elsewhere": (("{f}",), "--output is about codes given as NAME=FILE"),
    "other data": (("a={f}/near.npy", "--inputs", "digits"), "holds 120 rows, digits has 360"),
    "a score that is none": (("a={f}/near.npy", "-s", "knn55"), "there is no score 'knn55'; did you mean 'knn5"),
    "labels of a run": (("{f}", "--labels", "{f}/y.csv"), "--labels is about codes given as NAME=FILE"),
    "training codes of nothing": (
        ("a={f}/near.npy", "--train-codes", "b={f}/near.npy"),
        "train_codes must have the names of codes (a), got 'b'",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_wrong_request_is_one_sentence_and_leaves_no_folder(cli, files, tmp_path, case):
    words, sentence = REFUSED[case]
    status, _, err = cli("score", *(word.format(f=files) for word in words), "-o", tmp_path / "r")
    assert status == 2
    assert sentence in err
    assert len(err.strip().splitlines()) == 1
    assert not (tmp_path / "r").exists()


def test_a_folder_that_is_no_run_gets_no_scores(cli, files):
    status, _, err = cli("score", files)
    assert (status, "is no run folder" in err or "run.json" in err) == (2, True)


def test_a_name_of_the_runs_models_is_refused(cli, run):
    codes = digits_codes(run, "mine.npy")
    status, _, err = cli("score", f"pca={codes}", "-o", run)
    assert (status, "'pca' is a model of this run already; give your codes another name" in err) == (2, True)
