import itertools

import numpy as np
import pytest
from pydantic import ValidationError

from latentbench import DataError
from latentbench.dataset import fingerprint_arrays
from latentbench_datasets import sprites
from latentbench_datasets.sprites import Sprites

SMALL = {"size": 16, "scales": 2, "orientations": 3, "positions": 4}


def dataset(**params):
    return Sprites(Sprites.Params(**params))


@pytest.fixture(scope="module")
def loaded():
    return dataset().load()


@pytest.fixture(scope="module")
def whole(loaded):
    """All images in the grid's order, as (3, 4, 8, 16, 16, 32, 32), and their factors."""
    factors = np.concatenate([split.factors for split in loaded])
    order = np.lexsort(factors.T[::-1])
    images = np.concatenate([split.inputs for split in loaded])[order]
    return images.reshape(3, 4, 8, 16, 16, 32, 32), factors[order]


def middle(images):
    """Center of the light, right and down from the left upper corner, in pixels."""
    light = images.reshape(-1, *images.shape[-2:]).astype(float)
    places = np.arange(images.shape[-1]) + 0.5
    total = light.sum((1, 2))
    return np.stack([light.sum(1) @ places / total, light.sum(2) @ places / total], 1)


def test_what_the_splits_hold(loaded):
    train, test = loaded
    assert train.inputs.shape == (19_661, 1, 32, 32)
    assert test.inputs.shape == (4915, 1, 32, 32)
    for split in loaded:
        assert split.inputs.dtype == np.uint8
        assert split.factor_names == ("shape", "scale", "orientation", "x", "y")
        assert split.factor_sizes == (3, 4, 8, 16, 16)
        np.testing.assert_array_equal(split.labels, split.factors[:, 0])


def test_train_and_test_together_are_the_full_grid(whole):
    expected = np.array(list(itertools.product(*map(range, (3, 4, 8, 16, 16)))))
    np.testing.assert_array_equal(whole[1], expected)


def test_the_factors_are_all_but_independent_in_both_splits(loaded):
    for split in loaded:
        assert abs(np.corrcoef(split.factors.T) - np.eye(5)).max() < 0.05
        for column, size in zip(split.factors.T, split.factor_sizes, strict=True):
            counts = np.bincount(column.astype(int), minlength=size)
            assert abs(counts / counts.mean() - 1).max() < 0.2


def test_no_two_images_are_equal(whole):
    images = whole[0].reshape(24_576, -1)
    assert len(np.unique(images.view("V1024"))) == 24_576


def test_no_two_of_many_small_images_are_equal():
    images = [split.inputs for split in dataset(size=16, scales=8, orientations=12, positions=12).load()]
    assert len(np.unique(np.concatenate(images).reshape(-1, 256).view("V256"))) == 3 * 8 * 12 * 12 * 12


@pytest.mark.parametrize("params", [{}, {"size": 16}, SMALL, {"size": 64, "positions": 5}, {"size": 17}])
def test_no_sprite_meets_the_border(params):
    for split in dataset(**params).load():
        assert split.inputs[..., [0, -1]].max() == 0
        assert split.inputs[..., [0, -1], :].max() == 0
        assert split.inputs.max((1, 2, 3)).min() > 230


@pytest.mark.parametrize("axis", range(5))
def test_a_step_of_any_factor_is_visible(whole, axis):
    images = np.moveaxis(whole[0], axis, 0).astype(float)
    light = images.sum((-1, -2)).max() / 255
    for one, other in itertools.pairwise(images):
        changed = abs(one - other).sum((-1, -2)) / 255
        assert changed.min() > 0.5  # whole pixels
        assert changed.mean() > 0.05 * light


def test_x_goes_right_and_y_goes_down_evenly(whole):
    for axis, column in ((3, 0), (4, 1)):
        images = np.moveaxis(whole[0], axis, 0)
        places = np.stack([middle(each) for each in images])
        steps = np.diff(places[..., column], axis=0)
        np.testing.assert_allclose(steps, (32 - 2 * (0.22 * 32 + 1.25)) / 15, atol=0.03)
        np.testing.assert_allclose(np.diff(places[..., 1 - column], axis=0), 0, atol=0.03)


def test_the_grid_of_positions_is_centered(whole):
    both = middle(whole[0][:2])  # those that are alike on both sides
    np.testing.assert_allclose(both.mean(0), 16, atol=0.01)


def test_orientation_turns_counterclockwise_over_a_quarter():
    tall = dataset(orientations=2, positions=3).render([[1, 3, index, 1, 1] for index in (0, 1)])[:, 0]
    rows, columns = [(image > 127).any(1).sum() for image in tall], [(image > 127).any(0).sum() for image in tall]
    assert columns[0] > 1.7 * rows[0]
    assert columns[1] == rows[1]
    upper_right, upper_left = tall[1, :16, 16:], tall[1, :16, :16]
    assert upper_right.sum() > 2 * upper_left.sum(dtype=int)
    heart = dataset(positions=3).render([[2, 3, 0, 1, 1]])[0, 0]
    np.testing.assert_array_equal(heart, heart[:, ::-1])
    widths = (heart > 127).sum(1)
    assert widths[widths > 0][-2] < 5 < widths[widths > 0][1]  # it stands on its tip


