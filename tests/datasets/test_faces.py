import numpy as np
import pytest
from pydantic import ValidationError

from latentbench import Benchmark, DataError
from latentbench.cli._shared.options import read_params
from latentbench.dataset import fingerprint_arrays
from latentbench.errors import RequestError
from latentbench.planning.plan import make_plan
from latentbench.plugins import Plugins
from latentbench_datasets._drawn import factor_pictures
from latentbench_datasets._drawn.shapes import Canvas
from latentbench_datasets.faces import Faces

FACTORS = Faces.Params.factors
NAMES = [factor.name for factor in FACTORS]
BINARY = ("glasses", "hat", "beard")
SEEN = 8  # levels of 255: less is no change


def dataset(**params):
    return Faces(Faces.Params(**params))


@pytest.fixture(scope="module")
def loaded():
    return dataset(train=1500, test=500).load()


def with_factor(factors, name, value):
    changed = factors.copy()
    changed[:, NAMES.index(name)] = value
    return changed


def counterfactuals(factors, name, faces=None):
    """Pictures with a factor at its low and at its high end, all else equal."""
    factor = FACTORS[NAMES.index(name)]
    return [(faces or dataset()).render(with_factor(factors, name, value)) for value in (factor.low, factor.high)]


def changes(pictures):
    """Where two rows of pictures differ, `(n, h, w)`."""
    one, other = (each.astype(int) for each in pictures)
    return abs(one - other).max(1) > SEEN


@pytest.fixture(scope="module")
def masks(loaded):
    return {name: changes(counterfactuals(loaded[1].factors[:100], name)) for name in NAMES}


def test_what_the_splits_hold(loaded):
    assert [split.inputs.shape for split in loaded] == [(1500, 3, 64, 64), (500, 3, 64, 64)]
    for split in loaded:
        assert split.inputs.dtype == np.uint8
        assert split.factor_names == tuple(NAMES)
        assert split.factor_sizes == (0,) * 16 + (2,) * 3
        for factor, column in zip(FACTORS, split.factors.T, strict=True):
            assert factor.has(column).all()
            assert column.min() < factor.low + 0.02 * (factor.high - factor.low)
            assert column.max() > factor.high - 0.02 * (factor.high - factor.low)
        assert split.labels.tolist() == (split.factors[:, -3:] @ [1, 2, 4]).tolist()
        assert set(split.labels) == set(range(8))
    assert not set(loaded[0].factors[:, 0]) & set(loaded[1].factors[:, 0])


def test_ten_thousand_are_left_to_learn_from_after_validation(monkeypatch):
    monkeypatch.setattr(Faces, "_paint", lambda self, pixels, columns: pixels.__iadd__(columns["x"][:, None] + 3))
    splits = dataset(size=32).splits()
    assert [len(split) for split in (splits.train, splits.validation, splits.test)] == [10_000, 1111, 2000]


def test_render_gives_the_stored_pictures_in_any_order(loaded):
    for split in loaded:
        rows = np.random.default_rng(0).permutation(len(split))[:90]
        np.testing.assert_array_equal(dataset().render(split.factors[rows]), split.inputs[rows])
        np.testing.assert_array_equal(dataset().render(split.factors[7:8]), split.inputs[7:8])


def test_neither_chunks_nor_windows_make_a_difference(loaded, monkeypatch):
    monkeypatch.setattr(factor_pictures, "CHUNK", 7)
    np.testing.assert_array_equal(dataset().render(loaded[1].factors), loaded[1].inputs)
    monkeypatch.setattr(Canvas, "window", lambda self, *sides: self)
    np.testing.assert_array_equal(dataset().render(loaded[1].factors), loaded[1].inputs)


@pytest.mark.parametrize("name", NAMES)
def test_every_factor_is_seen_in_every_face(masks, name):
    seen = masks[name].sum((1, 2))
    assert seen.min() >= 8
    assert seen.mean() >= 25


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("smile", 0.02, 0.03),
        ("glasses", 0.02, 0.06),
        ("hat", 0.05, 0.13),
        ("beard", 0.04, 0.13),
        ("eye_openness", 0.005, 0.03),
        ("brow_angle", 0.005, 0.03),
        ("mouth_openness", 0.004, 0.03),
        ("eye_size", 0.008, 0.04),
        ("mouth_width", 0.004, 0.03),
        ("eye_distance", 0.02, 0.07),
    ],
)
def test_an_edit_changes_a_small_part_of_the_picture(masks, name, low, high):
    assert low < masks[name].mean() < high


