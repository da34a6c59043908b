"""Keeps only some classes of a labeled dataset, as in `fashion_mnist:classes=5,9`, or trains on some alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import numpy as np
from pydantic import AfterValidator, BeforeValidator, Field

from latentbench import DataError, Dataset, Split
from latentbench.latent.class_names import class_words, find_class, is_number, no_such_class

__all__ = ["LabeledParams", "keep_classes"]

Classes = tuple[int | str, ...]


def _as_tuple(value: Any) -> Any:
    """Take a single value, as `classes=5` gives it, for a tuple of one, and "5" for 5."""
    values = (value,) if isinstance(value, str | int) else value
    if not isinstance(values, tuple | list):
        return values
    if not all(isinstance(each, str | int) for each in values):
        raise ValueError("must hold numbers or names of classes, as classes=5,9")
    return tuple(int(each) if str(each).isdecimal() and str(int(each)) == each else each for each in values)


def _distinct(classes: Classes | None) -> Classes | None:
    """Sort the classes and drop repetitions, so that 9,5 and 5,9 ask for the same data."""
    if classes is None:
        return None
    if len(set(classes)) < 2:
        raise ValueError("must name at least 2 different classes, as classes=5,9")
    return _ordered(classes)


def _some(classes: Classes | None) -> Classes | None:
    """Do the same where one class is enough."""
    if classes is None:
        return None
    if not classes:
        raise ValueError("must name at least 1 class, as train_classes=5")
    return _ordered(classes)


def _ordered(classes: Classes) -> Classes:
    numbers = sorted({each for each in classes if isinstance(each, int)})
    return (*numbers, *sorted({each for each in classes if isinstance(each, str)}))


class LabeledParams(Dataset.Params):
    """Parameters of every dataset with labels."""

    classes: Annotated[Classes | None, BeforeValidator(_as_tuple), AfterValidator(_distinct)] = Field(
        default=None,
        description="keep only these classes, by name or number, renumbered from 0 in their order; by default all",
    )
    train_classes: Annotated[Classes | None, BeforeValidator(_as_tuple), AfterValidator(_some)] = Field(
        default=None,
        description="train on only these classes, by name or number, and test on all; by default on all",
    )


def keep_classes(
    train: Split, test: Split, classes: Classes | None, train_classes: Classes | None = None
) -> tuple[Split, Split]:
    """Return both splits with only the rows of `classes`, which become 0, 1, ... in order and keep their names.

    A class is asked for by its name or its number, as `latentbench.latent.class_names.find_class` says: where
    classes are called by numbers, a number is a name. Classes without names are called by the numbers they had.

    With `train_classes` train keeps these alone and test stays as it is: what classes it has besides are held out.
    All have the numbers that they would have without.

    Raises:
        DataError: the data has no labels, a class has no row in train, or test has no row of any.
    """
    asked = None if train_classes is None else _numbers("train_classes", train_classes, train)
    if classes is not None:
        kept = _numbers("classes", classes, train)
        if len(kept) < 2:
            raise DataError(f"classes must name at least 2 different classes, got {_listed(kept, train)}; add one")
        if asked is not None:
            asked = _renumbered(asked, kept, train)
        names = _listed(kept, train)
        train, test = _keep(train, kept), _keep(test, kept)
        if not len(test):
            raise DataError(
                f"classes must have rows in test, {names} have none; ask for others, or leave classes out"
            )
    if asked is None:
        return train, test
    return train.take(np.isin(train.labels, asked)), test  # type: ignore[arg-type]  # checked above


def _numbers(name: str, classes: Classes, train: Split) -> tuple[int, ...]:
    """Return the numbers of the classes asked for, ascending."""
    if train.labels is None:
        raise DataError(f"{name} can be chosen only where there are labels, got none; give labels or leave it out")
    known = np.unique(train.labels).tolist()
    numbers = {each: find_class(each, train.class_names, known) for each in classes}
    for each, number in numbers.items():
        if number is None:
            raise DataError(f"{name}: {no_such_class(each, train.class_names, known)}; leave {each!r} out")
    return tuple(sorted({number for number in numbers.values() if number is not None}))


def _renumbered(asked: tuple[int, ...], kept: tuple[int, ...], train: Split) -> tuple[int, ...]:
    for number in asked:
        if number not in kept:
            name = _listed((number,), train)
            raise DataError(
                f"train_classes must be among those that classes keeps ({_listed(kept, train)}), got {name}; "
                f"leave {name} out"
            )
    return tuple(map(kept.index, asked))


def _keep(split: Split, kept: tuple[int, ...]) -> Split:
    if split.labels is None:
        raise DataError("the test split has no labels where train has some; give labels for both")
    rows = np.isin(split.labels, kept)
    labels = np.searchsorted(kept, split.labels[rows]).astype(np.int64)
    names = tuple(split.class_names[number] if split.class_names else str(number) for number in kept)
    return replace(split.take(rows), labels=labels, class_names=names)


def _listed(numbers: tuple[int, ...], split: Split) -> str:
    """Name classes in a message."""
    words = [class_words(number, split.class_names) for number in numbers]
    bare = [word.removeprefix("class ") for word in words]
    return ", ".join(short if is_number(short) else word for short, word in zip(bare, words, strict=True))
