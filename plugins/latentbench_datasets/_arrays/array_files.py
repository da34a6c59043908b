"""Reads inputs, and labels and factors where there are some, from .npy, .npz, CSV and parquet files."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from latentbench import DataError, Rows, as_float32, as_numbers
from latentbench_datasets._arrays.files import check_filled, find_column, read_frame
from latentbench_datasets._arrays.labels import LABEL_NAMES, label_text
from latentbench_datasets._arrays.numpy_files import load_numpy, read_members

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["INPUTS", "as_inputs", "read_array_file"]

Array = npt.NDArray[Any]
INPUTS = ("inputs", "x", "images", "data", "features")
LABELS = ("labels", "label", "y", "targets", "target", "classes")
FACTORS = ("factors",)
CHANNELS = (1, 3, 4)
ROW_NAMES = ("id", "ids", "idx", "index", "row_id", "rowid", "row_number", "item_id", "sample_id", "uid", "uuid")
GAPS = ("na", "n/a", "nan", "none", "null")
MOST_VALUES = 1000  # of a factor of few rows
EXACT = 2**53  # float64 holds whole numbers up to this
NUMPY = (".npy", ".npz")
TABLES = (".csv", ".parquet")
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", re.IGNORECASE)


def read_array_file(path: Path, label_column: str | None, names: Sequence[str] = INPUTS) -> list[Rows]:
    """Return all rows of a file, or those of train and those of test where it holds both.

    Args:
        path: the file.
        label_column: the column of a table that holds labels; None: one that is called so.
        names: what the array may be called where a file holds several.

    Raises:
        DataError: the file is missing, damaged, of an unknown kind, or not made of numbers.
    """
    suffix = path.suffix.lower()
    if suffix in TABLES:
        return [_read_table(path, label_column)]
    if suffix in NUMPY:
        content = load_numpy(
            path, lambda content: content if isinstance(content, np.ndarray) else read_members(path, content)
        )
        return [Rows(content)] if isinstance(content, np.ndarray) else _read_arrays(path, content, names)
    raise DataError(
        f"{path} must be a folder of images or a file ending in {' '.join((*NUMPY, *TABLES))}, "
        f"got {suffix or 'none'}; check the path or save it as one of these"
    )


def _read_arrays(path: Path, content: Mapping[str, Array], names: Sequence[str]) -> list[Rows]:
    whole = _rows(path, content, ("{}",), names)
    parts = [_rows(path, content, (f"{{}}_{split}", f"{split}_{{}}"), names) for split in ("train", "test")]
    if whole is not None:
        if any(parts):
            raise DataError(
                f"{path} must hold all rows in one array or those of train and test in two, got both "
                f"({', '.join(content)}); take one out"
            )
        return [whole]
    if parts[0] is None or parts[1] is None:
        raise DataError(
            f"{path} must hold an array named {', '.join(names)}, or both x_train and x_test, "
            f"got {', '.join(content) or 'nothing'}; rename the right one"
        )
    if (parts[0].labels is None) != (parts[1].labels is None):
        raise DataError(f"{path} must hold labels for train and for test or for neither, got one; add or drop it")
    sizes = tuple(map(max, zip(parts[0].factor_sizes, parts[1].factor_sizes, strict=False)))
    return [replace(part, factor_sizes=sizes) for part in (parts[0], parts[1])]


def _rows(path: Path, content: Mapping[str, Array], forms: Sequence[str], called: Sequence[str]) -> Rows | None:
    rows, labels, factors = (_pick(path, content, names, forms) for names in (called, LABELS, FACTORS))
    if rows is None or rows.ndim == 0:
        return None
    if labels is None:
        _check_nothing_unread(path, content, len(rows), called)
    elif labels.ndim == 0 or len(labels) != len(rows):
        raise DataError(
            f"{path} must hold one label for each row, got {len(rows)} rows and labels of shape {labels.shape}; "
            "check that they belong together"
        )
    if factors is None:
        return Rows(rows, labels)
    if factors.ndim != 2 or factors.dtype.kind not in "biuf":
        raise DataError(
            f"factors of {path} must be finite numbers (n, k), got {factors.dtype} of shape {factors.shape}"
            "; fill gaps and number what is text"
        )
    numbers = [f"factor_{each}" for each in range(factors.shape[1])]
    names = tuple(map(str, content.get("factor_names", np.array(numbers)).tolist()))
    return Rows(rows, labels, _float_factors(path, factors), names, tuple(map(_size, factors.T)))


def _float_factors(path: Path, factors: Array) -> Array:
    """Return factors as float32, as float64 where that would lose digits."""
    numbers = as_numbers(factors, f"factors of {path}")
    try:
        return as_float32(numbers, f"factors of {path}")
    except DataError:
        return numbers.astype(np.float64)


def _check_nothing_unread(path: Path, content: Mapping[str, Array], rows: int, called: Sequence[str]) -> None:
    """Refuse an array that may hold the labels under a name that is not read."""
    roles = "|".join((*called, *LABELS, *FACTORS))
    known = re.compile(rf"((train|test)_)?({roles})(_(train|test))?|factor_names", re.IGNORECASE)
    for name, values in content.items():
        if not known.fullmatch(name) and values.ndim and len(values) == rows:
            raise DataError(
                f"{path} holds no labels but the array {name} of as many rows, which would not be read; name it "
                "labels if it holds them, else take it out"
            )


def _size(factor: Array) -> int:
    """Return how many values a factor of whole numbers has; 0 for a continuous one, or more values than rows."""
    size = int(factor.max(initial=0)) + 1
    counted = factor.dtype.kind in "biu" and factor.min(initial=0) >= 0 and size <= max(len(factor), MOST_VALUES)
    return size if counted else 0


def _pick(path: Path, content: Mapping[str, Array], names: Sequence[str], forms: Sequence[str]) -> Array | None:
    """Return the array that has one of the names in one of the forms, in any case."""
    wanted = {form.format(name) for name in names for form in forms}
    keys = [key for key in content if key.lower() in wanted]
    if len(keys) > 1:
        raise DataError(
            f"{path} must hold one array of {names[0]}, got {' and '.join(keys)}; take out or rename all but one"
        )
    return content[keys[0]] if keys else None


def as_inputs(path: Path, values: Array) -> Array:
    """Return images as uint8 `(n, c, h, w)` and other numbers as float32 `(n, ...)`, channels in front."""
    if math.prod(values.shape[1:]) == 0:
        raise DataError(f"inputs of {path} must hold values, got shape {values.shape}; save them again")
    if values.dtype == np.uint8 and values.ndim in (3, 4):
        return _channels_first(path, values)
    if values.dtype.kind not in "biuf" or values.ndim < 2:
        raise DataError(
            f"inputs of {path} must be numbers (n, ...) with at least 2 dimensions, got {values.dtype} of shape "
            f"{values.shape}; save uint8 images or float32 values"
        )
    if values.dtype.kind != "f" and values.ndim > 2:
        raise DataError(
            f"inputs of {path} must be uint8 images (n, h, w) or (n, c, h, w), or floats, got {values.dtype} "
            f"of shape {values.shape}; convert pixels of 0..255 with astype('uint8'), others with 'float32'"
        )
    floats = as_float32(values, f"inputs of {path}")
    return floats.transpose(0, 3, 1, 2).copy() if _channels_last(floats.shape) else floats


def _channels_last(shape: tuple[int, ...]) -> bool:
    """Whether these can only be color or grey images with their channels at the end."""
    return len(shape) == 4 and shape[3] in CHANNELS[:2] and shape[1] not in CHANNELS


def _channels_first(path: Path, images: Array) -> Array:
    if images.ndim == 3:
        return images[:, None]
    first, last = (images.shape[axis] in CHANNELS for axis in (1, 3))
    if first == last:
        fitting = "both" if first else "neither"
        raise DataError(
            f"images of {path} must have 1, 3 or 4 channels in front (n, c, h, w) or at the end (n, h, w, c), got "
            f"shape {images.shape} which fits {fitting}; save grey ones as (n, h, w), others as PNG files"
        )
    return images if first else np.ascontiguousarray(images.transpose(0, 3, 1, 2))


def _read_table(path: Path, label_column: str | None) -> Rows:
    frame = read_frame(path, label_text(label_column))
    _check_header(path, list(frame.columns))
    labels = None
    name = find_column(path, frame, label_column, LABEL_NAMES)
    if name is not None:
        column = frame.pop(name)
        check_filled(path, column)
        labels = column.to_numpy(object)
    left_out = [str(name) for name in frame if name in frame.attrs.get("index", ()) or _names_rows(frame[name])]
    frame = frame.drop(columns=left_out)
    _check_numbers(path, frame)
    remarks = [f"column {name!r} names rows and is no input" for name in left_out]
    return Rows(_values(frame), labels, columns=tuple(map(str, frame)), remarks=tuple(remarks))


def _names_rows(column: pd.Series[Any]) -> bool:
    """Whether a column identifies rows: it is called so, and holds whole numbers or text."""
    whole = column.dtype.kind in "iuOT" or (column.dtype.kind == "f" and bool((column.dropna() % 1 == 0).all()))
    return str(column.name).lower() in ROW_NAMES and whole


def _values(frame: pd.DataFrame) -> Array:
    """Return the numbers of a table in a type that holds them exactly."""
    whole = [frame[name] for name in frame if frame[name].dtype.kind in "iu"]
    large = any(max(int(column.max()), -int(column.min())) > EXACT for column in whole)
    return frame.to_numpy(np.longdouble if large else np.float64)


def _check_header(path: Path, names: list[str]) -> None:
    for number, name in enumerate(names, 1):
        if name.startswith("Unnamed: "):
            raise DataError(
                f"{path} must have a name for each column, column {number} has none; save it without row numbers "
                "(pandas: index=False) or name it"
            )
    numbers = [name for name in names if NUMBER.fullmatch(name)]
    counted = [[str(start + place) for place in range(len(numbers))] for start in (0, 1)]
    if numbers and numbers not in counted:
        raise DataError(f"{path} must start with a row of column names, got the number {numbers[0]}; add that row")


def _check_numbers(path: Path, frame: pd.DataFrame) -> None:
    if not len(frame.columns):
        raise DataError(f"{path} must have columns of numbers, got only labels; add inputs")
    for name in frame:
        if frame[name].dtype.kind not in "biuf":
            _refuse_text(path, frame[name])
        check_filled(path, frame[name])


def _refuse_text(path: Path, column: pd.Series[Any]) -> None:
    """Say which value of a column is no number that can be used."""
    gap = column.map(lambda value: isinstance(value, str) and value.strip().lower() in GAPS)
    check_filled(path, column.mask(gap))
    odd = next((value for value in column if not NUMBER.fullmatch(str(value).strip())), None)
    if odd is None:
        raise DataError(
            f"{path} must have numbers of 64 bits, column {column.name!r} holds others (as "
            f"{str(column.iloc[0])[:50]!r}); scale it or drop it"
        )
    raise DataError(
        f"{path} must have numbers in every column but the label's, column {column.name!r} holds others "
        f"(as {str(odd)[:50]!r}); drop it, or if it holds the labels give `-p arrays.label_column={column.name}`"
    )
