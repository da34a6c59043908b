import numpy as np
import pytest
import torch
from scipy.stats import wasserstein_distance_nd

from latentbench_models.regularized.swae import SWAE, sliced_wasserstein


def test_its_loss_is_that_of_the_paper(tried, parts):
    found = parts(tried(SWAE, strength=30.0))
    along = []
    for direction in found.noise["direction"]:
        unit = direction / np.sqrt((direction**2).sum())
        one, other = np.sort(found.codes @ unit), np.sort(found.noise["prior"] @ unit)
        along.append(((one - other) ** 2).mean())
    assert found.terms["sliced_wasserstein"] == pytest.approx(np.mean(along), rel=1e-5)
    assert found.terms["total"] == pytest.approx(found.terms["distortion"] + 30 * np.mean(along), rel=1e-5)


def test_without_strength_it_is_the_ae(tried, as_ae):
    own, other = as_ae(tried(SWAE, strength=0.0))
    assert torch.equal(own, other)


def test_a_shift_is_as_far_as_it_is_along_each_direction():
    codes = torch.randn(40, 2, generator=torch.Generator().manual_seed(0))
    shift = torch.tensor([3.0, 4.0])
    along = sliced_wasserstein(codes, codes + shift, shift[None]).item()
    across = sliced_wasserstein(codes, codes + shift, torch.tensor([[4.0, -3.0]])).item()
    assert along == pytest.approx(25, rel=1e-5)
    assert across == pytest.approx(0, abs=1e-9)
    assert wasserstein_distance_nd(codes.numpy(), (codes + shift).numpy()) ** 2 == pytest.approx(25, rel=1e-4)
