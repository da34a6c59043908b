import numpy as np
import pytest
import torch

from latentbench import LatentSpace
from latentbench.explore.morph import as_meshes, blended, blended_sheet, frames, morphed, morphed_sheet
from latentbench.latent.paths.interpolation import PATHS


def plain_space(images, decode=None, **changes):
    codes = torch.randn(len(images), 2, generator=torch.Generator().manual_seed(0))
    return LatentSpace.from_arrays(
        codes=codes, inputs=images, decode=decode or (lambda z: _like(z, images)), **changes
    )


def _like(codes, images):
    grown = codes.sigmoid().mean(1)[:, None, None, None]
    return grown * torch.as_tensor(images[0]).expand(len(codes), *images.shape[1:])


def test_transport_of_colors_is_left_out_with_a_note():
    images = np.random.default_rng(0).random((6, 3, 8, 8)).astype(np.float32)
    for morph in (
        morphed(plain_space(images), [0, 1], 4, ["linear"]),
        blended(plain_space(images), [0, 1, 2], 2, ["norm"]),
    ):
        assert [row.name for row in morph.rows][1:] == ["pixel fade"]
        assert len(morph.notes) == 1
        assert morph.notes[0].startswith("optimal transport is left out: images must be grey")


def test_signed_distances_move_without_transport():
    lines = np.linspace(-1, 1, 16, dtype=np.float32)
    discs = np.stack([np.hypot(lines[:, None], lines) - size for size in (0.2, 0.4, 0.6, 0.8)])[:, None]
    space = plain_space(discs, lambda z: torch.as_tensor(discs[:1]) + z[:, :1, None, None] * 0.1)
    morph = morphed(space, [0, 2, 3], 5, ["linear"])
    assert [row.name for row in morph.rows] == ["linear", "fade of distances"]
    assert "nothing below 0" in morph.notes[0]
    fade = morphed_sheet(morph, "").images[1]
    assert (fade[:, 0, 8, 8] > 0.9).all()  # inside is white
    assert (fade[:, 0, 0, 0] < 0.1).all()
    assert len({shown.shape for shown in frames(morph)}) == 1


def balls(radii):
    line = (2 * torch.arange(16) + 1) / 16 - 1
    far = ((line**2)[:, None, None] + (line**2)[:, None] + line**2).sqrt()
    return far - torch.as_tensor(radii)[:, None, None, None, None]


def test_bodies_move_as_shaded_surfaces():
    space = plain_space(balls([0.2, 0.4, 0.6, 0.8]).numpy(), lambda z: balls(z[:, 0].sigmoid()))
    morph = morphed(space, [0, 2, 3], 5, ["linear"])
    assert [row.name for row in morph.rows] == ["linear", "fade of distances"]
    assert len(morph.notes) == 1
    assert morph.notes[0].startswith("optimal transport is left out: ")
    shown = morphed_sheet(morph, "").images
    assert shown.shape == (2, 5, 1, 112, 112)
    areas = (shown[1] > 0).sum((1, 2, 3))
    assert (np.diff(areas) > 0).all()  # a fade of distances from balls is a ball that grows
    assert areas[2] / areas[4] == pytest.approx((0.6 / 0.8) ** 2, rel=0.03)
    assert len({picture.shape for picture in frames(morph)}) == 1
    assert blended_sheet(blended(space, [0, 2, 3], 2, ["linear"]), "").images.shape[2] == 1


