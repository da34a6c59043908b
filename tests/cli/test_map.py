import io
import json
import time
import warnings

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from latentbench.api import load_results
from latentbench.execution import maps
from latentbench.plugins import Plugins
from latentbench.records import Record

NO_DECODER = '''
from latentbench import Model, hookimpl

class Corner(Model):
    """The first pixels, without a way back."""
    decoder = "none"
    class Params(Model.Params):
        latent_dim: int = 20
    def fit(self, train, generator): pass
    def encode(self, inputs): return inputs.flatten(1)[:, : self.params.latent_dim]
    def get_state(self): return {}
    def set_state(self, state): pass

@hookimpl
def register_models(register):
    register("corner", Corner, summary="a model without decoder")
'''
TOML = """
models = ["ae", "pca", "pixels", "corner"]
references = []
seeds = 1
scores = ["r2"]
budget = {epochs = 1, batch_size = 64, train_limit = 200}
params = {latent_dim = 4}
[on.digits]
budget = {epochs = 1}
"""
ALL = ("trustworthiness", "continuity", "neighbor_recall", "knn10", "distance_correlation")


@pytest.fixture
def cli(cli):
    """The same with warnings that are shown, as in a process of their own."""

    def call(*words):
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            return cli(*words)

    return call


@pytest.fixture(scope="module")
def run(finished_run):
    """A finished run of four small models on digits."""
    return finished_run(TOML, plugin=NO_DECODER)


def stored(run, model):
    results = load_results(run)
    trial = next(trial for trial in results.trials if trial.label == model)
    return sorted((Record(run, trial.key).folder / "maps").glob("*"))


def test_maps_stand_side_by_side_with_their_numbers(cli, run, tmp_path):
    status, out, err = cli("map", run, "-m", "ae", "--count", 150, "-o", tmp_path)
    assert (status, err) == (0, "")
    picture, numbers = map(str.strip, out.splitlines())
    assert picture == str(tmp_path / "digits-ae-seed0-pca-tsne-umap-count=150.png")
    with Image.open(picture) as image:
        assert image.width > 2 * image.height
        assert json.loads(image.info["Description"]) == {
            "dataset": "digits",
            "model": "ae",
            "seed": 0,
            "methods": ["pca", "tsne", "umap"],
            "map_seed": 0,
            "items": 150,
        }
    frame = pd.read_csv(numbers)
    assert list(frame.columns) == ["method", "seed", "item", "x", "y", "label", "class_name"]
    assert frame.groupby("method").size().to_dict() == {"pca": 150, "tsne": 150, "umap": 150}
    kept = [path.name.partition("-v1-")[0] for path in stored(run, "ae")]
    assert kept == ["pca", "pca", "tsne", "tsne", "umap"]  # the quick preset made two of all items for the page


def test_the_second_call_reads_the_stored_map(cli, run, tmp_path):
    command = ("map", run, "-m", "ae", "--method", "tsne", "--count", 300, "-o", tmp_path)
    begun = time.perf_counter()
    out = cli(*command)[1]
    first = time.perf_counter() - begun
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in stored(run, "ae")}
    content = (tmp_path / "digits-ae-seed0-tsne-count=300.png").read_bytes()
    begun = time.perf_counter()
    assert cli(*command)[:2] == (0, out)
    assert time.perf_counter() - begun < first
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in stored(run, "ae")} == before
    assert (tmp_path / "digits-ae-seed0-tsne-count=300.png").read_bytes() == content


@pytest.mark.parametrize("damage", ["cut", "flipped", "other"])
def test_a_damaged_map_is_made_again(cli, run, tmp_path, damage):
    command = ("map", run, "-m", "pca", "--method", "pca", "--count", 120, "-o", tmp_path)
    cli(*command)
    (path,) = (path for path in stored(run, "pca") if len(np.load(path)["rows"]) == 120)
    good = path.read_bytes()
    middle = len(good) // 2
    if damage == "other":
        buffer = io.BytesIO()
        np.savez(buffer, **{**np.load(path), "rows": np.arange(120)})
        path.write_bytes(buffer.getvalue())
    else:
        path.write_bytes(
            good[:middle] + (b"" if damage == "cut" else bytes([good[middle] ^ 255]) + good[middle + 1 :])
        )
    status, _, err = cli(*command)
    assert status == 0
    assert f"{path} is damaged and made again" in err
    assert "damaged" not in cli(*command)[2]
    np.testing.assert_array_equal(np.load(path)["places"], np.load(io.BytesIO(good))["places"])


