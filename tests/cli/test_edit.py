from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from PIL import Image

SPRITES = "sprites:size=16:scales=3:orientations=2:positions=6"
SMALL = ["-p", "latent_dim=4", "--epochs", "2", "--seeds", "1", "--workers", "0", "-s", "r2"]


@pytest.fixture(scope="module")
def run(finished_run):
    """A finished run of two models on data with factors, and on digits, which have none."""
    return finished_run(None, "-d", SPRITES, "-d", "digits", "-m", "pca", "-m", "ae", *SMALL)


def sprites(cli, *options):
    return cli("edit", *options, "-d", "sprites", "-m", "pca")


def test_a_chain_is_drawn_with_its_true_images_and_numbers(cli, run):
    status, out, err = sprites(cli, run, "--attribute", "x=+1", "--then", "scale=-1", "--items", "3,10")
    assert status == 0, err
    picture, numbers = out.split()
    assert picture == str(run / "edit" / "sprites-pca-seed0-x=+1_scale=-1-items=3_10.png")
    table = pd.read_csv(numbers)
    assert table["item"].tolist() == [3, 10] * 2
    assert table["edit"].tolist() == ["x=+1"] * 2 + ["scale=-1"] * 2
    assert table["step"].tolist() == [1, 1, 2, 2]
    assert {"strength", "masked_error_edited", "masked_error_unedited", "error_reconstructed"} <= set(table)
    assert np.isfinite(table.drop(columns=["edit", "how"]).to_numpy(float)).all()
    with Image.open(picture) as image:
        assert image.width > 4 * 56
        assert image.height > 4 * 56
        assert '"edits": ["x=+1", "scale=-1"]' in image.text["Description"]


def test_without_items_the_first_that_change_are_edited(cli, run):
    status, out, err = sprites(cli, run, "--attribute", "x")
    assert status == 0, err
    assert pd.read_csv(out.split()[1])["item"].nunique() == 4


def test_classes_are_edited_in_data_without_a_renderer(cli, run):
    status, out, err = cli("edit", run, "-d", "digits", "-m", "ae", "--attribute", "label:3->8", "--reencode")
    assert status == 0, err
    table = pd.read_csv(out.split()[1])
    assert (table["strength"] == 1).all()
    assert "error_edited" not in table
    assert len(table) == 4


@pytest.mark.parametrize("how", ["mean_difference", "probe_normal", "paired"])
def test_other_ways_to_find_directions(cli, run, how):
    status, out, err = sprites(
        cli, run, "--attribute", "y=-1", "--how", how, "--strength", "0.5", "--lock", "x", "-o", run / how
    )
    assert status == 0, err
    table = pd.read_csv(out.split()[1])
    assert set(table["how"]) == {how}
    assert set(table["strength"]) == {0.5}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--attribute", "scael=+1"], "there is no attribute 'scael'; did you mean 'scale'"),
        (
            ["--attribute", "x=much"],
            "is NAME=STEPS as in smile=+1, with steps other than 0, got 'x=much'",
        ),
        (["--attribute", "x=0"], "steps other than 0"),
        (["--attribute", "x", "--items", "999"], "--items must be a test item from 0 to"),
        (["--attribute", "x", "--strength", "some"], "--strength must be auto or a number, got 'some'"),
        (["--attribute", "label:0->9"], "there is no class 9; classes are square (0), ellipse (1), heart (2)"),
        (["--attribute", "label:1-"], "two different classes are written 'label:5->9'"),
        (["--attribute", "label:0-1", "--how", "paired"], "choose another --how"),
        (["--attribute", "x", "--lock", "x"], "x has no direction of its own beside x"),
    ],
)
def test_a_wrong_request_is_one_sentence(cli, run, options, sentence):
    status, out, err = sprites(cli, run, *options)
    assert status == 2
    assert sentence in err
    assert len(err.strip().splitlines()) == 1
    assert not out


def test_pairs_of_data_that_cannot_be_drawn(cli, run):
    status, _, err = cli("edit", run, "-d", "digits", "-m", "ae", "--attribute", "label:3->8", "--how", "paired")
    assert status == 2
    assert "choose another --how" in err
