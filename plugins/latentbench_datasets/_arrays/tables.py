"""Reads the columns of a CSV or parquet file: inputs, and the one of labels."""

from __future__ import annotations

import json
import re
import shlex
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

import latentbench
from latentbench import DataError, as_float32, as_numbers, near_matches
from latentbench_datasets._arrays.files import check_filled, find_column, read_frame
from latentbench_datasets._arrays.labels import LABEL_NAMES, label_text
from latentbench_datasets._arrays.rows import InputRows
from latentbench_datasets._arrays.standardizing import reduced

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TABLES", "TableRequest", "read_table", "read_written_table"]

Array = npt.NDArray[Any]
TABLES = (".csv", ".parquet")
ROW_NAMES = ("id", "ids", "idx", "index", "row_id", "rowid", "row_number", "item_id", "sample_id", "uid", "uuid")
GAPS = ("na", "n/a", "nan", "none", "null")
EXACT = 2**53  # float64 holds whole numbers up to this
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", re.IGNORECASE)
SHOWN = 20  # columns that an error lists


@dataclass(frozen=True)
class TableRequest:
    """What is wanted of a table.

    Attributes:
        columns: the inputs; None: all columns of numbers but the label's and those that name rows.
        drop: columns that are read as if they were not there.
        label_column: the column of labels; None: the one that has a known name.
        standardize: the inputs are to be standardized.
    """

    columns: tuple[str, ...] | None = None
    drop: tuple[str, ...] = ()
    label_column: str | None = None
    standardize: bool = False


def read_table(path: Path, request: TableRequest) -> InputRows:
    """Return the rows of a CSV or parquet file; inputs that are to be standardized are reduced.

    Raises:
        DataError: the file is missing or damaged, has no such columns, or they do not hold finite numbers.
    """
    return _rows(path, *_read(path, request), request.standardize)


def read_written_table(path: Path, request: TableRequest) -> latentbench.Rows:
    """Return the rows of a CSV or parquet file as they are written.

    Raises:
        DataError: likewise.
    """
    frame, labels, remarks = _read(path, request)
    return latentbench.Rows(_values(frame), labels, columns=tuple(map(str, frame)), remarks=remarks)


def _read(path: Path, request: TableRequest) -> tuple[pd.DataFrame, Array | None, tuple[str, ...]]:
    """Return the columns of inputs, the labels, and remarks on what was left out."""
    frame = read_frame(path, label_text(request.label_column))
    _check_header(path, list(frame.columns))
    frame = frame.drop(columns=_dropped(path, frame, request))
    labels = None
    name = find_column(path, frame, request.label_column, LABEL_NAMES)
    chosen = None if request.columns is None else _places(path, frame, "columns", request.columns)
    if name is not None:
        if chosen is not None and name in chosen:
            raise DataError(
                f"columns of {path} must name inputs, {name!r} holds the labels; leave it out, or name another "
                "column of labels as label_column"
            )
        column = frame.pop(name)
        check_filled(path, column)
        labels = column.to_numpy(object)
    remarks: list[str] = []
    if chosen is None:
        row_names = [
            str(name) for name in frame if name in frame.attrs.get("index", ()) or _names_rows(frame[name])
        ]
        frame = frame.drop(columns=row_names)
        remarks = [f"column {name!r} names rows and is no input" for name in row_names]
    else:
        frame = frame[[name for name in frame if name in chosen]]
    _check_numbers(path, frame)
    return frame, labels, tuple(remarks)


def _dropped(path: Path, frame: pd.DataFrame, request: TableRequest) -> list[str]:
    both = sorted({*request.drop} & {*(request.columns or ()), request.label_column or ""})
    if both:
        raise DataError(
            f"drop of {path} must name columns that are not asked for, got {both[0]!r}, which "
            f"{'label_column' if both[0] == request.label_column else 'columns'} names; take it out of one"
        )
    return _places(path, frame, "drop", request.drop)


def _places(path: Path, frame: pd.DataFrame, param: str, names: Sequence[str]) -> list[str]:
    """Return the columns of these names, which may be written with other forms of the same letters."""
    spelled = {unicodedata.normalize("NFC", str(name)): str(name) for name in frame}
    for name in names:
        if name not in spelled:
            more = f" and {len(spelled) - SHOWN} more" if len(spelled) > SHOWN else ""
            raise DataError(
                f"{param} must name columns of {path}, there is no {name!r}{near_matches(name, spelled)} (it has "
                f"{', '.join([*spelled.values()][:SHOWN])}{more}); correct {param}"
            )
    return [spelled[name] for name in names]


def _rows(
    path: Path, frame: pd.DataFrame, labels: Array | None, remarks: tuple[str, ...], standardize: bool
) -> InputRows:
    """Return float32 inputs. Rows go to test by their inputs as read, standardized or not.

    So both have the same test items. Where float32 does not hold what was read, the reduced inputs decide.
    """
    what = f"inputs of {path}"
    values = as_numbers(_values(frame), what)
    if not standardize:
        return InputRows(as_float32(values, what), labels, remarks=remarks)
    digits = np.array([np.finfo(kind).eps if kind.kind == "f" else 0.0 for kind in frame.dtypes])
    inputs, columns = reduced(path, tuple(map(str, frame)), values, digits)
    try:
        identity = as_float32(values, what)
    except DataError:
        identity = inputs
    return InputRows(inputs, labels, remarks=remarks, columns=columns, identity=identity)


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
        raise DataError(f"{path} must have columns of numbers, none are left; add inputs, or drop fewer")
    others = [str(name) for name in frame if frame[name].dtype.kind not in "biuf"]
    for name in frame:
        if name in others:
            _refuse_text(path, frame[name], others)
        check_filled(path, frame[name])


def _refuse_text(path: Path, column: pd.Series[Any], others: Sequence[str]) -> None:
    """Say which value of a column is no number that can be used, and how to leave out all `others` like it."""
    gap = column.map(lambda value: isinstance(value, str) and value.strip().lower() in GAPS)
    check_filled(path, column.mask(gap))
    odd = next((value for value in column if not NUMBER.fullmatch(str(value).strip())), None)
    if odd is None:
        raise DataError(
            f"{path} must have numbers of 64 bits, column {column.name!r} holds others (as "
            f"{str(column.iloc[0])[:50]!r}); scale it or leave it out: {_without(path, [str(column.name)])}"
        )
    found = f"{path} must have numbers in every column but the label's, column {column.name!r} holds others"
    if len(others) == 1:
        raise DataError(
            f"{found} (as {str(odd)[:50]!r}); leave it out by {_without(path, others)}, or if it holds the labels "
            f"give label_column={column.name}"
        )
    raise DataError(
        f"{found} (as {str(odd)[:50]!r}), as do {', '.join(map(repr, others[1:]))}; leave them out by "
        f"{_without(path, others)}, or name the one that holds the labels as label_column"
    )


def _without(path: Path, names: Sequence[str]) -> str:
    """Write what leaves columns out; names that the command line would split can stand in a benchmark file."""
    if any(sign in name for name in names for sign in ",:"):
        return f"`arrays.drop = {json.dumps(names, ensure_ascii=False)}` in a benchmark file"
    spec = shlex.quote(f"{path}:drop={','.join(names)}")
    return f"`-d {spec}`"
