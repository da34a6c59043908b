from __future__ import annotations

import numpy as np
import pytest
import torch

from latentbench import LatentSpace, NotApplicableError
from latentbench.execution.scoring import given_to
from latentbench_metrics.image_quality import (
    ImageQuality,
    MsSsim,
    ms_ssim3,
    psnr,
    psnr_per_image,
    ssim,
    ssim_per_image,
)


def images(count=6, side=28, channels=1, seed=0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    clean = torch.rand(count, channels, side, side, generator=generator, dtype=torch.float64)
    noisy = (clean + 0.1 * torch.randn(clean.shape, generator=generator, dtype=torch.float64)).clamp(0, 1)
    return clean.to(dtype), noisy.to(dtype)


def smooth_images(shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    noise = torch.rand((*shape[:2], shape[2] + 4, shape[3] + 4), generator=generator, dtype=torch.float64)
    clean = (4 * (torch.nn.functional.avg_pool2d(noise, 5, 1) - 0.5) + 0.4).clamp(0, 1)
    noisy = (clean + 0.1 * torch.randn(shape, generator=generator, dtype=torch.float64)).clamp(0, 1)
    return clean, noisy


def test_psnr_pooled_and_per_image():
    y = torch.tensor([0.1, 0.2]).reshape(2, 1, 1, 1).expand(2, 1, 9, 9)
    assert psnr(torch.zeros_like(y), y, pooled=True) == pytest.approx(16.0206, abs=1e-4)
    assert psnr(torch.zeros_like(y), y) == pytest.approx(16.9897, abs=1e-4)


def test_ssim_of_constants_and_of_a_copy():
    half = torch.full((2, 1, 28, 28), 0.5)
    assert ssim(half, half + 0.1) == pytest.approx(0.983609, abs=1e-4)
    x, _ = images()
    assert ssim(x, x) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
def test_psnr_and_ssim_agree_with_torchmetrics(torchmetrics, channels):
    x, y = images(channels=channels)
    reference = torchmetrics.functional.image
    pooled = reference.peak_signal_noise_ratio(y, x, data_range=1.0)
    each = reference.peak_signal_noise_ratio(y, x, data_range=1.0, reduction="elementwise_mean", dim=(1, 2, 3))
    assert psnr(x, y, pooled=True) == pytest.approx(float(pooled), abs=1e-4)
    assert psnr(x, y) == pytest.approx(float(each), abs=1e-4)


@pytest.mark.parametrize("shape", [(3, 1, 28, 28), (2, 3, 33, 40), (2, 2, 11, 64), (1, 1, 17, 12)])
def test_ssim_agrees_with_torchmetrics(torchmetrics, shape):
    x, y = smooth_images(shape)
    similarity = torchmetrics.functional.image.structural_similarity_index_measure(y, x, data_range=1.0)
    assert ssim(x, y) == pytest.approx(float(similarity), abs=1e-9)
    assert ssim(x.float(), y.float()) == pytest.approx(float(similarity), abs=1e-6)


@pytest.mark.parametrize("shape", [(4, 1, 28, 28), (3, 3, 29, 31), (2, 2, 64, 28), (1, 1, 90, 51)])
def test_ms_ssim3_agrees_with_torchmetrics(torchmetrics, shape):
    x, y = smooth_images(shape)
    for noisy in (y, x.roll(3, -1), x.flip(0, 2)):
        similarity = reference_ms_ssim3(torchmetrics, x, noisy)
        assert 0.01 < similarity < 1
        assert ms_ssim3(x, noisy) == pytest.approx(similarity, abs=1e-8)
        assert ms_ssim3(x.float(), noisy.float()) == pytest.approx(similarity, abs=1e-6)


def test_ms_ssim3_of_a_negative_is_zero_and_of_a_copy_one(torchmetrics):
    x, _ = smooth_images((3, 1, 32, 32))
    assert ms_ssim3(x, 1 - x) == reference_ms_ssim3(torchmetrics, x, 1 - x) == 0
    assert ms_ssim3(x, x) == pytest.approx(1, abs=1e-12)


def reference_ms_ssim3(torchmetrics, x, y):
    measure = torchmetrics.functional.image.multiscale_structural_similarity_index_measure
    return float(
        measure(
            y,
            x,
            betas=(0.0448, 0.2856, 0.3001),
            gaussian_kernel=False,
            kernel_size=7,
            normalize="relu",
            data_range=1.0,
        )
    )


def test_ms_ssim3_of_the_pca_of_fashion_mnist(fashion_mnist):
    train, _, test, _ = fashion_mnist
    flat, images = train.flatten(1).double(), test[:2000]
    mean = flat.mean(0)
    axes = torch.linalg.eigh((flat - mean).T @ (flat - mean)).eigenvectors[:, -32:]
    reconstructions = ((images.flatten(1) - mean) @ axes @ axes.T + mean).reshape(images.shape).float()
    assert ms_ssim3(images, reconstructions) == pytest.approx(0.945, abs=5e-4)


def test_ssim_of_small_images_uses_the_largest_odd_window():
    x, y = images(count=2, side=8, dtype=torch.float64)
    offsets = np.arange(-3, 4)
    line = np.exp(-0.5 * (offsets / 1.5) ** 2)
    window = np.outer(line, line) / line.sum() ** 2

    def mirrored(image):
        return np.pad(image, 3, mode="reflect")

    def at(a, b, i, j):
        p, q = a[i : i + 7, j : j + 7], b[i : i + 7, j : j + 7]
        mp, mq = (window * p).sum(), (window * q).sum()
        vp, vq = (window * (p - mp) ** 2).sum(), (window * (q - mq) ** 2).sum()
        cov = (window * (p - mp) * (q - mq)).sum()
        return (2 * mp * mq + 1e-4) * (2 * cov + 9e-4) / ((mp**2 + mq**2 + 1e-4) * (vp + vq + 9e-4))

    expected = [
        np.mean([at(mirrored(a), mirrored(b), i, j) for i in range(8) for j in range(8)])
        for a, b in zip(x[:, 0].numpy(), y[:, 0].numpy(), strict=True)
    ]
    np.testing.assert_allclose(ssim_per_image(x, y).numpy(), expected, atol=1e-12)


def test_a_copy_has_a_finite_psnr_score():
    x, _ = images()
    copy = LatentSpace.from_arrays(codes=x.flatten(1), inputs=x, reconstructions=x)
    assert psnr_per_image(x, x).isinf().all()
    assert ImageQuality(ImageQuality.Params()).compute(copy)["psnr"].tolist() == [100.0] * len(x)


def test_ms_ssim3_metric_takes_2000_images_and_needs_large_ones(space):
    x, y = images(count=2100)
    many = LatentSpace.from_arrays(codes=torch.zeros(2100, 2), inputs=x, reconstructions=y)
    metric = MsSsim(MsSsim.Params())
    given = given_to(metric, many)
    assert len(given) == 2000
    values = metric.compute(given)["ms_ssim3"]
    assert values.shape == (2000,)
    assert float(values.mean()) == pytest.approx(ms_ssim3(x, y), abs=1e-3)
    with pytest.raises(NotApplicableError, match="sides of at least 28, they are 8x8"):
        MsSsim(MsSsim.Params()).compute(space)
