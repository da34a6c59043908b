"""What codes are of: the items of a split, or items of which labels, factors or their number alone are known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from latentbench.arrays.classes import number_classes
from latentbench.dataset import Split
from latentbench.errors import DataError

__all__ = ["Items", "Source", "agreed", "written"]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Source:
    """An array with a row for each item, and labels that stand beside it.

    Attributes:
        name: how messages call it, as a file.
        values: `(n, ...)` as they were given; None for labels alone.
        labels: `(n,)` numbers or text, or None.
    """

    name: str
    values: Array | None = None
    labels: Any = None

    def __len__(self) -> int:
        return len(self.labels if self.values is None else self.values)


@dataclass(frozen=True)
class Items:
    """Items in their order.

    Attributes:
        name: how messages call what they come from.
        count: how many there are; None while nothing says so.
        labels: class numbers `(n,)`, or None.
        class_names: what class 0, 1, ... is called; empty where classes have numbers alone.
        factors: ground-truth factors `(n, k)`, or None.
        factor_names: k names.
        factor_sizes: k counts of values; 0 means continuous.
    """

    name: str = ""
    count: int | None = None
    labels: Array | None = None
    class_names: tuple[str, ...] = ()
    factors: Array | None = None
    factor_names: tuple[str, ...] = ()
    factor_sizes: tuple[int, ...] = ()

    @classmethod
    def of_split(cls, split: Split, name: str) -> Items:
        """Take the items of a split."""
        return cls(
            name,
            len(split),
            split.labels,
            split.class_names,
            split.factors,
            split.factor_names,
            split.factor_sizes,
        )


def agreed(items: Items, sources: Sequence[Source]) -> Items:
    """Return the items that all sources are of, with their labels where `items` have none.

    Raises:
        DataError: counts differ, or labels line by line: the items are others, or in another order.
    """
    for source in sources:
        items = _counted(items, source)
    labelled = [source for source in sources if source.labels is not None]
    if not labelled:
        return items
    if items.labels is None:
        (numbers,), names = number_classes([labelled[0].labels], f"labels of {labelled[0].name}")
        known, first = written(numbers, names), labelled[0].name
        items = replace(items, labels=numbers, class_names=names)
    else:
        known, first = written(items.labels, items.class_names), items.name
    for source in labelled:
        _check_labels(source, known, items.labels, first)
    return items


def _counted(items: Items, source: Source) -> Items:
    if items.count is None:
        return Items(source.name, len(source))
    if len(source) != items.count:
        raise DataError(
            f"{source.name} holds {len(source):,} rows, {items.name} has {items.count:,}; give arrays of the same "
            "items in the same order"
        )
    return items


def written(numbers: Array, names: Sequence[str]) -> list[str]:
    """Return labels as text: the names of their classes, or their numbers where these have none."""
    return [names[number] for number in numbers] if names else [str(number) for number in numbers.tolist()]


def _check_labels(source: Source, known: Iterable[str], numbers: Array | None, first: str) -> None:
    """Refuse labels that are not those known; numbers may stand for the names of classes."""
    (own,), names = number_classes([source.labels], f"labels of {source.name}")
    given = np.array(written(own, names), object)
    expected = np.array(list(known), object)
    same = given == expected
    if not same.all() and numbers is not None:
        counted = np.array([str(number) for number in numbers.tolist()], object)
        if (given == counted).sum() > same.sum():
            expected, same = counted, given == counted
    if not same.all():
        row = int((~same).argmax())
        raise DataError(
            f"labels of {source.name} must be those of {first}, line by line; they agree in "
            f"{100 * same.mean():.3g} % of the lines (line {row + 1}: {str(given[row])[:30]!r} for "
            f"{str(expected[row])[:30]!r}), so its items are others or in another order; sort them alike"
        )
