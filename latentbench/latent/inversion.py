"""Codes by optimization: an encoder for any decoder."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from latentbench.latent.descent import slopes_of
from latentbench.latent.optimizers import OPTIMIZERS

__all__ = ["best_starts", "fit_codes", "squared_error"]

Decode = Callable[[Tensor], Tensor]
Error = Callable[[Tensor, Tensor], Tensor]

STEPS = 100
LEARNING_RATE = 0.1


def squared_error(decoded: Tensor, inputs: Tensor) -> Tensor:
    """Mean squared error of each row, `(n,)`.

    >>> squared_error(torch.zeros(2, 3), torch.tensor([[1.0, 1, 1], [2, 2, 2]]))
    tensor([1., 4.])

    Raises:
        ValueError: the shapes differ.
    """
    if decoded.shape != inputs.shape:
        raise ValueError(
            f"decoded must have the shape of inputs, {tuple(inputs.shape)}, got {tuple(decoded.shape)}"
        )
    return (decoded - inputs).square().flatten(1).mean(1)


def fit_codes(
    decode: Decode,
    inputs: Tensor,
    starts: Tensor,
    *,
    steps: int = STEPS,
    learning_rate: float = LEARNING_RATE,
    error: Error = squared_error,
    penalty: Decode | None = None,
) -> Tensor:
    """Return codes `(n, d)` whose decoded outputs are nearest to `inputs`, by gradient descent from each start.

    Adam takes a fixed number of steps with a cosine learning rate; for each input the start with the least final
    error wins. Nothing is random and the steps are elementwise, so inputs do not influence each other, and
    gradients reach only the codes. Works under `torch.no_grad`.

    Source: Bojanowski et al. 2018 (GLO) and Park et al. 2019 (DeepSDF) encode in this way.

    Traps: the result is a local minimum; more starts help more than more steps. Scale codes by their spread, as in
    `decode=lambda z: model.decode(mean + z @ root.T)`: one learning rate must suit all dimensions.

    Args:
        decode: codes `(n, d)` to outputs `(n, *shape)`, in torch with gradients; row i belongs to input i.
        inputs: `(n, *shape)`.
        starts: initial codes `(r, n, d)`, r for each input; or `(n, d)` for one each.
        steps: number of steps from each start.
        learning_rate: rate of the first step, about the distance that a code moves in it.
        error: maps outputs and inputs to the error `(n,)` that is minimized.
        penalty: maps codes to what is added to the error, `(n,)`.

    Raises:
        ValueError: starts that do not fit the inputs, or no steps.
        NotApplicableError: the decoder has no gradients.

    >>> double = lambda codes: 2 * codes
    >>> fit_codes(double, torch.tensor([[1.0], [-3.0]]), torch.zeros(2, 1), steps=200).round(decimals=2)
    tensor([[ 0.5000],
            [-1.5000]])
    """
    starts = starts[None] if starts.ndim == 2 else starts
    if starts.ndim != 3 or not len(starts) or starts.shape[1] != len(inputs) or steps < 1:
        raise ValueError(
            f"needs starts (r, n, d) or (n, d) for {len(inputs)} inputs and at least 1 step, got starts "
            f"{tuple(starts.shape)}, steps {steps}"
        )

    def objective(codes: Tensor) -> Tensor:
        losses = error(decode(codes), inputs)
        return losses if penalty is None else losses + penalty(codes)

    ends = [_descend(objective, start, steps, learning_rate) for start in starts]
    with torch.no_grad():
        losses = torch.stack([objective(end) for end in ends])
    best = losses.nan_to_num(torch.inf).argmin(0)
    return torch.stack(ends)[best, torch.arange(len(inputs), device=best.device)]


def best_starts(
    decode: Decode, inputs: Tensor, candidates: Tensor, count: int, *, error: Error = squared_error
) -> Tensor:
    """Return the `count` candidates of `(k, d)` that decode nearest to each input, `(count, n, d)`, best first.

    Raises:
        ValueError: fewer candidates than `count`.

    >>> best_starts(lambda z: 2 * z, torch.tensor([[1.0], [-3.0]]), torch.tensor([[-1.0], [0.0], [1.0]]), 1)
    tensor([[[ 0.],
             [-1.]]])
    """
    if not 0 < count <= len(candidates):
        raise ValueError(f"count must be from 1 to the number of candidates, {len(candidates)}, got {count}")
    with torch.no_grad():
        losses = torch.stack(
            [error(decode(candidate.expand(len(inputs), -1)), inputs) for candidate in candidates]
        )
    order = losses.nan_to_num(torch.inf).sort(dim=0, stable=True).indices[:count]
    return candidates[order]


def _descend(objective: Decode, start: Tensor, steps: int, learning_rate: float) -> Tensor:
    """Return the codes that Adam reaches from `start` `(n, d)`."""
    codes = start.detach().clone().requires_grad_()
    optimizer = OPTIMIZERS["adam"]([codes], lr=learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    with torch.enable_grad():
        for _ in range(steps):
            codes.grad = slopes_of(objective(codes), codes)
            optimizer.step()
            schedule.step()
    return codes.detach()
