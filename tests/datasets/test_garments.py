import numpy as np
import pytest

from latentbench import DataError
from latentbench.dataset import fingerprint_arrays
from latentbench_datasets._drawn import factor_pictures
from latentbench_datasets.garments import CLASSES, PROTOTYPES, Garments

NAMES = [factor.name for factor in Garments.Params.factors]
SHAPES = NAMES[1:]


def dataset(**params):
    return Garments(Garments.Params(**params))


@pytest.fixture(scope="module")
def loaded():
    return dataset(train=6000, test=1500).load()


def with_factor(factors, name, value):
    changed = factors.copy()
    changed[:, NAMES.index(name)] = value
    return changed


def line(start, end, steps):
    weights = np.linspace(0, 1, steps)[:, None]
    return (1 - weights) * PROTOTYPES[start] + weights * np.array(PROTOTYPES[end])


def test_what_the_splits_hold(loaded):
    assert [split.inputs.shape for split in loaded] == [(6000, 1, 28, 28), (1500, 1, 28, 28)]
    for split in loaded:
        assert split.inputs.dtype == np.uint8
        assert split.factor_names == ("kind", "height", "width", "openness", "reach", "flare", "brightness")
        assert split.factor_sizes == (2, 0, 0, 0, 0, 0, 0)
        assert abs(np.corrcoef(split.factors.T) - np.eye(7)).max() < 0.1
    shares = np.bincount(loaded[0].labels) / 6000
    assert shares == pytest.approx([0.25, 0.125, 0.125, 0.125, 0.125, 0.25], abs=0.02)


def test_labels_follow_the_factors_as_documented():
    rows = np.array([*PROTOTYPES.values()])
    data = dataset()._label(dict(zip(NAMES, rows.T, strict=True)))
    assert [CLASSES[label] for label in data] == list(PROTOTYPES)


def test_ten_thousand_are_left_to_learn_from_after_validation(monkeypatch):
    monkeypatch.setattr(
        Garments, "_paint", lambda self, pixels, columns: pixels.__iadd__(columns["reach"][:, None])
    )
    splits = dataset().splits()
    assert [len(split) for split in (splits.train, splits.validation, splits.test)] == [10_000, 1111, 2000]


def test_render_gives_the_stored_pictures_in_any_order(loaded, monkeypatch):
    rows = np.random.default_rng(0).permutation(1500)[:200]
    np.testing.assert_array_equal(dataset().render(loaded[1].factors[rows]), loaded[1].inputs[rows])
    monkeypatch.setattr(factor_pictures, "CHUNK", 7)
    np.testing.assert_array_equal(dataset().render(loaded[1].factors[rows]), loaded[1].inputs[rows])


@pytest.mark.parametrize("kind", [0, 1])
@pytest.mark.parametrize("name", SHAPES)
def test_every_factor_is_seen_in_every_garment_of_both_kinds(loaded, name, kind):
    factors = with_factor(loaded[1].factors[:100], "kind", kind)
    low, high = (dataset().render(with_factor(factors, name, value)).astype(int) for value in (0, 1))
    seen = (abs(low - high) > 8).sum((1, 2, 3))
    assert seen.min() >= 8
    assert seen.mean() >= 25


def test_no_garment_meets_the_border_and_all_have_a_bright_part(loaded):
    for split in loaded:
        assert split.inputs[..., [0, -1]].max() == 0
        assert split.inputs[..., [0, -1], :].max() == 0
        assert split.inputs.max((1, 2, 3)).min() >= 70


def test_height_makes_shoes_boots_and_shirts_dresses(loaded):
    for kind, edge in ((0, "top"), (1, "bottom")):
        factors = with_factor(loaded[1].factors[:50], "kind", kind)
        lit = [dataset().render(with_factor(factors, "height", value))[:, 0].max(2) > 40 for value in (0, 1)]
        places = [(rows.argmax(1) if edge == "top" else 28 - rows[:, ::-1].argmax(1)) for rows in lit]
        moved = places[0] - places[1] if edge == "top" else places[1] - places[0]
        assert (moved >= 5).mean() > 0.9
        assert (moved >= 0).all()