def test_meshes_stand_where_the_strip_shows_them():
    space = plain_space(balls([0.3, 0.6]).numpy(), lambda z: balls(0.4 + 0.0 * z[:, 0]))
    lines = as_meshes(morphed(space, [0, 1], 3, ["linear"])).splitlines()
    names = [line[2:] for line in lines if line[0] == "o"]
    assert names == [
        "linear_0",
        "linear_1",
        "linear_2",
        "fade_of_distances_0",
        "fade_of_distances_1",
        "fade_of_distances_2",
    ]
    starts = [place for place, line in enumerate(lines) if line[0] == "o"]
    for number, (start, end) in enumerate(zip(starts, [*starts[1:], len(lines)], strict=True)):
        corners = np.array([line.split()[1:] for line in lines[start:end] if line[0] == "v"], float)
        middle = [2.2 * (number % 3), -2.2 * (number // 3), 0]
        np.testing.assert_allclose((corners.min(0) + corners.max(0)) / 2, middle, atol=0.01)
        radius = 0.4 if number < 3 else 0.3 + 0.15 * (number % 3)
        np.testing.assert_allclose(corners.max(0) - middle, radius, atol=0.02)


def test_a_shape_that_vanishes_on_the_way_is_still_read_as_a_distance():
    lines = np.linspace(-1, 1, 16, dtype=np.float32)
    discs = np.stack([np.hypot(lines[:, None], lines) - 0.5] * 3)[:, None]
    space = plain_space(discs, lambda z: torch.full((len(z), 1, 16, 16), 0.4))  # outside everywhere
    shown = morphed_sheet(morphed(space, [0, 1], 3, ["linear"]), "").images
    assert shown[0].max() < 0.01


def test_a_decoder_that_undershoots_still_makes_images():
    images = np.random.default_rng(1).random((9, 1, 8, 8)).astype(np.float32)
    space = plain_space(images, lambda z: torch.full((len(z), 1, 8, 8), -0.2))
    assert morphed_sheet(morphed(space, [0, 1], 3, ["linear"]), "").images[0].max() == 0


def test_a_path_without_gradients_is_left_out_only_beside_others():
    images = np.random.default_rng(1).random((9, 1, 8, 8)).astype(np.float32)
    space = plain_space(images).replaced(differentiable=False)
    morph = morphed(space, [0, 1], 3, PATHS)
    assert [row.name for row in morph.rows] == [
        "linear",
        "slerp",
        "norm",
        "graph",
        "pixel fade",
        "optimal transport",
    ]
    assert morph.notes == ("geodesic is left out: no decoder with gradients",)


@pytest.mark.parametrize(
    ("labels", "names", "words"),
    [
        ([0, 1, 2], ("sneaker", "7", "x"), ["item 0 (sneaker)", "item 1 (class 7)", "item 2 (x)"]),
        ([7, 0, 7], (), ["item 0 (class 7)", "item 1 (class 0)", "item 2 (class 7)"]),
        (
            [0, 1, 2],
            ("n" * 40, "日本", " "),
            [f"item 0 ({11 * 'n'}...{10 * 'n'})", "item 1 (日本)", 'item 2 (class " ")'],
        ),
        (None, (), ["item 0", "item 1", "item 2"]),
    ],
)
def test_titles_say_what_items_are(labels, names, words):
    images = np.random.default_rng(1).random((3, 1, 8, 8)).astype(np.float32)
    space = plain_space(images, labels=labels, class_names=names)
    title = morphed_sheet(morphed(space, [0, 1, 2], 5, ["linear"]), "ae, data, seed 0").title
    assert title == f"From {' to '.join(words)}: ae, data, seed 0"
    title = blended_sheet(blended(space, [2, 0, 1], 2, ["linear"]), "ae").title
    assert title == (
        f"Between {words[2]} top, {words[0]} left, {words[1]} right: ae; corners of paths are reconstructions"
    )


def test_ends_of_paths_are_named_reconstructions_and_those_of_mixes_inputs():
    images = np.random.default_rng(1).random((3, 1, 8, 8)).astype(np.float32)
    sheet = morphed_sheet(morphed(plain_space(images), [0, 2], 3, ["linear", "slerp"]), "ae")
    assert (sheet.corner, sheet.columns) == ("reconstruction of", ["item 0", "0.50", "item 2"])
    assert (sheet.second.row, sheet.second.corner) == (2, "input")
    assert sheet.second.columns == ["item 0", "", "item 2"]
    assert sheet.rows[sheet.second.row] == "pixel fade"


def test_a_way_has_one_color_and_one_marker_in_all_figures():
    images = np.random.default_rng(1).random((3, 1, 8, 8)).astype(np.float32)
    space = plain_space(images)
    some, all_ways = (morphed_sheet(morphed(space, [0, 2], 3, paths), "ae") for paths in (["slerp"], PATHS))
    assert some.curve_styles["slerp"] == all_ways.curve_styles["slerp"]
    assert set(all_ways.curves) <= set(all_ways.curve_styles)


def test_frames_go_there_and_back():
    images = np.random.default_rng(1).random((9, 1, 8, 8)).astype(np.float32)
    pictures = frames(morphed(plain_space(images), [0, 1], 6, ["linear"]))
    assert len(pictures) == 10
    for place in range(1, 5):
        np.testing.assert_array_equal(pictures[place], pictures[10 - place])
