"""Reads inputs, and labels and factors where there are some, from .npy, .npz, CSV and parquet files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from latentbench import DataError
from latentbench_datasets.files import check_filled, load_numpy, read_frame

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Rows", "read_array_file"]

Array = npt.NDArray[Any]
INPUTS = ("inputs", "x", "images", "data")
LABELS = ("labels", "y")
FACTORS = ("factors",)
CHANNELS = (1, 3, 4)
NUMPY = (".npy", ".npz")
TABLES = (".csv", ".parquet")


@dataclass(frozen=True)
class Rows:
    """What a file holds: `inputs` as a split holds them, `labels` still as they are written."""

    inputs: Array
    labels: Array | None = None
    factors: Array | None = None
    factor_names: tuple[str, ...] = ()
    factor_sizes: tuple[int, ...] = ()


def read_array_file(path: Path, label_column: str) -> list[Rows]:
    """Return all rows of a file, or those of train and those of test where it holds both.

    Raises:
        DataError: the file is missing, damaged, of an unknown kind, or not made of finite numbers.
    """
    suffix = path.suffix.lower()
    if suffix in TABLES:
        return [_read_table(path, label_column)]
    if suffix in NUMPY:
        content = load_numpy(path, lambda content: content if isinstance(content, np.ndarray) else dict(content))
        return [Rows(_inputs(path, content))] if isinstance(content, np.ndarray) else _read_arrays(path, content)
    raise DataError(
        f"{path} must be a folder of images or a file ending in {' '.join((*NUMPY, *TABLES))}, "
        f"got {suffix or 'none'}; check the path or save it as one of these"
    )


def _read_arrays(path: Path, content: Mapping[str, Array]) -> list[Rows]:
    whole = _rows(path, content, ("{}",))
    if whole is not None:
        return [whole]
    parts = [_rows(path, content, (f"{{}}_{split}", f"{split}_{{}}")) for split in ("train", "test")]
    if parts[0] is None or parts[1] is None:
        raise DataError(
            f"{path} must hold an array named {', '.join(INPUTS)}, or both x_train and x_test, "
            f"got {', '.join(content) or 'nothing'}; rename the right one"
        )
    if (parts[0].labels is None) != (parts[1].labels is None):
        raise DataError(f"{path} must hold labels for train and for test or for neither, got one; add or drop it")
    sizes = tuple(map(max, zip(parts[0].factor_sizes, parts[1].factor_sizes, strict=False)))
    return [replace(part, factor_sizes=sizes) for part in (parts[0], parts[1])]


def _rows(path: Path, content: Mapping[str, Array], forms: Sequence[str]) -> Rows | None:
    inputs, labels, factors = (_pick(content, names, forms) for names in (INPUTS, LABELS, FACTORS))
    if inputs is None:
        return None
    if factors is None:
        return Rows(_inputs(path, inputs), labels)
    if factors.ndim != 2 or factors.dtype.kind not in "biuf" or not np.isfinite(factors).all():
        raise DataError(
            f"factors of {path} must be finite numbers (n, k), got {factors.dtype} of shape {factors.shape}"
            "; fill gaps and number what is text"
        )
    numbers = [f"factor_{each}" for each in range(factors.shape[1])]
    names = tuple(map(str, content.get("factor_names", np.array(numbers)).tolist()))
    return Rows(_inputs(path, inputs), labels, factors.astype(np.float32), names, tuple(map(_size, factors.T)))


def _size(factor: Array) -> int:
    """Return how many values a factor of whole numbers has; 0 for a continuous one."""
    counted = factor.dtype.kind in "biu" and factor.min(initial=0) >= 0
    return int(factor.max(initial=0)) + 1 if counted else 0


def _pick(content: Mapping[str, Array], names: Sequence[str], forms: Sequence[str]) -> Array | None:
    keys = [form.format(name) for name in names for form in forms]
    return next((content[key] for key in keys if key in content), None)


def _inputs(path: Path, values: Array) -> Array:
    """Return images as uint8 `(n, c, h, w)` and other numbers as float32 `(n, ...)`."""
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
    with np.errstate(over="ignore"):  # told in the next sentence
        floats = np.ascontiguousarray(values, dtype=np.float32)
    bad = np.flatnonzero(~np.isfinite(floats).all(axis=tuple(range(1, floats.ndim))))
    if len(bad):
        raise DataError(
            f"inputs of {path} must be finite, row {bad[0] + 1} of {len(floats)} holds NaN or infinity; "
            "fill or remove such rows"
        )
    return floats


def _channels_first(path: Path, images: Array) -> Array:
    if images.ndim == 3:
        return images[:, None]
    first, last = (images.shape[axis] in CHANNELS for axis in (1, 3))
    if first == last:
        found = "both" if first else "neither"
        raise DataError(
            f"images of {path} must have 1, 3 or 4 channels in front (n, c, h, w) or at the end (n, h, w, c), got "
            f"shape {images.shape} which fits {found}; save grey ones as (n, h, w), others as PNG files"
        )
    return images if first else np.ascontiguousarray(images.transpose(0, 3, 1, 2))


def _read_table(path: Path, label_column: str) -> Rows:
    frame = read_frame(path)
    _check_header(path, list(frame.columns))
    labels = None
    if label_column in frame:
        column = frame.pop(label_column)
        check_filled(path, column)
        labels = column.to_numpy()
    elif label_column != "label":
        raise DataError(
            f"{path} must have the column {label_column!r}, got {', '.join(map(str, frame))}; check label_column"
        )
    _check_numbers(path, frame)
    return Rows(_inputs(path, frame.to_numpy(np.float64)), labels)


def _check_header(path: Path, names: list[str]) -> None:
    for number, name in enumerate(names, 1):
        if name.startswith("Unnamed: "):
            raise DataError(
                f"{path} must have a name for each column, column {number} has none; save it without row numbers "
                "(pandas: index=False) or name it"
            )
        if "." in name and name.replace(".", "").lstrip("-").isdigit():
            raise DataError(f"{path} must start with a row of column names, got the number {name}; add that row")


def _check_numbers(path: Path, frame: pd.DataFrame) -> None:
    import pandas as pd

    if not len(frame.columns):
        raise DataError(f"{path} must have columns of numbers, got only labels; add inputs")
    for name in frame:
        if frame[name].dtype.kind not in "biuf":
            odd = frame[name][pd.to_numeric(frame[name], errors="coerce").isna()]
            raise DataError(
                f"{path} must have numbers in every column but the label's, column {name!r} holds others "
                f"(as {odd.iloc[0] if len(odd) else frame[name].dtype!r}); drop it, or name it by label_column"
            )
        check_filled(path, frame[name])
