import warnings

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsRegressor

from latentbench.errors import NotApplicableError
from latentbench.latent.maps.inverse import NeighborInverse, PlaneInverse, UmapInverse, inverse_error
from latentbench.latent.maps.pca import pca_map
from latentbench.latent.space import LatentSpace


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def plane(n=200, d=7):
    """Codes of a plane that lies askew in d dimensions."""
    axes = np.linalg.qr(normal(d, 2, seed=1))[0].T
    return (normal(n, 2) * (3, 1)) @ axes + 10


# PCA


def test_points_of_the_plane_come_back_exactly():
    codes = plane()
    inverse = PlaneInverse(codes)
    np.testing.assert_allclose(inverse.invert(inverse.places), codes, atol=1e-9)
    others = inverse.invert([[0.3, -2.0], [40.0, 7.0]])
    np.testing.assert_allclose(inverse.place(others), [[0.3, -2.0], [40.0, 7.0]], atol=1e-9)
    assert inverse.unexplained == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("shape", [(300, 5), (20, 60)])
def test_other_points_come_back_as_the_nearest_of_the_plane(shape):
    codes = normal(*shape) * np.linspace(3, 1, shape[1])
    inverse = PlaneInverse(codes)
    back = inverse.invert(inverse.place(codes))
    lost = ((codes - back) ** 2).sum() / ((codes - codes.mean(axis=0)) ** 2).sum()
    assert lost == pytest.approx(inverse.unexplained, abs=1e-12)
    assert 0.1 < lost < 0.95
    np.testing.assert_allclose((codes - back) @ inverse.axes.T, 0, atol=1e-9)
    np.testing.assert_allclose(inverse.axes @ inverse.axes.T, np.eye(2), atol=1e-9)
    np.testing.assert_array_equal(inverse.places, pca_map(codes)[0])


def test_codes_of_less_than_two_dimensions():
    line = PlaneInverse(np.array([[0.0], [2.0], [5.0]]))
    np.testing.assert_allclose(line.invert(line.places), line.codes, atol=1e-12)
    point = PlaneInverse(np.full((3, 4), 2.0))
    assert (point.invert([[5.0, 1.0]]) == 2).all()
    assert point.unexplained == 0


# neighbors


def test_a_place_of_the_map_gives_its_code():
    places, codes = normal(100, 2), normal(100, 6, seed=2)
    np.testing.assert_array_equal(NeighborInverse(places, codes).invert(places), codes)


@pytest.mark.parametrize("k", [1, 5, 10])
def test_is_the_regression_of_scikit_learn(k):
    places, codes, points = normal(100, 2), normal(100, 6, seed=2), normal(30, 2, seed=3)
    reference = KNeighborsRegressor(k, weights="distance").fit(places, codes)
    np.testing.assert_allclose(NeighborInverse(places, codes, k).invert(points), reference.predict(points))


def test_tensors_are_as_good_as_arrays():
    codes = torch.arange(24.0).reshape(12, 2)
    assert np.isfinite(NeighborInverse(codes, codes, k=3).invert([[1.0, 2.0]])).all()
    assert PlaneInverse(codes).codes.tolist() == codes.tolist()


def test_places_that_coincide_give_their_mean():
    inverse = NeighborInverse([[0.0, 0], [0, 0], [1, 0]], [[1.0], [3], [9]], k=3)
    assert inverse.invert([[0.0, 0]]).tolist() == [[2]]


def test_very_near_places_do_not_overflow():
    inverse = NeighborInverse([[5e-324, 0], [1.0, 0]], [[1.0], [3]], k=2)
    np.testing.assert_allclose(inverse.invert([[0.0, 0.0]]), [[1.0]])


def test_the_distance_to_the_data():
    inverse = NeighborInverse([[0.0, 0], [4, 0]], [[1.0], [2]], k=1)
    assert inverse.support([[1.0, 0], [4, 3], [4, 0]]).tolist() == [1, 3, 0]


@pytest.mark.parametrize(
    ("places", "codes", "k", "words"),
    [
        (np.ones((3, 3)), np.ones((3, 2)), 1, r"places must be \(n, 2\) and codes \(n, d\)"),
        (np.ones((3, 2)), np.ones((4, 2)), 1, "with equally many rows"),
        (np.full((3, 2), np.nan), np.ones((3, 2)), 1, "must be finite"),
        (np.ones((3, 2)), np.ones((3, 2)), 4, r"k must be from 1 to the number of places \(=3\), got 4"),
        (np.ones((3, 2)), np.ones((3, 2)), 0, "got 0"),
    ],
)
def test_maps_that_cannot_be_inverted(places, codes, k, words):
    with pytest.raises(ValueError, match=words):
        NeighborInverse(places, codes, k)


