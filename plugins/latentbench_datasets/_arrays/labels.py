"""Reads labels, which may be numbers or text, and numbers the classes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from latentbench import DataError
from latentbench_datasets._arrays.file_names import match_names
from latentbench_datasets._arrays.files import check_filled, find_column, load_numpy, read_frame

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LABEL_NAMES", "number_classes", "read_file_labels", "read_row_labels"]

Array = npt.NDArray[Any]
LABEL_NAMES = ("label", "labels", "class", "target")
FILE_NAMES = ("file", "filename", "file_name", "image", "image_id", "path")


def read_row_labels(path: Path, column: str | None, rows: int) -> Array:
    """Return the labels in a CSV, parquet or .npy file that holds one for each row, in the same order.

    Raises:
        DataError: the file cannot be read, has no such column or another count of rows, or holds columns that
            may say that its rows are in another order.
    """
    labels = load_numpy(path, _only_array) if path.suffix.lower() == ".npy" else _label_rows(path, column)
    if labels.ndim == 0 or len(labels) != rows:
        raise DataError(
            f"{path} must hold one label for each of {rows} rows in the same order, got {labels.size}; "
            "check that it belongs to these data"
        )
    return labels


def _only_array(content: Any) -> Array:
    if not isinstance(content, np.ndarray):
        raise ValueError("it holds several arrays")
    return content


def _label_rows(path: Path, column: str | None) -> Array:
    frame = read_frame(path, keep_default_na=False, na_values=[""])
    name = _label_column(path, frame, column)
    others = {str(other): frame[other].to_numpy() for other in frame if other != name}
    for other, values in {"index": frame.index.to_numpy(), **others}.items():
        if not any(np.array_equal(values, np.arange(start, start + len(frame))) for start in (0, 1)):
            raise DataError(
                f"{path} is matched to the data row by row, so it may hold row numbers in order beside {name!r}, "
                f"{other!r} holds something else; sort it as the data are and keep only {name!r}"
            )
    check_filled(path, frame[name])
    labels: Array = frame[name].to_numpy()
    return labels


def _label_column(path: Path, frame: pd.DataFrame, column: str | None) -> str:
    name = find_column(path, frame, column, LABEL_NAMES)
    if name is None:
        raise DataError(
            f"{path} must have a column named {', '.join(LABEL_NAMES)}, its first row is "
            f"{', '.join(map(str, frame))}; rename the right one, or give it as `-p arrays.label_column=NAME`"
        )
    return name


def read_file_labels(path: Path, column: str | None, folder: Path, files: Sequence[Path]) -> Array:
    """Return the label of each file, from a table with a column of file names and one of labels.

    Raises:
        DataError: the table cannot be read, misses a file, names one twice or one that is not there.
    """
    frame = read_frame(path, dtype=str, keep_default_na=False, na_values=[""])
    name = find_column(path, frame, None, FILE_NAMES)
    if name is None:
        raise DataError(_no_names(path, frame, files))
    label = _label_column(path, frame.drop(columns=name), column)
    check_filled(path, frame[name])
    check_filled(path, frame[label], frame[name].to_numpy())
    labels = _plain(frame[label])
    rows = match_names(path, frame[name].astype(str).tolist(), labels, folder, files)
    return labels[rows]


def _no_names(path: Path, frame: pd.DataFrame, files: Sequence[Path]) -> str:
    names = {name for file in files for name in (file.name, file.stem)}
    first = [Path(str(cell)).name for cell in frame]
    if names.intersection(first):
        return (
            f"{path} must start with a row of column names, it starts with {', '.join(map(str, frame))}; add the "
            "row file,label"
        )
    return (
        f"{path} must have a column 'file' with the names of the images, got {', '.join(map(str, frame))}; rename "
        "the right one"
    )


def _plain(column: pd.Series[Any]) -> Array:
    """Return labels that are all numbers as numbers, others as text without spaces around it."""
    import pandas as pd

    numbers = pd.to_numeric(column, errors="coerce")
    labels: Array = column.astype(str).str.strip().to_numpy(str) if numbers.isna().any() else numbers.to_numpy()
    return labels


def number_classes(labels: Sequence[Array], source: Path) -> tuple[list[npt.NDArray[np.int64]], list[str]]:
    """Number the classes of all `labels` together from 0, in ascending (numbers) or alphabetical (text) order.

    Returns:
        the numbers, for each of `labels`, and the names of the classes.

    Raises:
        DataError: labels are no classes, or there is only one class.
    """
    flat = [each.reshape(len(each)) if each.shape == (len(each), 1) else each for each in labels]
    joined = np.concatenate(flat) if all(each.ndim == 1 for each in flat) else flat[0]
    if joined.dtype.kind == "f" and joined.ndim == 1:
        _check_finite(joined, source)
        joined = joined.astype(np.int64) if (joined % 1 == 0).all() else joined
    if joined.dtype.kind == "O":
        joined = joined.astype(str)
    if joined.ndim != 1 or joined.dtype.kind not in "biuU":
        raise DataError(
            f"labels of {source} must be classes (n,), whole numbers or text, got {joined.dtype} of shape "
            f"{joined.shape}; give one class a row, or leave labels out"
        )
    classes, numbers = np.unique(joined, return_inverse=True)
    if len(classes) < 2:
        raise DataError(
            f"labels of {source} must hold at least 2 classes, got 1 ({classes[0]}); label another class or leave "
            "labels out"
        )
    ends = np.cumsum([len(each) for each in flat])[:-1]
    return np.split(numbers.astype(np.int64), ends), classes.astype(str).tolist()


def _check_finite(labels: Array, source: Path) -> None:
    bad = np.flatnonzero(~np.isfinite(labels))
    if len(bad):
        raise DataError(
            f"labels of {source} must be classes, row {bad[0] + 1} of {len(labels)} has none (NaN or infinity); "
            "fill it or take the row out"
        )
