import numpy as np
import pytest
import torch

from latentbench_models.regularized.denoising_ae import DenoisingAE


def test_masked_numbers_are_0_and_the_clean_image_is_reconstructed(tried, parts):
    found = parts(tried(DenoisingAE, level=0.4))
    masked = np.where(found.noise["corruption"] < 0.4, 0, found.inputs)
    assert (masked != found.inputs).mean() > 0.2
    assert found.terms["total"] == pytest.approx(distortion(found, masked), rel=1e-5)


def test_gaussian_noise_is_added_and_the_clean_image_is_reconstructed(tried, parts):
    found = parts(tried(DenoisingAE, corruption="gaussian", level=0.2))
    noisy = found.inputs + 0.2 * found.noise["corruption"]
    assert found.terms["total"] == pytest.approx(distortion(found, noisy), rel=1e-5)


def distortion(found, corrupted):
    """Minus the log density of the clean inputs, a normal of the starting sigma of one half."""
    with torch.no_grad():
        codes = found.model.encode(torch.from_numpy(corrupted).float())
        means = found.model.decode(codes).double().numpy()
    squared = ((found.inputs - means) ** 2).reshape(24, -1).sum(1)
    return (squared / (2 * 0.5**2) + 64 * np.log(0.5 * np.sqrt(2 * np.pi))).mean()


def test_of_vectors_masked_numbers_are_the_mean_and_noise_is_in_units_of_the_spread(tried):
    shown = tried(DenoisingAE, shape=(12,), dtype="float32", level=1.0)
    mean, inputs = shown.split.inputs.mean(0, dtype=np.float64), shown.inputs
    masked = shown.gradient_model().corrupt(inputs, torch.zeros_like(inputs))
    torch.testing.assert_close(masked.double(), torch.from_numpy(mean).expand(24, 12), rtol=1e-6, atol=1e-6)
    noisy = tried(DenoisingAE, shape=(12,), dtype="float32", level=0.5, corruption="gaussian").gradient_model()
    spread = np.sqrt(shown.split.inputs.var(0, dtype=np.float64).mean())
    added = noisy.corrupt(inputs, torch.ones_like(inputs)) - inputs
    torch.testing.assert_close(added, torch.full_like(added, 0.5 * spread), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("corruption", ["masking", "gaussian"])
def test_at_level_0_it_is_the_ae(tried, as_ae, corruption):
    own, other = as_ae(tried(DenoisingAE, level=0.0, corruption=corruption))
    assert torch.equal(own, other)
