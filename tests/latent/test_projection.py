import subprocess
import sys

import numpy as np
import pytest
from scipy.spatial import procrustes
from sklearn.decomposition import PCA

from latentbench.errors import NotApplicableError, UnknownNameError
from latentbench.latent.projection import METHODS, align, disparity, make_map, pca_map


def codes(n=200, d=5):
    return np.random.default_rng(0).normal(size=(n, d)) * np.arange(d, 0, -1) + 7


def test_is_the_pca_of_scikit_learn_up_to_sign():
    reference = PCA(2).fit(codes())
    places, shares = pca_map(codes())
    np.testing.assert_allclose(np.abs(places), np.abs(reference.transform(codes())), atol=1e-9)
    np.testing.assert_allclose(shares, reference.explained_variance_ratio_, atol=1e-12)


def test_more_dimensions_than_points_give_the_same_map():
    wide = np.random.default_rng(1).normal(size=(20, 300))
    reference = PCA(2).fit(wide)
    places, shares = pca_map(wide)
    np.testing.assert_allclose(np.abs(places), np.abs(reference.transform(wide)), atol=1e-9)
    np.testing.assert_allclose(shares, reference.explained_variance_ratio_, atol=1e-12)


def test_the_sign_does_not_depend_on_the_order_of_rows():
    places, _ = pca_map(codes())
    turned, _ = pca_map(codes()[::-1])
    np.testing.assert_allclose(turned[::-1], places, atol=1e-9)


def test_one_dimension_gives_a_line():
    places, shares = pca_map([[0.0], [2.0], [4.0]])
    assert places.tolist() == [[-2, 0], [0, 0], [2, 0]]
    assert shares.tolist() == [1, 0]


@pytest.mark.parametrize("constant", [np.ones((4, 3)), np.ones((1, 1)), np.zeros((2, 1))])
def test_collapsed_codes_stay_in_one_place(constant):
    places, shares = pca_map(constant)
    assert places.shape == (len(constant), 2)
    assert not places.any()
    assert not shares.any()


@pytest.mark.parametrize("wrong", [np.ones(3), np.ones((0, 2)), np.ones((2, 0)), np.full((2, 2), np.nan)])
def test_refuses_what_is_no_table_of_codes(wrong):
    with pytest.raises(ValueError, match=r"codes must be a finite, non-empty \(n, d\) array"):
        pca_map(wrong)


# maps


def islands(n=40, kinds=3):
    """Tight clouds far from each other in five dimensions, and which cloud each point is of."""
    rng = np.random.default_rng(3)
    kind = np.repeat(np.arange(kinds), n)
    return rng.normal(size=(kinds, 5))[kind] * 20 + rng.normal(size=(len(kind), 5)), kind


def nearest_is_alike(places, kind):
    far = np.linalg.norm(places[:, None] - places[None], axis=-1) + np.diag(np.full(len(places), np.inf))
    return float((kind[far.argmin(1)] == kind).mean())


@pytest.mark.parametrize("method", METHODS)
def test_islands_stay_islands_and_the_same_arguments_give_the_same_map(method):
    points, kind = islands()
    made = make_map(points, method, seed=1, count=100)
    assert made.places.shape == (100, 2)
    assert nearest_is_alike(made.places, kind[made.rows]) == 1
    np.testing.assert_array_equal(make_map(points, method, seed=1, count=100).places, made.places)
    assert made.library.split()[1][0].isdigit()
    assert made.seconds > 0


@pytest.mark.parametrize("method", ["tsne", "umap"])
def test_another_seed_gives_another_map(method):
    points, _ = islands()
    first, second = (make_map(points, method, seed=seed).places for seed in (0, 1))
    assert not np.allclose(first, second)
    assert disparity(second, first) < 0.5  # both begin at the PCA map


@pytest.mark.parametrize("method", ["tsne", "umap"])
def test_a_map_begins_where_it_is_told_to(method):
    points, kind = islands()
    start = np.stack([np.array([-1.0, 3.0, 1.0])[kind], np.zeros(len(kind))], 1)
    made = make_map(points, method, start=start)
    across = align(made.places, start)[:, 0]
    middles = [across[kind == k].mean() for k in (0, 2, 1)]
    assert middles == sorted(middles)
    assert made.settings["start"] != make_map(points, method).settings["start"] == "pca"


@pytest.mark.parametrize("method", METHODS)
def test_collapsed_and_one_dimensional_codes_have_maps(method):
    assert not make_map(np.ones((12, 3)), method).places.any()
    line = make_map(np.arange(12.0)[:, None], method).places
    assert np.isfinite(line).all()
    assert np.ptp(line[:, 0]) > 0


def test_the_items_do_not_depend_on_the_seed_and_fewer_are_part_of_more():
    points, _ = islands()
    rows = [make_map(points, "pca", seed, count).rows for seed, count in ((0, 50), (7, 50), (0, 80), (0, None))]
    np.testing.assert_array_equal(rows[0], rows[1])
    assert set(rows[0]) < set(rows[2])
    np.testing.assert_array_equal(rows[3], np.arange(len(points)))
    np.testing.assert_array_equal(make_map(points, count=50).places, pca_map(points[rows[0]])[0])


def test_what_cannot_be_mapped_is_said():
    with pytest.raises(UnknownNameError, match=r"there is no map 'umpa'; did you mean 'umap'"):
        make_map(codes(), "umpa")
    with pytest.raises(NotApplicableError, match="at least 10 codes, there are 9; take pca"):
        make_map(codes(9), "tsne")
    with pytest.raises(ValueError, match=r"a place for each of the 12 codes, got shape \(3, 2\)"):
        make_map(codes(12), "tsne", start=np.zeros((3, 2)))


def test_importing_maps_imports_neither_umap_nor_scikit_learn():
    code = (
        "import sys, numpy\nfrom latentbench.latent.projection import make_map\n"
        "make_map(numpy.eye(4), 'pca')\nassert not {'umap', 'sklearn', 'numba'} & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


# Procrustes


def turned(places, angle=0.7, scale=3.0, mirror=True):
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return scale * places @ turn @ np.diag([1, -1 if mirror else 1]) + np.array([5.0, -2])


@pytest.mark.parametrize("mirror", [True, False])
def test_a_map_that_was_turned_and_mirrored_comes_back(mirror):
    places = codes(30, 2)
    moved = turned(places, mirror=mirror)
    np.testing.assert_allclose(align(moved, places), places, atol=1e-9)
    assert disparity(moved, places) == pytest.approx(0, abs=1e-12)


def test_alignment_is_that_of_scipy():
    places, reference = codes(30, 2), np.random.default_rng(5).normal(size=(30, 2))
    standard, laid, left = procrustes(reference, places)
    assert disparity(places, reference) == pytest.approx(left)
    assert disparity(reference, places) == pytest.approx(left)
    own = align(places, reference) - reference.mean(0)
    np.testing.assert_allclose(own / np.linalg.norm(reference - reference.mean(0)), laid, atol=1e-9)
    assert ((own + reference.mean(0) - reference) ** 2).sum() <= ((places - reference) ** 2).sum()
    assert standard.shape == own.shape


def test_a_map_in_one_place_is_laid_on_the_middle():
    reference = codes(4, 2)
    np.testing.assert_allclose(align(np.ones((4, 2)), reference), np.tile(reference.mean(0), (4, 1)))
    assert disparity(np.ones((4, 2)), reference) == 1


def test_maps_of_other_items_are_refused():
    with pytest.raises(ValueError, match=r"with the same items, got \(3, 2\) and \(4, 2\)"):
        align(np.ones((3, 2)), np.ones((4, 2)))
