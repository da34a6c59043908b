"""Changes of inputs beside the same by SciPy and by hand."""

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates

from latentbench import DataSpec, LatentbenchError
from latentbench.errors import RequestError
from latentbench.params import build_params
from latentbench_models.self_supervised.simclr import SimCLR
from latentbench_models.self_supervised.views import (
    VIEWS,
    Views,
    blur,
    brightness,
    crop,
    erase,
    flip,
    mask,
    shift,
)

IMAGES = torch.rand(3, 2, 9, 12, generator=torch.Generator().manual_seed(0))
IMAGE_DATA = DataSpec((2, 9, 12), "uint8", 10)
GRID_DATA = DataSpec((1, 8, 8), "float32", 10)
VECTOR_DATA = DataSpec((12,), "float32", 10)


def draws(*rows):
    return torch.tensor(rows, dtype=torch.float32)


def test_a_crop_of_everything_is_the_image():
    assert torch.equal(crop(IMAGES, draws(*[[1, 0.5, 0.3, 0.8]] * 3)), IMAGES)


def test_a_crop_interpolates_a_part():
    drawn = draws([0.5, 0.5, 0, 0], [0.2, 0.9, 1, 0.5], [0.8, 0.1, 0.3, 0.7])
    seen = crop(IMAGES, drawn).numpy()
    for image, view, (area, ratio, top, left) in zip(IMAGES.numpy(), seen, drawn.double().numpy(), strict=True):
        stretch = np.exp((2 * ratio - 1) * np.log(4 / 3))
        height, width = (min(1, np.sqrt((0.6 + 0.4 * area) * factor)) for factor in (1 / stretch, stretch))
        rows = 9 * (top * (1 - height) + height * (np.arange(9) + 0.5) / 9) - 0.5
        columns = 12 * (left * (1 - width) + width * (np.arange(12) + 0.5) / 12) - 0.5
        grid = np.meshgrid(rows, columns, indexing="ij")
        expected = [map_coordinates(channel, grid, order=1, mode="nearest") for channel in image]
        np.testing.assert_allclose(view, expected, atol=1e-5)


def test_every_other_image_is_mirrored():
    seen = flip(IMAGES, draws([0.49], [0.5], [0]))
    assert torch.equal(seen, torch.stack([IMAGES[0].flip(2), IMAGES[1], IMAGES[2].flip(2)]))


def test_a_shift_moves_whole_pixels_and_repeats_the_edge():
    seen = shift(IMAGES, draws([0.99, 0.5], [0.5, 0.01], [0.5, 0.5])).numpy()  # an eighth: 1 of 9 rows, 1 of 12
    first, second, third = IMAGES.numpy()
    np.testing.assert_array_equal(seen[0], np.pad(first, ((0, 0), (1, 0), (0, 0)), mode="edge")[:, :9])
    np.testing.assert_array_equal(seen[1], np.pad(second, ((0, 0), (0, 0), (0, 1)), mode="edge")[:, :, 1:])
    np.testing.assert_array_equal(seen[2], third)


def test_brightness_and_contrast():
    seen = brightness(IMAGES, draws([0.5, 0.5], [1, 0.5], [0.5, 0])).numpy()
    first, second, third = IMAGES.double().numpy()
    np.testing.assert_allclose(seen[0], first, atol=1e-6)
    np.testing.assert_allclose(seen[1], np.clip(1.4 * second, 0, 1), atol=1e-6)
    np.testing.assert_allclose(seen[2], third.mean() + 0.6 * (third - third.mean()), atol=1e-6)


def test_a_blur_weighs_neighbors_by_a_gaussian():
    large = torch.rand(2, 1, 40, 56, generator=torch.Generator().manual_seed(1))
    seen = blur(large, draws([1, 0.2], [1, 0.7]))
    assert torch.equal(seen[1], large[1])
    sigma, image = 40 / 28, large[0, 0].double().numpy()
    rows, columns = (
        np.exp(-0.5 * ((np.arange(side)[:, None] - np.arange(side)) / sigma) ** 2) for side in (40, 56)
    )
    rows, columns = rows / rows.sum(1, keepdims=True), columns / columns.sum(1, keepdims=True)
    np.testing.assert_allclose(seen[0, 0], rows @ image @ columns.T, atol=1e-5)


def test_a_rectangle_is_erased():
    ones = torch.ones(3, 2, 20, 20)
    gone = erase(ones, draws([1, 0.5, 0, 0, 0.1], [0.5, 1, 1, 1, 0.1], [1, 0.5, 0, 0, 0.6])) == 0
    assert gone[0, 0].nonzero().tolist() == [[row, column] for row in range(10) for column in range(10)]
    height, width = (20 * np.sqrt(0.135 * factor) for factor in (1 / 3, 3))
    rows, columns = gone[1, 1].nonzero().T
    assert (rows.min(), rows.max()) == (round(20 - height), 19)
    assert (columns.min(), columns.max()) == (round(20 - width), 19)
    assert not gone[2].any()


def test_numbers_are_masked():
    assert mask(draws([1, 2, 3]), draws([0.29, 0.3, 0.9])).tolist() == [[0, 2, 3]]


@pytest.mark.parametrize("name", VIEWS)
def test_views_keep_shape_and_range_and_leave_inputs_alone(name):
    views, kept = Views(name, IMAGE_DATA), IMAGES.clone()
    generator = torch.Generator().manual_seed(3)
    noise = {key: draw.sample(3, generator) for key, draw in views.draws("first").items()}
    seen = views.seen(IMAGES, noise, "first")
    assert seen.shape == IMAGES.shape
    assert seen.dtype == torch.float32
    assert seen.min() >= 0
    assert seen.max() <= 1
    assert torch.equal(IMAGES, kept)


def test_auto_takes_what_suits_the_data():
    assert [Views("auto", data).names for data in (IMAGE_DATA, GRID_DATA, VECTOR_DATA)] == [
        ["crop", "flip", "brightness"],
        ["crop", "flip", "erase"],
        ["mask"],
    ]
    assert {name: draw.shape for name, draw in Views("flip+mask", GRID_DATA).draws("first").items()} == {
        "first_flip": (1,),
        "first_mask": (1, 8, 8),
    }


def test_what_does_not_suit_the_data_is_told():
    with pytest.raises(LatentbenchError) as caught:
        Views("mask+blur", VECTOR_DATA)
    assert str(caught.value) == (
        "views=blur takes inputs (c, h, w), got float32 inputs of shape (12,); choose from mask"
    )
    with pytest.raises(LatentbenchError) as caught:
        Views("brightness", GRID_DATA)
    assert str(caught.value) == (
        "views=brightness takes images in [0, 1] (c, h, w), got float32 inputs of shape (1, 8, 8); "
        "choose from crop, flip, shift, blur, erase, mask"
    )


def test_the_same_views_have_the_same_text():
    texts = [SimCLR.Params(views=text).views for text in ("flip + crop", "crop+flip", "crop+flip+crop", "auto")]
    assert texts == ["crop+flip"] * 3 + ["auto"]
    with pytest.raises(RequestError) as caught:
        build_params(SimCLR.Params, {"views": "crop+rotate"}, "model 'simclr'")
    assert str(caught.value) == (
        "model 'simclr': views must be auto or some of crop, flip, shift, brightness, blur, erase, mask joined by "
        "+, not 'rotate', got 'crop+rotate'"
    )
