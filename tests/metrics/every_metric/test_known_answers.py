"""Known answers that every implementation of these scores has to give, in one place."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn.functional import one_hot

from latentbench import LatentSpace, Posterior
from latentbench.latent.paths.curves import linear_path, slerp
from latentbench.latent.transport.images import image_barycenter
from latentbench.statistics import critical_difference, nemenyi_quantile
from latentbench_datasets.lines import draw_lines
from latentbench_metrics._shared.prdc import precision_recall_density_coverage
from latentbench_metrics._shared.sinkhorn import sinkhorn_divergence
from latentbench_metrics._shared.wasserstein import (
    bures_w2_squared,
    gaussian_w2_squared,
    sliced_w2_squared,
    w2_squared,
)
from latentbench_metrics.acai import acai_angles, acai_mean_distance, acai_smoothness
from latentbench_metrics.clusters import (
    calinski_harabasz,
    davies_bouldin,
    kmeans_agreement,
    partition_agreement,
    silhouette,
)
from latentbench_metrics.disentanglement.dci import dci_scores
from latentbench_metrics.disentanglement.factors import factor_vae_score, mig, modularity, sap
from latentbench_metrics.disentanglement.infomec import infomec
from latentbench_metrics.generation import kernel_distance
from latentbench_metrics.geometry import active_units, codebook_perplexity, participation_ratio
from latentbench_metrics.image_quality import psnr, ssim
from latentbench_metrics.interpolation import length_ratio, path_energy, second_difference, step_cv
from latentbench_metrics.intrinsic_dimension import two_nn, two_nn_from_ratios
from latentbench_metrics.likelihoods import bernoulli_nll, elbo, gaussian_nll, iwae, kl_normal
from latentbench_metrics.neighborhoods import continuity, neighbor_recall, trustworthiness
from latentbench_metrics.neighbors import knn_accuracy
from latentbench_metrics.path_geometry import geodesic_ratio, jacobian_spectrum
from latentbench_metrics.probes import linear_probe_accuracy
from latentbench_metrics.reconstruction import mae, mse


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# reconstruction


@pytest.mark.parametrize("shape", [(3, 1, 28, 28), (2, 5), (1, 3, 8, 9)])
def test_errors_and_psnr_of_a_constant_difference(shape):
    zero, tenth = torch.zeros(shape), torch.full(shape, 0.1)
    assert mse(zero, tenth) == pytest.approx(0.01, abs=1e-6)
    assert mae(zero, tenth) == pytest.approx(0.1, abs=1e-6)
    assert psnr(zero, tenth) == pytest.approx(20, abs=1e-5)


def test_psnr_pooled_and_per_image():
    errors = torch.tensor([0.1, 0.2]).reshape(2, 1, 1, 1).expand(2, 1, 28, 28)
    assert psnr(torch.zeros_like(errors), errors, pooled=True) == pytest.approx(16.0206, abs=1e-4)
    assert psnr(torch.zeros_like(errors), errors) == pytest.approx(16.9897, abs=1e-4)


def test_bernoulli_of_one_half_is_a_bit_an_element():
    inputs = torch.rand(4, 784, generator=torch.Generator().manual_seed(0))
    nats = bernoulli_nll(inputs, torch.full((4, 784), 0.5))
    assert nats == pytest.approx(543.4274, abs=1e-3)
    assert nats / 784 / math.log(2) == pytest.approx(1, abs=1e-3)


def test_ssim_of_constants_and_of_a_copy():
    assert ssim(torch.full((1, 1, 28, 28), 0.5), torch.full((1, 1, 28, 28), 0.6)) == pytest.approx(
        0.983609, abs=1e-4
    )
    images = torch.rand(3, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    assert ssim(images, images) == pytest.approx(1, abs=1e-6)


def test_gaussian_nll_of_a_copy():
    assert gaussian_nll(torch.rand(3, 784), torch.rand(3, 784) * 0, 1.0) > 720.448
    same = torch.rand(3, 784)
    assert gaussian_nll(same, same, 1.0) == pytest.approx(720.448, abs=1e-3)


def test_kl_of_normals():
    one = torch.ones(1, 1)
    assert kl_normal(one, one) == pytest.approx(0.5, abs=1e-6)
    assert kl_normal(0 * one, 0.25 * one) == pytest.approx(0.318147, abs=1e-6)


@pytest.mark.parametrize("k", [1, 2, 17])
def test_bounds_are_tight_for_the_exact_posterior(k):
    weights = torch.linalg.qr(normal(5, 2)).Q * torch.tensor([2.0, 0.7]).double()  # a diagonal exact posterior
    mean, sigma = normal(5, seed=1), 0.4
    inputs = normal(30, 2, seed=2) @ weights.T + mean + sigma * normal(30, 5, seed=3)
    variance = 1 / (1 + weights.square().sum(0) / sigma**2)
    codes = (inputs - mean) @ weights / sigma**2 * variance
    space = LatentSpace().replaced(
        inputs=inputs,
        codes=codes,
        posterior=Posterior(codes, variance.expand_as(codes)),
        prior=Posterior(torch.zeros(2).double(), torch.ones(2).double()),
        likelihood=lambda x, z: torch.distributions.Normal(z @ weights.T + mean, sigma).log_prob(x).sum(1),
    )
    covariance = weights @ weights.T + sigma**2 * torch.eye(5).double()
    exact = float(torch.distributions.MultivariateNormal(mean, covariance).log_prob(inputs).mean())
    assert elbo(space) == pytest.approx(exact, abs=1e-9)
    assert iwae(space, k) == pytest.approx(exact, abs=1e-9)


# clusters

FOUR, PAIRS = torch.tensor([[0.0], [1], [10], [11]]), torch.tensor([0, 0, 1, 1])


def test_cluster_indices_of_four_points():
    points = FOUR.double()
    assert silhouette(points, PAIRS) == pytest.approx((19 / 21 + 17 / 19) / 2, abs=1e-9)
    assert davies_bouldin(points, PAIRS) == pytest.approx(0.1, abs=1e-9)
    assert calinski_harabasz(points, PAIRS) == pytest.approx(200, abs=1e-9)


def test_silhouette_far_from_the_origin():
    assert silhouette(FOUR + 1e4, PAIRS) == pytest.approx(silhouette(FOUR, PAIRS), abs=1e-4)


@pytest.mark.parametrize(("dim", "expected"), [(64, 0.2507), (256, 0.0853)])
def test_silhouette_shrinks_with_dimension(dim, expected):
    points, labels = normal(1000, dim), torch.arange(1000) // 500
    points[500:, 0] += 10
    assert silhouette(points, labels) == pytest.approx(expected, abs=0.01)
    assert silhouette(points, labels) == pytest.approx(1 - math.sqrt(2 * dim / (2 * dim + 100)), abs=0.01)


def test_agreement_of_two_partitions():
    scores = partition_agreement(torch.tensor([0, 0, 1, 1]), torch.tensor([0, 0, 1, 2]))
    assert scores == pytest.approx({"ari": 0.571429, "nmi": 0.8}, abs=1e-6)


def test_random_and_renamed_labels():
    points, labels = normal(10_000, 8), torch.arange(10_000) % 10
    order = torch.randperm(10_000, generator=torch.Generator().manual_seed(1))
    labels, other = labels[order], torch.tensor([3, 1, 4, 0, 5, 9, 2, 6, 8, 7])
    bank, queries = (points[:5000], labels[:5000]), (points[5000:], labels[5000:])
    assert knn_accuracy(*bank, *queries, k=1) == pytest.approx(0.1, abs=0.02)
    assert kmeans_agreement(*queries, seed=0)["ari"] == pytest.approx(0, abs=0.005)
    renamed = (bank[0], other[bank[1]]), (queries[0], other[queries[1]])
    assert knn_accuracy(*renamed[0], *renamed[1], k=1) == knn_accuracy(*bank, *queries, k=1)
    assert kmeans_agreement(*renamed[1], seed=0)["ari"] == pytest.approx(kmeans_agreement(*queries, seed=0)["ari"])
    assert silhouette(*renamed[1]) == pytest.approx(silhouette(*queries), abs=1e-12)


# interpolation


def test_a_linear_decoder_moves_evenly():
    matrix, starts, ends = normal(20, 4), normal(64, 4, seed=1), normal(64, 4, seed=2)

    def decode(codes):
        return codes @ matrix.T

    along = decode(linear_path(starts, ends, 16).flatten(0, 1)).unflatten(0, (16, 64))
    assert path_energy(decode, starts, ends) == pytest.approx(1, abs=1e-5)
    assert length_ratio(along) == pytest.approx(1, abs=1e-5)
    assert second_difference(along) == pytest.approx(0, abs=1e-5)
    assert step_cv(along) == pytest.approx(0, abs=1e-5)
    actual = jacobian_spectrum(decode, starts)["condition_log10_q50"]
    assert 10**actual == pytest.approx(float(torch.linalg.cond(matrix)), rel=1e-5)


def test_length_of_half_a_circle():
    t = torch.linspace(0, math.pi, 64).double()
    assert length_ratio(torch.stack([t.cos(), t.sin()], 1)) == pytest.approx(math.pi / 2, abs=1e-3)


def test_slerp_halfway_and_between_equal_codes():
    one, other = torch.eye(2)[:1], torch.eye(2)[1:]
    middle = slerp(one, other, 0.5)
    assert middle.flatten().tolist() == pytest.approx([0.70711, 0.70711], abs=1e-5)
    assert float(torch.lerp(one, other, 0.5).norm()) == pytest.approx(0.70711, abs=1e-5)
    for t in (0.0, 0.3, 1.0):
        torch.testing.assert_close(slerp(one, one, t), one)


def test_smoothness_of_even_turning_and_of_one_jump():
    even = torch.linspace(0, 1.5, 16, dtype=torch.float64)
    jump = torch.cat([torch.zeros(8), torch.ones(8)]).double()
    assert acai_smoothness(even) == pytest.approx(0, abs=1e-12)
    assert acai_smoothness(jump) == pytest.approx(14 / 15, abs=1e-12)
    wrapped = torch.deg2rad(torch.tensor([350.0, 355, 0, 5, 10]).double())
    assert acai_smoothness(wrapped) == pytest.approx(0, abs=1e-12)


def test_true_rotations_beat_pixel_fades():
    rng = np.random.default_rng(7)
    starts = rng.uniform(0, 2 * math.pi, 256)
    ends = starts + rng.uniform(-math.pi, math.pi, 256)
    t = np.linspace(0, 1, 16)[:, None]
    turned = torch.from_numpy(draw_lines((starts + t * (ends - starts)).ravel())).reshape(16, 256, 1, 32, 32)
    assert acai_mean_distance(turned) < 1e-6
    assert acai_smoothness(acai_angles(turned)) < 0.02
    faded = linear_path(*(torch.from_numpy(draw_lines(each)).flatten(1) for each in (starts, ends)), 16)
    faded = faded.reshape(16, 256, 1, 32, 32)
    assert acai_mean_distance(faded) == pytest.approx(6.2e-3, abs=1e-3)
    assert acai_smoothness(acai_angles(faded)) > 0.8


def test_scaling_codes_and_decoder_together_changes_nothing():
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(3, 32), torch.nn.Tanh(), torch.nn.Linear(32, 10)).double()
    starts, ends = normal(16, 3), normal(16, 3, seed=1)
    scale = 37.0

    def scaled(codes):
        return net(codes / scale)

    with torch.no_grad():
        along = [
            decode(linear_path(a, b, 16).flatten(0, 1)).unflatten(0, (16, 16))
            for decode, a, b in ((net, starts, ends), (scaled, scale * starts, scale * ends))
        ]
    for score in (length_ratio, second_difference, step_cv):
        assert score(along[1]) == pytest.approx(score(along[0]), abs=1e-5)
    for score in (path_energy, lambda decode, a, b: geodesic_ratio(decode, a, b, 16)):
        assert score(scaled, scale * starts, scale * ends) == pytest.approx(score(net, starts, ends), abs=1e-5)


# transport


def test_distances_of_a_shift():
    x = normal(400, 3)
    y = x + torch.tensor([1.0, 2.0, 2.0]).double()
    assert w2_squared(x, y) == pytest.approx(9, abs=1e-8)
    assert bures_w2_squared(x, y) == pytest.approx(9, abs=1e-6)
    for epsilon in (0.1, 1.0, 10.0, None):
        assert sinkhorn_divergence(x, y, epsilon) == pytest.approx(9, abs=0.01)
    assert sliced_w2_squared(x, y, projections=30) == pytest.approx(9 / 3, abs=1e-9)


def test_gaussian_distance_of_diagonal_normals():
    zero = torch.zeros(2)
    one, other = torch.diag(torch.tensor([1.0, 4.0])), torch.diag(torch.tensor([9.0, 1.0]))
    assert gaussian_w2_squared(zero, one, zero, other) == pytest.approx(5, abs=1e-9)


def test_distances_of_twice_the_width():
    x, y = normal(20_000, 8), 2 * normal(20_000, 8, seed=1)
    assert sliced_w2_squared(x, y, projections=200) == pytest.approx(1, abs=0.03)
    assert bures_w2_squared(x, y) == pytest.approx(8, abs=0.2)


def test_distances_are_zero_to_oneself_symmetric_and_repeatable():
    x, y = normal(200, 4), normal(200, 4, seed=1) + 1
    for distance in (w2_squared, sliced_w2_squared, bures_w2_squared, sinkhorn_divergence):
        assert distance(x, x) == pytest.approx(0, abs=1e-9)
        assert distance(x, y) == pytest.approx(distance(y, x), rel=1e-6)
        assert distance(x, y) == distance(x, y)
        from_numpy = torch.from_numpy(x.numpy().copy()), torch.from_numpy(y.numpy().copy())
        assert distance(*from_numpy) == pytest.approx(distance(x, y), rel=1e-6)


@pytest.mark.parametrize(("weights", "center"), [((0.5, 0.5), 14), ((0.25, 0.75), 17)])
def test_a_barycenter_moves_and_does_not_blur(weights, center):
    place = torch.arange(28).double()

    def blob(at):
        line = torch.exp(-(place - at).square() / 8)
        return torch.outer(line, line)

    def center_and_variance(image):
        shares = image.double().sum(0) / image.double().sum()
        mean = (shares * place).sum()
        return float(mean), float((shares * (place - mean).square()).sum())

    images = torch.stack([blob(8), blob(20)])
    middle, variance = center_and_variance(image_barycenter(images, torch.tensor(weights), reg=0.01))
    assert middle == pytest.approx(center, abs=0.05)
    assert variance == pytest.approx(4, abs=0.05)
    if center == 14:
        assert center_and_variance(images.mean(0))[1] == pytest.approx(40, abs=0.1)


@pytest.mark.parametrize("left", [0.0, 1e-20])
def test_distances_of_collapsed_codes_are_finite(left):
    x, y = normal(300, 16), normal(300, 16, seed=1)
    x[:, 4:], y[:, 4:] = left * x[:, 4:], left * y[:, 4:]
    for distance in (w2_squared, sliced_w2_squared, bures_w2_squared, sinkhorn_divergence):
        assert 0 <= distance(x, y) < math.inf


# disentanglement

GRID = torch.cartesian_prod(*(torch.arange(float(size)) for size in (5, 4, 3, 2)))


def test_a_code_equal_to_the_factors_is_perfect():
    for score in (mig, modularity, sap):
        assert score(GRID, GRID) == pytest.approx(1, abs=1e-9)
    assert factor_vae_score(GRID, GRID) == 1


def test_a_copy_costs_the_gap_of_its_factor():
    assert mig(torch.cat([GRID, GRID[:, :1]], 1), GRID) == pytest.approx(0.75, abs=1e-9)


@pytest.mark.parametrize(
    ("importance", "expected"),
    [
        (torch.eye(4), (1, 1)),
        (torch.ones(4, 4), (0, 0)),
        (torch.tensor([[1.0, 0], [1, 0], [0, 1]]), (1, 0.579380)),
    ],
)
def test_known_shares_of_importance(importance, expected):
    scores = dci_scores(importance)
    assert (scores["disentanglement"], scores["completeness"]) == pytest.approx(expected, abs=1e-6)


def test_a_random_code_scores_like_chance():
    factors = GRID[torch.randint(len(GRID), (10_000,), generator=torch.Generator().manual_seed(0))]
    noise = normal(10_000, 6)
    assert mig(noise, factors) < 0.01
    assert factor_vae_score(noise, factors) == pytest.approx(1 / 4, abs=0.03)
    scores = infomec(noise, factors)
    assert scores["explicitness"] < 0.01
    assert math.isnan(scores["modularity"])


def test_a_code_turned_by_45_degrees_scores_nothing():
    factors = torch.cartesian_prod(torch.arange(16.0), torch.arange(16.0)).repeat(8, 1)
    turned = factors @ torch.tensor([[1.0, 1.0], [-1.0, 1.0]]) / math.sqrt(2)
    assert mig(turned, factors) < 0.01
    solution = torch.linalg.lstsq(turned - turned.mean(0), factors - factors.mean(0)).solution
    left = (factors - factors.mean(0) - (turned - turned.mean(0)) @ solution).square().mean()
    assert 1 - float(left / factors.var()) == pytest.approx(1, abs=1e-6)
    upper = (factors[:, 0] >= 8).long()
    assert linear_probe_accuracy(turned, upper, turned, upper) > 0.99


def test_constant_and_noise_dimensions_cost_nothing():
    factors = GRID.repeat(84, 1)
    codes = torch.cat([factors.double(), torch.zeros(len(factors), 6).double(), normal(len(factors), 6)], 1)
    assert modularity(codes, factors) == pytest.approx(1, abs=0.01)
    assert factor_vae_score(codes, factors) == 1


# generation


def test_balls_of_a_sample_against_itself_and_far_away():
    points = normal(500, 8)
    names = "precision", "recall", "density", "coverage"
    assert precision_recall_density_coverage(points, points) == dict.fromkeys(names, 1)
    assert precision_recall_density_coverage(points, points + 100) == dict.fromkeys(names, 0)


def test_balls_of_fakes_at_one_real_point():
    points = normal(1000, 8)
    shares = precision_recall_density_coverage(points, points[:1].expand(1000, 8))
    assert shares["precision"] == 1
    assert shares["recall"] == pytest.approx(0, abs=0.01)
    assert shares["coverage"] <= 0.01


def test_kernel_distance_is_unbiased():
    draws = [kernel_distance(normal(500, 16, seed=2 * i), normal(500, 16, seed=2 * i + 1)) for i in range(30)]
    assert np.mean(draws) == pytest.approx(0, abs=0.003)
    assert min(draws) < 0


# geometry


def test_dimension_of_pareto_ratios():
    uniform = torch.rand(20_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert two_nn_from_ratios(uniform ** (-1 / 7)) == pytest.approx(7, abs=0.15)


@pytest.mark.parametrize(("dim", "tolerance"), [(2, 0.16), (5, 0.4)])
def test_dimension_of_a_flat_torus(dim, tolerance):
    points = torch.rand(1500, dim, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    ways = (points[:, None] - points).abs()
    distances = torch.minimum(ways, 1 - ways).square().sum(2).sqrt()
    assert two_nn(distances, distances=True) == pytest.approx(dim, abs=tolerance)


def test_dimension_of_a_sphere_and_a_cube():
    sphere = torch.nn.functional.normalize(normal(2000, 3), dim=1)
    assert two_nn(sphere) == pytest.approx(1.98, abs=0.13)
    cube = torch.rand(2000, 10, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert two_nn(cube) == pytest.approx(8.6, abs=0.8)


def test_neighbors_of_isometries_and_of_random_codes():
    high = normal(1000, 10)
    turn = torch.linalg.qr(normal(10, 10, seed=1)).Q
    for low in (high, high @ turn + 3, 0.01 * high):
        for score in (trustworthiness, continuity, neighbor_recall):
            assert score(high, low, 10) == 1
    lost = normal(1000, 2, seed=2)
    assert trustworthiness(high, lost, 10) == pytest.approx(0.5, abs=0.02)
    assert neighbor_recall(high, lost, 10) == pytest.approx(0.0100, abs=0.004)


def test_counts_of_directions_entries_and_units():
    assert participation_ratio(normal(10_000, 8)) == pytest.approx(8, rel=0.05)
    assert participation_ratio(normal(100, 1) * torch.ones(1, 8).double()) == pytest.approx(1)
    assert codebook_perplexity(torch.full((32,), 7)) == pytest.approx(32)
    assert codebook_perplexity(one_hot(torch.tensor(3), 32)) == pytest.approx(1)
    spread = torch.tensor([1.0] * 3 + [1e-4] * 5).sqrt()
    assert active_units(normal(5000, 8) * spread) == 3


# statistics


def test_critical_difference():
    assert nemenyi_quantile(4) == pytest.approx(2.569, abs=1e-3)
    assert critical_difference(4, 14) == pytest.approx(1.2536, abs=1e-3)
