"""Weighted means of codes (Fréchet means): on the sphere, and under a decoder's pull-back metric."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from latentbench.latent.arithmetic import exact_arithmetic
from latentbench.latent.descent import minimize_energies
from latentbench.latent.paths.curves import wave_basis

__all__ = ["geodesic_mean", "spherical_mean"]

ROUNDS = 200  # most steps to a spherical mean
STILL = 1e-12  # radians, length of the last step to a spherical mean
TINY = 1e-7  # length below which a vector has no direction
STEPS, ITERATIONS = 16, 40  # of the geodesics to a mean, and of their search: 80 move images by a grey level
CODES = 1024  # decoded at once
LIGHTEST = 1e-3  # least weight whose path is rescaled to be as steep as the others

Decode = Callable[[Tensor], Tensor]


def spherical_mean(corners: Tensor, weights: Tensor) -> Tensor:
    """Return weighted means of directions on the sphere about the origin, with weighted mean lengths, `(m, d)`.

    The direction minimizes the weighted sum of squared angles to the corners, starting from their straight mean
    (Buss 2001). For two corners of equal length this is `slerp`. Where directions cancel out, like those of
    opposite codes with equal weights, the straight mean is returned.

    Args:
        corners: `(k, d)`.
        weights: `(m, k)`, each row of sum 1.

    >>> third = torch.full((1, 3), 1 / 3)
    >>> spherical_mean(2 * torch.eye(3), third)
    tensor([[1.1547, 1.1547, 1.1547]])
    """
    codes, shares = corners.double(), weights.double()
    lengths = torch.linalg.vector_norm(codes, dim=1, keepdim=True)
    units = torch.where(lengths > 0, codes / lengths, 0)
    middle = shares @ units
    size = torch.linalg.vector_norm(middle, dim=1, keepdim=True)
    mean = torch.where(size > TINY, middle / size, 0)
    for _ in range(ROUNDS):
        pull = _pull(mean, units, shares)
        angle = torch.linalg.vector_norm(pull, dim=1, keepdim=True)
        mean = angle.cos() * mean + torch.sinc(angle / torch.pi) * pull
        if not len(angle) or float(angle.max()) < STILL:
            break
    return torch.where(size > TINY, mean * (shares @ lengths), shares @ codes).to(corners)


def geodesic_mean(
    decode: Decode, corners: Tensor, weights: Tensor, *, steps: int = STEPS, iterations: int = ITERATIONS
) -> Tensor:
    """Return Fréchet means `(m, d)`: codes with the least weighted sum of squared distances to corners.

    Distances are those of the decoder's pull-back metric JᵀJ (Shao 2018). L-BFGS finds a mean and the k paths to
    it together, as those of least energy Σ_k w_k steps Σ_i|g(z_{i+1}) - g(z_i)|², each path bent by steps // 2
    waves. The result is a local minimum, starting from the straight mean.

    Args:
        decode: codes `(n, d)` to outputs `(n, *shape)`, in torch with gradients.
        corners: `(k, d)`.
        weights: `(m, k)`, at least 0, each row of sum 1.
        steps: number of steps of each path, at least 2.
        iterations: the maximum number of steps of L-BFGS.

    Raises:
        ValueError: fewer than two steps.
        NotApplicableError: the decoder has no gradients.
        ContractError: the decoder returns NaN or infinity.

    >>> halves = torch.tensor([[0.5, 0.5]])
    >>> geodesic_mean(lambda z: 3 * z, torch.tensor([[0.0], [1.0]]), halves)
    tensor([[0.5000]])
    """
    if steps < 2:
        raise ValueError(f"steps must be at least 2, got {steps}")
    rows = max(1, CODES // (len(corners) * (steps + 1)))
    with exact_arithmetic():
        parts = [_Star(decode, corners, batch, steps).settled(iterations) for batch in torch.split(weights, rows)]
    return torch.cat(parts)


class _Star:
    """Paths from k corners that meet in one code, for each of m rows of weights."""

    def __init__(self, decode: Decode, corners: Tensor, weights: Tensor, steps: int) -> None:
        self.decode, self.corners, self.weights = decode, corners, weights.double()
        self.center = self.weights @ corners.double()
        apart = corners.double() - self.center[:, None]
        self.reach = torch.linalg.vector_norm(apart, dim=2).amax(1)
        self.basis = wave_basis(steps, steps // 2, corners.device)
        self.t = torch.linspace(0, 1, steps + 1, dtype=torch.float64, device=corners.device)

    def settled(self, iterations: int) -> Tensor:
        """Return the codes `(m, d)` in which the paths of least energy meet."""
        (count, corners), width = self.weights.shape, self.corners.shape[1]
        still = self.center.new_zeros(count, width * (1 + corners * self.basis.shape[1]))
        places = minimize_energies(self.energy, still, iterations)
        means: Tensor = self.center + self.reach[:, None] * places[:, :width]
        return means.to(self.corners)

    def energy(self, rows: Tensor, places: Tensor) -> Tensor:
        """Return the energies `(r,)` of some rows; places hold the center, then the heights of the waves.

        Paths without weight are not decoded: they cost nothing however they run.
        """
        star, corner = self.weights[rows].nonzero(as_tuple=True)
        paths = self.paths(rows, places)[:, star, corner]
        images = self.decode(paths.flatten(0, 1).to(self.corners)).flatten(1)
        moved = torch.unflatten(images, 0, paths.shape[:2]).double().diff(dim=0).square().sum((0, 2))
        energies = moved.new_zeros(len(rows)).index_add(0, star, self.weights[rows][star, corner] * moved)
        return (len(self.basis) - 1) * energies

    def paths(self, rows: Tensor, places: Tensor) -> Tensor:
        """Return the paths `(steps + 1, r, k, d)`; small weights scale theirs up, so all are equally steep."""
        width, corners = self.corners.shape[1], self.corners.double()
        reach = self.reach[rows]
        center = self.center[rows] + reach[:, None] * places[:, :width]
        straight = torch.lerp(corners, center[:, None], self.t[:, None, None, None])
        heights = torch.unflatten(places[:, width:], 1, (len(corners), self.basis.shape[1], width))
        ease = reach[:, None] / self.weights[rows].clamp_min(LIGHTEST).sqrt()
        return straight + torch.einsum("sw,rkwd,rk->srkd", self.basis, heights, ease)


def _pull(mean: Tensor, units: Tensor, shares: Tensor) -> Tensor:
    """Return the weighted mean `(m, d)` of the arcs from each mean to the corners, as tangent vectors."""
    cosine = (mean @ units.T).clamp(-1, 1)
    angle = cosine.acos()
    stretch = shares * torch.where(
        angle.sin() > TINY, angle / angle.sin(), 1
    )  # opposite: all arcs are equally long
    return stretch @ units - (stretch * cosine).sum(1, keepdim=True) * mean
