"""Paths between drawn lines, where every image on the way can be compared with a true line."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import ClassVar

import torch
from torch import Tensor

from latentbench import Invariance, LatentSpace, Metric, Need, NotApplicableError, Score, Tier
from latentbench.latent.arithmetic import exact_arithmetic
from latentbench.latent.paths.curves import decoded_path
from latentbench_datasets.lines import draw_lines
from latentbench_metrics._shared.subsets import pairs

__all__ = ["AcaiLines", "acai_angles", "acai_mean_distance", "acai_smoothness"]

SHAPE = (1, 32, 32)
LINES = 10_000
PAIRS, POINTS = 256, 16
CHUNK = 512  # images compared with all lines at once
NEIGHBORS = 2  # lines on either side of the nearest that are compared again in float64
STILL = 1e-4  # radians


def acai_mean_distance(images: Tensor) -> float:
    """Mean over images of 1 - max_q cos(image, line q), from pixels mapped to [-1, 1]; lower is better.

    In [0, 2], unitless: below 1e-6 for true lines, 0.006 for pixel fades between two lines, 0.03 for a blank
    image. The lines q have 10,000 evenly spaced angles.

    Source: Berthelot 2018, "Understanding and Improving Interpolation in Autoencoders via an Adversarial
    Regularizer"; values depend a little on how lines are drawn.

    Traps: a decoder that draws one true line for every code scores 0: read it beside `acai_smoothness`. A pixel
    fade already scores well.

    Args:
        images: decoded images along paths `(points, m, 1, 32, 32)`, or any `(..., 1, 32, 32)`, in [0, 1].

    Raises:
        ValueError: images of another shape, or none.

    >>> acai_mean_distance(torch.from_numpy(draw_lines([0.0]))) < 1e-6
    True
    """
    return float(_nearest_lines(images)[0].mean())


def acai_angles(images: Tensor) -> Tensor:
    """Return the angle of the line nearest to each image, `(...)` in radians from 0 to 2π, float64.

    Source: Berthelot 2018.

    Traps: a blank image has an angle too; read `acai_mean_distance` beside it.

    Args:
        images: as for `acai_mean_distance`.

    Raises:
        ValueError: likewise.

    >>> round(float(acai_angles(torch.from_numpy(draw_lines([1.5])))), 2)
    1.5
    """
    return _nearest_lines(images)[1]


def acai_smoothness(angles: Tensor) -> float:
    """Mean over paths of max |θ_{i+1} - θ_i| / |θ_N - θ_1| - 1 / (N - 1), angles unwrapped; lower is better.

    0 for even turning; (N - 2) / (N - 1) for a single jump, the most that a path without a turn back can have;
    unitless.

    Source: Berthelot 2018; there, paths that end where they begin count as 0. Here they are left out.

    Traps: it only sees angles, whatever the images look like, and even blank images have angles: read
    `acai_mean_distance` beside it. A path that turns and comes back nearly to its start weighs heavily.

    Args:
        angles: radians along paths, `(points, m)` or `(points,)`.

    Raises:
        ValueError: another shape, or fewer than two points.
        NotApplicableError: no path ends 1e-4 radians or more from its start.

    >>> round(acai_smoothness(torch.tensor([0.0, 0.0, 1.0, 1.0])), 4)
    0.6667
    """
    if angles.ndim not in (1, 2) or len(angles) < 2:
        raise ValueError(f"angles must be (points, m) with two points or more, got {tuple(angles.shape)}")
    turns = angles.double().reshape(len(angles), -1).diff(dim=0)
    turns = turns - 2 * math.pi * torch.round(turns / (2 * math.pi))
    total = turns.sum(0).abs()
    moving = total >= STILL
    if not moving.any():
        raise NotApplicableError("no path turns the line")
    return float((turns.abs().amax(0)[moving] / total[moving] - 1 / len(turns)).mean())


def _nearest_lines(images: Tensor) -> tuple[Tensor, Tensor]:
    """Return cosine distance and angle of the nearest line, in float64; shaped as the images' leading axes."""
    if tuple(images.shape[-3:]) != SHAPE or not images.numel():
        raise ValueError(f"images must be (..., 1, 32, 32), at least one, got {tuple(images.shape)}")
    lines = _lines(str(images.device))
    beside = torch.arange(-NEIGHBORS, NEIGHBORS + 1, device=images.device)
    distances, angles = [], []
    with exact_arithmetic():
        for chunk in torch.split(images.reshape(-1, math.prod(SHAPE)), CHUNK):
            signed = 2 * chunk.double() - 1
            unit = torch.nn.functional.normalize(signed)
            close = ((unit.float() @ lines.T).argmax(1)[:, None] + beside) % LINES
            near = lines[close].double()
            cosines = (near @ unit[:, :, None])[:, :, 0] / torch.linalg.vector_norm(near, dim=2)
            best = cosines.max(1)
            distances.append((1 - best.values).clamp_min(0))
            angles.append(close.gather(1, best.indices[:, None])[:, 0] * (2 * math.pi / LINES))
    shape = images.shape[:-3]
    return torch.cat(distances).reshape(shape), torch.cat(angles).double().reshape(shape)


@lru_cache(1)
def _lines(device: str) -> Tensor:
    """Return lines at all angles as unit vectors `(LINES, 1024)`."""
    angles = torch.arange(LINES, dtype=torch.float64) * (2 * math.pi / LINES)
    signed = 2 * torch.from_numpy(draw_lines(angles.numpy())).flatten(1) - 1
    return torch.nn.functional.normalize(signed).to(device)


class AcaiLines(Metric):
    """For the dataset `lines` only: straight paths of 16 points between 256 pairs of test codes."""

    scores: ClassVar[Mapping[str, Score]] = {
        "acai_mean_distance": Score(
            "down",
            "how far decoded images are from true lines",
            purpose="walk",
            range=(0, 2),
            floor=6.25e-3,
            ceiling=0.0,
        ),
        "acai_smoothness": Score(
            "down",
            "how unevenly the line turns",
            purpose="walk",
            range=(0, float("inf")),
            floor=0.88,
            ceiling=0.0,
        ),
    }
    needs: ClassVar[tuple[Need, ...]] = ("inputs", "factors", "decoder")
    tier: ClassVar[Tier] = "full"
    invariances: ClassVar[tuple[Invariance, ...]] = ("shift", "scale", "rotation", "permutation", "axis_scale")
    tolerance: ClassVar[float] = 0.01  # the nearest of 10,000 templates may be a neighbor
    min_items: ClassVar[int] = 4

    def compute(self, space: LatentSpace) -> Mapping[str, float]:
        """Return both."""
        if space.factor_names != ("angle",) or tuple(space.inputs.shape[1:]) != SHAPE:
            raise NotApplicableError("not the lines data set")
        starts, ends = pairs(len(space), PAIRS)
        images = decoded_path(space.decode, space.codes[starts], space.codes[ends], POINTS)
        distances, angles = _nearest_lines(images)
        return {
            "acai_mean_distance": float(distances.mean()),
            "acai_smoothness": acai_smoothness(angles),
        }
