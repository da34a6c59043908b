from __future__ import annotations

import math
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from latentbench.latent.transport.barycenters import debiased_barycenters
from latentbench.latent.transport.clouds import displacement
from latentbench.latent.transport.images import image_barycenter, image_barycenters, image_displacement
from latentbench.latent.transport.pot import pot


def normal(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def blob(row, column, height=28, width=28, variance=4.0):
    rows, columns = torch.arange(height).double()[:, None], torch.arange(width).double()
    return torch.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * variance))


def place(image):
    """Center and variance along rows and columns."""
    share = image.double() / image.double().sum()
    places = []
    for axis in (0, 1):
        mass, at = share.sum(1 - axis), torch.arange(share.shape[axis]).double()
        center = (mass * at).sum()
        places.append((float(center), float((mass * (at - center) ** 2).sum())))
    (row, row_variance), (column, column_variance) = places
    return (row, column), (row_variance, column_variance)


@pytest.mark.parametrize(("weights", "center"), [((0.5, 0.5), 14), ((0.25, 0.75), 17), ((1.0, 3.0), 17)])
def test_a_barycenter_moves_and_does_not_blur(weights, center):
    images = torch.stack([blob(8, 8), blob(20, 20)])
    barycenter = image_barycenter(images, torch.tensor(weights), reg=0.01)
    where, wide = place(barycenter)
    assert where == pytest.approx((center, center), abs=0.05)
    assert wide == pytest.approx((4, 4), abs=0.05)
    assert place(images.mean(0))[1] == pytest.approx((40, 40), abs=0.05)
    assert float(barycenter.sum()) == pytest.approx(
        float(images[0].sum()), rel=1e-3
    )  # equal masses, but for the rim


def test_a_barycenter_of_three_at_other_widths_masses_and_shapes():
    images = torch.stack([blob(10, 10), 5 * blob(20, 10), blob(12, 22)])[:, None].float()
    barycenter = image_barycenter(images, torch.tensor([0.5, 0.25, 0.25]))
    assert barycenter.shape == (1, 28, 28)
    assert barycenter.dtype == torch.float32
    assert place(barycenter[0])[0] == pytest.approx((13, 13), abs=0.05)
    masses = images.sum((1, 2, 3))
    assert float(barycenter.sum()) == pytest.approx(float(masses @ torch.tensor([0.5, 0.25, 0.25])), rel=1e-5)
    wide = torch.stack([blob(10, 10, 24, 40), blob(14, 28, 24, 40)])
    where, variances = place(image_barycenter(wide, torch.tensor([1, 1])))
    assert where == pytest.approx((12, 19), abs=0.05)
    assert variances == pytest.approx((4, 4), abs=0.1)
    assert image_barycenter((255 * wide).to(torch.uint8), torch.ones(2)).dtype == torch.float32


def test_standard_deviations_are_averaged():
    images = torch.stack([blob(16, 16, 33, 33, variance=4), blob(16, 16, 33, 33, variance=16)])
    _, wide = place(image_barycenter(images, torch.tensor([0.5, 0.5]), reg=0.005))
    assert wide == pytest.approx((9, 9), rel=0.03)  # the middle of N(0, 2²) and N(0, 4²)


@pytest.mark.parametrize("reg", [0.01, 0.02])
def test_the_barycenters_are_those_of_pot(reg):
    heaps = torch.stack([blob(2, 2, 9, 9, 3.0), blob(6, 3, 9, 9, 4.0), blob(4, 6, 9, 9, 3.0)])
    heaps /= heaps.sum((1, 2), keepdim=True)
    weights = torch.tensor([[0.5, 0.3, 0.2], [0.0, 0.1, 0.9]], dtype=torch.float64)
    barycenters, error = debiased_barycenters(heaps, weights, reg, 2000, 1e-6)
    assert error < 1e-6
    for barycenter, weight in zip(barycenters, weights, strict=True):
        expected = pot().bregman.convolutional_barycenter2d_debiased(
            heaps.numpy(), reg, weight.numpy(), method="sinkhorn_log", numItermax=100, stopThr=0, warn=False
        )
        np.testing.assert_allclose(barycenter.numpy(), expected, atol=2e-4)


