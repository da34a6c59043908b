import numpy as np
import pytest
from sklearn.decomposition import PCA

from latentbench.latent.maps.pca import pca_map


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
