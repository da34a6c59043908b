import json
import math

import pandas as pd
import pytest
from PIL import Image

TOML = """
models = ["vae"]
references = ["pixels", "pca", "untrained"]
maps = []
seeds = 1
scores = ["r2"]
budget = {epochs = 1, batch_size = 64, train_limit = 200}
params = {latent_dim = 3}
"""


@pytest.fixture(scope="module")
def run(finished_run):
    """A finished run of small models on digits."""
    return finished_run(TOML)


CASES = {
    "auto": ("vae", ["--count", 9]),
    "prior": ("vae", ["--count", 9]),
    "gaussian": ("pca", ["--count", 9]),
    "mixture": ("vae", ["--count", 9]),
    "grid": ("pca", ["--count", 9]),
    "variations": ("vae", ["--count", 9, "--item", 12, "--width", 0.5]),
    "inverse": ("pixels", ["--count", 9, "--map", "pca", "--points", 100]),
}


@pytest.mark.parametrize("how", CASES)
def test_a_sheet_and_its_numbers_are_written(cli, run, tmp_path, how):
    model, options = CASES[how]
    status, out, err = cli("sample", run, "--model", model, "--how", how, *options, "-o", tmp_path)
    assert (status, err) == (0, "")
    picture, table = (tmp_path / f"{name}" for name in (path.rpartition("/")[2] for path in out.splitlines()))
    assert picture.name.startswith(f"digits-{model}-seed0-{how}-count=9")
    with Image.open(picture) as drawn:
        about = json.loads(drawn.text["Description"])
    assert about["model"] == model
    assert about["how"] == how
    numbers = pd.read_csv(table)
    assert len(numbers) == (18 if how == "inverse" else 9)
    assert len(numbers.filter(regex=r"^z\d+$").columns) == (64 if model == "pixels" else 3)


def test_the_run_keeps_them_where_nothing_else_is_said(cli, run):
    status, out, _ = cli("sample", run, "--model", "vae", "--count", 4)
    assert status == 0
    assert out.splitlines() == [
        str(run / "sample" / f"digits-vae-seed0-auto-count=4.{ending}") for ending in ("png", "csv")
    ]


def test_draws_follow_their_seed(cli, run, tmp_path):
    def drawn(seed, folder):
        cli("sample", run, "-m", "vae", "--count", 4, "--seed-draw", seed, "-o", tmp_path / folder)
        return (tmp_path / folder / f"digits-vae-seed0-auto-count=4-seed-draw={seed}.csv").read_bytes()

    assert drawn(1, "a") == drawn(1, "b")
    assert drawn(1, "a") != drawn(2, "c")


WRONG = {
    "no item": (["-m", "vae", "--how", "variations"], "--how variations needs the number of a test item"),
    "item": (
        ["-m", "vae", "--how", "variations", "--item", "360"],
        "--item must be a test item from 0 to 359, got 360",
    ),
    "negative item": (["-m", "vae", "--how", "variations", "--item", "-1"], "from 0 to 359, got -1"),
    "no decoder": (["-m", "untrained"], "untrained on digits: no decoder; choose another --model"),
    "no prior": (["-m", "pca", "--how", "prior"], "pca on digits: no prior; choose another --model"),
    "no square": (
        ["-m", "pca", "--how", "grid", "--count", "50"],
        "a grid needs --count to be a square number, 4 or more, got 50; take 49",
    ),
    "one": (["-m", "pca", "--how", "inverse", "--count", "1"], "got 1; take 4"),
    "misplaced": (["-m", "pca", "--item", "3"], "--item goes with --how variations, got --how auto"),
    "map": (["-m", "pca", "--how", "grid", "--map", "pca"], "--map goes with --how inverse, got --how grid"),
    "no model": ([], "this run has several: choose a model with --model, one of vae, "),
    "width": (["-m", "vae", "--how", "variations", "--item", "1", "--width", "-1"], "'--width'"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_request_ends_with_status_2_and_one_sentence(cli, run, tmp_path, case):
    options, sentence = WRONG[case]
    status, out, err = cli("sample", run, *options, "-o", tmp_path / "out")
    assert (status, out) == (2, "")
    assert sentence in err
    assert "Traceback" not in err
    if err.startswith("latentbench: "):
        assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_the_picture_is_as_large_as_its_images(cli, run, tmp_path):
    cli("sample", run, "-m", "vae", "--count", 16, "-o", tmp_path)
    with Image.open(tmp_path / "digits-vae-seed0-auto-count=16.png") as drawn:
        assert drawn.width >= 8 * 56
        assert drawn.height >= 2 * 56
    assert math.isfinite(pd.read_csv(tmp_path / "digits-vae-seed0-auto-count=16.csv")["z0"].sum())