def test_barycenters_of_many_weights_are_those_of_each_and_corners_are_exact():
    images = torch.stack([blob(8, 8), 3 * blob(20, 12), blob(10, 20)])[:, None].float()
    weights = torch.tensor([[1.0, 1.0, 2.0], [0.0, 5.0, 0.0], [1.0, 1.0, 0.0]])
    barycenters = image_barycenters(images, weights)
    assert barycenters.shape == (3, 1, 28, 28)
    assert torch.equal(barycenters[1], images[1])
    for barycenter, row in zip(barycenters, weights, strict=True):
        torch.testing.assert_close(barycenter, image_barycenter(images, row), rtol=0, atol=1e-4)
    assert place(barycenters[2, 0])[0] == pytest.approx((14, 10), abs=0.05)


@pytest.mark.parametrize("weight", [0.1, 0.5])
def test_images_far_apart_are_merged(weight):
    images = torch.stack([blob(2, 2), blob(25, 25)])
    where, wide = place(image_barycenter(images, torch.tensor([weight, 1 - weight])))
    near, far = (place(image)[0][0] for image in images)  # the edge cuts the blobs
    assert where == pytest.approx((weight * near + (1 - weight) * far,) * 2, abs=0.05)
    assert wide == pytest.approx(place(images[0])[1], rel=0.05)  # POT's own products of matrices leave them apart


def test_between_equal_images_there_is_that_image():
    """The iteration alone would stop early: of equal images the marginals agree from the first step on."""
    noise = torch.rand(1, 9, 6, generator=torch.Generator().manual_seed(0))
    images = torch.stack([noise, noise, 2 * noise])
    barycenters = image_barycenters(images, torch.tensor([[1.0, 1.0, 0.0], [1.0, 0.0, 1.0]]))
    torch.testing.assert_close(barycenters, torch.stack([noise, 1.5 * noise]))


def test_an_image_given_twice_counts_as_one_of_both_weights():
    images = torch.stack([blob(8, 8), blob(8, 8), blob(20, 20)])
    twice = image_barycenter(images, torch.tensor([1.0, 1.0, 2.0]))
    torch.testing.assert_close(twice, image_barycenter(images[1:], torch.ones(2)), rtol=0, atol=1e-6)


def test_barycenter_leaves_its_arguments_and_repeats():
    images, weights = torch.stack([blob(8, 8), blob(20, 20)]), torch.tensor([1.0, 3.0])
    before = images.clone(), weights.clone()
    first = image_barycenter(images, weights)
    assert torch.equal(first, image_barycenter(images, weights))
    assert torch.equal(images, before[0])
    assert torch.equal(weights, before[1])


def test_image_barycenters_check_their_arguments():
    images, halves = torch.stack([blob(8, 8), blob(20, 20)]), torch.ones(2)
    for wrong, weights, reg, words in (
        (torch.rand(2, 3, 8, 8), halves, 0.01, "images must be grey, got 3 channels"),
        (torch.rand(2, 8), halves, 0.01, r"\(k, h, w\) or \(k, 1, h, w\), got \(2, 8\)"),
        (images - 0.5, halves, 0.01, "nothing below 0"),
        (torch.stack([blob(8, 8), torch.zeros(28, 28)]), halves, 0.01, "none may be all 0"),
        (images, torch.ones(3), 0.01, "weights must be 2 numbers"),
        (images, torch.tensor([1.0, -1.0]), 0.01, "weights must be 2 numbers"),
        (images, torch.zeros(2), 0.01, "not all 0"),
        (images, torch.tensor([1.0, torch.inf]), 0.01, "weights must be 2 numbers"),
        (images, torch.ones(2, 2), 0.01, "weights must be 2 numbers from 0, got shape"),
        (images, halves, 0.0, "reg must be at least 0.0015, got 0.0"),
    ):
        with pytest.raises(ValueError, match=words):
            image_barycenter(wrong, weights, reg)


