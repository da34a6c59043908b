"""Optimal transport of grey images: displacement of one into another, and barycenters."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from latentbench.latent.transport.barycenters import LEAST_REG, debiased_barycenters
from latentbench.latent.transport.plans import image_plan
from latentbench.machine import limited_threads

__all__ = ["image_barycenter", "image_barycenters", "image_displacement"]

MOST_LIT = 8192  # most pixels above 0: the time of a plan grows with its square
STEPS = 10_000  # most steps to a barycenter
TOLERANCE = 2e-6  # of its marginals
WIDTH = 1.5  # squared pixels of entropy: shapes merge, even areas stay even


def image_barycenter(images: Tensor, weights: Tensor, reg: float | None = None) -> Tensor:
    """Return the Wasserstein barycenter of grey images: shapes move to the middle instead of fading.

    See `image_barycenters`, here for one row of weights `(k,)`; `(h, w)` or `(1, h, w)`, like the images.

    >>> image = torch.zeros(9, 9)
    >>> image[2, 2] = 3.0
    >>> middle = image_barycenter(torch.stack([image, image.T.roll(4, 0)]), torch.ones(2), reg=0.02)
    >>> int(middle.argmax()) == 4 * 9 + 2, round(float(middle.sum()), 3)
    (True, 3.0)
    """
    if weights.ndim != 1:
        raise ValueError(f"weights must be {len(images)} numbers from 0, got shape {tuple(weights.shape)}")
    return image_barycenters(images, weights[None], reg)[0]


def image_barycenters(images: Tensor, weights: Tensor, reg: float | None = None) -> Tensor:
    """Return the Wasserstein barycenters of grey images for several weights, all at once.

    Images are treated as mass, normalized to 1; a barycenter gets the weighted mean of their masses. Debiased
    entropic transport in float64: the barycenter of two blobs is as sharp as they are. A single weight above 0
    returns that image bit for bit, and equal images return themselves. Evenly spaced weights (`simplex_weights`)
    fill the triangle or square between three or four images.

    Source: Janati 2020 (debiased Sinkhorn barycenters).

    Traps: the barycenter of several shapes need not be a shape of the data, and parts of images get mixed. A reg
        of many squared pixels leaves rings and edges on even areas; one far below a squared pixel takes long. Not
        for color images, whose channels differ in mass.

    Args:
        images: `(k, h, w)` or `(k, 1, h, w)`, at least 0, none all 0.
        weights: `(m, k)`, at least 0; each row is scaled to sum 1.
        reg: entropy in squared units of the longer side, at least 0.0015; default: 1.5 squared pixels, but at
            least 0.0015.

    Returns:
        `(m, h, w)` or `(m, 1, h, w)`, like the images, in their floating type, else float32.

    Raises:
        ValueError: color images, wrong shapes or signs, a reg below 0.0015, or no convergence.

    >>> image = torch.zeros(9, 9)
    >>> image[2, 2] = 1.0
    >>> corners = torch.stack([image, image.roll(4, 0), image.roll(4, 1)])
    >>> middles = image_barycenters(corners, torch.tensor([[0.0, 1.0, 0.0], [0.0, 1.0, 1.0]]), reg=0.02)
    >>> [divmod(int(middle.argmax()), 9) for middle in middles]
    [(6, 2), (4, 4)]
    """
    _check_grey(images)
    if reg is None:
        reg = max(LEAST_REG, WIDTH / max(*images.shape[-2:], 2) ** 2)
    shares = _check(images, weights, reg)
    grey = images.detach().reshape(-1, *images.shape[-2:]).double()
    masses = grey.sum((1, 2))
    mean, most = shares @ masses, shares.argmax(1)
    middles = grey[most] * (mean / masses[most])[:, None, None]
    heaps, kind = torch.unique(grey / masses[:, None, None], dim=0, return_inverse=True)
    parts = shares.new_zeros(len(shares), len(heaps)).index_add_(1, kind, shares)  # equal heaps are one
    mixed = (parts > 0).sum(1) > 1
    if bool(mixed.any()):
        with limited_threads(1):  # several wait for each other longer than they work at so little
            barycenters, error = debiased_barycenters(heaps, parts[mixed], reg, STEPS, TOLERANCE)
        if not error < TOLERANCE:
            raise ValueError(f"no barycenter found in {STEPS} steps: reg (={reg}) is too small for these images")
        middles[mixed] = barycenters * (mean[mixed] / barycenters.sum((1, 2)))[:, None, None]
    return middles.reshape(-1, *images.shape[1:]).to(images.dtype if images.is_floating_point() else torch.float32)


def image_displacement(start: Tensor, end: Tensor, shares: Tensor) -> Tensor:
    """Return grey images on the way from `start` to `end`, along which mass moves instead of fading.

    McCann's interpolation of two images as masses on their pixels above 0: a plan is computed once, each bit of
    mass goes straight from its pixel to its target, and is distributed over the four pixels around its place,
    which keeps its mean place. The plan is between masses normalized to 1; the total mass changes linearly, and
    so does its mean place. Share 0 gives `start` and share 1 gives `end`, bit for bit. On the CPU in float64.

    The plan is the entropic one, with 1.5 squared pixels of entropy, its marginals made exact. An exact plan sends
    whole pixels to whole pixels, so neighbors part by whole pixels and leave a comb pattern on the way; the
    entropic one sends a pixel to all pixels around its target. That narrows a shape on the way, and the four
    pixels widen it: the variance of a moved blob is off by -0.06 to 0.25 squared pixels, where the four alone add
    up to 0.25.

    Source: McCann 1997; Cuturi 2013 (the entropic plan).

    Traps: detail finer than two pixels is softer on the way than at the ends, except between an image and a
        multiple of it. Thin shapes far apart may tear. Not for color images, whose channels differ in mass.

    Args:
        start: `(h, w)` or `(1, h, w)`, at least 0, not all 0.
        end: an image of the same shape, at least 0, not all 0.
        shares: `(points,)`, in [0, 1].

    Returns:
        `(points, 1, h, w)`, of the floating type of `start`, else float32.

    Raises:
        ValueError: color images, wrong shapes or signs, more than 8192 pixels above 0, or shares outside [0, 1].

    >>> start = torch.zeros(1, 1, 5)
    >>> start[0, 0, 0] = 3.0
    >>> image_displacement(start, start.flip(2), torch.tensor([0.0, 0.5, 0.625])).flatten(1)
    tensor([[3.0000, 0.0000, 0.0000, 0.0000, 0.0000],
            [0.0000, 0.0000, 3.0000, 0.0000, 0.0000],
            [0.0000, 0.0000, 1.5000, 1.5000, 0.0000]])
    """
    if start.shape != end.shape or start.ndim not in (2, 3):
        shapes = f"{tuple(start.shape)} and {tuple(end.shape)}"
        raise ValueError(f"start and end must both be (h, w) or (1, h, w), of one size, got {shapes}")
    if shares.ndim != 1 or not bool(((shares >= 0) & (shares <= 1)).all()):
        raise ValueError(f"shares must be (points,), in [0, 1], got {shares.tolist()}")
    _check_grey(torch.stack([start, end]))
    kind = start.dtype if start.is_floating_point() else torch.float32
    first, last = (image.detach().reshape(1, *start.shape[-2:]).to(kind) for image in (start, end))
    masses = float(first.double().sum()), float(last.double().sum())
    frames = torch.empty(len(shares), *first.shape, dtype=kind, device=start.device)
    with limited_threads(1):  # as for barycenters
        sources, targets, moved = _plan(first[0].double().cpu(), last[0].double().cpu())
        for frame, share in zip(frames, shares.tolist(), strict=True):
            if share in (0, 1):
                frame.copy_(last if share else first)
            else:
                mass = (1 - share) * masses[0] + share * masses[1]
                frame.copy_(_land(torch.lerp(sources, targets, share), moved * mass, frame.shape[1:]))
    return frames


def _plan(start: Tensor, end: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return sources and targets `(m, 2)` in rows and columns, and the share `(m,)` of mass moved between them."""
    if (most := max(int((image > 0).sum()) for image in (start, end))) > MOST_LIT:
        raise ValueError(f"images may have {MOST_LIT} pixels above 0, got {most}: make them smaller")
    return image_plan(start, end, WIDTH)


