import warnings

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import ndimage
from scipy.spatial import cKDTree

from latentbench import DataError
from latentbench.cli import main
from latentbench.dataset import fingerprint_arrays
from latentbench_datasets import furniture
from latentbench_datasets.furniture import Furniture, union_distances

CHAIR, TABLE, COUCH = range(3)
SMALL = {"train": 60, "test": 20}
MIDDLE = [0.5] * 6


def dataset(**params):
    return Furniture(Furniture.Params(**params))


def centers(size):
    return (2 * np.arange(size) + 1) / size - 1


def drawn(kind, shares=MIDDLE, **params):
    return dataset(**{**SMALL, **params}).render([[kind, *shares]])[0, 0]


@pytest.fixture(scope="module")
def plane():
    return dataset().load()


@pytest.fixture(scope="module")
def space():
    return dataset(dims=3, size=24, **SMALL).load()


# distances


def test_one_box_has_the_distances_of_a_box():
    """Beside a face, beyond an edge and a corner, and at three depths inside."""
    spans = [(np.array([-0.4]), np.array([0.2])), (np.array([-0.5]), np.array([0.5]))]
    axes = [np.array([-0.7, -0.1, 0.1, 0.5]), np.array([0.0, 0.4, 0.9])]
    expected = [[0.3, -0.3, -0.1, 0.3], [0.3, -0.1, -0.1, 0.3], [0.5, 0.4, 0.4, 0.5]]
    np.testing.assert_allclose(union_distances([spans], axes)[0], expected, atol=1e-6)
    tall = [*spans, (np.array([-0.1]), np.array([0.1]))]
    actual = union_distances([tall], [np.array([0.5]), np.array([0.9]), np.array([0.0, 1.3])])
    np.testing.assert_allclose(actual.ravel(), [0.5, 1.3], atol=1e-6)


@pytest.mark.parametrize("kind", [CHAIR, TABLE, COUCH])
@pytest.mark.parametrize("dims", [2, 3])
def test_distances_are_those_to_the_nearest_point_inside_or_outside(kind, dims):
    """Held against a search on a finer grid, which is right up to half the diagonal of one of its cells."""
    size, fine = (32, 256) if dims == 2 else (16, 80)
    shares = np.random.default_rng(kind).uniform(size=4 + dims)
    actual = drawn(kind, shares, dims=dims, size=size)
    solid = drawn(kind, shares, dims=dims, size=fine) < 0
    grid = np.stack(np.meshgrid(*[centers(fine)] * dims, indexing="ij"), -1)
    asked = np.stack(np.meshgrid(*[centers(size)] * dims, indexing="ij"), -1)
    shell = ndimage.binary_dilation(solid) & ~ndimage.binary_erosion(solid)
    inner, outer = cKDTree(grid[solid & shell]), cKDTree(grid[~solid & shell])
    slack = np.sqrt(dims) / fine
    outside = actual > 0
    np.testing.assert_allclose(inner.query(asked[outside])[0], actual[outside], atol=2 * slack)
    depth = outer.query(asked[~outside])[0]
    assert (-actual[~outside] <= depth + 2 * slack).all()
    assert (-actual[~outside] > 0.3 * depth - 2 * slack).all()


def test_inside_and_outside_are_never_mistaken_and_no_seam_shows(plane):
    """Distances change by no more than the way from pixel to pixel, and every piece is one without holes of 0."""
    for split in plane:
        values = split.inputs[:, 0]
        for axis in (1, 2):
            assert abs(np.diff(values, axis=axis)).max() <= 2 / 64 + 1e-5
        for piece in values[::20]:
            assert ndimage.label(piece < 0)[1] == 1
        assert ((values < 0).sum((1, 2)) > 100).all()
        assert (values > 0).any((1, 2)).all()


# pieces


def test_what_the_splits_hold(plane):
    for split, count in zip(plane, (2000, 500), strict=True):
        assert split.inputs.shape == (count, 1, 64, 64)
        assert split.inputs.dtype == np.float32
        names = ("kind", "width", "height", "thickness", "leg_thickness", "leg_inset", "panel")
        assert split.factor_names == names
        assert split.factor_sizes == (3, 0, 0, 0, 0, 0, 0)
        np.testing.assert_array_equal(split.labels, split.factors[:, 0])
        assert (np.bincount(split.labels) > 0.25 * count).all()
        assert abs(np.corrcoef(split.factors.T) - np.eye(7)).max() < 0.15


