"""Reads labels, which may be numbers or text, and numbers the classes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from latentbench import DataError
from latentbench_datasets.files import check_filled, load_numpy, read_frame

__all__ = ["number_classes", "read_file_labels", "read_row_labels"]

Array = npt.NDArray[Any]


def read_row_labels(path: Path, column: str, rows: int) -> Array:
    """Return the labels in a CSV or .npy file that holds one for each row, in the same order.

    Raises:
        DataError: the file cannot be read, has no such column or another count of rows.
    """
    labels = load_numpy(path, _only_array) if path.suffix == ".npy" else _column(path, column, ())[column]
    if len(labels) != rows:
        raise DataError(
            f"{path} must hold one label for each of {rows} rows in the same order, got {len(labels)}; "
            "check that it belongs to these data"
        )
    return labels


def read_file_labels(path: Path, column: str, folder: Path, files: Sequence[Path]) -> Array:
    """Return the label of each file, from a CSV file with the columns file and `column`.

    Raises:
        DataError: the CSV file cannot be read, misses a file, names one twice or one that is not there.
    """
    table = _column(path, column, ("file",))
    names = [file.relative_to(folder).as_posix() for file in files]
    labels = dict(zip(table["file"], table[column], strict=True))
    for name in names:
        if name not in labels:
            raise DataError(
                f"{path} must hold a label for each image, {name} has none; add the row or take it out"
            )
    if len(labels) != len(table["file"]):
        twice = next(name for name in labels if (table["file"] == name).sum() > 1)
        raise DataError(f"{path} must name each file once, {twice} is there twice; take one row out")
    lost = set(labels) - set(names)
    if lost:
        raise DataError(
            f"{path} must name images in {folder}, {min(lost)} is not there; add the image or take the row out"
        )
    return np.array([labels[name] for name in names])


def _only_array(content: Any) -> Array:
    if not isinstance(content, np.ndarray):
        raise ValueError("it holds several arrays")
    return content


def _column(path: Path, column: str, text: Sequence[str]) -> dict[str, Array]:
    """Return the columns `text` (as text) and `column` of a CSV file; an empty cell is an error."""
    frame = read_frame(path, dtype=dict.fromkeys(text, str), keep_default_na=False, na_values=[""])
    found: dict[str, Array] = {}
    for name in (*text, column):
        if name not in frame:
            raise DataError(
                f"{path} must have a column {name!r}, got {', '.join(map(str, frame))}; rename the right one"
            )
        check_filled(path, frame[name], found.get("file", ()))
        found[name] = frame[name].to_numpy()
    return found


def number_classes(labels: Sequence[Array], source: Path) -> list[npt.NDArray[np.int64]]:
    """Number the classes of all `labels` together from 0, in ascending (numbers) or alphabetical (text) order.

    Raises:
        DataError: labels are no classes, or there is only one class.
    """
    flat = [each.reshape(len(each)) if each.shape == (len(each), 1) else each for each in labels]
    joined = np.concatenate(flat) if all(each.ndim == 1 for each in flat) else flat[0]
    if joined.dtype.kind == "f" and joined.ndim == 1 and np.isfinite(joined).all() and (joined % 1 == 0).all():
        joined = joined.astype(np.int64)
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
    return np.split(numbers.astype(np.int64), ends)
