from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from latentbench import LatentSpace, NotApplicableError, Posterior
from latentbench_metrics import image_quality
from latentbench_metrics._shared import item_errors
from latentbench_metrics.image_quality import (
    ImageQuality,
    MsSsim,
    ms_ssim3,
    ms_ssim3_per_image,
    psnr,
    psnr_per_image,
    ssim,
    ssim_per_image,
)
from latentbench_metrics.likelihoods import Rate, kl_normal, rate
from latentbench_metrics.reconstruction import ExplainedVariance, Reconstruction, mae, mse, pixel_variance, r2


def images(count=6, side=28, channels=1, seed=0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    clean = torch.rand(count, channels, side, side, generator=generator, dtype=torch.float64)
    noisy = (clean + 0.1 * torch.randn(clean.shape, generator=generator, dtype=torch.float64)).clamp(0, 1)
    return clean.to(dtype), noisy.to(dtype)


@pytest.mark.parametrize("shape", [(3, 7), (2, 1, 12, 12), (5, 3, 16, 20)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_errors_and_psnr_of_a_constant_difference(shape, dtype):
    x, y = torch.zeros(shape, dtype=dtype), torch.full(shape, 0.1, dtype=dtype)
    assert mse(x, y) == pytest.approx(0.01, abs=1e-6)
    assert mae(x, y) == pytest.approx(0.1, abs=1e-6)
    assert psnr(x, y) == pytest.approx(20, abs=1e-5)
    assert psnr(x, y, pooled=True) == pytest.approx(20, abs=1e-5)


def test_kl_of_normals():
    one = torch.ones(1, 1)
    assert kl_normal(one, one) == pytest.approx(0.5, abs=1e-6)
    assert kl_normal(torch.zeros(1, 1), torch.full((1, 1), 0.25)) == pytest.approx(0.318147, abs=1e-6)


def test_kl_agrees_with_torch_distributions():
    mean, variance = torch.randn(50, 4), torch.rand(50, 4) + 0.1
    posterior = torch.distributions.Normal(mean, variance.sqrt())
    prior = torch.distributions.Normal(torch.ones(4), 2 * torch.ones(4))
    expected = torch.distributions.kl_divergence(posterior, prior).sum(1).mean()
    assert rate(Posterior(mean, variance), Posterior(torch.ones(4), 4 * torch.ones(4))) == pytest.approx(
        float(expected), rel=1e-5
    )


def test_chunks_do_not_change_image_scores(monkeypatch):
    x, y = images(count=9, channels=2, side=30)
    expected = [score(x, y) for score in (mse, mae, psnr_per_image, ssim_per_image, ms_ssim3_per_image)]
    for chunk in (1, 2 * 30 * 30 * 4):
        monkeypatch.setattr(item_errors, "CHUNK", chunk)
        monkeypatch.setattr(image_quality, "CHUNK", chunk)
        actual = [score(x, y) for score in (mse, mae, psnr_per_image, ssim_per_image, ms_ssim3_per_image)]
        for one, other in zip(actual, expected, strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


def test_reconstructions_of_images_are_clipped_for_quality_but_not_for_error():
    x = torch.zeros(1, 1, 16, 16)
    wild = torch.full_like(x, -3.0)
    assert psnr(x, wild) == float("inf")
    assert ssim(x, wild) == pytest.approx(1, abs=1e-6)
    assert mse(x, wild) == pytest.approx(9)
    assert psnr(2 + x, 2 + wild) == pytest.approx(-10 * np.log10(9), abs=1e-4)  # not in [0, 1]: not clipped


def test_r2_is_one_for_a_copy_and_zero_for_the_mean():
    x, _ = images(count=40)
    variance = pixel_variance(x)
    assert variance == pytest.approx(float(x.var(0, correction=0).mean()), rel=1e-5)
    assert r2(x, x, variance) == 1
    assert r2(x, x.mean(0).expand_as(x), variance) == pytest.approx(0, abs=1e-5)


def test_pixel_variance_is_the_same_in_many_chunks():
    x = 100 + torch.rand(3000, 2)
    assert pixel_variance(x) == pytest.approx(float(x.double().var(0, correction=0).mean()), rel=1e-9)


@given(seed=st.integers(0, 1000))
@settings(max_examples=10, deadline=None)
def test_order_and_precision_do_not_matter(seed):
    x, y = images(seed=seed, dtype=torch.float64)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    for score in (mse, mae, psnr, ssim, ms_ssim3):
        value = score(x, y)
        assert score(x[order], y[order]) == pytest.approx(value, abs=1e-12)
        assert score(x.float(), y.float()) == pytest.approx(value, rel=1e-5)


def test_unequal_shapes_are_refused():
    with pytest.raises(ValueError, match=r"inputs \(2, 3\) and reconstructions \(2, 4\) differ"):
        mse(torch.zeros(2, 3), torch.zeros(2, 4))
    with pytest.raises(ValueError, match="needs images"):
        ssim(torch.zeros(2, 3), torch.zeros(2, 3))
    for small in (torch.zeros(2, 3), torch.zeros(2, 1, 27, 40), torch.zeros(2, 1, 40, 27)):
        with pytest.raises(ValueError, match="sides of at least 28"):
            ms_ssim3(small, small)
    with pytest.raises(ValueError, match="at least one item"):
        mse(torch.zeros(0, 3), torch.zeros(0, 3))


def test_scores_leave_their_arguments_alone():
    x, y = images()
    before = x.clone(), y.clone()
    for score in (mse, mae, psnr, ssim, ms_ssim3):
        score(x, y + 0.5)
    assert torch.equal(x, before[0])
    assert torch.equal(y, before[1])


def test_metrics_on_digits(space):
    errors = Reconstruction(Reconstruction.Params()).compute(space)
    assert errors["mse"].shape == errors["mae"].shape == (len(space),)
    kept = ExplainedVariance(ExplainedVariance.Params()).compute(space)["r2"]
    expected = r2(space.inputs, space.reconstructions, pixel_variance(space.train.inputs))
    assert float(kept.mean()) == pytest.approx(expected, rel=1e-5)
    assert 0.5 < expected < 0.8
    quality = ImageQuality(ImageQuality.Params()).compute(space)
    assert float(quality["psnr"].mean()) == pytest.approx(psnr(space.inputs, space.reconstructions), rel=1e-5)
    assert float(quality["ssim"].mean()) == pytest.approx(ssim(space.inputs, space.reconstructions), rel=1e-5)
    nats = Rate(Rate.Params()).compute(space)["rate"]
    assert nats.shape == (len(space),)
    assert float(nats.mean()) == pytest.approx(rate(space.posterior, space.prior), rel=1e-5)


def test_what_a_space_lacks_makes_scores_not_applicable():
    x = torch.randn(30, 5)
    codes = LatentSpace.from_arrays(codes=x)
    assert codes.missing(Reconstruction.needs) == "no inputs"
    assert codes.missing(Rate.needs) == "no posterior"
    for metric in (Reconstruction, Rate, ImageQuality, MsSsim):
        with pytest.raises(NotApplicableError):
            metric(metric.Params()).compute(codes)
    arrays = LatentSpace.from_arrays(codes=x, inputs=x, reconstructions=x)
    for metric in (ImageQuality, MsSsim):
        with pytest.raises(NotApplicableError, match="not images"):
            metric(metric.Params()).compute(arrays)
    flat = torch.ones(30, 5)
    same = LatentSpace.from_arrays(codes=flat, inputs=flat)
    still = LatentSpace.from_arrays(codes=x, inputs=flat, reconstructions=flat, train=same)
    with pytest.raises(NotApplicableError, match="do not vary"):
        ExplainedVariance(ExplainedVariance.Params()).compute(still)


def test_rate_flags_collapse():
    score = Rate.scores["rate"]
    assert (score.flag_below, score.flag, score.better) == (1.0, "collapsed", "none")
