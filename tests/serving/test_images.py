import numpy as np
import pytest
from PIL import Image

from latentbench.errors import DataError
from latentbench.serving.images import ItemForm, as_item

GRAY, COLOR = ItemForm(1, 8, 8), ItemForm(3, 6, 8)
RNG = np.random.default_rng(0)


def words(content, form=GRAY):
    return as_item(content, form)[1].partition("it was ")[2]


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "GIF"])
def test_an_image_of_the_right_form_keeps_its_pixels(image_file, kind):
    pixels = RNG.integers(0, 256, (8, 8))
    item, said = as_item(image_file(pixels, kind), GRAY)
    np.testing.assert_array_equal(item[0], pixels)
    assert said == "Your image has 8 x 8 pixels in gray; it was taken as it is."


def test_colors_keep_their_places(image_file):
    pixels = RNG.integers(0, 256, (6, 8, 3))
    item, said = as_item(image_file(pixels), COLOR)
    np.testing.assert_array_equal(item, pixels.transpose(2, 0, 1))
    assert said.endswith("in color; it was taken as it is.")


def test_equal_colors_become_that_gray(image_file):
    pixels = RNG.integers(0, 256, (8, 8))
    item, said = as_item(image_file(np.stack([pixels] * 3, 2)), GRAY)
    np.testing.assert_array_equal(item[0], pixels)
    assert said.endswith("in gray; it was taken as it is.")
    item, said = as_item(image_file(np.full((8, 8, 3), (100, 200, 50))), GRAY)
    np.testing.assert_allclose(item, 0.299 * 100 + 0.587 * 200 + 0.114 * 50, atol=0.5)
    assert said.endswith("it was made gray.")
    assert words(image_file(np.zeros((6, 8))), COLOR) == "given its gray in all three colors."


def test_the_middle_is_cut_and_reduced_by_means(image_file):
    pixels = np.zeros((16, 40))
    pixels[:, 12:20] = 200  # the left half of the middle
    item, said = as_item(image_file(pixels), GRAY)
    assert said == (
        "Your image has 40 x 16 pixels in gray; it was cut to its middle 16 x 16 pixels and reduced to 8 x 8."
    )
    assert (item[0, :, :3] == 200).all()
    assert (item[0, :, 5:] == 0).all()
    assert words(image_file(np.zeros((4, 4)))) == "enlarged to 8 x 8."


def test_what_is_transparent_lies_on_black(image_file):
    layers = np.full((8, 8, 4), 255)
    layers[:4, :, 3] = 0
    item, said = as_item(image_file(layers), GRAY)
    assert (item[0, :4] == 0).all()
    assert (item[0, 4:] == 255).all()
    assert said.endswith("it was laid on black where it is transparent.")
    layers[..., 3] = 255
    assert words(image_file(layers)) == "taken as it is."


def test_a_camera_held_sideways_is_followed(image_file):
    pixels = np.zeros((8, 8))
    pixels[0] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # the top of the scene is at the right
    item, said = as_item(image_file(pixels, "PNG", exif=exif.tobytes()), GRAY)
    assert (item[0, :, 7] == 255).all()
    assert said.endswith("it was turned as its camera noted.")


def test_of_a_film_the_first_frame_is_taken(image_file):
    frames = [Image.fromarray(np.full((8, 8), value, np.uint8)) for value in (10, 200)]
    item, said = as_item(image_file(frames[0], "GIF", save_all=True, append_images=frames[1:]), GRAY)
    assert (item == 10).all()
    assert "cut to the first of its 2 frames" in said


def test_light_becomes_dark(image_file):
    item, said = as_item(image_file(np.full((8, 8), 55)), ItemForm(1, 8, 8, invert=True))
    assert (item == 200).all()
    assert said.endswith("it was inverted, light for dark.")


def test_files_that_cannot_be_read_are_refused(image_file, monkeypatch):
    good = image_file(RNG.integers(0, 256, (8, 8)))
    for content in (b"", b"text", good[: len(good) // 2], b"%PDF-1.4", b"<svg/>"):
        with pytest.raises(
            DataError, match="the file is no image that can be read; whole files of PNG, JPEG, WebP"
        ):
            as_item(content, GRAY)
    with pytest.raises(DataError, match="more than 8 bits for each color"):
        as_item(image_file(Image.fromarray(np.zeros((8, 8), np.uint16))), GRAY)
    monkeypatch.setattr("latentbench.serving.images.MOST_PIXELS", 63)
    with pytest.raises(
        DataError, match="the image has 8 x 8 pixels; at most 0 million are read, so make it smaller"
    ):
        as_item(good, GRAY)
