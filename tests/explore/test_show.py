import numpy as np
import pytest

from latentbench import LatentSpace, NotApplicableError
from latentbench.explore.show import reconstruction_numbers, reconstruction_sheet, reconstructions

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
    assert sheet.images.shape == (5, 2, 1, 8, 8)
    assert sheet.rows == ["input", "exact", "difference", "exact", "difference"]
    assert reconstruction_numbers([model], [3, 0]).to_dict("list") == {
        "model": ["exact"] * 2, "seed": [1] * 2, "item": [3, 0], "mse": [0.0] * 2,
    }  # fmt: skip


def test_a_space_without_decoder_or_reconstructions_says_so():
    space = LatentSpace.from_arrays(codes=np.zeros((5, 2)), inputs=IMAGES)
    with pytest.raises(NotApplicableError, match=r"^no decoder$"):
        reconstructions(space, [0], "codes", 0)
