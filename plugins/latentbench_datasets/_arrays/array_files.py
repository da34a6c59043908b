"""Reads inputs, and labels and factors where there are some, from .npy, .npz, CSV and parquet files."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import latentbench
from latentbench import DataError, as_float32, as_numbers, stays_in_file
from latentbench_datasets._arrays.large_files import large_float32
from latentbench_datasets._arrays.numpy_archives import read_members
from latentbench_datasets._arrays.numpy_files import load_numpy
from latentbench_datasets._arrays.rows import InputRows
from latentbench_datasets._arrays.tables import TABLES, TableRequest, read_table, read_written_table

__all__ = ["INPUTS", "read_array_file", "read_written_rows"]

Array = npt.NDArray[Any]
INPUTS = ("inputs", "x", "images", "data", "features")
LABELS = ("labels", "label", "y", "targets", "target", "classes")
FACTORS = ("factors",)
CHANNELS = (1, 3, 4)
MOST_VALUES = 1000  # of a factor of few rows
NUMPY = (".npy", ".npz")


def read_array_file(path: Path, request: TableRequest) -> list[InputRows]:
    """Return all rows of a file, or those of train and those of test where it holds both.

    Args:
        path: the file.
        request: what is wanted of a table.

    Raises:
        DataError: the file is missing, damaged, of an unknown kind, or not made of finite numbers.
    """
    if path.suffix.lower() in TABLES:
        return [read_table(path, request)]
    return [
        InputRows(_inputs(path, part.values), part.labels, part.factors, part.factor_names, part.factor_sizes)
        for part in _read_numpy(path, INPUTS, in_file=True)
    ]


def read_written_rows(path: Path, names: Sequence[str]) -> list[latentbench.Rows]:
    """Return the same as it is written, of arrays that have one of these names.

    Raises:
        DataError: the file is missing, damaged, of an unknown kind, or not made of numbers.
    """
    if path.suffix.lower() in TABLES:
        return [read_written_table(path, TableRequest())]
    return _read_numpy(path, names)


def _read_numpy(path: Path, names: Sequence[str], *, in_file: bool = False) -> list[latentbench.Rows]:
    suffix = path.suffix.lower()
    if suffix in NUMPY:

        def take(content: Any) -> Any:
            return content if isinstance(content, np.ndarray) else read_members(path, content, in_file=in_file)

        content = load_numpy(path, take, in_file=in_file)
        if isinstance(content, np.ndarray):
            return [latentbench.Rows(content)]
        return _read_arrays(path, content, names)
    raise DataError(
        f"{path} must be a folder of images or a file ending in {' '.join((*NUMPY, *TABLES))}, "
        f"got {suffix or 'none'}; check the path or save it as one of these"
    )


def _read_arrays(path: Path, content: Mapping[str, Array], names: Sequence[str]) -> list[latentbench.Rows]:
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


def _rows(
    path: Path, content: Mapping[str, Array], forms: Sequence[str], called: Sequence[str]
) -> latentbench.Rows | None:
    rows, labels, factors = (_pick(path, content, names, forms) for names in (called, LABELS, FACTORS))
    if rows is None:
        return None
    if rows.ndim == 0:
        raise DataError(f"{path} must hold rows, got a single {rows.dtype}; save an array (n, ...)")
    if labels is None:
        _check_nothing_unread(path, content, len(rows), called)
    elif labels.ndim == 0 or len(labels) != len(rows):
        raise DataError(
            f"{path} must hold one label for each row, got {len(rows)} rows and labels of shape {labels.shape}; "
            "check that they belong together"
        )
    if factors is None:
        return latentbench.Rows(rows, labels)
    if factors.ndim != 2 or factors.dtype.kind not in "biuf":
        raise DataError(
            f"factors of {path} must be finite numbers (n, k), got {factors.dtype} of shape {factors.shape}"
            "; fill gaps and number what is text"
        )
    numbers = [f"factor_{each}" for each in range(factors.shape[1])]
    names = tuple(map(str, content.get("factor_names", np.array(numbers)).tolist()))
    return latentbench.Rows(rows, labels, _float_factors(path, factors), names, tuple(map(_size, factors.T)))


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


def _inputs(path: Path, values: Array) -> Array:
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
    floats = large_float32(path, values) if stays_in_file(values) else as_float32(values, f"inputs of {path}")
    turned = floats.transpose(0, 3, 1, 2) if _channels_last(floats.shape) else floats
    return turned if stays_in_file(turned) else np.ascontiguousarray(turned)


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
    turned = images if first else images.transpose(0, 3, 1, 2)
    return turned if stays_in_file(turned) else np.ascontiguousarray(turned)
