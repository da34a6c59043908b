import numpy as np
import pytest
from scipy.spatial import procrustes

from latentbench.latent.maps.procrustes import align, disparity


def codes(n=200, d=5):
    return np.random.default_rng(0).normal(size=(n, d)) * np.arange(d, 0, -1) + 7


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
    aligned = align(places, reference) - reference.mean(0)
    np.testing.assert_allclose(aligned / np.linalg.norm(reference - reference.mean(0)), laid, atol=1e-9)
    assert ((aligned + reference.mean(0) - reference) ** 2).sum() <= ((places - reference) ** 2).sum()
    assert standard.shape == aligned.shape


def test_a_map_in_one_place_is_laid_on_the_middle():
    reference = codes(4, 2)
    np.testing.assert_allclose(align(np.ones((4, 2)), reference), np.tile(reference.mean(0), (4, 1)))
    assert disparity(np.ones((4, 2)), reference) == 1


def test_maps_of_other_items_are_refused():
    with pytest.raises(ValueError, match=r"with the same items, got \(3, 2\) and \(4, 2\)"):
        align(np.ones((3, 2)), np.ones((4, 2)))


def test_maps_that_are_not_finite_are_refused():
    broken = np.full((3, 2), np.nan)
    for function in (align, disparity):
        with pytest.raises(ValueError, match="both maps must be finite"):
            function(broken, np.ones((3, 2)))
