"""Values measured with other people's code on Fashion-MNIST: PCA fitted on train, test images scored."""

from __future__ import annotations

import pytest
import torch

from latentbench_metrics.clusters import calinski_harabasz, davies_bouldin, silhouette
from latentbench_metrics.image_quality import psnr, ssim
from latentbench_metrics.neighbors import knn_accuracy
from latentbench_metrics.reconstruction import mse, pixel_variance, r2


@pytest.fixture(scope="module")
def axes(fashion_mnist):
    flat = fashion_mnist[0].flatten(1).double()
    mean = flat.mean(0)
    covariance = (flat - mean).T @ (flat - mean) / len(flat)
    return mean, torch.linalg.eigh(covariance).eigenvectors.flip(1)


def project(images, axes, dim):
    """Codes and reconstructions of PCA."""
    mean, vectors = axes
    codes = (images.flatten(1).double() - mean) @ vectors[:, :dim]
    return codes.float(), (codes @ vectors[:, :dim].T + mean).reshape(images.shape).float()


@pytest.mark.parametrize(
    ("dim", "expected"), [(2, 0.04610), (8, 0.02661), (16, 0.02045), (32, 0.01514), (64, 0.01037)]
)
def test_reconstruction_error(fashion_mnist, axes, dim, expected):
    images = fashion_mnist[2]
    assert mse(images, project(images, axes, dim)[1]) == pytest.approx(expected, abs=2e-5)


def test_variance_and_the_mean_image(fashion_mnist, axes):
    train, _, images, _ = fashion_mnist
    variance = pixel_variance(train)
    assert 784 * variance == pytest.approx(68.217, abs=2e-3)
    mean = axes[0].float().reshape(1, 1, 28, 28).expand_as(images)
    assert mse(images, mean) == pytest.approx(0.08664, abs=2e-5)
    assert r2(images, mean, variance) == pytest.approx(0, abs=0.01)


def test_image_quality(fashion_mnist, axes):
    images = fashion_mnist[2][:2000]
    _, reconstructions = project(images, axes, 32)
    assert ssim(images, reconstructions) == pytest.approx(0.6375, abs=2e-3)
    assert psnr(images, reconstructions) == pytest.approx(19.06, abs=0.02)
    every = fashion_mnist[2]
    pooled = psnr(every - 2, project(every, axes, 16)[1] - 2, pooled=True)  # outside [0, 1]: not clipped
    assert pooled == pytest.approx(16.89, abs=0.01)


def test_clusters(fashion_mnist, axes):
    train, train_labels, images, labels = fashion_mnist
    codes = project(images, axes, 16)[0]
    assert silhouette(codes, labels) == pytest.approx(0.0793, abs=2e-4)
    assert davies_bouldin(codes, labels) == pytest.approx(2.881, abs=2e-3)
    assert calinski_harabasz(codes, labels) == pytest.approx(1176.1, abs=0.5)
    bank = project(train, axes, 16)[0]
    assert knn_accuracy(bank, train_labels, codes, labels, k=10) == pytest.approx(0.8366, abs=1e-3)
