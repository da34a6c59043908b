import subprocess
import sys

import numpy as np
import pytest

from latentbench.errors import NotApplicableError, UnknownNameError
from latentbench.latent.maps.pca import pca_map
from latentbench.latent.maps.procrustes import align, disparity
from latentbench.latent.maps.projection import METHODS, make_map


def codes(n=200, d=5):
    return np.random.default_rng(0).normal(size=(n, d)) * np.arange(d, 0, -1) + 7


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
    layout = make_map(points, method, seed=1, count=100)
    assert layout.places.shape == (100, 2)
    assert nearest_is_alike(layout.places, kind[layout.rows]) == 1
    np.testing.assert_array_equal(make_map(points, method, seed=1, count=100).places, layout.places)
    assert layout.library.split()[1][0].isdigit()
    assert layout.seconds > 0


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
    layout = make_map(points, method, start=start)
    across = align(layout.places, start)[:, 0]
    middles = [across[kind == k].mean() for k in (0, 2, 1)]
    assert middles == sorted(middles)
    assert layout.settings["start"] != make_map(points, method).settings["start"] == "pca"


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


def test_maps_check_method_count_and_start():
    with pytest.raises(UnknownNameError, match=r"there is no map 'umpa'; did you mean 'umap'"):
        make_map(codes(), "umpa")
    with pytest.raises(NotApplicableError, match="at least 10 codes, got 9 \\(a map by pca needs two\\)"):
        make_map(codes(9), "tsne")
    with pytest.raises(ValueError, match=r"a place for each of the 12 codes, got shape \(3, 2\)"):
        make_map(codes(12), "tsne", start=np.zeros((3, 2)))


@pytest.mark.parametrize("method", METHODS)
def test_a_start_that_is_not_finite_is_refused(method):
    """The t-SNE of scikit-learn would take the whole process with it."""
    with pytest.raises(ValueError, match="start must be finite"):
        make_map(codes(12), method, start=np.full((12, 2), np.nan))


def test_a_map_of_no_items_is_refused():
    for count in (0, -1):
        with pytest.raises(ValueError, match=f"count must be at least 1, got {count}"):
            make_map(codes(12), count=count)


def test_importing_maps_imports_neither_umap_nor_scikit_learn():
    code = (
        "import sys, numpy\nfrom latentbench.latent.maps.projection import make_map\n"
        "make_map(numpy.eye(4), 'pca')\nassert not {'umap', 'sklearn', 'numba'} & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0