def test_space_has_a_depth_too(space):
    train, test = space
    assert train.inputs.shape == (60, 1, 24, 24, 24)
    assert test.factor_names[-1] == "depth"
    assert test.factors.shape == (20, 8)
    deep = [drawn(TABLE, [*MIDDLE, depth], dims=3) < 0 for depth in (0, 1)]
    actual = [solid.any((1, 2)).sum() for solid in deep]
    assert actual == pytest.approx([0.8 * 16, 1.5 * 16], abs=1)


def test_the_plane_shows_the_outline_of_the_body():
    """Seen along z, whatever the depth: where the body is at any z."""
    for kind in (CHAIR, TABLE, COUCH):
        for shares in np.random.default_rng(kind).uniform(size=(5, 6)):
            flat = drawn(kind, shares, size=32) < 0
            body = drawn(kind, [*shares, 0.7], dims=3, size=32) < 0
            np.testing.assert_array_equal(body.any(0), flat)


def test_nothing_leaves_the_scene():
    corners = np.array(np.meshgrid(range(3), *[[0, 1]] * 6)).reshape(7, -1).T
    values = dataset().render(corners)[:, 0]
    assert values[:, [0, -1]].min() > 0
    assert values[:, :, [0, -1]].min() > 0


def spans(piece):
    """Lowest and highest x and y inside, to a pixel."""
    along = centers(piece.shape[-1])
    columns, rows = along[(piece < 0).any(0)], -along[(piece < 0).any(1)]
    return columns.min(), columns.max(), rows.min(), rows.max()


@pytest.mark.parametrize(
    ("kind", "width", "height"),
    [(CHAIR, 0.9, 0.7 + 0.65), (TABLE, 1.45, 0.95), (COUCH, 1.5, 0.5 + 0.45)],
    ids=["chair", "table", "couch"],
)
def test_pieces_stand_on_the_floor_and_are_as_wide_and_high_as_they_say(kind, width, height):
    left, right, low, high = spans(drawn(kind, size=256))
    pixel = 2 / 256
    assert low == pytest.approx(-0.9, abs=pixel)
    assert right - left == pytest.approx(width, abs=2 * pixel)
    assert left + right == pytest.approx(0, abs=pixel)
    assert high - low == pytest.approx(height, abs=2 * pixel)


def test_a_chair_has_its_back_on_the_left_and_others_are_the_same_from_both_sides():
    chair, table, couch = (drawn(kind) < 0 for kind in (CHAIR, TABLE, COUCH))
    upper = chair[:36]  # over the seat
    assert upper[:, :32].sum() > 50
    assert not upper[:, 32:].any()
    for piece in (table, couch):
        np.testing.assert_array_equal(piece, piece[:, ::-1])
    rows = couch[(couch[:, 32]).argmax() :]
    assert rows[0].sum() < rows[10].sum()  # arms are lower than the back


@pytest.mark.parametrize("kind", [CHAIR, TABLE, COUCH])
@pytest.mark.parametrize("column", range(1, 7))
def test_every_factor_shows_smoothly_in_every_kind(kind, column):
    path = np.tile([kind, *MIDDLE], (41, 1))
    path[:, column] = np.linspace(0, 1, 41)
    values = dataset().render(path)[:, 0]
    assert (abs(values[0] - values[-1]) > 0.01).sum() > 40
    assert abs(np.diff(values, axis=0)).max() < 0.02


def test_render_gives_the_stored_pieces_in_any_order(plane, space):
    for params, (train, _) in (({}, plane), ({"dims": 3, "size": 24, **SMALL}, space)):
        rows = np.random.default_rng(0).permutation(60)
        np.testing.assert_array_equal(dataset(**params).render(train.factors[rows]), train.inputs[rows])


def test_chunks_make_no_difference(monkeypatch, plane):
    monkeypatch.setattr(furniture, "CHUNK", 7 * 64**2)
    np.testing.assert_array_equal(dataset().render(plane[0].factors[:50]), plane[0].inputs[:50])


def test_images_are_the_distances_seen(plane):
    images = dataset(form="image").render(plane[0].factors[:40])
    assert images.dtype == np.uint8
    far = plane[0].inputs[:40]
    assert (images[far < -1 / 64] == 255).all()
    assert (images[far > 1 / 64] == 0).all()
    edge = abs(far) < 0.9 / 64
    np.testing.assert_allclose(images[edge] / 255, 0.5 - far[edge] * 32, atol=0.003)
    fine = (dataset(size=256).render(plane[0].factors[:40])[:, 0] < 0).reshape(40, 64, 4, 64, 4).mean((2, 4))
    assert abs(images[:, 0] / 255 - fine).mean() < 0.01