@pytest.mark.parametrize(
    ("names", "rows", "columns"),
    [
        (("smile", "mouth_openness", "mouth_width"), (2.5, 17.5), (-9.5, 9.5)),
        (("eye_size", "eye_openness"), (-7, 4), (-14, 14)),
        (("glasses",), (-8.5, 5.5), (-20, 20)),
        (("eye_distance",), (-13, 5.5), (-16, 16)),
        (("brow_angle",), (-13, -4), (-14, 14)),
        (("hat",), (-34, -8), (-20, 20)),
        (("beard",), (-7, 26), (-21, 21)),
    ],
)
def test_an_edit_stays_where_its_feature_is(loaded, names, rows, columns):
    """In coordinates of the face, pixels from its middle; a tilt of 0 keeps them upright."""
    factors = with_factor(with_factor(with_factor(loaded[1].factors[:64], "tilt", 0), "x", 0), "y", 0)
    for name in names:
        row, column = np.nonzero(changes(counterfactuals(factors, name)).any(0))
        assert rows[0] <= row.min() - 35
        assert row.max() + 1 - 35 <= rows[1]
        assert columns[0] <= column.min() - 32
        assert column.max() + 1 - 32 <= columns[1]


def test_an_edit_of_another_place_leaves_the_mouth_alone(loaded):
    factors = loaded[1].factors[:32]
    for name in ("hat", "brow_angle", "eye_openness", "eye_size"):
        smile = changes(counterfactuals(factors, "smile"))
        assert not (smile & changes(counterfactuals(factors, name))).any()


def test_a_smile_turns_the_corners_of_the_mouth_up(loaded):
    factors = with_factor(with_factor(with_factor(loaded[1].factors[:64], "tilt", 0), "x", 0), "y", 0)
    factors = with_factor(with_factor(with_factor(factors, "beard", 0), "mouth_openness", 0), "mouth_width", 0)
    for smile, sign in ((-1, -1), (1, 1)):
        faces = dataset().render(with_factor(factors, "smile", smile)).astype(int)
        lips = (faces[:, 0] - faces[:, 1] - 65).clip(0)[:, 38:53]  # redder than any skin
        levels = [part.sum(2) @ np.arange(15) / part.sum((1, 2)) for part in (lips[..., 28:30], lips[..., 31:33])]
        assert (sign * (levels[1] - levels[0]) > 1).all()


def test_x_goes_right_y_goes_down_and_tilt_turns_counterclockwise(loaded):
    factors = with_factor(with_factor(loaded[1].factors[:32], "glasses", 0), "hat", 0)
    plain = with_factor(with_factor(with_factor(factors, "tilt", 0), "x", 0), "y", 0)
    middle = dataset().render(plain)
    np.testing.assert_array_equal(
        dataset().render(with_factor(plain, "x", 3))[..., 20:, 3:], middle[..., 20:, :-3]
    )
    shifted = dataset().render(with_factor(plain, "y", 3))
    np.testing.assert_array_equal(shifted[..., 10:50, :], middle[..., 7:47, :])
    red = np.array([206, 58, 56])
    for tilt, side in ((-15, 1), (15, -1)):
        hats = dataset().render(with_factor(with_factor(plain, "hat", 1), "tilt", tilt)).astype(int)
        actual = (abs(hats - red[:, None, None]).max(1) < 4).sum(1)
        offset = (actual @ np.arange(64)) / actual.sum(1) - 31.5
        assert (side * offset > 2).all()


def test_pictures_change_smoothly_with_continuous_factors(loaded):
    start = loaded[1].factors[:16]
    for index, factor in enumerate(FACTORS[:16]):
        step = 1e-3 * (factor.high - factor.low)
        moved = start.copy()
        moved[:, index] += np.where(moved[:, index] + step > factor.high, -step, step)
        difference = abs(dataset().render(moved).astype(int) - dataset().render(start))
        assert difference.max() <= 16


def test_the_size_of_the_picture_changes_only_its_fineness(loaded):
    factors = loaded[1].factors[:20]
    large = dataset(size=128).render(factors)
    assert large.shape == (20, 3, 128, 128)
    means = large.reshape(20, 3, 64, 2, 64, 2).mean((3, 5))
    difference = abs(means - dataset().render(factors))
    assert difference.mean() < 1.5
    assert dataset(size=32).render(factors).shape == (20, 3, 32, 32)


def test_fewer_faces_are_the_first_ones_of_more_and_a_seed_changes_all(loaded):
    splits = dataset(train=60, test=10).load()
    for few, many in zip(splits, loaded, strict=True):
        np.testing.assert_array_equal(few.inputs, many.inputs[: len(few)])
        np.testing.assert_array_equal(few.factors, many.factors[: len(few)])
    assert fingerprint_arrays(*dataset(train=60, test=10).load()) == fingerprint_arrays(*splits)
    other = dataset(train=60, test=10, seed=1).load()[0]
    assert not set(other.factors[:, 0]) & set(loaded[0].factors[:, 0])


