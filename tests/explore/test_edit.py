from __future__ import annotations

import numpy as np
import pytest
import torch

from latentbench.explore import edit as editing
from latentbench.explore.edit import Change, edited_by_default, plan_edits
from latentbench.latent.edits.directions import attribute_direction
from latentbench.testing import gallery


def draw_edits(space, rows, edits, *, reencode):
    drawing = editing.draw_edits(space, rows, edits, "a title", reencode=reencode)
    return drawing.still, drawing.numbers


def test_a_perfect_model_gives_the_true_images():
    space = gallery(60, 1500)
    edits = plan_edits(space, [Change("tone", 1.0), Change("x", -1.0)], "paired", None)
    assert all(edit.chosen and abs(edit.strength - 1) < 0.1 for edit in edits)
    inside = (space.factors[:, 4] < 2) & (space.factors[:, 0] > 3)  # a step does not end at the border
    first, second = inside.nonzero()[:2, 0].tolist()
    sheet, numbers = draw_edits(space, [first, second], edits, reencode=False)
    assert sheet.images.shape == (4, 4, 1, 112, 112)
    classes = [space.class_names[label] for label in space.labels[[first, second]]]
    assert sheet.rows == [
        f"item {first} ({classes[0]})",
        "true image",
        f"item {second} ({classes[1]})",
        "true image",
    ]
    assert sheet.columns == ["input", "reconstruction", "more tone", "less x"]
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


def test_default_items_lack_the_requested_attribute():
    space = gallery(60, 1500)
    (edit,) = plan_edits(space, [Change("label:0->2", 1.0)], "balanced_means", None)
    rows = edited_by_default(space, edit)
    assert space.labels[rows].tolist() == [0] * 4
    assert edit.strength == 1
    assert not edit.chosen
    assert str(edit) == "tall to wide"
    sheet, numbers = draw_edits(space, rows[:1], [edit], reencode=False)
    assert sheet.rows == [f"item {rows[0]} (tall)"]
    assert sheet.columns == ["input", "reconstruction", "tall to wide"]
    assert numbers["edit"].tolist() == ["tall to wide"]
    (back,) = plan_edits(space, [Change("label:0->2", -1.0)], "balanced_means", None)
    assert space.labels[edited_by_default(space, back)].tolist() == [2] * 4
    assert str(back) == "wide to tall"
    (up,) = plan_edits(space, [Change("tone", 1.0)], "balanced_means", 1.0)
    assert (space.factors[edited_by_default(space, up), 4] < 3).all()


@pytest.mark.parametrize(
    ("names", "steps", "words"),
    [((), 1.0, "class 0 to class 2"), (("7", "8", "a<b&c"), -2.0, "a<b&c to class 7, 2 steps")],
)
def test_classes_without_names_are_no_numbers(names, steps, words):
    space = gallery(60, 1500)
    space = space.replaced(class_names=names, train=space.train.replaced(class_names=names))
    pair = "label:0->2" if not names else "label:7->A<B&C"
    (edit,) = plan_edits(space, [Change(pair, steps)], "balanced_means", None)
    assert str(edit) == words


def test_there_is_no_true_image_after_an_edit_of_a_class():
    space = gallery(60, 1500)
    changes = [Change("tone", 1.0), Change("label:0->2", 1.0), Change("x", 1.0)]
    edits = plan_edits(space, changes, "balanced_means", 1.0)
    sheet, numbers = draw_edits(space, [0], edits, reencode=True)
    assert (sheet.images[1, 3:] == 1).all()
    assert not (sheet.images[1, 2] == 1).all()
    assert numbers["error_edited"].isna().tolist() == [False, True, True]
    assert torch.isfinite(torch.tensor(numbers["image_change"].to_numpy())).all()