# correlations and holdouts


@pytest.fixture
def undrawn(monkeypatch):
    """A function that returns splits whose pieces are not drawn but are their factors: many are slow to draw."""
    monkeypatch.setattr(Furniture, "_render", lambda self, values: values.astype(np.float32))
    return lambda **params: dataset(**params).splits()


def column(split, name):
    return split.factors[:, split.factor_names.index(name)]


@pytest.mark.parametrize(("seed", "dims"), [(0, 2), (3, 3)])
def test_without_options_factors_are_those_there_always_were(seed, dims):
    """They came from one call of NumPy for each split, before there were options."""
    splits = dataset(seed=seed, dims=dims, size=16, train=5000, test=50).load()
    for stream, split in enumerate(splits):
        expected = np.random.default_rng([seed, stream]).uniform(size=(len(split), 5 + dims))
        expected[:, 0] = np.floor(3 * expected[:, 0])
        np.testing.assert_array_equal(split.factors, expected)


@pytest.mark.parametrize(
    ("pair", "number"), [("width+height", 0.8), ("panel+leg_inset", -0.5), ("width+depth", 1)]
)
def test_a_correlation_is_of_train_and_validation_alone(undrawn, pair, number):
    splits = undrawn(dims=3, size=16, train=20_000, test=20_000, correlation=f"{pair}={number}")
    together = np.concatenate([splits.train.factors, splits.validation.factors])
    names = splits.train.factor_names
    expected = np.eye(8)
    first, second = (names.index(name) for name in pair.split("+"))
    expected[first, second] = expected[second, first] = number
    assert abs(np.corrcoef(together.T) - expected).max() < 0.03
    assert abs(np.corrcoef(splits.validation.factors.T) - expected).max() < 0.09
    assert abs(np.corrcoef(splits.test.factors.T) - np.eye(8)).max() < 0.03


def test_held_out_combinations_are_in_the_test_split_alone(undrawn):
    splits = undrawn(train=20_000, test=2000, holdout=("kind=1+width=0.5..1", "kind=2"))
    for split, wide_tables, couches in (
        (splits.train, 0, 0),
        (splits.validation, 0, 0),
        (splits.test, 1 / 6, 1 / 3),
    ):
        wide = (column(split, "kind") == 1) & (column(split, "width") >= 0.5)
        assert wide.mean() == pytest.approx(wide_tables, abs=0.03 if wide_tables else 0)
        assert (split.labels == 2).mean() == pytest.approx(couches, abs=0.03 if couches else 0)
    plain = undrawn(train=50, test=2000)
    np.testing.assert_array_equal(splits.test.factors, plain.test.factors)


def test_pieces_with_options_are_drawn_from_their_factors():
    options = {"correlation": "width+height=0.8", "holdout": "kind=0+panel=0.5..1"}
    train, test = dataset(**SMALL, **options).load()
    np.testing.assert_array_equal(dataset().render(train.factors), train.inputs)
    np.testing.assert_array_equal(test.inputs, dataset(**SMALL).load()[1].inputs)


# requests


@pytest.mark.parametrize(
    ("factors", "expected"),
    [
        (
            np.zeros((2, 6)),
            "factors of furniture must be numbers (n, 7), got shape (2, 6); give the columns kind, ",
        ),
        ([[3, *MIDDLE]], "kind must be 0 (chair), 1 (table) or 2 (couch), got 3; keep to its range"),
        ([[0.5, *MIDDLE]], "kind must be 0 (chair), 1 (table) or 2 (couch), got 0.5; keep to its range"),
        ([[0, *MIDDLE[1:], 1.5]], "panel must be from 0 to 1, got 1.5; keep to its range"),
        ([[0, np.nan, *MIDDLE[1:]]], "width must be from 0 to 1, got nan; keep to its range"),
    ],
)
def test_factors_that_cannot_be_drawn(factors, expected):
    with pytest.raises(DataError) as caught:
        dataset().render(factors)
    assert str(caught.value).startswith(expected)


