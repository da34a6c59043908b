"""Class labels of any kind: names as they are written, numbers from 0."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from latentbench.arrays.numbers import MISSING, Array, Fault, as_array
from latentbench.errors import DataError
from latentbench.text import normalized

__all__ = ["class_numbers", "number_classes"]

Numbers = npt.NDArray[np.int64]
WHOLE = re.compile(r"0|-?[1-9][0-9]{0,4000}")  # as Python writes them, no longer than it reads
WHOLE_FLOAT = re.compile(rf"({WHOLE.pattern})\.0")  # as pandas writes a column of them that once had gaps
NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[-+]?[0-9]+)?", re.IGNORECASE)
EXACT = 2**53  # from here on, floats skip whole numbers
FEW = 1000  # class numbers below this are never too sparse


def number_classes(
    labels: Sequence[Any], what: str, error: Fault = DataError
) -> tuple[list[Numbers], tuple[str, ...]]:
    """Number the classes of all `labels` together from 0, in the order of their names.

    A name is text, without spaces around it and in one Unicode form, or a whole number. Names that are all whole
    numbers, written plainly (7, not 07 or +7), are in the order of numbers, others in that of text. An empty name,
    None and NaN are missing; every other text is a name, also NA, None and null.

    Args:
        labels: arrays or lists `(n,)` or `(n, 1)`, as those of train and of test.
        what: how messages call them.
        error: the class to raise.

    Returns:
        the numbers, for each of `labels`, and the names of classes 0, 1, ...; no names where they are 0, 1, ...

    Raises:
        LatentbenchError: of the class `error`: a label is missing, fractional or no class at all.

    >>> numbers, names = number_classes([["10", "9"], ["9", " 9"]], "labels")
    >>> [each.tolist() for each in numbers], names
    ([[1, 0], [0, 0]], ('9', '10'))
    """
    parts = [_names(_column(each, what, error), what, error) for each in labels]
    distinct = {name for part in parts for name in part}
    names = _ordered(distinct, what, error)
    number_of = {name: number for number, name in enumerate(names)}
    numbers = [np.array([number_of[name] for name in part], np.int64) for part in parts]
    if _whole_numbers(names):
        names = [name.removesuffix(".0") for name in names]
    return numbers, () if names == list(map(str, range(len(names)))) else tuple(names)


def class_numbers(
    labels: Any, what: str, error: Fault = DataError, names: Sequence[str] = (), rows: int = 0
) -> tuple[Numbers, tuple[str, ...]]:
    """Return labels as class numbers `(n,)`: whole numbers stay, text is numbered by `names`, else in its order.

    Args:
        labels: `(n,)` or `(n, 1)`.
        what: how messages call them.
        error: the class to raise.
        names: what class 0, 1, ... is called, where that is known.
        rows: of all splits together, where these are part of them: as many class numbers are not too sparse.

    Returns:
        the numbers, and the names of classes 0, 1, ...; none where labels are numbers and no names are known.

    Raises:
        LatentbenchError: of the class `error`: a label is missing, fractional, negative, much larger than there
            are labels, or not among `names`.
    """
    column = _column(labels, what, error)
    if column.dtype.kind not in "biu":
        written = _names(column, what, error)
        whole = _whole_numbers(written)
        if whole is None and not names:
            (numbers,), names = number_classes([written], what, error)
            return numbers, tuple(names)
        if whole is None:
            return _numbers_by(names, written, what, error), tuple(names)
        column = np.array(whole, None if all(abs(number) < EXACT for number in whole) else object)
    bad = (column < 0) | (column >= (len(names) or max(len(column), rows, FEW)))
    if bad.any():
        row = int(bad.argmax())
        raise error(f"{what} {_not_a_class(int(column[row]), f'row {row + 1} of {len(column)}', names)}")
    return column.astype(np.int64), tuple(names)


def _not_a_class(number: int, row: str, names: Sequence[str]) -> str:
    """Say why a whole number is no class number, and what to do."""
    if number < 0:
        return (
            f"must be class numbers from 0, {row} holds {number}; take such rows out where it marks noise, or "
            "number the classes anew"
        )
    if names:
        return f"must be below {len(names)}, as many class_names are given, {row} holds {number}; name all classes"
    return (
        f"must be class numbers from 0 without large gaps, {row} holds {number}; number the classes anew, as by "
        "numpy.unique(labels, return_inverse=True)[1]"
    )


def _numbers_by(names: Sequence[str], labels: Sequence[str], what: str, error: Fault) -> Numbers:
    number_of = {normalized(name.strip()): number for number, name in enumerate(names)}
    for row, label in enumerate(labels):
        if label not in number_of:
            known = ", ".join(map(repr, names[:10]))
            raise error(
                f"{what} must be among the class names ({known}), row {row + 1} of {len(labels)} holds "
                f"{label[:50]!r}; add it to class_names"
            )
    return np.array([number_of[label] for label in labels], np.int64)


def _column(labels: Any, what: str, error: Fault) -> Array:
    """Return labels as `(n,)`."""
    array = as_array(labels, what, error)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1 or array.dtype.kind not in "biufUSOT":
        raise error(
            f"{what} must be classes (n,), whole numbers or text, got {array.dtype} of shape {array.shape}; give "
            "one class a row, as labels.argmax(1) of columns of 0 and 1, or leave labels out"
        )
    return array


def _whole_numbers(names: Sequence[str]) -> list[int] | None:
    """Return the whole numbers that names are, all of them written plainly and alike; else None."""
    for form in (WHOLE, WHOLE_FLOAT):
        if all(form.fullmatch(name) for name in names):
            return [int(name.removesuffix(".0")) for name in names]
    return None


def _names(column: Array, what: str, error: Fault) -> list[str]:
    """Return the name of each label."""
    names = []
    for row, value in enumerate(column.tolist()):
        try:
            names.append(_name(value))
        except ValueError as fault:
            raise error(
                f"{what} must be classes (n,), whole numbers or text, row {row + 1} of {len(column)} {fault}; "
                "correct it, or take the row out"
            ) from None
    return names


def _name(value: Any) -> str:
    """Return the name of a label; a ValueError says why it has none."""
    if isinstance(value, bytes):
        return _name(value.decode())
    if isinstance(value, str):
        return _written(value)
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    if isinstance(value, int | np.integer):
        return str(int(value))
    if isinstance(value, float | np.floating):
        return _whole(float(value))
    if type(value).__name__ in MISSING:
        raise ValueError("has none (missing)")
    raise ValueError(f"holds {str(value)[:50]!r} ({type(value).__name__})")


def _written(text: str) -> str:
    name = normalized(text.strip())
    if not name:
        raise ValueError("has none (empty)")
    return name


def _whole(number: float) -> str:
    if not math.isfinite(number):
        raise ValueError("has none (NaN or infinity)")
    if number % 1:
        raise ValueError(f"holds {number:g}")
    if abs(number) >= EXACT:
        raise ValueError(f"holds {number:g}, a float beyond 2**53, where whole numbers merge: save integers")
    return str(int(number))


def _ordered(names: set[str], what: str, error: Fault) -> list[str]:
    """Return names in the order of their classes."""
    if _whole_numbers([*names]) is not None:
        return sorted(names, key=lambda name: int(name.removesuffix(".0")))
    if all(NUMBER.fullmatch(name) for name in names):
        fractional = sorted(name for name in names if math.isfinite(float(name)) and float(name) % 1)
        if fractional:
            raise error(
                f"{what} must be classes (n,), whole numbers or text, got numbers as {fractional[0][:50]}; give "
                "one class a row, or leave labels out"
            )
    return sorted(names)
