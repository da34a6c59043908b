"""Optimal transport as a way to move: between two clouds of points, and to the middle of a few grey images."""

from __future__ import annotations

import math
import os
from types import ModuleType

import torch
from torch import Tensor
from torch.nn.functional import pad

__all__ = ["displacement", "image_barycenter", "pot"]

STEPS = 10_000  # of the barycenter, at most
TOLERANCE = 1e-6  # of its marginals, where POT stops


def pot() -> ModuleType:
    """Import POT without the back ends it would otherwise import too."""
    for backend in ("JAX", "CUPY", "TENSORFLOW"):
        os.environ.setdefault(f"POT_BACKEND_DISABLE_{backend}", "1")
    import ot

    module: ModuleType = ot
    return module


def image_barycenter(images: Tensor, weights: Tensor, reg: float = 0.01) -> Tensor:
    """Return the Wasserstein barycenter of grey images: shapes move to the middle instead of fading.

    Images count as heaps of mass, each brought to mass 1; the result has the weighted mean of their masses.
    Debiased entropic transport by POT on the CPU in float64: the barycenter of two blobs is as sharp as they are.

    Source: Janati 2020 (debiased Sinkhorn barycenters).

    Traps: the mean of several shapes need not be a shape
    from the data; images of several parts mix parts. Not for colors: their channels differ in mass.

    Args:
        images: `(k, h, w)` or `(k, 1, h, w)`, nothing below 0, none all 0.
        weights: `(k,)`, nothing below 0; brought to sum 1.
        reg: entropy, in squared units of the longer side; 0.004 to 0.02 is sensible, below it does not merge.

    Returns:
        `(h, w)` or `(1, h, w)`, like an image given.

    Raises:
        ValueError: colors, wrong shapes or signs, or a reg for which nothing converges.

    >>> image = torch.zeros(9, 9)
    >>> image[2, 2] = 3.0
    >>> middle = image_barycenter(torch.stack([image, image.T.roll(4, 0)]), torch.ones(2), reg=0.02)
    >>> int(middle.argmax()) == 4 * 9 + 2, round(float(middle.sum()), 3)
    (True, 3.0)
    """
    shares = _check(images, weights, reg)
    height, width = images.shape[-2:]
    side = max(height, width)
    grey = images.reshape(-1, height, width).double()
    masses = grey.sum((1, 2))
    square = pad(grey / masses[:, None, None], (0, side - width, 0, side - height))
    found, log = pot().bregman.convolutional_barycenter2d_debiased(
        square.cpu().numpy(), reg, shares.cpu().numpy(), method="sinkhorn_log", numItermax=STEPS,
        stopThr=TOLERANCE, log=True, warn=False,
    )  # fmt: skip
    middle = torch.from_numpy(found)[:height, :width].to(images.device)
    if log["niter"] + 1 >= STEPS or not bool(middle.isfinite().all()):
        raise ValueError(f"no barycenter found in {STEPS} steps: reg (={reg}) is too small for these images")
    scaled = middle * ((shares * masses).sum() / middle.sum())
    return scaled.reshape(images.shape[1:]).to(images.dtype if images.is_floating_point() else torch.float32)


def displacement(x: Tensor, y: Tensor, t: float) -> Tensor:
    """Return the cloud `(n, d)` a share `t` of the way from `x` to `y`, each point moved to its exact partner.

    McCann's interpolation: the geodesic of the 2-Wasserstein distance, W2(x, result) = t W2(x, y). Row i of the
    result started at row i of `x`. O(n³) and n x n numbers, on the CPU in float64.

    Source: McCann 1997.

    Traps: in many dimensions a small sample has chance partners, far from those of the
    distributions behind it.

    Args:
        x: `(n, d)`.
        y: likewise, equally many rows.
        t: in [0, 1].

    Raises:
        ValueError: unequal shapes, or t outside [0, 1].

    >>> x, y = torch.tensor([[0.0], [1.0]]), torch.tensor([[12.0], [10.0]])
    >>> displacement(x, y, 0.5)
    tensor([[5.0000],
            [6.5000]])
    """
    if x.ndim != 2 or x.shape != y.shape or not len(x):
        raise ValueError(
            f"x and y must both be (n, d), equally many rows, got {tuple(x.shape)} and {tuple(y.shape)}"
        )
    if not 0 <= t <= 1:
        raise ValueError(f"t must be in [0, 1], got {t}")
    return (1 - t) * x + t * y[_partners(x, y).to(y.device)]


def _partners(x: Tensor, y: Tensor) -> Tensor:
    """Return for each row of `x` the row of `y` that the cheapest one-to-one assignment gives it."""
    from scipy.optimize import linear_sum_assignment

    here, there = ((cloud.double() - cloud.double().mean(0)).cpu().numpy() for cloud in (x, y))
    return torch.from_numpy(linear_sum_assignment(pot().dist(here, there))[1])


def _check(images: Tensor, weights: Tensor, reg: float) -> Tensor:
    if images.ndim == 4 and images.shape[1] > 1:
        raise ValueError(f"images must be grey, got {images.shape[1]} channels: their masses differ")
    if images.ndim not in (3, 4) or not images.numel():
        raise ValueError(f"images must be (k, h, w) or (k, 1, h, w), got {tuple(images.shape)}")
    if not bool((images >= 0).all()) or not bool((images.flatten(1) > 0).any(1).all()):
        raise ValueError("images must hold nothing below 0, and none may be all 0")
    if weights.shape != images.shape[:1] or not bool((weights >= 0).all()) or not float(weights.sum()) > 0:
        raise ValueError(f"weights must be {len(images)} numbers from 0, not all 0, got {weights.tolist()}")
    if not reg > 0 or not math.isfinite(reg):
        raise ValueError(f"reg must be above 0, got {reg}")
    return weights.double().to(images.device) / weights.double().sum().to(images.device)