def test_a_correlation_and_a_holdout_are_of_train_and_validation_alone(monkeypatch):
    monkeypatch.setattr(Faces, "_paint", lambda self, pixels, columns: pixels.__iadd__(columns["x"][:, None] + 3))
    asked = dataset(train=8000, test=4000, size=32, correlation="smile+glasses=0.8", holdout="hat=1+beard=1")
    splits = asked.splits()
    smile, hat = NAMES.index("smile"), NAMES.index("hat")
    glasses, beard = NAMES.index("glasses"), NAMES.index("beard")
    for split, expected in ((splits.train, 0.8), (splits.validation, 0.8), (splits.test, 0.0)):
        actual = np.corrcoef(split.factors[:, smile], split.factors[:, glasses])[0, 1]
        assert actual == pytest.approx(expected, abs=0.06)
        both = (split.factors[:, hat] == 1) & (split.factors[:, beard] == 1)
        assert both.mean() == pytest.approx(0.0 if expected else 0.25, abs=0.03)
    plain = dataset(train=50, test=4000, size=32).load()[1]
    np.testing.assert_array_equal(splits.test.factors, plain.factors)


@pytest.fixture(scope="module")
def planned():
    """A function that returns the parameters of `faces` after the command line's own reading of them."""
    plugins = Plugins()

    def plan(*pairs, spec="faces"):
        benchmark = Benchmark(datasets=(spec,), models=("pca",), references=(), seeds=1, params=read_params(pairs))
        return make_plan(benchmark, plugins, "cpu").trials[0].dataset_params

    return plan


def test_options_as_the_command_line_gives_them(planned):
    params = planned(
        "faces.correlation=smile+glasses=-0.8", "faces.holdout=glasses=1+hat=1,smile=-1..-0.5+beard=1"
    )
    assert params["correlation"] == ["smile+glasses=-0.8"]
    assert params["holdout"] == ["glasses=1+hat=1", "smile=-1..-0.5+beard=1"]
    in_name = planned(spec="faces:correlation=smile+glasses=0.5,hat+beard=1:holdout=glasses=1+hat=1:train=99")
    assert in_name["correlation"] == ["smile+glasses=0.5", "hat+beard=1"]
    assert in_name["holdout"] == ["glasses=1+hat=1"]
    assert in_name["train"] == 99


@pytest.mark.parametrize(
    ("pair", "sentence"),
    [
        ("correlation=smile", "correlation must be NAME+NAME=NUMBER, as a+b=0.5, not 'smile', got 'smile'"),
        ("correlation=smile+glasses=0.9", "correlation must be from -0.866 to 0.866 and not 0 for smile+glasses"),
        ("correlation=smirk+glasses=0.9", "correlation must use the factors x, y, tilt, face_width, "),
        ("holdout=hat=1+hut=1", "holdout must use the factors x, y, tilt, face_width, "),
        ("holdout=hat=2", "holdout must keep hat 0 or 1, not 'hat=2', got 'hat=2'"),
        ("holdout=hat=1,hat=0", "holdout must leave at least 1% of the rows, it leaves 0.0%"),
        ("train=10", "train should be greater than or equal to 50, got 10"),
    ],
)
def test_options_that_cannot_be_are_told_in_a_sentence(planned, pair, sentence):
    with pytest.raises(RequestError) as caught:
        planned(f"faces.{pair}")
    assert str(caught.value).startswith(f"dataset 'faces': {sentence}")


def test_more_pixels_than_fit_memory_are_refused():
    with pytest.raises(
        ValidationError, match="must make at most 4,000,000,000 pixels together, they make 13,107,2"
    ):
        Faces.Params(size=256, train=199_000, test=1000)
    with pytest.raises(ValidationError):
        Faces.Params(size=31)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("smile", 1.5, "smile must be from -1 to 1, got 1.5; keep to its range"),
        ("hat", 0.5, "hat must be 0 or 1, got 0.5; keep to its range"),
        ("x", np.nan, "x must be from -3 to 3, got nan; keep to its range"),
    ],
)
def test_render_refuses_values_out_of_range(loaded, name, value, sentence):
    with pytest.raises(DataError) as caught:
        dataset().render(with_factor(loaded[1].factors[:2], name, value))
    assert str(caught.value) == sentence


def test_render_refuses_other_shapes_and_takes_no_rows():
    with pytest.raises(
        DataError, match=r"^factors of faces must be numbers \(n, 19\), got shape \(2, 3\); give the"
    ):
        dataset().render(np.zeros((2, 3)))
    assert dataset().render(np.zeros((0, 19))).shape == (0, 3, 64, 64)


def test_the_fingerprint_needs_no_drawing_and_tells_parameters_and_versions_apart(monkeypatch):
    monkeypatch.setattr(Faces, "render", None)
    changes = ({}, {"size": 32}, {"train": 99}, {"test": 99}, {"seed": 1}, {"correlation": "smile+skin=0.5"})
    fingerprints = [dataset(**params).fingerprint() for params in (*changes, {"holdout": "hat=1+beard=1"})]
    monkeypatch.setattr(Faces, "version", Faces.version + 1)
    fingerprints.append(dataset().fingerprint())
    assert len(set(fingerprints)) == 8
    assert all(len(each) == 64 for each in fingerprints)
    assert (
        dataset(correlation=("smile+skin=0.5",)).fingerprint()
        == dataset(correlation="smile+skin=0.5").fingerprint()
    )
