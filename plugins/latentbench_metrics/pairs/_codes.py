"""Codes as pair metrics take them: checked, in float64, scaled and centered so that no digits are lost."""

from __future__ import annotations

import torch
from torch import Tensor

from latentbench import NotApplicableError
from latentbench_metrics._shared.rounding import coincide, rounding_of

__all__ = [
    "centered",
    "check",
    "check_varies",
    "composed",
    "constant_columns",
    "cross",
    "relative_order",
    "scaled",
    "scaled_resolution",
    "scaled_rounding",
    "variation",
]

BLOCK = 2048  # items at once
EXPONENTS = 1000  # of powers of two that float64 can hold, and their inverses


def check(least: int = 2, **codes: Tensor) -> None:
    """Refuse codes that cannot be compared; the names of the arguments are those of the message.

    Raises:
        ValueError: codes that are not `(n, d)`, hold NaN or infinity, or have unequally many or too few items.
    """
    for name, points in codes.items():
        if points.ndim != 2 or not points.shape[1]:
            raise ValueError(f"{name} must be (n, d) with at least one dimension, got shape {tuple(points.shape)}")
        if not (finite := torch.isfinite(points).all(1)).all():
            bad = int((~finite).sum())
            raise ValueError(
                f"{name} must be finite, but {bad} of its {len(points)} items hold NaN or infinity; leave these "
                "items out of both spaces"
            )
    (first, points), *others = codes.items()
    for name, other in others:
        if len(other) != len(points):
            raise ValueError(
                f"{first} and {name} must hold the same items in the same order, "
                f"got {len(points)} and {len(other)}"
            )
    if len(points) < least:
        raise ValueError(f"{' and '.join(codes)} must hold at least {least} items, got {len(points)}")


def check_varies(*spaces: Tensor) -> None:
    """Refuse spaces whose codes are all equal, up to rounding.

    Raises:
        NotApplicableError: of one of them.
    """
    if any(coincide(codes) for codes in spaces):
        raise NotApplicableError("all codes of a space are equal")


def scaled(codes: Tensor) -> Tensor:
    """Return codes `(n, d)` in float64 on the CPU, times a power of two, the largest number about 1.

    Without rounding, and so that squares neither overflow nor vanish.

    >>> scaled(torch.tensor([[3.0], [-8.0]]))
    tensor([[ 0.1875],
            [-0.5000]], dtype=torch.float64)
    """
    return torch.ldexp(codes.detach().to("cpu", torch.float64), -_exponent(codes))


def scaled_resolution(codes: Tensor) -> float:
    """Return how far apart rounding alone can place two equal items, in units of the `scaled` codes.

    >>> scaled_resolution(torch.tensor([[3.0], [-8.0]])) == 2**-24
    True
    """
    return float(torch.linalg.vector_norm(scaled_rounding(codes)))


def scaled_rounding(codes: Tensor) -> Tensor:
    """Return how well the numbers of each dimension are known, `(d,)`, in units of the `scaled` codes."""
    return torch.ldexp(rounding_of(codes).cpu(), -_exponent(codes))


def _exponent(codes: Tensor) -> Tensor:
    largest = codes.detach().to("cpu", torch.float64).abs().max()
    return torch.frexp(largest).exponent.clamp(-EXPONENTS, EXPONENTS)


def centered(codes: Tensor, like: Tensor | None = None) -> tuple[Tensor, ...]:
    """Return codes `(n, d)`, less their mean and `scaled`; and likewise those of `like` `(m, d)`, less that mean.

    >>> centered(torch.tensor([[1e6], [1e6 + 2]]), torch.tensor([[1e6 + 4]]))
    (tensor([[-0.5000],
            [ 0.5000]], dtype=torch.float64), tensor([[1.5000]], dtype=torch.float64))
    """
    parts = [codes] if like is None else [codes, like]
    whole = scaled(torch.cat([part.detach().to("cpu", torch.float64) for part in parts]))
    for _ in range(2):  # the second time takes off what the first mean was rounded by
        whole = whole - whole[: len(codes)].mean(0)
    whole = torch.ldexp(whole, -_exponent(whole[: len(codes)]))
    return torch.split(whole, [len(part) for part in parts])


def cross(
    left: Tensor, right: Tensor, left_order: Tensor | None = None, right_order: Tensor | None = None
) -> Tensor:
    """Return the sum over items of the products of their codes, `(d, e)`, with either's items in another order.

    Args:
        left: `(n, d)`.
        right: `(n, e)`.
        left_order: row numbers `(n,)`, each once; None: as they are.
        right_order: likewise.

    >>> cross(torch.tensor([[1.0], [2.0]]), torch.tensor([[3.0], [5.0]]), right_order=torch.tensor([1, 0]))
    tensor([[11.]])
    """
    if left.shape[1] < right.shape[1]:
        return cross(right, left, right_order, left_order).T
    if left_order is not None:  # the narrower one is moved
        places = left_order.argsort()
        right_order = places if right_order is None else right_order[places]
    total = left.new_zeros(right.shape[1], left.shape[1])
    for start in range(0, len(left), BLOCK):  # that the cache holds
        rows = slice(start, start + BLOCK)
        moved = right[rows] if right_order is None else right.index_select(0, right_order[rows])
        total += torch.from_numpy(moved.numpy().T @ left[rows].numpy())  # half the time of the other way round
    return total.T


def composed(order: Tensor | None, then: Tensor | None) -> Tensor | None:
    """Return the row numbers of items that are put in one order and then in another.

    >>> composed(torch.tensor([2, 0, 1]), torch.tensor([1, 2, 0]))
    tensor([0, 1, 2])
    """
    if order is None or then is None:
        return order if then is None else then.cpu()
    return order[then.cpu()]


def relative_order(order: Tensor | None, other: Tensor | None, count: int) -> Tensor:
    """Return which item `(count,)` of a second space is at each item of a first, both in some order.

    >>> relative_order(torch.tensor([2, 0, 1]), None, 3)
    tensor([1, 2, 0])
    """
    rows = torch.arange(count) if other is None else other
    return rows if order is None else rows[order.argsort()]


def constant_columns(codes: Tensor) -> Tensor:
    """Return which columns of codes `(n, d)` hold one number, up to rounding, `(d,)`.

    >>> constant_columns(torch.tensor([[0.1, 1.0], [0.1, 2.0]]))
    tensor([ True, False])
    """
    known = codes.detach()
    spread = known.amax(0).double() - known.amin(0).double()
    return (spread <= 2 * rounding_of(known)).cpu()


def variation(codes: Tensor) -> float:
    """Return the sum of squared distances of codes `(n, d)` from their mean."""
    return float((codes - codes.mean(0)).square().sum())