def test_openness_takes_material_away(loaded):
    for kind in (0, 1):
        factors = with_factor(loaded[1].factors[:50], "kind", kind)
        lights = [
            dataset().render(with_factor(factors, "openness", value)).sum((1, 2, 3), dtype=int)
            for value in np.linspace(0, 1, 6)
        ]
        assert (np.diff(lights, axis=0) < 0).all()


def test_brightness_changes_no_outline(loaded):
    factors = loaded[1].factors[:100]
    dark, light = (dataset().render(with_factor(factors, "brightness", value)).astype(float) for value in (0, 1))
    np.testing.assert_allclose(light, dark * (245 / 75), atol=2.5)


def test_clothes_are_alike_on_both_sides(loaded):
    clothes = loaded[1].inputs[loaded[1].factors[:, 0] == 1]
    np.testing.assert_array_equal(clothes, clothes[..., ::-1])


@pytest.mark.parametrize(("start", "end"), [("sandal", "ankle boot"), ("sandal", "shoe"), ("T-shirt", "dress")])
def test_a_straight_line_of_factors_is_a_smooth_path_of_garments(start, end):
    pictures = dataset().render(line(start, end, 101)).astype(float).reshape(101, -1)
    steps = np.linalg.norm(np.diff(pictures, axis=0), axis=1)
    assert steps.max() < 4 * steps.mean()
    assert steps.max() < 0.12 * np.linalg.norm(pictures[0] - pictures[-1])
    fade = (pictures[0] + pictures[-1]) / 2
    assert np.linalg.norm(pictures[50] - fade) > 0.25 * np.linalg.norm(pictures[0] - pictures[-1])


def test_from_sandal_to_boot_the_classes_come_in_order():
    rows = line("sandal", "ankle boot", 50)
    labels = dataset()._label(dict(zip(NAMES, rows.T, strict=True)))
    assert labels[0] == 0
    assert labels[-1] == 2
    assert (np.diff(labels) >= 0).all()


def test_a_correlation_and_a_holdout_are_of_train_alone():
    train, test = dataset(
        train=5000, test=3000, correlation="kind+brightness=0.7", holdout="kind=0+openness=0.5..1"
    ).load()
    assert np.corrcoef(test.factors[:, 0], test.factors[:, -1])[0, 1] == pytest.approx(0, abs=0.06)
    assert 0 not in train.labels
    assert set(test.labels) == set(range(6))
    assert np.corrcoef(train.factors[:, 0], train.factors[:, -1])[0, 1] > 0.6


def test_fewer_garments_are_the_first_ones_of_more_and_a_seed_changes_all(loaded):
    splits = dataset(train=60, test=10).load()
    for few, many in zip(splits, loaded, strict=True):
        np.testing.assert_array_equal(few.inputs, many.inputs[: len(few)])
    assert fingerprint_arrays(*dataset(train=60, test=10).load()) == fingerprint_arrays(*splits)
    other = dataset(train=60, test=10, seed=1).load()[0]
    assert not set(other.factors[:, 1]) & set(loaded[0].factors[:, 1])


def test_render_refuses_what_no_garment_has():
    with pytest.raises(DataError, match=r"^kind must be 0 or 1, got 0.5; keep to its range$"):
        dataset().render([[0.5, 0, 0, 0, 0, 0, 0]])
    with pytest.raises(DataError, match=r"^factors of garments must be numbers \(n, 7\), got shape \(7,\); give"):
        dataset().render(np.zeros(7))


def test_the_fingerprint_needs_no_drawing_and_tells_parameters_and_versions_apart(monkeypatch):
    monkeypatch.setattr(Garments, "render", None)
    changes = (
        {},
        {"train": 99},
        {"test": 99},
        {"seed": 1},
        {"correlation": "kind+flare=0.5"},
        {"holdout": "kind=1"},
    )
    fingerprints = [dataset(**params).fingerprint() for params in changes]
    monkeypatch.setattr(Garments, "version", Garments.version + 1)
    fingerprints.append(dataset().fingerprint())
    assert len(set(fingerprints)) == 7