def test_every_orientation_of_a_shape_is_far_from_every_other(whole):
    for shape in range(3):
        images = whole[0][shape, 3, :, 7, 7].reshape(8, -1).astype(float)
        apart = abs(images[:, None] - images).sum(-1) / 255
        assert apart[~np.eye(8, dtype=bool)].min() > 4


def test_light_grows_with_the_square_of_the_scale_and_with_nothing_else(whole):
    light = whole[0].sum((-1, -2), dtype=float) / 255
    radii = 0.22 * 32 * np.linspace(0.5, 1, 4)
    areas = np.array([2, np.pi / 2, 0.56**2 * (4 + np.pi)])[:, None] * radii**2
    np.testing.assert_allclose(light.mean((2, 3, 4)), areas, rtol=0.06)
    assert (light.std((2, 3, 4)) < 0.03 * areas).all()


def test_render_gives_the_stored_images_in_any_order(whole):
    rows = np.random.default_rng(0).permutation(24_576)
    images = whole[0].reshape(-1, 1, 32, 32)
    np.testing.assert_array_equal(dataset().render(whole[1][rows]), images[rows])
    np.testing.assert_array_equal(dataset().render(whole[1][7:8]), images[7:8])


def test_chunks_make_no_difference(monkeypatch):
    factors = np.random.default_rng(0).uniform(0, 1, (60, 5)) * [0, 3, 7, 15, 15]
    factors[:, 0] = np.arange(60) % 3
    expected = dataset().render(factors)
    monkeypatch.setattr(sprites, "CHUNK", 7)
    np.testing.assert_array_equal(dataset().render(factors), expected)


@pytest.mark.parametrize("axis", [1, 2, 3, 4])
def test_between_two_values_images_change_smoothly(axis):
    path = np.tile([2.0, 1, 2, 5, 5], (201, 1))
    path[:, axis] = np.linspace(1, 2, 201)
    images = dataset().render(path).astype(float)
    ends = abs(images[0] - images[-1]).max()
    steps = abs(np.diff(images, axis=0))
    assert steps.max() < 10
    assert steps.any((1, 2, 3)).mean() > 0.9
    assert ends > 60


def test_more_values_pass_through_fewer():
    few, many = dataset(scales=2, orientations=2, positions=2), dataset(scales=3, orientations=4, positions=3)
    corners = np.array(list(itertools.product(range(3), range(2), range(2), range(2), range(2))))
    np.testing.assert_array_equal(few.render(corners), many.render(corners * [1, 2, 2, 2, 2]))


@pytest.mark.parametrize(
    ("factors", "expected"),
    [
        (
            np.zeros(5),
            "factors of sprites must be numbers (n, 5), got shape (5,); give the columns shape, scale, or",
        ),
        (np.zeros((2, 4)), "factors of sprites must be numbers (n, 5), got shape (2, 4); give"),
        ([[3, 0, 0, 0, 0]], "shape must be from 0 to 2, got 3; keep to the grid"),
        ([[0.5, 0, 0, 0, 0]], "shape must be a whole number, got a value between two shapes; round it"),
        ([[0, 0, 0, 15.5, 0]], "x must be from 0 to 15, got 15.5; keep to the grid"),
        ([[0, 0, 0, 0, -1]], "y must be from 0 to 15, got -1; keep to the grid"),
        ([[0, np.nan, 0, 0, 0]], "scale must be from 0 to 3, got nan; keep to the grid"),
    ],
)
def test_factors_that_cannot_be_drawn(factors, expected):
    with pytest.raises(DataError) as caught:
        dataset().render(factors)
    assert str(caught.value).startswith(expected)


def test_no_factors_give_no_images():
    assert dataset().render(np.zeros((0, 5))).shape == (0, 1, 32, 32)


def test_parameters_set_the_grid():
    train, test = dataset(**SMALL).load()
    assert len(train) + len(test) == 3 * 2 * 3 * 4 * 4
    assert len(test) == 57
    assert train.inputs.shape[1:] == (1, 16, 16)
    assert train.factor_sizes == (3, 2, 3, 4, 4)


@pytest.mark.parametrize("params", [{"size": 15}, {"scales": 1}, {"orientations": 91}, {"positions": 65}])
def test_grids_that_make_no_sense(params):
    with pytest.raises(ValidationError):
        Sprites.Params(**params)


def test_a_grid_that_does_not_fit_memory_is_refused():
    sentence = r"must make at most 4,000,000,000 pixels together, they make 579,820,584,960"
    with pytest.raises(ValidationError, match=sentence):
        Sprites.Params(size=128, scales=32, orientations=90, positions=64)


def test_the_data_are_always_the_same():
    assert fingerprint_arrays(*dataset(**SMALL).load()) == fingerprint_arrays(*dataset(**SMALL).load())


def test_the_fingerprint_needs_no_drawing_and_tells_parameters_and_versions_apart(monkeypatch):
    monkeypatch.setattr(Sprites, "render", None)
    changes = ({}, {"size": 33}, {"scales": 5}, {"orientations": 9}, {"positions": 17})
    fingerprints = [dataset(**params).fingerprint() for params in changes]
    monkeypatch.setattr(Sprites, "version", Sprites.version + 1)
    fingerprints.append(dataset().fingerprint())
    assert len(set(fingerprints)) == 6
    assert all(len(each) == 64 for each in fingerprints)
