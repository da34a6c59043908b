"""Entropic transport: the Sinkhorn divergence of two clouds of points, in blocks of rows."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from latentbench_metrics._shared.blocks import at_once
from latentbench_metrics._shared.rounding import coincide

__all__ = ["default_epsilon", "entropic_cost", "sinkhorn_divergence"]

BLOCK = 2**19  # costs held at once on a CPU
STEPS = 3000
TOLERANCE = 1e-5  # of the potentials, in units of epsilon; the cost is off by its square
ROUNDING = torch.finfo(torch.float64).eps
MEMORY = 20  # former steps that an accelerated one is mixed from


def sinkhorn_divergence(x: Tensor, y: Tensor, epsilon: float | None = None) -> float:
    """Debiased entropic transport cost OT(x, y) - ½ OT(x, x) - ½ OT(y, y), in squared units; lower is better.

    OT is the minimum over plans of the mean |x - y|² plus epsilon KL(plan | independent). From 0, and 0 only for
    equal samples; the squared 2-Wasserstein distance for small epsilon, that of the means for large epsilon.

    Source: Feydy 2019.

    Traps: samples of equal distributions are above 0, the more so the smaller epsilon is (n = 1000, d = 16: 3.6 at
    a tenth of the mean cost, 0.1 at half of it): subtract the value of two real samples. Values at different
    epsilon cannot be compared, and a default epsilon depends on the samples.

    Args:
        x: `(n, d)`.
        y: `(m, d)`.
        epsilon: in squared units; half the mean of |x - y|² over all pairs if None.

    Raises:
        ValueError: unequal d, an empty sample, epsilon not above 0, or too small to converge.

    >>> x = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    >>> round(sinkhorn_divergence(x, x + torch.tensor([1.0, 2.0, 2.0])), 5)
    9.0
    """
    _check(x, y)
    if epsilon is None:
        epsilon = default_epsilon(x, y)
        if coincide(torch.cat([x, y])):
            return 0.0  # all points are one
    within = entropic_cost(x, x, epsilon) + entropic_cost(y, y, epsilon)
    return entropic_cost(x, y, epsilon) - within / 2


def default_epsilon(x: Tensor, y: Tensor) -> float:
    """Return half the mean of |x - y|² over all pairs of rows `(n, d)` and `(m, d)`.

    >>> default_epsilon(torch.zeros(3, 2), torch.ones(4, 2))
    1.0
    """
    x, y = x.double(), y.double()
    spread = x.var(0, correction=0).sum() + y.var(0, correction=0).sum()
    return float(spread + (x.mean(0) - y.mean(0)).square().sum()) / 2


def entropic_cost(x: Tensor, y: Tensor, epsilon: float) -> float:
    """Return the least mean |x - y|² + epsilon KL(plan | independent) over plans from `(n, d)` to `(m, d)`.

    Each cloud is first centered, which accounts exactly for the squared distance between the means. Then both
    potentials move halfway to each other's best answer (symmetric in x and y), with acceleration, in float64; the
    cost is the mean of the two lower bounds they give.

    Raises:
        ValueError: epsilon not above 0, or too small for convergence in 3000 steps.

    >>> round(entropic_cost(torch.zeros(3, 2), torch.full((4, 2), 2.0), epsilon=1.0), 9)
    8.0
    """
    if not epsilon > 0 or not math.isfinite(epsilon):
        raise ValueError(f"epsilon must be above 0 and finite, got {epsilon}")
    same = y is x
    x, y = x.double(), y.double()
    shift = float((x.mean(0) - y.mean(0)).square().sum())
    x = x - x.mean(0)
    y = x if same else y - y.mean(0)
    level = max(epsilon, 2 * default_epsilon(x, y))
    potentials = x.new_zeros(len(x) if same else len(x) + len(y))
    while level > epsilon:
        potentials = (potentials + _answers(x, y, potentials, level, same)) / 2
        level = max(epsilon, level / 2)
    best = _fixed_point(x, y, potentials, epsilon, same)
    return shift + float(2 * best.mean() if same else best[: len(x)].mean() + best[len(x) :].mean())


def _fixed_point(x: Tensor, y: Tensor, start: Tensor, epsilon: float, same: bool) -> Tensor:
    """Anderson acceleration: the next step is the mix of the last few whose residual is smallest."""
    steps: list[Tensor] = []
    moves: list[Tensor] = []
    potentials = start
    for _ in range(STEPS):
        step = (potentials + _answers(x, y, potentials, epsilon, same)) / 2
        move = step - potentials
        if float(move.abs().max()) <= TOLERANCE * epsilon:
            return step
        if moves and move.norm() > 2 * moves[-1].norm():
            steps, moves = [], []
        steps, moves = [*steps, step][-MEMORY:], [*moves, move][-MEMORY:]
        potentials = _mixed(steps, moves)
    raise ValueError(f"epsilon (={epsilon:.3g}) is too small: no convergence in {STEPS} steps, take a larger one")


def _mixed(steps: list[Tensor], moves: list[Tensor]) -> Tensor:
    if len(moves) < 2:
        return steps[-1]
    changes = torch.stack(moves[1:]) - torch.stack(moves[:-1])
    basis, triangle = torch.linalg.qr(changes.T)  # small enough for the CPU, whose solver takes any rank
    share, least = basis.T @ moves[-1][:, None], ROUNDING * max(changes.shape)
    weights: Tensor = torch.linalg.lstsq(triangle.cpu(), share.cpu(), rcond=least).solution
    mixed: Tensor = (torch.stack(steps[1:]) - torch.stack(steps[:-1])).T @ weights.to(share.device)
    return steps[-1] - mixed[:, 0]


def _answers(x: Tensor, y: Tensor, potentials: Tensor, epsilon: float, same: bool) -> Tensor:
    """Return each potential's best answer to the other: of x's points, then (unless x is y) of y's."""
    from_y = potentials[-len(y) :] - y.square().sum(1)
    from_x = potentials[: len(x)] - x.square().sum(1)
    rows, columns = [], torch.full_like(from_y, -torch.inf)
    size = max(1, at_once(BLOCK, x.device) // len(y))
    for points, levels in zip(torch.split(x, size), torch.split(from_x, size), strict=True):
        products = points @ y.T * (2 / epsilon)
        rows.append(torch.logsumexp(products + from_y / epsilon, 1))
        if not same:
            columns = torch.logaddexp(columns, torch.logsumexp(products.add_(levels[:, None] / epsilon), 0))
    answers = x.square().sum(1) - epsilon * (torch.cat(rows) - math.log(len(y)))
    if same:
        return answers
    return torch.cat([answers, y.square().sum(1) - epsilon * (columns - math.log(len(x)))])


def _check(x: Tensor, y: Tensor) -> None:
    if x.ndim != 2 or x.shape[1:] != y.shape[1:] or not len(x) or not len(y):
        raise ValueError(
            f"x and y must be (n, d) and (m, d), none empty, got {tuple(x.shape)} and {tuple(y.shape)}"
        )