def test_no_factors_give_no_pieces():
    assert dataset().render(np.zeros((0, 7))).shape == (0, 1, 64, 64)


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"dims": 3, "form": "image"}, "form=image needs dims=2, got dims=3"),
        ({"dims": 1}, "greater than or equal to 2"),
        ({"dims": 4}, "less than or equal to 3"),
        ({"seed": 2**32}, "less than 4294967296"),
        ({"size": 15}, "greater than or equal to 16"),
        ({"dims": 3, "train": 100_000}, "at most 1,000,000,000 values together, they make 3,293,184,000"),
    ],
)
def test_requests_that_make_no_sense(params, expected):
    with pytest.raises(ValidationError, match=expected):
        Furniture.Params(**params)


NAMES = "kind, width, height, thickness, leg_thickness, leg_inset, panel"
REFUSED = {
    "correlation=width": "correlation must be NAME+NAME=NUMBER, as a+b=0.5, not 'width', got 'width'",
    "correlation=width+heigth=0.5": f"correlation must use the factors {NAMES}, not 'heigth', got ",
    "correlation=width+depth=0.5": f"correlation must use the factors {NAMES}, not 'depth', got ",
    "correlation=width+height=1.1": "correlation must be from -1 to 1 and not 0 for width+height; it is 1.1, got ",
    "correlation=kind+width=0.5": (
        "correlation must not use kind, whose 3 values have no order; hold out combinations with it instead, got "
    ),
    "holdout=kind=3": "holdout must keep kind 0 (chair), 1 (table) or 2 (couch), not 'kind=3', got 'kind=3'",
    "holdout=kind=chair": "holdout must be NAME=VALUE or NAME=LOW..HIGH joined by +, as a=1+b=0.5..1, not ",
    "holdout=kind=0+depth=0..0.5": f"holdout must use the factors {NAMES}, not 'depth', got ",
    "holdout=width=0.5": "holdout must give width a range, as width=0..1, not 'width=0.5', got 'width=0.5'",
    "holdout=kind=0,kind=1,kind=2": "holdout must leave at least 1% of the rows, it leaves 0.0%, got 'kind=0,",
    "dims=4": "dims should be less than or equal to 3, got 4",
}


@pytest.fixture
def planned(capsys, monkeypatch):
    """A function that asks the command line for a dry run and returns its status and messages."""
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)  # main sets it for its process

    def plan(spec):
        with pytest.raises(SystemExit) as ended:
            main(["run", "-d", spec, "-m", "pca", "-s", "r2", "--seeds", "1", "--dry-run"])
        return ended.value.code, capsys.readouterr().err

    return plan


@pytest.mark.parametrize("option", REFUSED)
def test_options_that_cannot_be_end_a_run_with_status_2_and_one_sentence(planned, option):
    status, messages = planned(f"furniture:{option}")
    assert status == 2
    assert messages.startswith(f"latentbench: dataset 'furniture': {REFUSED[option]}")
    assert messages.count("\n") == 1


@pytest.mark.parametrize(
    "spec",
    [
        "furniture:holdout=kind=0+width=0.5..1,kind=2+height=0..0.3:correlation=width+height=-0.5:size=32",
        "furniture:dims=3:holdout=kind=1+depth=0..0.5:train=60:size=17",
    ],
)
def test_options_that_can_be_are_planned(planned, spec):
    status, messages = planned(spec)
    assert status == 0
    assert [line for line in messages.splitlines() if not line.startswith("estimating: ")] == []


def test_fewer_pieces_are_the_first_of_more_and_seeds_give_others():
    few, many = dataset(**SMALL).load(), dataset(train=70, test=30).load()
    for one, other in zip(few, many, strict=True):
        np.testing.assert_array_equal(one.inputs, other.inputs[: len(one)])
    assert not np.array_equal(dataset(seed=1, **SMALL).load()[0].factors, few[0].factors)
    assert not np.array_equal(few[0].factors[:20], few[1].factors)


def test_the_fingerprint_needs_no_drawing_and_tells_parameters_and_versions_apart(monkeypatch):
    assert fingerprint_arrays(*dataset(**SMALL).load()) == fingerprint_arrays(*dataset(**SMALL).load())
    monkeypatch.setattr(Furniture, "render", None)
    changes = ({}, {"dims": 3}, {"form": "image"}, {"size": 33}, {"train": 60}, {"test": 60}, {"seed": 1},
               {"correlation": "width+height=0.5"}, {"holdout": "kind=0+width=0.5..1"})  # fmt: skip
    fingerprints = [dataset(**params).fingerprint() for params in changes]
    monkeypatch.setattr(Furniture, "version", Furniture.version + 1)
    fingerprints.append(dataset().fingerprint())
    assert len(set(fingerprints)) == 10
    assert all(len(each) == 64 for each in fingerprints)