def _land(places: Tensor, masses: Tensor, size: torch.Size) -> Tensor:
    """Return an image `(h, w)` of masses `(m,)`, each spread over the four pixels around its place `(m, 2)`."""
    corner, rim = places.floor(), torch.tensor(size) - 1
    beyond = places - corner
    image = torch.zeros(size[0] * size[1], dtype=masses.dtype)
    for step in ((0, 0), (0, 1), (1, 0), (1, 1)):
        row, column = (
            torch.minimum(corner + torch.tensor(step), rim).long().unbind(1)
        )  # of weight 0 beyond the rim
        parts = torch.where(torch.tensor(step) == 1, beyond, 1 - beyond).prod(1)
        image += torch.bincount(row * size[1] + column, parts * masses, len(image))
    return image.reshape(size)


def _check_grey(images: Tensor) -> None:
    if images.ndim == 4 and images.shape[1] > 1:
        raise ValueError(
            f"images must be grey, got {images.shape[1]} channels: their masses differ; make them grey first"
        )
    if images.ndim not in (3, 4) or not images.numel():
        raise ValueError(f"images must be (k, h, w) or (k, 1, h, w), got {tuple(images.shape)}")
    good = bool(((images >= 0) & (images < math.inf)).all()) and bool((images.flatten(1) > 0).any(1).all())
    if not good:
        raise ValueError("images must hold finite numbers, nothing below 0, and none may be all 0")


def _check(images: Tensor, weights: Tensor, reg: float) -> Tensor:
    """Return the weights, each row of sum 1."""
    shaped = weights.ndim == 2 and len(weights) and weights.shape[1] == len(images)
    good = shaped and bool(((weights >= 0) & (weights < math.inf)).all()) and bool((weights > 0).any(1).all())
    if not good:
        raise ValueError(f"weights must be {len(images)} numbers from 0, not all 0, got {weights.tolist()}")
    if not LEAST_REG <= reg < math.inf:
        raise ValueError(f"reg must be at least {LEAST_REG}, got {reg}")
    shares = weights.detach().double().to(images.device)
    return shares / shares.sum(1, keepdim=True)
