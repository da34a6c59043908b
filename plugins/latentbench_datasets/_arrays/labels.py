"""Reads labels, which may be numbers or text, and numbers the classes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from latentbench import DataError, number_classes
from latentbench_datasets._arrays.file_names import match_names
from latentbench_datasets._arrays.files import check_filled, find_column, read_frame
from latentbench_datasets._arrays.numpy_files import load_numpy

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LABEL_NAMES", "label_text", "numbered", "odd_names", "read_file_labels", "read_row_labels"]

Array = npt.NDArray[Any]
LABEL_NAMES = ("label", "labels", "class", "target")
GAPS = ("na", "n/a", "nan", "none", "null", "nil", "-", "?")
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
    frame = read_frame(path, label_text(column))
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
    frame = read_frame(path, lambda _: True)
    name = find_column(path, frame, None, FILE_NAMES)
    if name is None:
        raise DataError(_no_names(path, frame, files))
    label = _label_column(path, frame.drop(columns=name), column)
    check_filled(path, frame[name])
    check_filled(path, frame[label], frame[name].to_numpy())
    labels: Array = frame[label].to_numpy(object)
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


def label_text(column: str | None) -> Callable[[str], bool]:
    """Return whether a column may hold labels, which are read as they are written."""
    return lambda name: name == column if column is not None else name.lower() in LABEL_NAMES


def numbered(labels: Sequence[Array], source: Path) -> tuple[list[npt.NDArray[np.int64]], tuple[str, ...]]:
    """Number the classes of all `labels` together from 0; see `latentbench.number_classes`.

    Raises:
        DataError: labels are no classes, or there is only one class.
    """
    numbers, names = number_classes(labels, f"labels of {source}")
    if not any(part.any() for part in numbers):
        only = names[0] if names else 0
        raise DataError(
            f"labels of {source} must hold at least 2 classes, got 1 ({only}); label another class or leave "
            "labels out"
        )
    return numbers, names


def odd_names(names: Sequence[str]) -> list[str]:
    """Return remarks on class names that may be meant otherwise: as no class, or as one class."""
    gaps = [name for name in names if name.lower() in GAPS]
    alike: dict[str, list[str]] = {}
    for name in names:
        alike.setdefault(" ".join(name.casefold().split()), []).append(name)
    return [
        *(f"{name!r} is a class; leave the cell empty where it means none" for name in gaps),
        *(f"{' and '.join(map(repr, same))} are different classes" for same in alike.values() if len(same) > 1),
    ]
