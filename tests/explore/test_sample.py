import re

import numpy as np
import pytest
import torch

from latentbench.drawing.pictures import as_pictures
from latentbench.errors import NotApplicableError
from latentbench.explore import sample
from latentbench.explore.sample import draws, grid, inverse_grid, varied, visible_width
from latentbench.latent.grids import manifold_grid
from latentbench.latent.sampling import sample_codes
from latentbench.latent.space import LatentSpace
from latentbench.latent.variations import variations
from latentbench.testing import gallery


@pytest.fixture(scope="module")
def spots():
    return gallery(300, 100)


def codes_of(sample_sheet):
    return sample_sheet.numbers.filter(regex=r"^z\d+$").to_numpy()


def pictures(space, codes):
    return as_pictures(space.decode(torch.tensor(codes, dtype=torch.float32)))


def test_draws_stand_in_rows_beside_their_codes(spots):
    sample_sheet = draws(spots, 7, 3, "gaussian", "spots")
    assert sample_sheet.still.images.shape == (2, 6, 1, 16, 16)
    np.testing.assert_array_equal(codes_of(sample_sheet), sample_codes(spots, 7, 3, "gaussian"))
    for number, (row, column) in enumerate(sample_sheet.numbers[["row", "column"]].to_numpy()):
        shown = sample_sheet.still.images[row, column]
        np.testing.assert_allclose(
            shown, pictures(spots, codes_of(sample_sheet)[number : number + 1])[0], atol=1e-6
        )
    assert (sample_sheet.still.images[1, 1:] == 1).all()  # white
    assert (
        sample_sheet.still.title
        == "spots: 7 images of codes drawn from a full Gaussian fitted to the training codes"
    )


def test_a_grid_says_what_it_runs_through(spots):
    sample_sheet = grid(spots, 4, "spots")
    np.testing.assert_array_equal(codes_of(sample_sheet).reshape(4, 4, 5), manifold_grid(spots, 4))
    assert "quantiles of the prior, dimension 3 to the right" in sample_sheet.still.title  # the aspect varies most
    bare = grid(spots.replaced(prior=None), 4, "spots")
    assert "quantiles of the training codes" in bare.still.title


def test_variations_begin_with_the_item(spots):
    sample_sheet = varied(spots, 5, 6, 0, 1.0, "spots")
    assert sample_sheet.still.images.shape == (3, 5, 1, 16, 16)
    np.testing.assert_allclose(sample_sheet.still.images[0, 0], spots.inputs[5])
    np.testing.assert_allclose(sample_sheet.still.images[0, 1], spots.reconstructions[5])
    assert sample_sheet.numbers["row"].min() == 1
    word = spots.class_names[spots.labels[5]]
    assert sample_sheet.still.title == f"spots: 6 variations of item 5 ({word}), from its posterior, width 1"


def test_both_inverses_stand_side_by_side_with_their_errors(spots):
    sample_sheet = inverse_grid(spots, "pca", 4, 200, 0, "spots")
    assert sample_sheet.still.images.shape == (4, 9, 1, 16, 16)
    table = sample_sheet.numbers
    assert table["inverse"].unique().tolist() == ["PCA's inverse", "10 nearest on the map"]
    for number, way in enumerate(table["inverse"].unique()):
        rows = table[table["inverse"] == way]
        shown = sample_sheet.still.images[:, 5 * number : 5 * number + 4].reshape(16, 1, 16, 16)
        decoded = pictures(spots, rows.filter(regex=r"^z\d+$").to_numpy())
        np.testing.assert_allclose(shown, decoded, atol=1e-5)
        caption = sample_sheet.still.columns[5 * number + 2]
        assert caption.startswith(f"{way}: mse {rows['held_out_image_mse'].iloc[0]:.4f} from images")
    assert len(re.findall(r"item \d+ \((?:tall|round|wide)\)", sample_sheet.still.title)) == 4
    corners = table.iloc[[0, 3, 12, 15]]
    assert (corners["distance_to_data"] == 0).all()
    assert "of 200 test codes; errors of 64 others" in sample_sheet.still.title


def test_neighbors_at_a_corner_give_the_item_there(spots):
    sample_sheet = inverse_grid(spots, "pca", 4, 200, 0, "spots")
    corner = codes_of(sample_sheet)[16]
    assert (np.abs(spots.codes.numpy() - corner).max(axis=1) < 1e-6).any()


def test_umap_stands_beside_neighbors(spots, monkeypatch):
    monkeypatch.setattr(sample, "UmapInverse", lambda codes, seed: sample.PlaneInverse(codes))  # JIT takes 20 s
    sample_sheet = inverse_grid(spots, "umap", 2, 60, 0, "spots")
    assert sample_sheet.still.images.shape == (2, 5, 1, 16, 16)
    assert sample_sheet.numbers["inverse"].unique().tolist() == ["UMAP's inverse", "10 nearest on the map"]
    assert np.isfinite(codes_of(sample_sheet)).all()


def test_a_map_needs_items(spots):
    with pytest.raises(NotApplicableError, match="a map needs at least 40 test items, got 8"):
        inverse_grid(spots.take(torch.arange(10)), "pca", 4, 200, 0, "spots")


def test_what_is_no_picture_says_so():
    flat = LatentSpace.from_arrays(codes=torch.randn(50, 3), inputs=torch.randn(50, 3), decode=lambda codes: codes)
    with pytest.raises(
        NotApplicableError, match="only images of one or three channels and signed distances in space can be drawn"
    ):
        draws(flat, 4, 0, "auto", "flat")


def test_variations_of_a_narrow_posterior_vary_all_the_same(spots):
    """As much as the nearest items; a width that is asked for is kept."""
    drawing = varied(spots, 5, 16, 0, None, "spots")
    width, why = visible_width(spots, 5)
    assert drawing.title.endswith(f"width {width:g} ({why})")
    decoded = spots.decode(variations(spots, 5, 64, 1, width))
    itself = spots.decode(spots.codes[5:6])
    order = (spots.codes - spots.codes[5]).norm(dim=1).argsort()[1:6]
    enough = (spots.decode(spots.codes[order]) - itself).flatten(1).norm(dim=1).mean()
    change = (decoded - itself).flatten(1).norm(dim=1).mean()
    assert (why == "images change as much as to the nearest items, or more") == (width < 8 or change > enough)
    assert change > 0.8 * enough or width == 8
    assert "width 2" in varied(spots, 5, 16, 0, 2.0, "spots").title


def test_a_width_that_is_not_enough_is_not_said_to_be(spots, monkeypatch):
    monkeypatch.setattr(sample, "WIDTHS", (0.0, 1e-3))
    width, why = visible_width(spots, 5)
    assert (width, why) == (1e-3, "the widest tried, images change less than to the nearest items")
