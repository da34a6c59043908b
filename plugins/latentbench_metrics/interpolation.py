"""What happens between two codes: how evenly, how directly and how smoothly the decoded image moves.

A pixel fade has the best value of all these scores: read them only beside `walk_kd`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from latentbench import Invariance, LatentSpace, Metric, Need, NotApplicableError, Score, Tier
from latentbench.latent.arithmetic import exact_arithmetic
from latentbench.latent.paths.curves import decoded_path, speed_squared
from latentbench_metrics._shared.rounding import resolution
from latentbench_metrics._shared.subsets import pairs

__all__ = [
    "PathEnergy",
    "PathShape",
    "difference_speed_squared",
    "length_ratio",
    "path_energy",
    "second_difference",
    "step_cv",
]

PAIRS, POINTS = 256, 16
NODES = 8  # of Gauss-Legendre quadrature along a path
STEP = 5e-3  # of central differences, as a share of the path

Decode = Callable[[Tensor], Tensor]
Speed = Callable[[Decode, Tensor, Tensor], Tensor]


def difference_speed_squared(decode: Decode, codes: Tensor, directions: Tensor) -> Tensor:
    """Return |d decode(codes + s directions) / ds|² at s = 0 by central differences, `(m,)` in float64.

    For decoders without derivatives. They are called with codes of the original type; the difference is taken in
    float64. Exact up to the third derivative times 4e-6, and up to rounding of the decoder's output.
    """
    with exact_arithmetic():
        ahead, behind = decode(codes + STEP * directions), decode(codes - STEP * directions)
        return ((ahead.double() - behind.double()) / (2 * STEP)).flatten(1).square().sum(1)


def path_energy(decode: Decode, starts: Tensor, ends: Tensor, *, speed: Speed = speed_squared) -> float:
    """Energy ∫|dg(I(t))/dt|² dt of decoded straight paths over |g(z1) - g(z0)|²; no better direction.

    At least 1, unitless; 1 for uniform straight motion. Both are summed over pairs. The integral is taken at 8
    Gauss-Legendre nodes, the same for all pairs: exact for squared speeds that are polynomials of degree 15.
    Scaling codes, and the decoder accordingly, changes nothing.

    Source: the limit of the path length of Karras 2019, in pixels, without its epsilon, computed with forward
    derivatives.

    Traps: a pixel fade has the minimum, 1, so the score says nothing alone: read it beside `walk_kd`. It may fall
    below 1 where a decoder jumps between the nodes.

    Args:
        decode: codes `(m, d)` to outputs `(m, *shape)`, in torch with forward derivatives.
        starts: codes `(m, d)`.
        ends: likewise.
        speed: `difference_speed_squared` for a decoder without derivatives.

    Raises:
        NotApplicableError: all ends are decoded alike.

    >>> round(path_energy(lambda z: 3 * z, torch.zeros(2, 2), torch.ones(2, 2)), 6)
    1.0
    """
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    directions = ends - starts
    energy = torch.zeros((), dtype=torch.float64, device=starts.device)
    for at, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
        energy += float(weight) * speed(decode, starts + float(at) * directions, directions).double().sum()
    with exact_arithmetic():
        both = torch.stack([decode(starts), decode(ends)]).flatten(2)
    chord = (both[1].double() - both[0].double()).square().sum()
    return _ratio(energy, chord, len(starts) * _still(both) ** 2)


def length_ratio(images_along: Tensor) -> float:
    """Length of decoded paths over their chord, both summed over paths; no better direction.

    At least 1, unitless; 1 for straight ones.

    Source: the inverse straightness of a polygon; Shao 2018 compares lengths in the same way.

    Traps: a pixel fade has the minimum, 1: read it beside `walk_kd`. More points reveal more bends, so compare at
    equal numbers of points.

    Args:
        images_along: outputs `(points, m, *shape)` at even steps of m paths, or `(points, D)` along a single one.

    Raises:
        NotApplicableError: all ends are decoded alike.

    >>> corner = torch.tensor([[0.0, 0], [1, 0], [1, 1]]).unsqueeze(1)
    >>> round(length_ratio(corner), 4)
    1.4142
    """
    chords = _chords(images_along)
    return _ratio(_steps(images_along).sum(), chords.sum(), len(chords) * _still(_flat(images_along)))


def second_difference(images_along: Tensor) -> float:
    """Mean over points of |x_{i+1} - 2 x_i + x_{i-1}|² (N - 1)⁴ over |x_N - x_1|²; no better direction.

    The squared acceleration of decoded paths, in units of their chords; from 0, unitless; 0 for uniform straight
    motion. Numerator and denominator are summed over paths. Arguments and errors as for `length_ratio`.

    Source: our own finite-difference form of the bending energy of a curve.

    Traps: a pixel fade has the minimum, 0: read it beside `walk_kd`. A kink grows with the number of points:
    compare at equal numbers.

    >>> line = torch.linspace(0, 1, 5).reshape(5, 1, 1)
    >>> second_difference(line)
    0.0
    """
    along = _flat(images_along)
    bends = [_bends(*points).square().sum(1) for points in zip(along, along[1:], along[2:], strict=False)]
    acceleration = torch.stack(bends).mean(0) * (len(images_along) - 1) ** 4
    chords = _chords(images_along)
    return _ratio(acceleration.sum(), chords.square().sum(), len(chords) * _still(along) ** 2)


def step_cv(images_along: Tensor) -> float:
    """Standard deviation over mean of the step lengths of a path, mean over paths; no better direction.

    From 0, unitless; 0 for even steps. Paths that do not move at all are left out. Arguments and errors as for
    `length_ratio`.

    Source: the coefficient of variation; this use is ours.

    Traps: a pixel fade has the minimum, 0: read it beside `walk_kd`. It ignores bends: read it beside
    `length_ratio`.

    >>> uneven = torch.tensor([0.0, 1, 4]).reshape(3, 1, 1)
    >>> step_cv(uneven)
    0.5
    """
    steps = _steps(images_along)
    steps = steps[:, steps.sum(0) > len(steps) * _still(_flat(images_along))]
    if not steps.numel():
        raise NotApplicableError("the decoder gives one output for all codes")
    return float((steps.std(0, correction=0) / steps.mean(0)).mean())


def _still(images: Tensor) -> float:
    """Return how far apart rounding alone can place two equal outputs of `(points, m, D)`."""
    return resolution(images.flatten(0, 1))


def _ratio(moved: Tensor, chord: Tensor, rounding: float) -> float:
    if chord <= rounding:
        raise NotApplicableError("the decoder gives one output for all codes")
    return float(moved / chord)


def _flat(images_along: Tensor) -> Tensor:
    """Return paths as `(points, m, D)`."""
    return images_along.unsqueeze(1) if images_along.ndim == 2 else images_along.flatten(2)


def _steps(images_along: Tensor) -> Tensor:
    return torch.stack(
        [_lengths(after.double() - before.double()) for before, after in pairwise(_flat(images_along))]
    )


def _bends(before: Tensor, middle: Tensor, after: Tensor) -> Tensor:
    return after.double() - 2 * middle.double() + before.double()


def _chords(images_along: Tensor) -> Tensor:
    along = _flat(images_along)
    return _lengths(along[-1].double() - along[0].double())


def _lengths(vectors: Tensor) -> Tensor:
    lengths: Tensor = torch.linalg.vector_norm(vectors, dim=-1)
    return lengths


class PathEnergy(Metric):
    """For 256 pairs of test codes; by central differences where the decoder has no derivatives."""

    scores: ClassVar[Mapping[str, Score]] = {
        "path_energy": Score(
            "none",
            purpose="walk",
            range=(1, float("inf")),
            floor=1.0,
            ceiling=1.0,
        ),
    }
    needs: ClassVar[tuple[Need, ...]] = ("decoder",)
    tier: ClassVar[Tier] = "full"
    version: ClassVar[int] = 3
    invariances: ClassVar[tuple[Invariance, ...]] = ("shift", "scale", "rotation", "permutation", "axis_scale")
    tolerance: ClassVar[float] = 0.001  # derivatives are float32
    min_items: ClassVar[int] = 4

    def compute(self, space: LatentSpace) -> Mapping[str, float]:
        """Return the energy."""
        starts, ends = _ends(space)
        if "decoder_gradient" in space.supplies:
            return {"path_energy": path_energy(space.decoder, starts, ends)}
        return {"path_energy": path_energy(space.decode, starts, ends, speed=difference_speed_squared)}

    def note(self, space: LatentSpace) -> str:
        """Say when derivatives are approximate."""
        return "" if "decoder_gradient" in space.supplies else "central differences in float64"


class PathShape(Metric):
    """For 256 straight paths of 16 points between test codes."""

    scores: ClassVar[Mapping[str, Score]] = {
        "length_ratio": Score(
            "none",
            "length of straight paths relative to their chord",
            purpose="walk",
            range=(1, float("inf")),
            floor=1.0,
            ceiling=1.0,
        ),
        "second_difference": Score(
            "none",
            "acceleration along straight paths",
            purpose="walk",
            range=(0, float("inf")),
            floor=0.0,
            ceiling=0.0,
        ),
        "step_cv": Score(
            "none",
            "unevenness of steps along straight paths",
            purpose="walk",
            range=(0, float("inf")),
            floor=0.0,
            ceiling=0.0,
        ),
    }
    needs: ClassVar[tuple[Need, ...]] = ("decoder",)
    tier: ClassVar[Tier] = "full"
    version: ClassVar[int] = 3
    invariances: ClassVar[tuple[Invariance, ...]] = ("shift", "scale", "rotation", "permutation", "axis_scale")
    tolerance: ClassVar[float] = 0.001
    min_items: ClassVar[int] = 4

    def compute(self, space: LatentSpace) -> Mapping[str, float]:
        """Return all three."""
        starts, ends = _ends(space)
        along = decoded_path(space.decode, starts, ends, POINTS)
        return {
            "length_ratio": length_ratio(along),
            "second_difference": second_difference(along),
            "step_cv": step_cv(along),
        }


def _ends(space: LatentSpace) -> tuple[Tensor, Tensor]:
    starts, ends = pairs(len(space), PAIRS)
    return space.codes[starts], space.codes[ends]
