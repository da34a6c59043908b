from __future__ import annotations

import math
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from latentbench.latent.transport import displacement, image_barycenter, pot


def normal(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def blob(row, column, height=28, width=28, variance=4.0):
    rows, columns = torch.arange(height).double()[:, None], torch.arange(width).double()
    return torch.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * variance))


def place(image):
    """Center and variance along rows and columns."""
    share = image.double() / image.double().sum()
    found = []
    for axis in (0, 1):
        mass, at = share.sum(1 - axis), torch.arange(share.shape[axis]).double()
        center = (mass * at).sum()
        found.append((float(center), float((mass * (at - center) ** 2).sum())))
    (row, row_variance), (column, column_variance) = found
    return (row, column), (row_variance, column_variance)


@pytest.mark.parametrize(("weights", "center"), [((0.5, 0.5), 14), ((0.25, 0.75), 17), ((1.0, 3.0), 17)])
def test_w7_a_barycenter_moves_and_does_not_blur(weights, center):
    images = torch.stack([blob(8, 8), blob(20, 20)])
    found = image_barycenter(images, torch.tensor(weights), reg=0.01)
    where, wide = place(found)
    assert where == pytest.approx((center, center), abs=0.05)
    assert wide == pytest.approx((4, 4), abs=0.05)
    assert place(images.mean(0))[1] == pytest.approx((40, 40), abs=0.05)
    assert float(found.sum()) == pytest.approx(float(images[0].sum()), rel=1e-3)  # equal masses, but for the rim


def test_a_barycenter_of_three_at_other_widths_masses_and_shapes():
    images = torch.stack([blob(10, 10), 5 * blob(20, 10), blob(12, 22)])[:, None].float()
    found = image_barycenter(images, torch.tensor([0.5, 0.25, 0.25]))
    assert found.shape == (1, 28, 28)
    assert found.dtype == torch.float32
    assert place(found[0])[0] == pytest.approx((13, 13), abs=0.05)
    masses = images.sum((1, 2, 3))
    assert float(found.sum()) == pytest.approx(float(masses @ torch.tensor([0.5, 0.25, 0.25])), rel=1e-5)
    wide = torch.stack([blob(10, 10, 24, 40), blob(14, 28, 24, 40)])
    where, variances = place(image_barycenter(wide, torch.tensor([1, 1])))
    assert where == pytest.approx((12, 19), abs=0.05)
    assert variances == pytest.approx((4, 4), abs=0.1)
    assert image_barycenter((255 * wide).to(torch.uint8), torch.ones(2)).dtype == torch.float32


def test_standard_deviations_are_averaged():
    images = torch.stack([blob(16, 16, 33, 33, variance=4), blob(16, 16, 33, 33, variance=16)])
    _, wide = place(image_barycenter(images, torch.tensor([0.5, 0.5]), reg=0.005))
    assert wide == pytest.approx((9, 9), rel=0.03)  # the middle of N(0, 2²) and N(0, 4²)


def test_barycenter_leaves_its_arguments_and_repeats():
    images, weights = torch.stack([blob(8, 8), blob(20, 20)]), torch.tensor([1.0, 3.0])
    before = images.clone(), weights.clone()
    first = image_barycenter(images, weights)
    assert torch.equal(first, image_barycenter(images, weights))
    assert torch.equal(images, before[0])
    assert torch.equal(weights, before[1])


def test_barycenter_refuses_what_it_cannot_do():
    images, halves = torch.stack([blob(8, 8), blob(20, 20)]), torch.ones(2)
    for wrong, weights, reg, words in (
        (torch.rand(2, 3, 8, 8), halves, 0.01, "images must be grey, got 3 channels"),
        (torch.rand(2, 8), halves, 0.01, r"\(k, h, w\) or \(k, 1, h, w\), got \(2, 8\)"),
        (images - 0.5, halves, 0.01, "nothing below 0"),
        (torch.stack([blob(8, 8), torch.zeros(28, 28)]), halves, 0.01, "none may be all 0"),
        (images, torch.ones(3), 0.01, "weights must be 2 numbers"),
        (images, torch.tensor([1.0, -1.0]), 0.01, "weights must be 2 numbers"),
        (images, torch.zeros(2), 0.01, "not all 0"),
        (images, halves, 0.0, "reg must be above 0"),
    ):
        with pytest.raises(ValueError, match=words):
            image_barycenter(wrong, weights, reg)


def test_no_barycenter_says_so(monkeypatch):
    monkeypatch.setattr("latentbench.latent.transport.STEPS", 12)
    with pytest.raises(ValueError, match="no barycenter found in 12 steps"):
        image_barycenter(torch.stack([blob(8, 8), blob(20, 20)]), torch.ones(2), reg=0.001)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_displacement_is_a_geodesic(dtype):
    from latentbench_metrics.wasserstein import w2_squared

    x, y = normal(60, 3).to(dtype), (1.5 * normal(60, 3, seed=1) + 2).to(dtype)
    far = w2_squared(x, y)
    for t in (0.25, 0.5, 0.9):
        middle = displacement(x, y, t)
        assert middle.dtype == dtype
        assert w2_squared(x, middle) == pytest.approx(t**2 * far, rel=1e-5)
        assert w2_squared(middle, y) == pytest.approx((1 - t) ** 2 * far, rel=1e-5)
    assert torch.equal(displacement(x, y, 0), x)
    end = displacement(x, y, 1)
    assert torch.equal(end.sort(0).values, y.sort(0).values)


def test_displacement_of_a_shift_keeps_partners():
    x, shift = normal(100, 3), torch.tensor([1.0, 2.0, 2.0])
    y = (x + shift)[torch.randperm(100, generator=torch.Generator().manual_seed(0))]
    torch.testing.assert_close(displacement(x, y, 0.5), x + shift / 2)


def test_displacement_in_one_dimension_pairs_by_rank():
    x, y = normal(30, 1), 3 * normal(30, 1, seed=1)
    expected = (0.7 * x.sort(0).values + 0.3 * y.sort(0).values)[x[:, 0].argsort().argsort()]
    torch.testing.assert_close(displacement(x, y, 0.3), expected)


def test_displacement_refuses_unequal_numbers():
    with pytest.raises(ValueError, match=r"equally many rows, got \(4, 3\) and \(5, 3\)"):
        displacement(normal(4, 3), normal(5, 3), 0.5)
    with pytest.raises(ValueError, match=r"t must be in \[0, 1\], got 2"):
        displacement(normal(4, 3), normal(4, 3), 2)
    with pytest.raises(ValueError, match="t must be"):
        displacement(normal(4, 3), normal(4, 3), math.nan)


def test_importing_the_module_does_not_import_pot():
    code = "import sys, latentbench.latent.transport; sys.exit('ot' in sys.modules or 'scipy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_pot_is_kept_from_importing_other_back_ends():
    assert pot().__name__ == "ot"
    assert {os.environ[f"POT_BACKEND_DISABLE_{name}"] for name in ("JAX", "CUPY", "TENSORFLOW")} == {"1"}
