"""Numbers in arrays of any kind: finite, in the machine's order, and float32 only where that loses nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from latentbench.errors import DataError, LatentbenchError

__all__ = ["as_array", "as_float32", "as_numbers", "centered_float32"]

Array = npt.NDArray[Any]
Fault = type[LatentbenchError]
SAMPLE = 1000  # rows on which rounding is measured
MOST_ROUNDING = 0.05  # of the distance within which a hundredth of the rows lies
NOISE = 64  # units in the last place: what sums of equal numbers differ by
MISSING = ("NAType", "NaTType", "NoneType")


def as_array(values: Any, what: str, error: Fault = DataError) -> Array:
    """Return any array, tensor, frame or list as a NumPy array in the machine's byte order.

    Args:
        values: it may be on another device or part of a graph of gradients.
        what: how messages call it, as "codes".
        error: the class to raise.

    Raises:
        LatentbenchError: of the class `error`: the rows have different lengths, values are masked, it is sparse.
    """
    if hasattr(values, "toarray") or getattr(values, "is_sparse", False):
        raise error(f"{what} must be a dense array, got {type(values).__name__}; convert it, as by .toarray()")
    if isinstance(values, np.ma.MaskedArray) and np.ma.getmaskarray(values).any():
        masked = np.ma.getmaskarray(values).reshape(len(values), -1).any(axis=1)
        raise error(f"{what} must have a value everywhere, {_row(masked)} is masked; fill it or take the row out")
    try:
        array = _tensor_values(values) if hasattr(values, "detach") else np.asarray(values)
    except Exception as cause:  # any library's array may be given
        reason = " ".join(str(cause).split()).rstrip(".") or type(cause).__name__
        raise error(f"{what} must be an array, NumPy cannot make one of it ({reason}); give rows alike") from cause
    if array.ndim == 0:
        kind = type(values).__name__
        raise error(f"{what} must be an array with a row for each item, got {kind}; give a list, array or tensor")
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _tensor_values(tensor: Any) -> Array:
    """Return the values of a torch tensor; types that NumPy lacks, as bfloat16, fit into float32."""
    plain = tensor.float() if tensor.is_floating_point() and tensor.element_size() < 4 else tensor
    return np.asarray(plain.numpy(force=True))


def as_numbers(values: Any, what: str, error: Fault = DataError) -> Array:
    """Return real, finite numbers as a NumPy array.

    Args:
        values: anything that `as_array` takes.
        what: how messages call it.
        error: the class to raise.

    Raises:
        LatentbenchError: of the class `error`: text, complex numbers or others, or NaN or infinity, with its row.
    """
    array = as_array(values, what, error)
    if array.dtype.kind == "O":
        array = _from_objects(array, what, error)
    if array.dtype.kind not in "biuf":
        raise error(f"{what} must be real numbers, got {array.dtype} of shape {array.shape}; convert them first")
    if array.dtype.kind == "f":
        _check_rows(np.isfinite(array), "holds NaN or infinity", what, error)
    return array


def _from_objects(array: Array, what: str, error: Fault) -> Array:
    """Return Python numbers as an array, whole ones of 64 bits whole."""
    flat = array.ravel()
    missing = np.array([type(value).__name__ in MISSING for value in flat], bool).reshape(array.shape)
    _check_rows(~missing, "has none (missing)", what, error)
    numeric = [hasattr(value, "__float__") and not isinstance(value, str | bytes) for value in flat]
    odd = next((value for value, is_number in zip(flat, numeric, strict=True) if not is_number), None)
    if odd is not None:
        raise error(f"{what} must be numbers, got {str(odd)[:50]!r} ({type(odd).__name__}); convert them first")
    whole = all(isinstance(value, int | np.integer) for value in flat)
    try:
        numbers = np.array(flat.tolist(), None if whole else np.float64).reshape(array.shape)
    except (OverflowError, ValueError, TypeError):
        numbers = array
    if numbers.dtype.kind == "O":
        raise error(f"{what} must be numbers of 64 bits, got larger ones; scale them, or write them as text")
    return numbers


def _check_rows(good: npt.NDArray[np.bool_], fault: str, what: str, error: Fault) -> None:
    if not good.all():
        bad = ~good.reshape(len(good), -1).all(axis=1)
        raise error(f"{what} must be finite, {_row(bad)} {fault}; fill or remove such rows")


def _row(bad: Any) -> str:
    return f"row {int(bad.argmax()) + 1} of {len(bad)}"


@dataclass(frozen=True)
class _Loss:
    """What float32 does to a column: its number from 0, its largest value, how much rows differ, digits left."""

    column: int
    size: float
    spread: float
    digits: int

    def sentence(self, what: str) -> str:
        return (
            f"{what} must fit into float32: values in column {self.column + 1} are near {self.size:.3g} and "
            f"differ by about {self.spread:.2g}, of which it keeps {self.digits or 'no'} "
            f"digit{'s' if self.digits != 1 else ''}; subtract the mean of each column, or scale it"
        )


def as_float32(values: Any, what: str, error: Fault = DataError) -> npt.NDArray[np.float32]:
    """Return numbers `(n, ...)` as float32, which must keep what tells rows apart.

    Args:
        values: anything that `as_array` takes.
        what: how messages call it.
        error: the class to raise.

    Raises:
        LatentbenchError: of the class `error`: no finite real numbers; or some are too large for float32, or
            differ by less than it can hold, as 1e8 + 0.1 and 1e8 + 0.2.
    """
    array = as_numbers(values, what, error)
    narrow = _cut(array, what, error)
    loss = _loss(array, narrow)
    if loss is not None:
        raise error(loss.sentence(what))
    return narrow


def centered_float32(
    values: Any, what: str, error: Fault = DataError, center: Array | None = None
) -> tuple[npt.NDArray[np.float32], Array | None]:
    """Return numbers `(n, d)` as float32, less `center` `(d,)`; less their mean only where float32 would lose it.

    Args:
        values: anything that `as_array` takes.
        what: how messages call it.
        error: the class to raise.
        center: what is to be subtracted; None: nothing, or the mean of each column if that is needed.

    Returns:
        the numbers, and what was subtracted in float64; None for nothing.

    Raises:
        LatentbenchError: of the class `error`: as for `as_float32`, also after the center is subtracted.
    """
    array = as_numbers(values, what, error)
    if center is None:
        narrow = _cut(array, what, error)
        if _loss(array, narrow) is None:
            return narrow, None
        wide = _wide(array)
        center = (wide[0] + (wide - wide[0]).mean(axis=0)).astype(np.float64)  # a sum of the values would round
    moved = _wide(array) - center
    narrow = _cut(moved, what, error)
    loss = _loss(moved, narrow)
    if loss is not None:
        raise error(loss.sentence(what))
    return narrow, center


def _wide(array: Array) -> Array:
    """Return numbers in a float type that holds them exactly; whole ones of 64 bits need a long one."""
    long = array.dtype.itemsize > 8 or (array.dtype.kind in "iu" and array.dtype.itemsize == 8)
    return array.astype(np.longdouble if long else np.float64)


def _cut(array: Array, what: str, error: Fault) -> npt.NDArray[np.float32]:
    with np.errstate(over="ignore"):  # told below
        narrow = np.ascontiguousarray(array, np.float32)
    infinite = ~np.isfinite(narrow).reshape(len(narrow), -1).all(axis=1) if len(narrow) else np.zeros(0, bool)
    if infinite.any():
        row = array[int(infinite.argmax())]
        value = float(np.abs(row).max())
        raise error(
            f"{what} must fit into float32, {_row(infinite)} holds {value:.3g}, the most is 3.4e38; scale it"
        )
    return narrow


def _loss(array: Array, narrow: npt.NDArray[np.float32]) -> _Loss | None:
    """Return the column whose rows float32 confuses most; None if it keeps all apart.

    Rounding is held against the distance within which a hundredth of the rows lies: a column of two far clusters
    may lose all that is inside them.
    """
    if array.dtype.itemsize < 4 or array.dtype == np.float32 or array.dtype.kind == "b" or not array.size:
        return None
    rows = np.unique(np.linspace(0, len(array) - 1, SAMPLE).round().astype(int))
    exact = _wide(array[rows].reshape(len(rows), -1))
    rounding = np.abs(narrow[rows].reshape(len(rows), -1) - exact)
    columns = np.flatnonzero(rounding.any(axis=0))
    if not len(columns):
        return None
    exact, rounding = np.sort(exact[:, columns], axis=0), np.sqrt(np.square(rounding[:, columns]).mean(axis=0))
    reach = max(1, len(rows) // 100)
    widths = exact[reach:] - exact[:-reach]
    noise = NOISE * np.finfo(array.dtype).eps if array.dtype.kind == "f" else 0.0
    widths[widths <= noise * np.abs(exact).max(axis=0)] = np.nan  # as good as equal
    several = np.isfinite(widths).any(axis=0)
    ratios = np.zeros(len(columns))
    ratios[several] = rounding[several] / np.nanmedian(widths[:, several], axis=0)
    worst = int(ratios.argmax())
    if ratios[worst] <= MOST_ROUNDING:
        return None
    spread = float(np.nanmedian(widths[:, worst])) * min(len(rows) / reach, 100) / 4
    digits = max(0, int(np.floor(np.log10(spread / float(rounding[worst])))))
    size = float(np.abs(exact[:, worst]).max())
    return _Loss(int(columns[worst]), size, spread, digits)
