"""Float32 far from 0: what is added to all codes, or to all inputs, changes no score but by what it rounds away.

The references are NumPy, SciPy and scikit-learn in float64, on the very same float32 numbers.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import linalg, stats
from scipy.spatial.distance import cdist, pdist
from sklearn import manifold, metrics, neighbors

from latentbench import LatentSpace
from latentbench.api import score
from latentbench_metrics._shared.sinkhorn import sinkhorn_divergence
from latentbench_metrics._shared.wasserstein import bures_w2_squared, sliced_w2_squared, w2_squared
from latentbench_metrics.clusters import calinski_harabasz, davies_bouldin, silhouette
from latentbench_metrics.geometry import active_units, participation_ratio
from latentbench_metrics.intrinsic_dimension import levina_bickel, two_nn
from latentbench_metrics.neighborhoods import distance_correlation, neighbor_recall, trustworthiness
from latentbench_metrics.neighbors import knn_accuracy
from latentbench_metrics.reconstruction import mse, pixel_variance, r2
from latentbench_metrics.robustness import code_drift

FAR = [0.0, 1e3, 1e4, 1e6]


def cloud(shift, seed=0, count=200, dim=4):
    """Float32 codes `shift` from 0, their classes, and the same numbers in float64."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 4
    codes = rng.normal(size=(4, dim))[labels] * 3 + rng.normal(size=(count, dim)) + shift
    rounded = codes.astype(np.float32)
    return torch.from_numpy(rounded), torch.from_numpy(labels), rounded.astype(np.float64)


def two_nn_reference(points):
    near = np.sort(cdist(points, points), 1)
    near = near[near[:, 1] > 0]
    return (len(near) - 1) / np.log(near[:, 2] / near[:, 1]).sum()


def bures_reference(x, y):
    a, b = np.cov(x.T), np.cov(y.T)
    cross = linalg.sqrtm(linalg.sqrtm(a) @ b @ linalg.sqrtm(a)).real
    return ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(a + b - 2 * cross)


@pytest.mark.parametrize("shift", FAR)
def test_clusters(shift):
    codes, labels, exact = cloud(shift)
    given = exact - exact.mean(0), labels.numpy()
    assert silhouette(codes, labels) == pytest.approx(metrics.silhouette_score(*given), rel=1e-6)
    assert davies_bouldin(codes, labels) == pytest.approx(metrics.davies_bouldin_score(*given), rel=1e-6)
    assert calinski_harabasz(codes, labels) == pytest.approx(metrics.calinski_harabasz_score(*given), rel=1e-6)


@pytest.mark.parametrize("shift", FAR)
def test_neighbors_and_dimensions(shift):
    codes, labels, exact = cloud(shift)
    bank, known, exact_bank = cloud(shift, seed=1)
    voters = neighbors.KNeighborsClassifier(1, algorithm="brute").fit(exact_bank, known)
    expected = (voters.predict(exact) == labels.numpy()).mean()
    assert knn_accuracy(bank, known, codes, labels, k=1) == pytest.approx(expected, abs=1 / len(codes))
    if shift < 1e6:  # there, some neighbors are a step apart
        assert two_nn(codes) == pytest.approx(two_nn_reference(exact), rel=1e-6)
        near = np.log(np.sort(cdist(exact, exact), 1)[:, 1:11])
        assert levina_bickel(codes, 10) == pytest.approx(1 / (near[:, -1:] - near[:, :-1]).mean(), rel=1e-6)
    spectrum = np.linalg.eigvalsh(np.cov(exact.T))
    assert participation_ratio(codes) == pytest.approx(spectrum.sum() ** 2 / (spectrum**2).sum(), rel=1e-9)
    assert active_units(codes) == (exact.var(0, ddof=1) > 0.01).sum()


@pytest.mark.parametrize("shift", FAR)
def test_inputs_and_codes(shift):
    inputs, _, exact = cloud(shift, dim=6)
    codes, _, exact_codes = cloud(shift, seed=2)
    expected = manifold.trustworthiness(exact - exact.mean(0), exact_codes - exact_codes.mean(0), n_neighbors=5)
    tolerance = 1e-7 if shift < 1e6 else 1e-3  # equal distances have equal ranks here, other ones there
    assert trustworthiness(inputs, codes, k=5) == pytest.approx(expected, abs=tolerance)
    assert neighbor_recall(inputs, inputs + 0, k=5) == 1
    drawn = distance_correlation(inputs, codes, pairs=20_000)
    assert drawn == pytest.approx(stats.spearmanr(pdist(exact), pdist(exact_codes)).statistic, abs=0.02)


@pytest.mark.parametrize("shift", FAR)
def test_transport(shift):
    (x, _, exact_x), (y, _, exact_y) = cloud(shift), cloud(shift, seed=3)
    assert bures_w2_squared(x, y) == pytest.approx(bures_reference(exact_x, exact_y), rel=1e-6)
    center = torch.from_numpy(exact_x.mean(0))
    for distance in (w2_squared, sliced_w2_squared, sinkhorn_divergence):
        assert distance(x, y) == pytest.approx(distance(x.double() - center, y.double() - center), rel=1e-6)


@pytest.mark.parametrize("shift", FAR)
def test_errors_and_drift(shift):
    inputs, _, exact = cloud(shift)
    outputs, _, exact_outputs = cloud(shift, seed=4)
    variance = pixel_variance(inputs)
    assert variance == pytest.approx(exact.var(0).mean(), rel=1e-9)
    assert mse(inputs, outputs) == pytest.approx(((exact - exact_outputs) ** 2).mean(), rel=1e-5)
    assert r2(inputs, outputs, variance) == pytest.approx(
        1 - ((exact - exact_outputs) ** 2).mean() / exact.var(0).mean(), rel=1e-5
    )
    apart = cdist(exact, exact) + np.diag(np.full(len(exact), np.inf))
    expected = np.linalg.norm(exact - exact_outputs, axis=1).mean() / apart.min(1).mean()
    assert code_drift(inputs, outputs) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("shift", FAR[1:])
def test_every_score_of_codes_is_the_same_far_from_zero(shift):
    """On a grid of an eighth, codes + 10^6 are exact in float32."""

    def scores(added):
        spaces = []
        for seed in (0, 1):
            codes, labels, _ = cloud(0.0, seed)
            given = {"codes": (codes * 64).round() / 8 + added, "labels": labels}
            spaces.append(LatentSpace.from_arrays(**given, train=spaces[0] if spaces else None))
        frame = score(spaces[1], ["knn", "kmeans", "separation", "fisher_ratio", "class_transport", "linear_probe",
                                  "intrinsic_dimension", "participation_ratio", "active_units"])  # fmt: skip
        assert (frame.status == "ok").all(), frame[frame.status != "ok"].to_string()
        return dict(zip(frame.score, frame.value, strict=True))

    assert scores(shift) == pytest.approx(scores(0.0), rel=1e-5)


def test_the_scale_of_inputs_does_not_matter():
    inputs, _, _ = cloud(0.0)
    outputs, _, _ = cloud(0.0, seed=4)
    expected = r2(inputs, outputs, pixel_variance(inputs))
    for size in (1e-30, 1e-18, 1e18, 1e30):
        one, other = size * inputs, size * outputs
        assert r2(one, other, pixel_variance(one)) == pytest.approx(expected, rel=1e-5)