def test_no_barycenter_says_so(monkeypatch):
    monkeypatch.setattr("latentbench.latent.transport.images.STEPS", 3)
    with pytest.raises(ValueError, match="no barycenter found in 3 steps"):
        image_barycenter(torch.stack([blob(8, 8), blob(20, 20)]), torch.ones(2), reg=0.002)


def w2(first, second):
    """Root of the exact cost between two images as heaps of mass 1, in pixels."""
    rows, columns = torch.meshgrid(*(torch.arange(side).double() for side in first.shape), indexing="ij")
    places = torch.stack([rows.flatten(), columns.flatten()], 1).numpy()
    heaps = [(image.double() / image.double().sum()).flatten().numpy() for image in (first, second)]
    return math.sqrt(pot().emd2(*heaps, pot().dist(places, places)))


SIZE = 24, 30


def moved_blob(shares, variance):
    start, end = blob(7, 8, *SIZE, variance=variance), blob(13, 18, *SIZE, variance=variance)
    start, end = (torch.where(image > 1e-4, image, 0) for image in (start, end))
    return start, image_displacement(start, end, torch.tensor(shares, dtype=torch.float64))[:, 0]


def variation(image):
    """Sum of the steps from pixel to pixel, which a comb pattern multiplies."""
    return float(image.diff(dim=0).abs().sum() + image.diff(dim=1).abs().sum())


@pytest.mark.parametrize("variance", [1.0, 4.0])
def test_a_displaced_blob_stays_the_blob(variance):
    shares = [0.1, 0.25, 0.3, 0.4, 0.5, 0.6, 0.75, 0.9]
    start, frames = moved_blob(shares, variance)
    for share, frame in zip(shares, frames, strict=True):
        center, wide = place(frame)
        assert center == pytest.approx((7 + 6 * share, 8 + 10 * share), abs=2e-3)  # the edge cuts the blob
        for before, now in zip(place(start)[1], wide, strict=True):
            assert -0.1 < now - before < 0.251  # what four pixels add to a point between them
        assert variation(frame) == pytest.approx(variation(start), rel=0.16 / variance)
    middle = frames[shares.index(0.5)]
    assert float((middle - start.roll((3, 5), (0, 1))).abs().max()) < 0.05


def test_a_shape_that_grows_has_no_comb_pattern_inside():
    start, end = torch.zeros(24, 24), torch.zeros(24, 24)
    start[6:18, 6:18], end[3:21, 3:21] = 1.0, 12**2 / 18**2
    inside = slice(8, 16)
    for frame in image_displacement(start, end, torch.linspace(0, 1, 11))[:, 0]:
        part = frame[inside, inside]
        assert float(part.std() / part.mean()) < 0.02  # 0.16 by a plan that sends whole pixels to whole pixels


def test_the_way_of_images_is_as_long_as_the_share_and_straight():
    size = 16, 16
    start, end = torch.zeros(size), torch.zeros(size)
    start[1:4, 1:5], end[9:12, 9:13] = torch.rand(3, 4, generator=torch.Generator().manual_seed(0)), 2.0
    end[10, 10] = 0.5
    far = w2(start, end)
    for share in (0.25, 0.5, 0.75):
        (middle,) = image_displacement(start, end, torch.tensor([share]))
        assert w2(start, middle[0]) == pytest.approx(share * far, abs=0.08)  # landing between pixels blurs
        assert w2(middle[0], end) == pytest.approx((1 - share) * far, abs=0.08)


def test_mass_goes_linearly_and_there_is_the_way_back():
    generator = torch.Generator().manual_seed(0)
    start, end = torch.zeros(1, 12, 9), torch.zeros(1, 12, 9)
    start[0, 1:4, 1:4], end[0, 7:11, 3:8] = torch.rand(3, 3, generator=generator), 5.0
    shares = torch.linspace(0, 1, 7)
    there, back = image_displacement(start, end, shares), image_displacement(end, start, 1 - shares)
    masses = torch.lerp(start.sum(), end.sum(), shares)
    torch.testing.assert_close(there.sum((1, 2, 3)), masses)
    torch.testing.assert_close(back.sum((1, 2, 3)), masses)
    rows, columns = torch.meshgrid(torch.arange(12.0), torch.arange(9.0), indexing="ij")
    for places in (rows, columns):  # centers go straight whichever of equally cheap plans is taken
        centers = [(way[:, 0] * places).sum((1, 2)) / masses for way in (there, back)]
        torch.testing.assert_close(centers[0], torch.lerp(centers[0][0], centers[0][-1], shares))
        torch.testing.assert_close(centers[0], centers[1])
    assert there.dtype == torch.float32
    assert bool((there >= 0).all())