@pytest.mark.parametrize("points", [[1.0, 2.0], [[1.0, 2.0, 3.0]], [[np.nan, 0.0]]])
def test_points_that_are_none(points):
    for inverse in (NeighborInverse(np.ones((3, 2)), np.ones((3, 2)), 1), PlaneInverse(normal(9, 3))):
        with pytest.raises(ValueError, match=r"points must be finite, \(m, 2\)"):
            inverse.invert(points)


# UMAP


@pytest.fixture(scope="module")
def clusters():
    """Three clusters in five dimensions, far apart, and their labels."""
    labels = np.arange(90) % 3
    return normal(90, 5) * 0.3 + 8 * np.eye(5)[labels], labels


@pytest.fixture(scope="module")
def umap(clusters):
    return UmapInverse(clusters[0], seed=0)


def test_umap_inverts_itself_without_a_warning(clusters, umap):
    codes, labels = clusters
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        codes_back = umap.invert(umap.places[:12])
    assert codes_back.shape == (12, 5)
    assert np.abs(codes_back - codes[:12]).mean() < 1  # clusters are 11 apart
    assert (codes_back.argmax(axis=1) == labels[:12]).all()
    np.testing.assert_array_equal(codes_back, umap.invert(umap.places[:12]))


def test_umap_places_other_codes_among_their_like(clusters, umap):
    codes, labels = clusters
    nearby = umap.place(codes[:30] + 0.01)
    nearest = np.linalg.norm(nearby[:, None] - umap.places, axis=2).argmin(axis=1)
    assert (labels[nearest] == labels[:30]).all()
    assert umap.support(umap.places).max() < 1e-5


def test_umap_repeats_with_its_seed(clusters, umap):
    np.testing.assert_array_equal(UmapInverse(clusters[0], seed=0).places, umap.places)


def test_umap_refuses_too_few():
    with pytest.raises(ValueError, match="more than 15 rows"):
        UmapInverse(normal(15, 3))


# errors


def space_of(codes, noise=0.0):
    """Codes of the plane, decoded linearly; the inputs deviate from that by `noise`."""
    up = torch.from_numpy(normal(codes.shape[1], 12, seed=5)).float()
    tensor = torch.from_numpy(codes).float()
    return LatentSpace.from_arrays(codes=tensor, inputs=tensor @ up + noise, decode=lambda rows: rows @ up)


def test_an_exact_inverse_has_no_error_but_that_of_the_model():
    codes = plane(300)
    space, held = space_of(codes, noise=0.5), torch.arange(200, 300)
    inverse = PlaneInverse(codes[:200])
    errors = inverse_error(inverse, space, held, inverse.place(codes[200:]))
    assert errors.reconstruction == pytest.approx(0, abs=1e-8)
    assert errors.image == pytest.approx(0.25, abs=1e-4)


def test_errors_are_those_of_the_definition():
    codes = plane(300)
    space, held = space_of(codes, noise=0.5), torch.arange(200, 300)
    inverse = NeighborInverse(pca_map(codes)[0][:200], codes[:200])
    points = pca_map(codes)[0][200:]
    images = space.decode(torch.from_numpy(inverse.invert(points)).float())
    errors = inverse_error(inverse, space, held, points)
    assert errors.image == pytest.approx(float((images - space.inputs[held]).square().mean()), rel=1e-5)
    assert errors.reconstruction == pytest.approx(
        float((images - space.reconstructions[held]).square().mean()), rel=1e-5
    )
    assert errors.reconstruction > 1e-3


def test_a_model_without_decoder_says_so():
    codes = plane(30)
    space = LatentSpace.from_arrays(codes=codes, inputs=codes)
    with pytest.raises(NotApplicableError, match="no decoder"):
        inverse_error(PlaneInverse(codes), space, torch.arange(3), np.zeros((3, 2)))


def test_a_point_for_each_item_is_needed():
    codes = normal(30, 2)
    inverse = NeighborInverse(codes, codes)
    with pytest.raises(ValueError, match="one for each of 2 items, got 1"):
        inverse_error(inverse, space_of(codes), torch.tensor([0, 1]), codes[:1])
