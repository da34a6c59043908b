"""Curves between codes, and how fast the decoded image moves along them."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from latentbench.latent.arithmetic import exact_arithmetic
from latentbench.latent.descent import minimize_energies

__all__ = [
    "decoded_path",
    "forward_derivatives",
    "geodesic",
    "geodesic_lengths",
    "linear_path",
    "refined_path",
    "slerp",
    "spaced_evenly",
    "speed_squared",
    "wave_basis",
]

PARALLEL = 1 - 1e-7  # above this cosine slerp is a straight line
CODES = 1024  # decoded at once
REFINE = 4  # points per step at which the length of a path is measured
ITERATIONS = 60

Decode = Callable[[Tensor], Tensor]


def linear_path(starts: Tensor, ends: Tensor, points: int) -> Tensor:
    """Return straight paths `(points, m, d)` from `starts` to `ends` `(m, d)`, both ends included.

    >>> linear_path(torch.zeros(1, 1), torch.ones(1, 1), 3).flatten()
    tensor([0.0000, 0.5000, 1.0000])
    """
    t = torch.linspace(0, 1, points, dtype=starts.dtype, device=starts.device)[:, None, None]
    return torch.lerp(starts, ends, t)


def decoded_path(decode: Decode, starts: Tensor, ends: Tensor, points: int) -> Tensor:
    """Return decoded straight paths `(points, m, *shape)`; see `linear_path`.

    >>> decoded_path(lambda z: 2 * z, torch.zeros(1, 1), torch.ones(1, 1), 3).flatten()
    tensor([0., 1., 2.])
    """
    path = linear_path(starts, ends, points)
    return torch.unflatten(decode(path.flatten(0, 1)), 0, path.shape[:2])


def slerp(starts: Tensor, ends: Tensor, t: float) -> Tensor:
    """Interpolate on the sphere about the origin (White 2016), `(m, d)`; straight where vectors are parallel.

    Lengths are interpolated too where they differ. For opposite vectors, which have no unique shortest arc, the
    straight line through the origin is returned as well.

    >>> slerp(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]]), 0.5)
    tensor([[0.7071, 0.7071]])
    """
    cosine = torch.nn.functional.cosine_similarity(starts, ends, dim=-1).unsqueeze(-1)
    straight = (cosine.abs() > PARALLEL).expand_as(starts)
    angle = cosine.clamp(-PARALLEL, PARALLEL).acos()
    arc = (torch.sin((1 - t) * angle) * starts + torch.sin(t * angle) * ends) / torch.sin(angle)
    return torch.where(straight, (1 - t) * starts + t * ends, arc)


def refined_path(path: Tensor, times: int) -> Tensor:
    """Return smooth paths `(times * steps + 1, m, d)` through the points of `path` `(steps + 1, m, d)`.

    The deviation of a path from the straight line between its ends is interpolated as a sum of sines.

    >>> refined_path(torch.tensor([0.0, 2, 4]).reshape(3, 1, 1), 2).flatten()
    tensor([0., 1., 2., 3., 4.])
    """
    steps = len(path) - 1
    deviation = (path - linear_path(path[0], path[-1], steps + 1)).double()
    waves = _sines(steps, steps - 1, path.device).T @ deviation.flatten(1) * (2 / steps)
    fine = torch.unflatten(_sines(steps * times, steps - 1, path.device) @ waves, 1, path.shape[1:])
    return linear_path(path[0], path[-1], steps * times + 1) + fine.to(path)


def geodesic(decode: Decode, starts: Tensor, ends: Tensor, steps: int, *, iterations: int = ITERATIONS) -> Tensor:
    """Return paths `(steps + 1, m, d)` along which the decoded images take the shortest way, at even speed.

    Geodesics of the pull-back metric JᵀJ (Shao 2018): starting from the straight path, L-BFGS minimizes the energy
    steps Σ|g(z_{i+1}) - g(z_i)|² over steps // 2 waves around it, and finds a local minimum. The straight path is
    returned where nothing shorter was found. Pairs do not influence each other.

    Args:
        decode: codes `(n, d)` to outputs `(n, *shape)`, in torch with gradients.
        starts: codes `(m, d)`.
        ends: likewise.
        steps: number of steps of the path, at least 2.
        iterations: the maximum number of steps of L-BFGS.

    Raises:
        ValueError: starts and ends that are not both `(m, d)`, or fewer than two steps.
        NotApplicableError: the decoder has no gradients.
        ContractError: the decoder returns NaN or infinity.

    >>> path = geodesic(lambda z: 3 * z, torch.zeros(1, 1), torch.ones(1, 1), 2)
    >>> path.flatten()
    tensor([0.0000, 0.5000, 1.0000])
    """
    return _shortest(decode, starts, ends, steps, iterations)[0]


def geodesic_lengths(
    decode: Decode, starts: Tensor, ends: Tensor, steps: int, *, iterations: int = ITERATIONS
) -> tuple[Tensor, Tensor]:
    """Return lengths `(m,)` in float64 of decoded straight paths and of geodesics, the latter never longer.

    Both are measured at four points per step on smooth curves through the points, so that a path does not get
    shorter by placing its points on both sides of a bend. Arguments and errors as for `geodesic`.

    >>> straight, short = geodesic_lengths(lambda z: 3 * z, torch.zeros(1, 1), torch.ones(1, 1), 4)
    >>> round(float(straight), 6), round(float(short), 6)
    (3.0, 3.0)
    """
    return _shortest(decode, starts, ends, steps, iterations)[1:]


def spaced_evenly(path: Tensor, lengths: Tensor, points: int) -> Tensor:
    """Return codes `(points, d)` on the polyline through `path` `(p, d)`, evenly by the lengths of its steps.

    Args:
        path: at least two codes.
        lengths: lengths of its steps `(p - 1,)` in float64, at least 0; if all are 0, they count as equal.
        points: at least 2; the first and the last are the ends of the path, unchanged.

    >>> spaced_evenly(torch.tensor([[0.0], [1.0], [2.0]]), torch.tensor([1.0, 3.0]), 3).flatten()
    tensor([0.0000, 1.3333, 2.0000])
    """
    lengths = lengths if float(lengths.sum()) > 0 else torch.ones_like(lengths)
    ahead = torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])
    places = torch.linspace(0, 1, points, dtype=ahead.dtype, device=ahead.device) * ahead[-1]
    step = (torch.searchsorted(ahead, places, right=True) - 1).clamp(0, len(lengths) - 1)
    share = torch.where(lengths[step] > 0, (places - ahead[step]) / lengths[step], 0).clamp(0, 1)
    codes = torch.lerp(path[step], path[step + 1], share[:, None].to(path))
    return torch.cat([path[:1], codes[1:-1], path[-1:]])


def wave_basis(steps: int, waves: int, device: torch.device) -> Tensor:
    """Return waves `(steps + 1, waves)` in float64 that bend a path: 0 at both ends, each of energy 1.

    The energy of a path z is steps Σ|z_{i+1} - z_i|², so short waves are lower than long ones.

    >>> basis = wave_basis(4, 2, torch.device("cpu"))
    >>> (4 * basis.diff(dim=0).square().sum(0)).tolist()
    [1.0, 1.0]
    """
    frequencies = torch.arange(1, waves + 1, dtype=torch.float64, device=device) * (math.pi / 2 / steps)
    return _sines(steps, waves, device) / (math.sqrt(2) * steps * frequencies.sin())


@contextmanager
def forward_derivatives() -> Iterator[None]:
    """Enable forward derivatives of decoders, in full float32 and for any attention layer."""
    with (
        warnings.catch_warnings(),
        exact_arithmetic(),
        sdpa_kernel(SDPBackend.MATH),
    ):  # other kernels have no forward derivative
        warnings.filterwarnings("ignore", ".*torch.jit", FutureWarning)  # torch's own, at its first jvp
        warnings.filterwarnings("ignore", ".*torch.jit", DeprecationWarning)
        yield


def speed_squared(decode: Decode, codes: Tensor, directions: Tensor) -> Tensor:
    """Return |d decode(codes + s directions) / ds|² at s = 0, summed over outputs, `(m,)` in float64.

    The exact derivative, by forward differentiation of `decode`.
    """
    with forward_derivatives():
        velocity: Tensor = torch.func.jvp(decode, (codes,), (directions,))[1]
        return velocity.flatten(1).double().square().sum(1)


def _shortest(
    decode: Decode, starts: Tensor, ends: Tensor, steps: int, iterations: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Return geodesics, the lengths of the straight paths, and those of the geodesics."""
    if starts.ndim != 2 or starts.shape != ends.shape or steps < 2:
        shapes = f"{tuple(starts.shape)} and {tuple(ends.shape)}"
        raise ValueError(f"needs starts and ends (m, d) and steps of at least 2, got {shapes}, steps {steps}")
    with exact_arithmetic():
        straight = linear_path(starts, ends, steps + 1)
        length, curved = _lengths(decode, refined_path(straight, REFINE)), straight.clone()
        moving = length.nonzero()[:, 0]
        for pairs in torch.split(moving, max(1, CODES // (steps + 1))) if len(moving) else ():
            curved[:, pairs] = _least_energy(decode, straight[:, pairs], iterations)
        shorter = _lengths(decode, refined_path(curved, REFINE))
    better = shorter < length
    return torch.where(better[:, None], curved, straight), length, torch.where(better, shorter, length)


def _least_energy(decode: Decode, straight: Tensor, iterations: int) -> Tensor:
    """Return paths of least energy that begin as `straight` `(steps + 1, m, d)`, ends fixed.

    The unknowns are the heights of waves around the straight path, in units of its length and of 1 / frequency:
    for a linear decoder the energy is then equally steep in all waves, and steps do not depend on the scale of
    codes or images. There are half as many waves as steps: free points would go where the decoder saturates, and
    jump across its bends.
    """
    steps, (count, width) = len(straight) - 1, straight.shape[1:]
    waves = steps // 2
    basis = wave_basis(steps, waves, straight.device)
    reach = torch.linalg.vector_norm(straight[-1] - straight[0], dim=1, dtype=torch.float64)

    def path(rows: Tensor, heights: Tensor) -> Tensor:
        aside = basis @ (torch.unflatten(heights, 1, (waves, width)) * reach[rows, None, None])
        points: Tensor = straight[:, rows] + aside.transpose(0, 1).to(straight)
        return points

    def energy(rows: Tensor, heights: Tensor) -> Tensor:
        return steps * _steps(decode, path(rows, heights)).square().sum((0, 2))

    heights = minimize_energies(energy, basis.new_zeros(count, waves * width), iterations)
    return path(torch.arange(count, device=straight.device), heights)


def _lengths(decode: Decode, path: Tensor) -> Tensor:
    """Return the lengths `(m,)` of decoded paths `(points, m, d)`."""
    points = max(1, CODES // max(1, path.shape[1]))
    total = torch.zeros(path.shape[1], dtype=torch.float64, device=path.device)
    for first in range(0, len(path) - 1, points):
        part = path[first : first + points + 1]
        total += torch.linalg.vector_norm(_steps(decode, part), dim=2).sum(0)
    return total


def _steps(decode: Decode, path: Tensor) -> Tensor:
    """Return the steps `(points - 1, m, D)` of decoded paths `(points, m, d)`, in float64."""
    images = torch.unflatten(decode(path.flatten(0, 1)).flatten(1), 0, path.shape[:2])
    return images[1:].double() - images[:-1].double()


def _sines(steps: int, waves: int, device: torch.device) -> Tensor:
    """Return sin(k π t) `(steps + 1, waves)` for even t in [0, 1] and k = 1 to `waves`; 0 at both ends."""
    t = torch.arange(steps + 1, dtype=torch.float64, device=device)[:, None] / steps
    sines = torch.sin(t * math.pi * torch.arange(1, waves + 1, dtype=torch.float64, device=device))
    sines[-1] = 0
    return sines