def test_trust_scores_are_those_of_the_metrics_and_stored(run):
    results, plugins = load_results(run), Plugins()
    trial = next(trial for trial in results.trials if trial.label == "pixels")
    space, record = results.latent_space(trial), Record(run, trial.key)
    pca = maps.trial_map(record, space, "pca", plugins, count=200)
    tsne = maps.trial_map(record, space, "tsne", plugins, count=200)
    assert tuple(pca.trust) == tuple(tsne.trust) == ALL
    assert 0.6 < pca.trust["trustworthiness"] < tsne.trust["trustworthiness"] < 1
    assert 0 < pca.trust["neighbor_recall"] < tsne.trust["neighbor_recall"] < 1
    assert maps.trial_map(record, space, "tsne", plugins, count=200).trust == tsne.trust


def test_trust_is_judged_again_where_a_metric_changed(run, monkeypatch):
    results, plugins = load_results(run), Plugins()
    trial = next(trial for trial in results.trials if trial.label == "pixels")
    space, record = results.latent_space(trial), Record(run, trial.key)
    before = maps.trial_map(record, space, "pca", plugins, count=160)
    monkeypatch.setattr(plugins.load("metric", "neighborhoods"), "version", 99)
    monkeypatch.setattr(maps, "make_map", None)  # the places are good
    monkeypatch.setattr(maps, "_trust", lambda *_: {"trustworthiness": 0.5})
    after = maps.trial_map(record, space, "pca", plugins, count=160)
    assert after.trust == {"trustworthiness": 0.5}
    np.testing.assert_array_equal(after.places, before.places)


@pytest.mark.parametrize("form", ["svg", "pdf"])
def test_other_formats_have_their_words_as_text(cli, run, tmp_path, form):
    command = ("map", run, "-m", "corner", "--plugin", run.parent / "plugin.py", "--method", "pca")
    out = cli(*command, "--format", form, "-o", tmp_path)[1]
    content = (tmp_path / f"digits-corner-seed0-pca.{form}").read_bytes()
    assert str(tmp_path / "digits-corner-seed0-pca.csv") in out
    assert content.startswith(b"%PDF" if form == "pdf" else b"<?xml")
    if form == "svg":
        assert b"trustworthiness 0." in content
        assert b"<image" in content  # the dots


def test_maps_of_several_seeds_say_how_much_they_differ(cli, run, tmp_path):
    command = (
        "map",
        run,
        "-m",
        "pixels",
        "--method",
        "pca,tsne",
        "--count",
        100,
        "--map-seeds",
        2,
        "--format",
        "svg",
    )
    assert cli(*command, "-o", tmp_path)[0] == 0
    text = (tmp_path / "digits-pixels-seed0-pca-tsne-count=100-map-seeds=2.svg").read_text()
    assert text.count("disparity to 1 other seed 0.") == 1


def test_a_factor_colors_the_dots(cli, tmp_path, monkeypatch):
    small = ("--epochs", 1, "--seeds", 1, "--train-limit", 100, "-s", "r2", "--workers", 0, "-o", tmp_path / "run")
    assert cli("run", "-d", "sprites:size=16:scales=2:orientations=2:positions=4", "-m", "pca", *small)[0] == 0
    status, out, _ = cli(
        "map", tmp_path / "run", "-m", "pca", "--method", "pca", "--by", "scale", "--format", "svg"
    )
    assert status == 0
    picture, numbers = out.split()
    assert ">scale</text>" in (tmp_path / "run" / "map" / picture.rpartition("/")[2]).read_text()
    assert set(pd.read_csv(numbers)["scale"]) == {0, 1}
    status, _, err = cli("map", tmp_path / "run", "-m", "pca", "--method", "pca", "--by", "scael")
    assert status == 2
    assert "--by: these items have no 'scael'; did you mean 'scale'" in err


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--method", "umpa"), "there is no map 'umpa'; did you mean 'umap'"),
        (("--method", "tsne", "--count", 5), "needs at least 10 codes, got 5"),
        (("--method", "pca", "--by", "size"), "these items have no 'size'; it has label"),
        (("--seed", 7), "--seed must be one of 0"),
    ],
    ids=lambda part: str(part)[:20],
)
def test_a_wrong_request_is_one_sentence(cli, run, options, sentence):
    status, out, err = cli("map", run, "-m", "ae", *options)
    assert (status, out) == (2, "")
    assert sentence in err
    assert err.count("\n") == 1
