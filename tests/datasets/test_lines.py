import numpy as np
import pytest
from pydantic import ValidationError

from latentbench import DataError
from latentbench.dataset import fingerprint_arrays
from latentbench_datasets import lines
from latentbench_datasets.lines import Lines, draw_lines

TURN = 2 * np.pi


@pytest.fixture(scope="module")
def loaded():
    return dataset().load()


def dataset(**params):
    return Lines(Lines.Params(**params))


def templates(count):
    angles = np.arange(count) * TURN / count
    return angles, unit(draw_lines(angles))


def unit(images):
    """Images on [-1, 1], as vectors of length 1."""
    flat = images.reshape(len(images), -1).astype(np.float64) * 2 - 1
    return flat / np.linalg.norm(flat, axis=1, keepdims=True)


def fade(start, end, steps):
    weights = np.linspace(0, 1, steps)[:, None, None, None]
    return (1 - weights) * draw_lines([start]) + weights * draw_lines([end])


def calibrate(path, pairs=100):
    """ACAI's mean distance and smoothness of 16 images from one angle to another, over random pairs."""
    angles, known = templates(2000)
    distances, jumps = [], []
    for start, end in np.random.default_rng(3).uniform(0, TURN, (pairs, 2)):
        gaps = 1 - unit(path(start, end, 16)) @ known.T
        actual = np.unwrap(angles[gaps.argmin(1)])
        distances.append(gaps.min(1).mean())
        jumps.append(np.abs(np.diff(actual)).max() / abs(actual[-1] - actual[0]) - 1 / 15)
    return np.mean(distances), np.mean(jumps)


def test_a_fade_between_pixels_is_as_far_from_lines_as_in_the_source():
    distance, smoothness = calibrate(fade)
    assert distance == pytest.approx(6.2e-3, abs=6e-4)
    assert 0.8 < smoothness < 14 / 15


def test_a_true_rotation_stays_among_the_lines():
    distance, smoothness = calibrate(lambda start, end, steps: draw_lines(np.linspace(start, end, steps)), 20)
    assert distance < 1e-5  # 2,000 templates are 0.003 radians apart
    assert smoothness < 0.02


def test_two_random_lines_and_a_blank_image_are_far_from_a_line():
    _, known = templates(2000)
    first, second = np.random.default_rng(0).integers(0, 2000, (2, 4000))
    assert 1 - (known[first] * known[second]).sum(1).mean() == pytest.approx(0.082, abs=0.005)
    assert (1 - unit(np.zeros((1, 1, 32, 32))) @ known.T).min() > 0.03


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_a_quarter_turn_of_the_angle_turns_the_image_counterclockwise(turns):
    angles = np.random.default_rng(0).uniform(0, TURN, 50)
    expected = np.rot90(draw_lines(angles), turns, axes=(2, 3))
    np.testing.assert_allclose(draw_lines(angles + turns * TURN / 4), expected, atol=1e-6)


def test_a_line_is_where_geometry_says():
    angles = np.random.default_rng(1).uniform(0, TURN, 30)
    places = np.arange(32) - 15.5
    x, y = np.meshgrid(places, -places)
    for angle, image in zip(angles, draw_lines(angles)[:, 0], strict=True):
        along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
        thick = max(abs(np.cos(angle)), abs(np.sin(angle)))
        inside = (along > 0.8) & (along < 14.2) & (abs(across) <= 0.499 * thick)
        outside = (along < -0.8) | (along > 15.8) | (abs(across) > 1.55 * thick)
        assert image[inside].min() > 0.998
        assert image[outside].max() == 0


def test_lines_are_two_pixels_thick_along_rows_or_columns_and_hardly_touch_the_border():
    images = draw_lines(np.linspace(0, TURN, 500))
    light = images.sum((1, 2, 3))
    angles = np.linspace(0, TURN, 500)
    steep = np.maximum(abs(np.cos(angles)), abs(np.sin(angles)))
    assert light == pytest.approx(2 * 15 * steep, abs=0.6)
    assert max(images[:, :, [0, -1]].max(), images[:, :, :, [0, -1]].max()) < 0.02


def test_a_small_turn_changes_little_and_a_full_turn_nothing():
    angles = np.linspace(0, TURN, 300)
    assert abs(draw_lines(angles + 1e-4) - draw_lines(angles)).max() < 3e-3
    np.testing.assert_allclose(draw_lines(angles + TURN), draw_lines(angles), atol=1e-6)


def test_chunks_make_no_difference(monkeypatch):
    angles = np.linspace(0, 6, 50)
    whole = draw_lines(angles)
    assert whole.dtype == np.float32
    monkeypatch.setattr(lines, "CHUNK", 7)
    np.testing.assert_array_equal(draw_lines(angles), whole)


@pytest.mark.parametrize("angles", [0.5, [[0.5]], [np.nan], [np.inf]])
def test_angles_that_cannot_be_drawn(angles):
    with pytest.raises(ValueError, match=r"angles must be finite numbers \(n,\), got shape"):
        draw_lines(angles)


def test_no_angles_give_no_images():
    assert draw_lines([]).shape == (0, 1, 32, 32)


def test_what_the_splits_hold(loaded):
    train, test = loaded
    assert train.inputs.shape == (10_000, 1, 32, 32)
    assert test.inputs.shape == (2000, 1, 32, 32)
    for split in loaded:
        assert split.inputs.dtype == np.uint8
        assert split.labels is None
        assert (split.factor_names, split.factor_sizes) == (("angle",), (0,))
        assert split.factors.min() >= 0
        assert split.factors.max() < TURN
        counts, _ = np.histogram(split.factors, 8, (0, TURN))
        assert counts.max() - counts.min() < 0.35 * counts.mean()
    assert not set(train.factors[:, 0]) & set(test.factors[:, 0])


def test_render_gives_the_stored_images(loaded):
    for split in loaded:
        rows = np.arange(0, len(split), 97)
        np.testing.assert_array_equal(dataset().render(split.factors[rows]), split.inputs[rows])


def test_render_refuses_other_shapes():
    for factors in (np.zeros(3), np.zeros((3, 2)), [[np.nan]]):
        with pytest.raises(
            DataError, match=r"^factors of lines must be finite angles \(n, 1\), got shape .*; give"
        ):
            dataset().render(factors)


def test_fewer_lines_are_the_first_ones_of_more(loaded):
    splits = dataset(train=100, test=30).load()
    for few, many in zip(splits, loaded, strict=True):
        np.testing.assert_array_equal(few.inputs, many.inputs[: len(few)])
        np.testing.assert_array_equal(few.factors, many.factors[: len(few)])
    assert fingerprint_arrays(*dataset(train=100, test=30).load()) == fingerprint_arrays(*splits)
    with pytest.raises(ValidationError):
        Lines.Params(train=0)


def test_the_fingerprint_needs_no_drawing_and_tells_parameters_and_versions_apart(monkeypatch):
    monkeypatch.setattr(lines, "draw_lines", None)
    fingerprints = [dataset(**params).fingerprint() for params in ({}, {"train": 99}, {"test": 99})]
    monkeypatch.setattr(Lines, "version", Lines.version + 1)
    fingerprints.append(dataset().fingerprint())
    assert len(set(fingerprints)) == 4
    assert all(len(each) == 64 for each in fingerprints)
