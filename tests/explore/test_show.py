import numpy as np
import pytest

from latentbench import LatentSpace, NotApplicableError
from latentbench.explore.show import (
    Reconstructions,
    Traversals,
    reconstruction_numbers,
    reconstruction_sheet,
    reconstructions,
    traversal_sheet,
)

IMAGES = np.random.default_rng(0).random((5, 1, 8, 8)).astype(np.float32)


def test_reconstructions_that_were_given_are_drawn_without_a_decoder():
    space = LatentSpace.from_arrays(codes=np.zeros((5, 2)), inputs=IMAGES, reconstructions=IMAGES[::-1].copy())
    model = reconstructions(space, [4, 1], "arrays", 0)
    np.testing.assert_array_equal(model.inputs, IMAGES[[4, 1]])
    np.testing.assert_array_equal(model.outputs, IMAGES[[0, 3]])
    np.testing.assert_allclose(model.errors, ((IMAGES[[4, 1]] - IMAGES[[0, 3]]) ** 2).mean((1, 2, 3)), rtol=1e-6)


def test_an_encoder_sees_the_shown_items_only():
    sizes = []
    space = LatentSpace.from_arrays(
        codes=np.zeros((5, 64)),
        inputs=IMAGES,
        encode=lambda inputs: sizes.append(len(inputs)) or inputs.flatten(1),
        decode=lambda codes: codes.reshape(-1, 1, 8, 8),
    )
    model = reconstructions(space, [3, 0], "exact", 1)
    assert sizes == [2]
    assert model.errors.tolist() == [0, 0]
    sheet = reconstruction_sheet([model, model], ["item 3", "item 0"], "title")
    assert sheet.images.shape == (5, 2, 3, 8, 8)
    assert sheet.rows == ["input", "exact", "difference", "exact", "difference"]
    assert reconstruction_numbers([model], [3, 0]).to_dict("list") == {
        "model": ["exact"] * 2, "seed": [1] * 2, "item": [3, 0], "mse": [0.0] * 2,
    }  # fmt: skip


def test_a_space_without_decoder_or_reconstructions_says_so():
    space = LatentSpace.from_arrays(codes=np.zeros((5, 2)), inputs=IMAGES)
    with pytest.raises(NotApplicableError, match=r"^no decoder$"):
        reconstructions(space, [0], "codes", 0)


def test_differences_of_all_models_have_one_scale_and_a_legend():
    inputs = np.zeros((4, 1, 8, 8), np.float32)
    errors = {"a": 0.1, "b": 0.2}
    near, far = (Reconstructions(name, 0, inputs, inputs + by, np.zeros(4)) for name, by in errors.items())
    sheet = reconstruction_sheet([near, far], ["1", "2", "3", "4"], "title")
    assert sheet.scale.top == pytest.approx(0.2)
    assert sheet.scale.words == "absolute difference of pixels, in [0, 1]; 0.20 and more is brightest"
    brightness = sheet.images[[2, 4]].mean((1, 2, 3, 4))
    assert brightness[1] > 1.5 * brightness[0] > 0.1  # from an image that was black before


def test_equal_images_have_no_difference():
    inputs = np.zeros((2, 3, 8, 8), np.float32)
    sheet = reconstruction_sheet([Reconstructions("a", 0, inputs, inputs, np.zeros(2))], ["1", "2"], "title")
    assert sheet.scale.top == 1
    assert sheet.images[2].max() < 0.05


def test_activities_of_a_sheet_are_written_alike():
    pictures = np.zeros((3, 2, 1, 8, 8))
    decoded = Traversals([4, 1, 0], [2.5, 1.25, 1.0], "nats", [0.05, 0.95], None, pictures)
    rows = traversal_sheet(decoded, "title").rows
    assert rows == ["dimension 4: 2.50 nats", "dimension 1: 1.25 nats", "dimension 0: 1.00 nats"]
