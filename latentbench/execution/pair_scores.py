"""One pair metric on two latent spaces of the same items."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from latentbench.errors import ContractError, NotApplicableError, RequestError
from latentbench.latent.arithmetic import full_precision
from latentbench.latent.part import part_of, some_rows
from latentbench.latent.row_order import first_seen, renumbered, row_order
from latentbench.latent.shown import shown_inputs
from latentbench.latent.space import LatentSpace
from latentbench.machine import seeded
from latentbench.metric import PairMetric

__all__ = ["common_order", "compared", "computing", "given_to_pair", "prepared", "read_score", "reordered"]

ROUNDING = 1e-5  # relative: how far a value may lie outside its range


def common_order(spaces: Sequence[LatentSpace]) -> Tensor:
    """Return the row numbers `(n,)` in which pair metrics see the items of all these spaces.

    Where one of them has inputs, these decide it, also for those without; else items keep their order.

    Raises:
        RequestError: they cannot hold the same items in the same order, as one has more, others, or other classes.
    """
    first = next((space for space in spaces if space.data.inputs is not None), spaces[0])
    for space in spaces:
        if len(space) != len(first):
            raise RequestError(
                f"{first.name} has {len(first):,} items and {space.name} {len(space):,}: give spaces of the same "
                "items, one row an item"
            )
        if not _in_the_same_order(first, space):
            raise RequestError(
                f"row by row, {first.name} and {space.name} hold different items: give both the same items in the "
                "same order"
            )
    return first.order


def _in_the_same_order(first: LatentSpace, space: LatentSpace) -> bool:
    """Whether inputs and classes, where both have them, allow that each row is the same item in both."""
    if space.data.inputs is not None and not torch.equal(space.order.cpu(), first.order.cpu()):
        alone = [row_order(shown_inputs(each)) for each in (first, space)]  # one may have labels, the other not
        if not torch.equal(*alone):
            return False
    if "labels" not in space.supplies & first.supplies:
        return True
    (one,), _ = first_seen(first.labels)
    (other,), _ = first_seen(space.labels)
    return torch.equal(one.cpu(), other.cpu())


def given_to_pair(metric: PairMetric, space: LatentSpace, order: Tensor, *, second: bool = False) -> LatentSpace:
    """Return what `prepare` sees of a space: its items in an order, at most as many as the metric takes.

    Args:
        metric: the pair metric.
        space: one of the two spaces.
        order: what `common_order` returned for both.
        second: whether the space is the second of the two, of which a metric may need more.

    Raises:
        NotApplicableError: the space lacks something, or is too small.
    """
    if reason := space.missing(metric.needs + (metric.needs_second if second else ())):
        raise NotApplicableError(reason)
    if len(space) < metric.min_items:
        raise NotApplicableError(f"needs {metric.min_items} test items, there are {len(space)}")
    order = order.to(space.device)
    own = space.data.inputs is not None and torch.equal(space.order, order)
    arranged = space.arranged if own else renumbered(space.take(order))
    if metric.max_items is None or len(space) <= metric.max_items:
        return arranged
    return part_of(arranged, some_rows(len(space), metric.max_items))


@contextmanager
def computing() -> Iterator[None]:
    """Compute exactly and with the shared generators seeded, as `prepared`, `reordered` and `compared` do.

    Entering costs a tenth of a millisecond: a loop over hundreds of permutations enters once and reads by
    `read_score` what `compute` returned.
    """
    with full_precision(), seeded(0):
        yield


def prepared(metric: PairMetric, given: LatentSpace) -> Any:
    """Return what a metric makes of a space for all its comparisons.

    Raises:
        NotApplicableError: this space cannot be compared.
    """
    with computing():
        return metric.prepare(given)


def reordered(metric: PairMetric, ready: Any, order: Tensor, train_order: Tensor | None = None) -> Any:
    """Return what `prepared` would return of the same space with its items in another order."""
    with computing():
        return metric.reordered(ready, order, train_order)


def compared(metric: PairMetric, a: Any, b: Any) -> tuple[float, str]:
    """Return the score of two spaces, given what `prepared` returned of each, and its note.

    Raises:
        NotApplicableError: these two cannot be compared.
        ContractError: the metric returned no number, or one outside its range.
    """
    with computing():
        returned = metric.compute(a, b)
    return read_score(metric, returned)


def read_score(metric: PairMetric, returned: Any) -> tuple[float, str]:
    """Return the score and the note in what `compute` returned.

    Raises:
        ContractError: there is no number, or one outside its range.
    """
    value, note = returned if isinstance(returned, tuple) and len(returned) == 2 else (returned, "")
    if not isinstance(note, str):
        raise ContractError(f"compute must return a note beside its number as text, got {type(note).__name__}")
    return _checked(metric, value), note


def _checked(metric: PairMetric, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, RuntimeError):
        got = f"shape {tuple(value.shape)}" if hasattr(value, "shape") else repr(value)[:80]
        raise ContractError(f"compute must return a number, got {got}") from None
    if not math.isfinite(number):
        raise ContractError(
            f"compute returned {number}; raise NotApplicableError with the reason where there is no number"
        )
    low, high = metric.score.range
    if not low - ROUNDING * max(1.0, abs(low)) <= number <= high + ROUNDING * max(1.0, abs(high)):
        raise ContractError(
            f"compute returned {number:.6g}, and its score declares the range {low:g} to {high:g}; correct one of "
            "them"
        )
    return number
