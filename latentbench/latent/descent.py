"""Many small minimizations side by side, by L-BFGS."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import torch
from torch import Tensor

from latentbench.errors import ContractError, NotApplicableError

__all__ = ["Evaluate", "Values", "minimize", "minimize_energies", "slopes_of"]

MEMORY = 10  # steps that L-BFGS remembers
SHORTENINGS = 12  # of a step, before the search gives up a function
SUFFICIENT = 1e-4  # share of the predicted descent that a step must reach
CONVERGED = 1e-6  # relative gain below which a step is the last one

Evaluate = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
Values = Callable[[Tensor, Tensor], Tensor]


def minimize(evaluate: Evaluate, places: Tensor, iterations: int) -> Tensor:
    """Minimize m functions from `places` `(m, k)` by L-BFGS (Nocedal 1980), side by side.

    Each function has its own memory and step sizes; `torch.optim.LBFGS` of their sum would share them.

    Args:
        evaluate: maps row numbers `(r,)` and places `(r, k)` of functions to values `(r,)` and gradients `(r, k)`.
        places: the starting places.
        iterations: the maximum number of steps.

    Returns:
        Places `(m, k)` at which no function is higher than at its start.

    >>> def bowls(rows, places):
    ...     return (places - 3).square().sum(1), 2 * (places - 3)
    >>> minimize(bowls, torch.zeros(2, 1), 5).flatten()
    tensor([3., 3.])
    """
    running = torch.arange(len(places), device=places.device)
    values, slopes = evaluate(running, places)
    memory: deque[tuple[Tensor, Tensor]] = deque(maxlen=MEMORY)
    for _ in range(iterations):
        directions = _descent(slopes, memory)
        before = places, values, slopes
        places, values, slopes = _search(evaluate, running, before, directions)
        memory.append((places - before[0], slopes - before[2]))
        running = running[(before[1] - values > CONVERGED * values)[running]]
        if not len(running):
            break
    return places


def minimize_energies(energies: Values, places: Tensor, iterations: int) -> Tensor:
    """Minimize m energies of decoded codes like `minimize`, each in units of its value at the start.

    Args:
        energies: maps row numbers `(r,)` and places `(r, k)` to values `(r,)` of at least 0, in torch with
            gradients.
        places: the starting places `(m, k)`.
        iterations: the maximum number of steps.

    Raises:
        NotApplicableError: no gradients reach the places.
        ContractError: an energy is not finite at its start.

    >>> minimize_energies(lambda rows, places: (places - 3).square().sum(1), torch.zeros(2, 1), 30).flatten()
    tensor([3., 3.])
    """
    unit = energies(torch.arange(len(places), device=places.device), places)
    if not bool(unit.isfinite().all()):
        raise ContractError("the decoder returns NaN or infinity for codes on the path")
    unit = torch.where(unit > 0, unit, 1)

    def evaluate(rows: Tensor, tried: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            variable = tried.detach().requires_grad_()
            values = energies(rows, variable) / unit[rows]
            return values.detach(), slopes_of(values, variable)

    return minimize(evaluate, places, iterations)


def slopes_of(values: Tensor, variable: Tensor) -> Tensor:
    """Return the gradient of the sum of values of a decoder; NotApplicableError if it has none."""
    slopes = torch.autograd.grad(values.sum(), variable, allow_unused=True)[0] if values.requires_grad else None
    if slopes is None:
        raise NotApplicableError("no decoder with gradients: torch cannot differentiate its output")
    return slopes


def _descent(slopes: Tensor, memory: deque[tuple[Tensor, Tensor]]) -> Tensor:
    """Return the directions `(m, k)` of L-BFGS from pairs (change of place, change of slope)."""
    direction, parts = -slopes / 2, []
    for moved, turned in reversed(memory):
        curvature = _dot(moved, turned)
        inverse = torch.where(curvature > 0, 1 / curvature, 0)
        part = inverse * _dot(moved, direction)
        direction = direction - part * turned
        parts.append((moved, turned, inverse, part))
    if parts:
        moved, turned, inverse, _ = parts[0]
        direction = direction * torch.where(inverse > 0, 2 / (inverse * _dot(turned, turned)), 1)
    for moved, turned, inverse, part in reversed(parts):
        direction = direction + moved * (part - inverse * _dot(turned, direction))
    return torch.where(_dot(direction, slopes) < 0, direction, -slopes / 2)


def _search(
    evaluate: Evaluate, rows: Tensor, before: tuple[Tensor, Tensor, Tensor], directions: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return places, values and slopes after steps that descend enough; unchanged where there is none."""
    places, values, slopes = (part.clone() for part in before)
    promised = SUFFICIENT * _dot(directions, slopes)[:, 0]
    size = 1.0
    for _ in range(SHORTENINGS):
        tried = before[0][rows] + size * directions[rows]
        reached, steepness = evaluate(rows, tried)
        good = reached <= before[1][rows] + size * promised[rows]
        places[rows[good]], values[rows[good]], slopes[rows[good]] = tried[good], reached[good], steepness[good]
        rows, size = rows[~good], size * 0.4
        if not len(rows):
            break
    return places, values, slopes


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum(1, keepdim=True)
