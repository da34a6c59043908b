"""The verb `transport` through the real command line, on a tiny run of digits."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

TOML = """
models = ["ae", "beta_vae"]
references = []
maps = []
seeds = 1
scores = ["r2"]
budget = {epochs = 1, batch_size = 64, train_limit = 200}
params = {latent_dim = 2}
[on.digits]
budget = {epochs = 1}
"""
COLORS = '''
import numpy as np
from latentbench import Dataset, Split, hookimpl

class Colors(Dataset):
    """Noise in three channels."""
    def load(self):
        inputs = np.random.default_rng(0).integers(0, 256, (120, 3, 8, 8)).astype(np.uint8)
        return Split(inputs[:80]), Split(inputs[80:])

@hookimpl
def register_datasets(register):
    register("colors", Colors, summary="noise")
'''


@pytest.fixture(scope="module")
def finished(finished_run):
    """A finished run of two models."""
    return finished_run(TOML)


def written(out):
    """The files that a command named, by ending."""
    return {line.rpartition(".")[2]: line for line in out.split()}


def test_two_items_go_by_transport_and_by_fading(cli, finished, tmp_path):
    status, out, err = cli("transport", finished, "--items", "3,50", "--points", 5, "-o", tmp_path)
    assert (status, err) == (0, "")
    paths = written(out)
    assert set(paths) == {"png", "webp", "csv"}
    numbers = pd.read_csv(paths["csv"])
    assert list(numbers.columns) == ["way", "share", "mass", "lit_pixels"]
    ways = dict(tuple(numbers.groupby("way")))
    assert set(ways) == {"optimal transport", "pixel fade"}
    for column in ("mass", "lit_pixels"):  # both ways begin and end with the same images
        ends = [ways[name][column].iloc[[0, -1]].tolist() for name in ways]
        assert ends[0] == pytest.approx(ends[1], rel=1e-6)
    np.testing.assert_allclose(*(ways[name]["mass"] for name in ways), rtol=1e-5)
    assert not np.allclose(*(ways[name]["lit_pixels"] for name in ways), rtol=1e-3)  # and part in between
    with Image.open(paths["png"]) as sheet, Image.open(paths["webp"]) as moving:
        assert json.loads(sheet.info["Description"])["items"] == [3, 50]
        assert moving.n_frames == 24  # there and back


def test_four_items_make_a_square_and_weights_a_mean(cli, finished, tmp_path):
    status, out, _ = cli("transport", finished, "--items", "3,50,77,120", "-o", tmp_path)
    assert status == 0
    numbers = pd.read_csv(written(out)["csv"])
    assert numbers["way"].value_counts().to_dict() == {"Wasserstein": 25, "Euclidean": 25}
    corners = numbers[numbers.filter(like=": item").max(axis=1) == 1]
    moved, mixed = (corners[corners["way"] == way] for way in ("Wasserstein", "Euclidean"))
    assert len(moved) == 4
    assert moved["lit_pixels"].tolist() == pytest.approx(mixed["lit_pixels"].tolist(), rel=1e-6)
    status, out, _ = cli(
        "transport", finished, "--items", "3,50,77", "--weights", "2,1,1", "--model", "ae", "-o", tmp_path
    )
    assert status == 0
    numbers = pd.read_csv(written(out)["csv"])
    assert numbers["0: item 3"].tolist() == [0.5, 0.5]
    assert numbers["mass"].iloc[0] == pytest.approx(numbers["mass"].iloc[1], rel=1e-5)


def test_classes_of_codes_are_moved_and_decoded(cli, finished):
    status, out, err = cli("transport", finished, "--model", "beta_vae", "--classes", "5,9", "--points", 4)
    assert (status, err) == (0, "")
    paths = written(out)
    assert set(paths) == {"png", "webp", "csv"}
    assert paths["csv"].startswith(str(finished / "transport"))
    numbers = pd.read_csv(paths["csv"])
    moved, means = (numbers[numbers["way"] == way] for way in ("moved codes", "class means"))
    assert moved["nearest_code"].iloc[[0, -1]].tolist() == pytest.approx([0, 0], abs=1e-3)
    assert (moved["spread"] > 0).all()
    assert (means["spread"] == 0).all()


@pytest.mark.parametrize("count", [2, 3, 4])
def test_signals_of_a_file(cli, tmp_path, count):
    place = np.arange(60)
    table = pd.DataFrame({f"peak {at}": np.exp(-((place - at) ** 2) / 8) for at in (10, 20, 40, 45)[:count]})
    table.to_csv(tmp_path / "peaks.csv", index=False)
    status, out, err = cli("transport", "--signals", tmp_path / "peaks.csv", "--points", 3)
    assert (status, err) == (0, "")
    paths = written(out)
    assert paths["png"] == str(tmp_path / "transport" / "signals-peaks-points=3.png")
    numbers = pd.read_csv(paths["csv"])
    even = numbers[np.isclose(numbers.filter(like="peak"), 1 / count).all(axis=1)]
    center = (even["Wasserstein"] * even["place"]).sum() / even["Wasserstein"].sum()
    assert center == pytest.approx(np.mean([10, 20, 40, 45][:count]), abs=0.01)
    assert even["Wasserstein"].max() > 1.5 * even["Euclidean"].max()  # one peak, where the mean has several
    np.save(tmp_path / "peaks.npy", table.to_numpy().T)
    status, out, _ = cli("transport", "--signals", tmp_path / "peaks.npy", "--points", 3, "-o", tmp_path)
    assert status == 0
    np.testing.assert_allclose(pd.read_csv(written(out)["csv"])["Wasserstein"], numbers["Wasserstein"])


def test_a_wrong_request_is_one_sentence(cli, finished, tmp_path):
    pd.DataFrame({"a": [1.0, 2], "b": [1.0, -2]}).to_csv(tmp_path / "negative.csv", index=False)
    pd.DataFrame({"a": [1.0, 2]}).to_csv(tmp_path / "one.csv", index=False)
    (tmp_path / "gap.csv").write_text("a,b\n1,2\n3,\n")
    (tmp_path / "words.csv").write_text("a,b\nx,y\n")
    np.save(tmp_path / "flat.npy", np.ones(5))
    for arguments, words in (
        ((finished,), "give one of --items, --classes and --signals, got none"),
        ((finished, "--items", "1,2", "--classes", "1,2"), "got --items and --classes"),
        (("--items", "1,2"), "--items needs a RUN"),
        ((finished, "--signals", tmp_path / "one.csv"), "--signals takes no RUN"),
        ((finished, "--items", "3"), "--items must name two or more images, as --items 3,50, got 1"),
        ((finished, "--items", "3,99999"), "--items must be a test item from 0 to"),
        (
            (finished, "--items", "3,4", "--weights", "1"),
            "--weights must be 2 numbers, one for each item or signal, got 1",
        ),
        (
            (finished, "--items", "3,4", "--weights", "1,-1"),
            "--weights must be finite, at least 0 and not all 0, got 1,-1",
        ),
        (
            (finished, "--items", "3,4", "--weights", "0,0"),
            "--weights must be finite, at least 0 and not all 0, got 0,0",
        ),
        (("--signals", tmp_path / "gap.csv"), "must hold finite numbers, b has none at place 1, from 0"),
        ((finished, "--classes", "1,2"), "choose a model with --model"),
        ((finished, "--classes", "1,2", "--weights", "1,2"), "--weights goes with --items or --signals"),
        ((finished, "--model", "ae", "--classes", "1"), "--classes must name two classes"),
        ((finished, "--model", "ae", "--classes", "1,12"), "there is no class 12; classes are 0, 1,"),
        (
            (finished, "--model", "ae", "--classes", "1,1"),
            "two different classes are written --classes 5,9, by number or by name, got '1,1'",
        ),
        (("--signals", tmp_path / "negative.csv"), "nothing below 0"),
        (("--signals", tmp_path / "one.csv"), "must hold two or more signals, got 1"),
        (("--signals", tmp_path / "words.csv"), "signals cannot be read from"),
        (("--signals", tmp_path / "none.csv"), "signals cannot be read from"),
        (("--signals", tmp_path / "flat.npy"), "must hold an array (signals, places), got shape (5,)"),
    ):
        status, out, err = cli("transport", *arguments)
        assert (status, out) == (2, ""), arguments
        assert words in err
        assert len(err.splitlines()) == 1, err


def test_weights_that_are_no_finite_numbers_are_refused(cli, finished):
    for weights in ("1,inf", "nan,1", "1,x"):
        status, out, err = cli("transport", finished, "--items", "3,4", "--weights", weights)
        assert (status, out) == (2, "")
        assert f"got '{weights}'" in err


def test_colors_are_refused(cli, plugin_file, tmp_path):
    plugin = plugin_file(COLORS, "colors.py")
    (tmp_path / "mine.toml").write_text(
        "datasets = ['colors']" + TOML.replace("digits", "colors").replace(', "beta_vae"', "")
    )
    run = "run", tmp_path / "mine.toml", "--workers", "0", "-o", tmp_path / "run", "--plugin", plugin
    assert cli(*run)[0] == 0
    status, _, err = cli("transport", tmp_path / "run", "--items", "3,4", "--plugin", plugin)
    assert status == 2
    assert "colors: images must be grey, got 3 channels: their masses differ; make them grey first" in err
