"""The diffusion autoencoder beside its formulas in NumPy, and how it decodes."""

import numpy as np
import pytest
import torch

from latentbench.training.budget import Budget
from latentbench_models.diffusion.denoisers import time_features
from latentbench_models.diffusion.diffusion_ae import DiffusionAE

KINDS = [((1, 8, 8), "uint8", "auto"), ((12,), "float32", "auto"), ((3, 9, 11), "uint8", "conv")]


def inward(shown, model, inputs):
    if inputs.dtype == np.uint8:
        return inputs / 255 * 2 - 1
    return (inputs - shown.split.inputs.astype(np.float64).mean(0)) / model.data.spread


def cleaned(model, noisy, times, codes):
    with torch.no_grad():
        found = model.denoiser_net(*(torch.from_numpy(np.asarray(each)).float() for each in (noisy, times, codes)))
    found = found.double().numpy()
    return np.tanh(found) if model.data.dtype == "uint8" else found


@pytest.mark.parametrize(("shape", "dtype", "backbone"), KINDS)
def test_its_loss_is_the_error_of_clean_inputs_at_the_declared_times(tried, shape, dtype, backbone):
    shown = tried(DiffusionAE, shape=shape, dtype=dtype, backbone=backbone)
    model, batch = shown.gradient_model(), shown.batch()
    noise = shown.noise(model)
    clean = inward(shown, model, shown.split.inputs)[batch.rows.numpy()]
    errors = []
    with torch.no_grad():
        codes = model.encode(batch.inputs).numpy()
        total = model.loss(batch, noise)["total"].item()
    for row, x in enumerate(clean):
        t, e = noise["time"][row].item(), noise["noise"][row].double().numpy()
        noisy = np.cos(np.pi * t / 2) * x + np.sin(np.pi * t / 2) * e
        errors.append(((x - cleaned(model, noisy[None], [t], codes[row : row + 1])[0]) ** 2).sum())
    assert total == pytest.approx(np.mean(errors), rel=1e-5)


@pytest.mark.parametrize(("shape", "dtype", "backbone"), KINDS)
def test_it_decodes_by_ddim_from_one_noise(tried, shape, dtype, backbone):
    shown = tried(DiffusionAE, shape=shape, dtype=dtype, backbone=backbone, steps=4)
    model = shown.gradient_model()
    codes = torch.randn(3, 3, generator=torch.Generator().manual_seed(1))
    noisy = np.repeat(model.start[None].double().numpy(), 3, axis=0)
    for t, s in ((1.0, 0.75), (0.75, 0.5), (0.5, 0.25), (0.25, 0.0)):
        clean = cleaned(model, noisy, [t] * 3, codes)
        noise = (noisy - np.cos(np.pi * t / 2) * clean) / np.sin(np.pi * t / 2)
        noisy = np.cos(np.pi * s / 2) * clean + np.sin(np.pi * s / 2) * noise
    mean = shown.split.inputs.astype(np.float64).mean(0)
    expected = (noisy + 1) / 2 if dtype == "uint8" else noisy * model.data.spread + mean
    with torch.no_grad():
        np.testing.assert_allclose(model.decode(codes).numpy(), expected, rtol=1e-4, atol=1e-5)


def test_decoding_repeats_and_all_trials_start_from_the_same_noise(tried):
    shown = tried(DiffusionAE)
    model = shown.gradient_model()
    torch.manual_seed(99)
    other = DiffusionAE(shown.params, model.data)
    assert torch.equal(model.start, other.start)
    codes = torch.randn(5, 3, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert torch.equal(model.decode(codes), model.decode(codes))
        torch.testing.assert_close(model.decode(codes)[2:3], model.decode(codes[2:3]))


def test_times_are_told_apart():
    features = time_features(torch.tensor([0.0, 0.5, 1.0]))
    np.testing.assert_allclose(features[1, :4], np.sin(np.pi / 2 * np.arange(1, 5)), atol=1e-6)
    np.testing.assert_allclose(features[:, 8], [1, 0, -1], atol=1e-6)


def test_killed_and_resumed_it_learns_the_same_bits(tried, resumed_alike):
    shown = tried(DiffusionAE)
    resumed_alike(shown.gradient_model, shown.split, Budget(epochs=2, batch_size=8))
