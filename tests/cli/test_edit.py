from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from latentbench.explore.edit import Change, draw_edits, edited_by_default, plan_edits
from latentbench.latent.edits.directions import attribute_direction
from latentbench.testing import gallery

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


def test_classes_of_data_that_nobody_can_draw(cli, run):
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
        (["--attribute", "label:0->9"], "there is no class 9 in the training labels; classes here: 0, 1, 2"),
        (["--attribute", "label:1-"], "a pair of classes is written 'label:5->9'"),
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


# the sheet itself


def test_a_perfect_model_gives_the_true_images():
    space = gallery(60, 1500)
    edits = plan_edits(space, [Change("tone", 1.0), Change("x", -1.0)], "paired", None)
    assert all(one.chosen and abs(one.strength - 1) < 0.1 for one in edits)
    inside = (space.factors[:, 4] < 2) & (space.factors[:, 0] > 3)  # a step does not end at the border
    first, second = inside.nonzero()[:2, 0].tolist()
    sheet, numbers = draw_edits(space, [first, second], edits, reencode=False)
    assert sheet.images.shape == (4, 4, 1, 112, 112)
    assert sheet.rows == [f"item {first}", "true image", f"item {second}", "true image"]
    assert sheet.columns == ["input", "reconstruction", "tone=+1", "x=-1"]
    assert np.allclose(sheet.images[0, 0, :, ::7, ::7], space.inputs[first])
    assert (sheet.images[1, :2] == 1).all()
    assert np.abs(sheet.images[::2, 2:] - sheet.images[1::2, 2:]).max() < 0.15  # items are drawn with a jitter
    assert numbers["masked_error_edited"].mean() < 0.1 * numbers["masked_error_unedited"].mean()


def test_a_decoder_that_leaves_the_range_of_images_is_cut_to_it():
    space = gallery(60, 1500)
    bold = space.replaced(decode=lambda codes: 2 * space.decode(codes) - 0.2)
    sheet, _ = draw_edits(
        bold, [0], plan_edits(bold, [Change("tone", 1.0)], "balanced_means", 1.0), reencode=False
    )
    assert np.allclose(sheet.images[0, 1, :, ::7, ::7], bold.reconstructions[0].clamp(0, 1), atol=1e-6)


def test_steps_end_at_the_range_and_add_up():
    space = gallery(60, 1500)
    edits = plan_edits(space, [Change("tone", 1.0)] * 4, "balanced_means", 1.0)
    _, numbers = draw_edits(space, [0], edits, reencode=False)
    up = numbers["code_change"].tolist()
    to_top = (3 - float(space.factors[0, 4])) * float(attribute_direction(space, "tone").vector.norm())
    assert up[-1] == pytest.approx(up[-2]) == pytest.approx(to_top, abs=1e-4)


def test_default_items_lack_what_is_asked_for():
    space = gallery(60, 1500)
    (edit,) = plan_edits(space, [Change("label:0->2", 1.0)], "balanced_means", None)
    rows = edited_by_default(space, edit)
    assert space.labels[rows].tolist() == [0] * 4
    assert edit.strength == 1
    assert not edit.chosen
    (back,) = plan_edits(space, [Change("label:0->2", -1.0)], "balanced_means", None)
    assert space.labels[edited_by_default(space, back)].tolist() == [2] * 4
    (up,) = plan_edits(space, [Change("tone", 1.0)], "balanced_means", 1.0)
    assert (space.factors[edited_by_default(space, up), 4] < 3).all()


def test_after_a_class_nobody_knows_the_true_image():
    space = gallery(60, 1500)
    changes = [Change("tone", 1.0), Change("label:0->2", 1.0), Change("x", 1.0)]
    edits = plan_edits(space, changes, "balanced_means", 1.0)
    sheet, numbers = draw_edits(space, [0], edits, reencode=True)
    assert (sheet.images[1, 3:] == 1).all()
    assert not (sheet.images[1, 2] == 1).all()
    assert numbers["error_edited"].isna().tolist() == [False, True, True]
    assert torch.isfinite(torch.tensor(numbers["image_change"].to_numpy())).all()
