"""Interpolation between codes, and how fast the decoded image moves along it."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["linear_path", "slerp", "speed_squared"]

PARALLEL = 1 - 1e-7  # above this cosine slerp is a straight line


def linear_path(starts: Tensor, ends: Tensor, points: int) -> Tensor:
    """Return straight paths `(points, m, d)` from `starts` to `ends` `(m, d)`, both ends included.

    >>> linear_path(torch.zeros(1, 1), torch.ones(1, 1), 3).flatten()
    tensor([0.0000, 0.5000, 1.0000])
    """
    t = torch.linspace(0, 1, points, dtype=starts.dtype, device=starts.device)[:, None, None]
    return (1 - t) * starts + t * ends


def slerp(starts: Tensor, ends: Tensor, t: float) -> Tensor:
    """Interpolate on the sphere about the origin (White 2016), `(m, d)`; straight where vectors are parallel.

    Lengths are interpolated too where they differ. For opposite vectors, which no shortest arc joins, the
    straight line is returned as well: finite, through the origin.

    >>> slerp(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]]), 0.5)
    tensor([[0.7071, 0.7071]])
    """
    cosine = torch.nn.functional.cosine_similarity(starts, ends, dim=-1).unsqueeze(-1)
    straight = (cosine.abs() > PARALLEL).expand_as(starts)
    angle = cosine.clamp(-PARALLEL, PARALLEL).acos()
    arc = (torch.sin((1 - t) * angle) * starts + torch.sin(t * angle) * ends) / torch.sin(angle)
    return torch.where(straight, (1 - t) * starts + t * ends, arc)


def speed_squared(decode: Callable[[Tensor], Tensor], codes: Tensor, directions: Tensor) -> Tensor:
    """Return |d decode(codes + s directions) / ds|² at s = 0, summed over outputs, `(m,)`.

    The exact derivative, by forward differentiation of `decode`.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*torch.jit", FutureWarning)  # torch's own, at its first jvp
        warnings.filterwarnings("ignore", ".*torch.jit", DeprecationWarning)
        velocity: Tensor = torch.func.jvp(decode, (codes,), (directions,))[1]
    return velocity.flatten(1).square().sum(1)
