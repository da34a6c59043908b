"""Keeps only some classes of a labeled dataset, as in `fashion_mnist:classes=5,9`, or trains on some alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import numpy as np
from pydantic import AfterValidator, BeforeValidator, Field

from latentbench import DataError, Dataset, Split

__all__ = ["LabeledParams", "keep_classes"]


def _as_tuple(value: Any) -> Any:
    """Take a single value, as `classes=5` gives it, for a tuple of one."""
    return (value,) if isinstance(value, str | int) else value


def _distinct(classes: tuple[int, ...] | None) -> tuple[int, ...] | None:
    """Sort the classes and drop repetitions, so that 9,5 and 5,9 ask for the same data."""
    if classes is None:
        return None
    if len(set(classes)) < 2:
        raise ValueError("must name at least 2 different classes, as classes=5,9")
    return tuple(sorted(set(classes)))


def _some(classes: tuple[int, ...] | None) -> tuple[int, ...] | None:
    """Do the same where one class is enough."""
    if classes is None:
        return None
    if not classes:
        raise ValueError("must name at least 1 class, as train_classes=5")
    return tuple(sorted(set(classes)))


class LabeledParams(Dataset.Params):
    """Parameters of every dataset with labels."""

    classes: Annotated[tuple[int, ...] | None, BeforeValidator(_as_tuple), AfterValidator(_distinct)] = Field(
        default=None, description="keep only these classes, renumbered from 0 in ascending order; by default all"
    )
    train_classes: Annotated[tuple[int, ...] | None, BeforeValidator(_as_tuple), AfterValidator(_some)] = Field(
        default=None,
        description="train on only these classes and test on all, under their original numbers; by default on all",
    )


def keep_classes(
    train: Split, test: Split, classes: tuple[int, ...] | None, train_classes: tuple[int, ...] | None = None
) -> tuple[Split, Split]:
    """Return both splits with only the rows of `classes` (ascending), which become 0, 1, ...

    With `train_classes`, in the dataset's own numbers, train keeps these alone and test stays as it is: what
    classes it has besides are held out. All have the numbers that they would have without.

    Raises:
        DataError: the data has no labels, a class has no row in train, or test has no row of any.
    """
    if classes is not None:
        _check_known("classes", classes, train)
        train, test = _keep(train, classes), _keep(test, classes)
        if not len(test):
            raise DataError(
                f"classes must have rows in test, {_short(list(classes))} have none; ask for others, or leave "
                "classes out"
            )
    if train_classes is None:
        return train, test
    if classes is not None:
        train_classes = _renumbered(train_classes, classes)
    _check_known("train_classes", train_classes, train)
    return train.take(np.isin(train.labels, train_classes)), test  # type: ignore[arg-type]  # checked above


def _check_known(name: str, classes: tuple[int, ...], train: Split) -> None:
    if train.labels is None:
        raise DataError(f"{name} can be chosen only where there are labels, got none; give labels or leave it out")
    known = np.unique(train.labels).tolist()
    for each in classes:
        if each not in known:
            raise DataError(
                f"{name} must name classes of the dataset ({_short(known)}), got {each}; leave {each} out"
            )


def _renumbered(train_classes: tuple[int, ...], classes: tuple[int, ...]) -> tuple[int, ...]:
    for each in train_classes:
        if each not in classes:
            raise DataError(
                f"train_classes must be among those that classes keeps ({_short(list(classes))}), got {each}; "
                f"leave {each} out"
            )
    return tuple(map(classes.index, train_classes))


def _keep(split: Split, classes: tuple[int, ...]) -> Split:
    if split.labels is None:
        raise DataError("the test split has no labels where train has some; give labels for both")
    rows = np.isin(split.labels, classes)
    labels = np.searchsorted(classes, split.labels[rows]).astype(np.int64)
    return replace(split.take(rows), labels=labels)


def _short(known: list[int]) -> str:
    """Name the classes: all of a few, else the first and the last."""
    return ", ".join(map(str, known)) if len(known) <= 10 else f"{known[0]} to {known[-1]}"
