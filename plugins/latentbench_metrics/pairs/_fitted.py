"""What fitted pair metrics share: training items and scored ones, or one half of the items and the other."""

from __future__ import annotations

import copy
from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Generic, Self, TypeVar

import torch
from torch import Tensor

from latentbench import LatentSpace, PairMetric
from latentbench_metrics._shared.subsets import some_rows
from latentbench_metrics.pairs._codes import centered, check, composed, cross

__all__ = ["BOTH_WAYS", "Fittable", "FittedMetric", "FittedSide", "Placed", "check_splits"]

TRAIN_ITEMS = 20_000  # that a metric is fitted on
BOTH_WAYS = "fitted on one half of the items and scored on the other, both ways"


def check_splits(x_train: Tensor, y_train: Tensor, x: Tensor, y: Tensor) -> None:
    """Refuse codes of training items and of others that do not fit together.

    Raises:
        ValueError: unequal numbers of items or dimensions, fewer than 2 items, NaN or infinity.
    """
    check(x_train=x_train, y_train=y_train)
    check(x=x, y=y)
    for name, train, test in (("x", x_train, x), ("y", y_train, y)):
        if train.shape[1] != test.shape[1]:
            raise ValueError(
                f"{name}_train and {name} must have equally many dimensions, "
                f"got {train.shape[1]} and {test.shape[1]}"
            )


@dataclass(frozen=True, eq=False)
class FittedSide:
    """One of two spaces: numbers of its training items `(m, d)` and of those that are scored `(n, d)`."""

    train: Tensor
    test: Tensor

    @classmethod
    def of(cls, train: Tensor, test: Tensor) -> Self:
        """Take codes `(m, d)` and `(n, d)`, less the mean of the training codes."""
        return cls(*centered(train, test))

    @cached_property
    def lengths(self) -> tuple[float, float]:
        """Root of the sum of all squares, of both."""
        return float(self.train.norm()), float(self.test.norm())


S = TypeVar("S", bound=FittedSide)


@dataclass(frozen=True, eq=False)
class Placed(Generic[S]):
    """A side whose items are in another order where there is one, `(n,)` and `(m,)`; its numbers stay in place."""

    side: S
    order: Tensor | None = None
    train_order: Tensor | None = None

    def products(self, other: Placed[Any]) -> tuple[Tensor, Tensor]:
        """Return the cross products of both spaces' numbers `(d, e)`, over training items and scored ones."""
        return (
            cross(self.side.train, other.side.train, self.train_order, other.train_order),
            cross(self.side.test, other.side.test, self.order, other.order),
        )


class Fittable(Generic[S]):
    """A space whose side is made when it is known whether both spaces have training splits.

    Attributes:
        train_items: how many items its training split has; 0 without one.
    """

    def __init__(self, space: LatentSpace, kind: type[S]) -> None:
        self._kind, self._codes, self._train = kind, space.codes, space.codes[:0]
        self._order: Tensor | None = None
        self._train_order: Tensor | None = None
        self._made: dict[str, tuple[S, ...]] = {}  # shared by all orders
        self.train_items = 0
        if "train" in space.supplies:
            self.train_items = len(space.train.codes)
            rows = some_rows(self.train_items, TRAIN_ITEMS)
            self._train_rows = rows
            self._train = space.train.codes[rows.to(space.train.codes.device)]

    def reordered(self, order: Tensor, train_order: Tensor | None) -> Fittable[S]:
        """Return the same with its items in another order, and those of its training split."""
        other = copy.copy(self)
        other._order = composed(self._order, order)
        if train_order is not None and self.train_items:
            other._train_order = composed(self._train_order, _kept(self._train_rows, train_order.cpu()))
        return other

    @property
    def fitted_on_train(self) -> Placed[S]:
        """The side that is fitted on the training split."""
        if "train" not in self._made:
            self._made["train"] = (self._kind.of(self._train, self._codes),)
        return Placed(self._made["train"][0], self._order, self._train_order)

    @property
    def halves(self) -> tuple[Placed[S], ...]:
        """The sides that are fitted on one half of the items and scored on the other, both ways."""
        if "halves" not in self._made:
            first, second = (self._codes[half.to(self._codes.device)] for half in self._half_rows)
            self._made["halves"] = self._kind.of(first, second), self._kind.of(second, first)
        orders = [self._within(half) for half in self._half_rows]
        pairs = zip(self._made["halves"], orders[::-1], orders, strict=True)
        return tuple(Placed(side, order, train_order) for side, order, train_order in pairs)

    @cached_property
    def _half_rows(self) -> tuple[Tensor, Tensor]:
        chosen = torch.zeros(len(self._codes), dtype=torch.bool)
        chosen[some_rows(len(chosen), len(chosen) // 2)] = True
        return chosen.nonzero().flatten(), (~chosen).nonzero().flatten()

    def _within(self, half: Tensor) -> Tensor | None:
        """Return the order among the items of a half, of an order of all: each item stays in its half."""
        return None if self._order is None else _kept(half, self._order)


def _kept(rows: Tensor, order: Tensor) -> Tensor:
    """Return the order among some rows, ascending, of an order of all.

    >>> _kept(torch.tensor([0, 2, 3]), torch.tensor([3, 1, 0, 2]))
    tensor([2, 0, 1])
    """
    places = torch.full((len(order),), -1)
    places[rows] = torch.arange(len(rows))
    kept = places.index_select(0, order.cpu())
    return kept.masked_select(kept >= 0)


class FittedMetric(PairMetric):
    """A pair metric that is fitted on at most 20,000 training items, the same seeded ones of all spaces."""

    side: ClassVar[type[FittedSide]]
    min_items: ClassVar[int] = 10

    def prepare(self, space: LatentSpace) -> Fittable[Any]:
        """Hold the codes of both splits."""
        return Fittable(space, self.side)

    @abstractmethod
    def compare(self, a: Any, b: Any) -> float:
        """Return the score of two sides."""

    def compute(self, a: Fittable[Any], b: Fittable[Any]) -> float | tuple[float, str]:
        """Fit on the training splits where both spaces have them, of one size; else on each half of the items."""
        if a.train_items and a.train_items == b.train_items:
            return self.compare(a.fitted_on_train, b.fitted_on_train)
        scores = [self.compare(one, other) for one, other in zip(a.halves, b.halves, strict=True)]
        return sum(scores) / len(scores), BOTH_WAYS

    def reordered(self, prepared: Fittable[Any], order: Tensor, train_order: Tensor | None) -> Fittable[Any]:
        """Note both orders. Without training items, the halves stay, and items are permuted within each."""
        return prepared.reordered(order, train_order)
