"""What happens between two codes: how evenly the decoded image moves, and whether it looks real half way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from latentbench import LatentSpace, Metric, NotApplicableError, Score
from latentbench.latent.paths import linear_path, speed_squared
from latentbench.latent.space import exact_arithmetic
from latentbench_metrics.features import in_domain_features
from latentbench_metrics.generation import kernel_distance
from latentbench_metrics.subsets import pairs, some_rows

__all__ = [
    "PathEnergy",
    "PathShape",
    "WalkRealism",
    "difference_speed_squared",
    "length_ratio",
    "path_energy",
    "second_difference",
    "step_cv",
    "walk_kd",
]

PAIRS, CROSSING_PAIRS, POINTS = 256, 1000, 16
DRAWS = 4
STEP = 5e-3  # of central differences, as a share of the path
REAL = 2000

Decode = Callable[[Tensor], Tensor]
Speed = Callable[[Decode, Tensor, Tensor], Tensor]


def difference_speed_squared(decode: Decode, codes: Tensor, directions: Tensor) -> Tensor:
    """Return |d decode(codes + s directions) / ds|² at s = 0 by central differences, `(m,)` in float64.

    For decoders without derivatives. They are called with codes of the given type; the difference is taken in
    float64. Exact up to the third derivative times 4e-6, and up to rounding of the decoder's own output.
    """
    ahead, behind = decode(codes + STEP * directions), decode(codes - STEP * directions)
    return ((ahead.double() - behind.double()) / (2 * STEP)).flatten(1).square().sum(1)


def path_energy(
    decode: Decode, starts: Tensor, ends: Tensor, *, seed: int = 0, speed: Speed = speed_squared
) -> float:
    """Energy of decoded straight paths over their squared chord, at least 1; 1 for uniform straight motion.

    E|dg(I(t))/dt|² with t uniform (four stratified draws a pair) over |g(z1) - g(z0)|², both summed over pairs:
    the limit of pixel path length (Karras 2019) without its epsilon. A fade between pixels has the least, 1, so
    it says nothing alone: read it beside `walk_kd`. Codes may be scaled if the decoder is scaled back.

    Args:
        decode: codes `(m, d)` to outputs `(m, *shape)`, in torch with forward derivatives.
        starts: codes `(m, d)`.
        ends: likewise.
        seed: of the draws of t.
        speed: `difference_speed_squared` for a decoder without derivatives.

    Raises:
        NotApplicableError: all ends are decoded alike.

    >>> round(path_energy(lambda z: 3 * z, torch.zeros(2, 2), torch.ones(2, 2)), 6)
    1.0
    """
    generator = torch.Generator().manual_seed(seed)
    shape = DRAWS, len(starts), 1
    t = (torch.rand(shape, generator=generator) + torch.arange(DRAWS).reshape(-1, 1, 1)) / DRAWS
    t = t.to(starts)
    directions = ends - starts
    with _forward_derivatives():
        energies = [speed(decode, starts + at * directions, directions).double().sum() for at in t]
        chord = (decode(ends) - decode(starts)).double().square().sum()
    return _ratio(torch.stack(energies).mean(), chord)


def length_ratio(images_along: Tensor) -> float:
    """Length of decoded paths over their chord, at least 1; 1 for straight ones. Both are summed over paths.

    Args:
        images_along: outputs `(points, m, *shape)` at even steps of m paths, or `(points, D)` along a single one.

    Raises:
        NotApplicableError: all ends are decoded alike.

    >>> corner = torch.tensor([[0.0, 0], [1, 0], [1, 1]]).unsqueeze(1)
    >>> round(length_ratio(corner), 4)
    1.4142
    """
    return _ratio(_steps(images_along).sum(), _chords(images_along).sum())


def second_difference(images_along: Tensor) -> float:
    """Mean squared acceleration of decoded paths over their squared chord, from 0; 0 for uniform straight motion.

    mean |x_{i+1} - 2 x_i + x_{i-1}|² (N - 1)⁴ over |x_N - x_1|². Arguments and errors as for `length_ratio`.

    >>> line = torch.linspace(0, 1, 5).reshape(5, 1, 1)
    >>> second_difference(line)
    0.0
    """
    along = _flat(images_along)
    bends = along[2:] - 2 * along[1:-1] + along[:-2]
    acceleration = bends.double().square().sum(2).mean(0) * (len(images_along) - 1) ** 4
    return _ratio(acceleration.sum(), _chords(images_along).square().sum())


def step_cv(images_along: Tensor) -> float:
    """Standard deviation over mean of the step lengths of a path, from 0, mean over paths; 0 for even steps.

    Paths that do not move at all are left out. Arguments and errors as for `length_ratio`.

    >>> uneven = torch.tensor([0.0, 1, 4]).reshape(3, 1, 1)
    >>> step_cv(uneven)
    0.5
    """
    steps = _steps(images_along)
    steps = steps[:, steps.sum(0) > 0]
    if not steps.numel():
        raise NotApplicableError("the decoder gives one output for all codes")
    return float((steps.std(0, correction=0) / steps.mean(0)).mean())


def walk_kd(midpoint_features: Tensor, fade_features: Tensor, real_features: Tensor) -> float:
    """Kernel distance of decoded midpoints from real images over that of pixel fades of the same pairs.

    1 = no better than fading pixels; lower is better; slightly negative values are sampling noise around 0.

    Args:
        midpoint_features: features `(m, f)` of images decoded half way between two codes.
        fade_features: `(m, f)`, of the means of the two images.
        real_features: `(n, f)`.

    Raises:
        NotApplicableError: fades cannot be told from real images.

    >>> real, fade = torch.eye(3), torch.ones(3, 3)
    >>> walk_kd(fade, fade, real)
    1.0
    """
    fade = kernel_distance(real_features, fade_features)
    if fade <= 0:
        raise NotApplicableError("fades between these images cannot be told from real ones")
    return kernel_distance(real_features, midpoint_features) / fade


@contextmanager
def _forward_derivatives() -> Iterator[None]:
    with exact_arithmetic(), sdpa_kernel(SDPBackend.MATH):  # other kernels have none
        yield


def _ratio(moved: Tensor, chord: Tensor) -> float:
    if chord == 0:
        raise NotApplicableError("the decoder gives one output for all codes")
    return float(moved / chord)


def _flat(images_along: Tensor) -> Tensor:
    """Return paths as `(points, m, D)`."""
    return images_along.unsqueeze(1) if images_along.ndim == 2 else images_along.flatten(2)


def _steps(images_along: Tensor) -> Tensor:
    return _lengths(_flat(images_along).diff(dim=0))


def _chords(images_along: Tensor) -> Tensor:
    return _lengths(_flat(images_along)[-1] - _flat(images_along)[0])


def _lengths(vectors: Tensor) -> Tensor:
    lengths: Tensor = torch.linalg.vector_norm(vectors, dim=-1, dtype=torch.float64)
    return lengths


class PathEnergy(Metric):
    """Path energy of 256 pairs of test codes; central differences where the decoder has no derivatives."""

    scores: ClassVar[Mapping[str, Score]] = {
        "path_energy": Score(
            "none", "energy of straight paths over squared chord", "walk", range=(1, float("inf"))
        ),
    }
    needs: ClassVar[tuple[str, ...]] = ("decoder",)
    invariances: ClassVar[tuple[str, ...]] = ("shift", "scale", "rotation")
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
    """Length, bends and steps of 256 straight paths of 16 points between test codes."""

    scores: ClassVar[Mapping[str, Score]] = {
        "length_ratio": Score("none", "length of straight paths over chord", "walk", range=(1, float("inf"))),
        "second_difference": Score("none", "acceleration along straight paths", "walk", range=(0, float("inf"))),
        "step_cv": Score("none", "unevenness of steps along straight paths", "walk", range=(0, float("inf"))),
    }
    needs: ClassVar[tuple[str, ...]] = ("decoder",)
    invariances: ClassVar[tuple[str, ...]] = ("shift", "scale", "rotation")
    min_items: ClassVar[int] = 4

    def compute(self, space: LatentSpace) -> Mapping[str, float]:
        """Return all three."""
        starts, ends = _ends(space)
        path = linear_path(starts, ends, POINTS)
        along = torch.unflatten(space.decode(path.flatten(0, 1)), 0, path.shape[:2])
        return {
            "length_ratio": length_ratio(along),
            "second_difference": second_difference(along),
            "step_cv": step_cv(along),
        }


class WalkRealism(Metric):
    """walk_kd of at most 1000 pairs of test items of different classes, against at most 2000 test images."""

    scores: ClassVar[Mapping[str, Score]] = {
        "walk_kd": Score("down", "unreality of midpoints, pixel fades = 1", "walk", True, floor=1.0),
    }
    needs: ClassVar[tuple[str, ...]] = ("inputs", "labels", "train", "decoder")
    invariances: ClassVar[tuple[str, ...]] = ("shift", "scale", "rotation")
    min_items: ClassVar[int] = 100

    def compute(self, space: LatentSpace) -> Mapping[str, float]:
        """Return the ratio."""
        starts, ends = pairs(len(space), CROSSING_PAIRS, labels=space.labels)
        if len(starts) < 2:
            raise NotApplicableError("fewer than two pairs of items of different classes")
        features, images = in_domain_features(space), space.inputs
        midpoints = space.decode((space.codes[starts] + space.codes[ends]) / 2)
        real = images[some_rows(len(images), REAL, seed=1)]
        fades = (images[starts] + images[ends]) / 2
        return {"walk_kd": walk_kd(features(midpoints), features(fades), features(real))}


def _ends(space: LatentSpace) -> tuple[Tensor, Tensor]:
    starts, ends = pairs(len(space), PAIRS)
    return space.codes[starts], space.codes[ends]