def test_ends_are_exact_and_arguments_are_left():
    start, end = (torch.rand(1, 9, 14, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))
    before = start.clone(), end.clone()
    frames = image_displacement(start, end, torch.tensor([1.0, 0.0, 0.3]))
    assert torch.equal(frames[0], end)
    assert torch.equal(frames[1], start)
    assert torch.equal(start, before[0])
    assert torch.equal(end, before[1])
    assert torch.equal(frames, image_displacement(start, end, torch.tensor([1.0, 0.0, 0.3])))
    shown = (255 * start).to(torch.uint8)
    (same,) = image_displacement(shown, shown, torch.tensor([0.4]))
    torch.testing.assert_close(same, shown.float())  # nothing need move
    assert image_displacement(start, end, torch.empty(0)).shape == (0, 1, 9, 14)


def test_a_small_shape_becomes_a_large_one_without_holes_and_without_a_leap():
    start, end = torch.zeros(24, 24), torch.zeros(24, 24)
    start[10:14, 10:14], end[5:19, 5:19] = 12.25, 1.0
    frames = image_displacement(start, end, torch.tensor([0.0, 1e-4, 0.5, 1 - 1e-4, 1.0]))[:, 0]
    inside = frames[2, 9:15, 9:15]  # the square of 9 pixels in the middle, without its rim
    assert float(inside.std()) < 0.06 * float(inside.mean())
    assert float(frames[2].sum()) == pytest.approx(196, rel=1e-5)
    assert place(frames[2])[0] == pytest.approx((11.5, 11.5), abs=1e-4)
    for near, close in ((1, 0), (3, 4)):
        assert float((frames[near] - frames[close]).abs().sum()) < 0.005 * 196


def test_image_displacement_checks_its_arguments(monkeypatch):
    image, half = blob(8, 8), torch.tensor([0.5])
    for start, end, shares, words in (
        (torch.rand(3, 8, 8), torch.rand(3, 8, 8), half, "images must be grey, got 3 channels"),
        (image, image[:, :20], half, r"of one size, got \(28, 28\) and \(28, 20\)"),
        (torch.rand(8), torch.rand(8), half, r"got \(8,\) and \(8,\)"),
        (image, torch.zeros(28, 28), half, "none may be all 0"),
        (image, image - 0.5, half, "nothing below 0"),
        (image, image * math.nan, half, "finite numbers"),
        (image, image * math.inf, half, "finite numbers"),
        (image, image, torch.tensor([1.5]), r"shares must be \(points,\), in \[0, 1\], got \[1.5\]"),
        (image, image, torch.tensor(0.5), "shares must be"),
        (image, image, torch.tensor([math.nan]), "shares must be"),
    ):
        with pytest.raises(ValueError, match=words):
            image_displacement(start, end, shares)
    monkeypatch.setattr("latentbench.latent.transport.images.MOST_LIT", 100)
    with pytest.raises(ValueError, match="images may have 100 pixels above 0, got 784: make them smaller"):
        image_displacement(image, image, half)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_displacement_is_a_geodesic(dtype):
    from latentbench_metrics._shared.wasserstein import w2_squared

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
    code = (
        "import sys, latentbench.latent.transport.images; sys.exit('ot' in sys.modules or 'scipy' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_pot_is_kept_from_importing_other_back_ends():
    assert pot().__name__ == "ot"
    assert {os.environ[f"POT_BACKEND_DISABLE_{name}"] for name in ("JAX", "CUPY", "TENSORFLOW")} == {"1"}
