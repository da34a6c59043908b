import base64
import io

import numpy as np
import pytest
from PIL import Image

from latentbench.drawing.montage import data_uri, montage, patchwork, png_bytes


def opened(content):
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGBA"))


def test_a_montage_is_one_array_with_every_image_in_its_place():
    images = np.random.default_rng(0).random((2, 3, 3, 4, 5))
    sheet = montage(images, gap=2)
    assert sheet.shape == (2 * 6 - 2, 3 * 7 - 2, 4)
    for row in range(2):
        for column in range(3):
            tile = sheet[row * 6 : row * 6 + 4, column * 7 : column * 7 + 5]
            np.testing.assert_array_equal(tile[..., :3], np.round(images[row, column].transpose(1, 2, 0) * 255))
            assert (tile[..., 3] == 255).all()
    assert not sheet[4:6].any()
    assert not sheet[:, 5:7].any()


def test_gray_becomes_rgb_and_values_are_clipped():
    sheet = montage(np.array([-1.0, 0.5, 2.0, np.nan]).reshape(1, 4, 1, 1, 1), gap=0)
    assert sheet[0, :, :3].tolist() == [[0] * 3, [128] * 3, [255] * 3, [0] * 3]


@pytest.mark.parametrize("shape", [(2, 3, 4, 4), (1, 1, 2, 4, 4), (0, 1, 1, 4, 4)])
def test_refuses_what_is_no_grid_of_images(shape):
    with pytest.raises(ValueError, match="images must be"):
        montage(np.zeros(shape))


def test_png_keeps_every_pixel():
    sheet = montage(np.random.default_rng(1).random((1, 2, 1, 8, 8)))
    np.testing.assert_array_equal(opened(png_bytes(sheet)), sheet)
    assert base64.b64decode(data_uri(b"abc").partition(",")[2]) == b"abc"


def test_a_patchwork_is_centered_rows():
    images = np.stack([np.full((1, 56, 56), level) for level in (0.1, 0.2, 0.3)])
    whole = patchwork(images, [1, 2])
    assert whole.shape == (1, 114, 114)
    assert (whole[0, :56, 29:85] == np.float32(0.1)).all()
    assert (whole[0, 58:, :56] == np.float32(0.2)).all()
    assert (whole[0, 58:, 58:] == np.float32(0.3)).all()
    assert (whole[0, :56, :29] == 1).all()
