"""Opens CSV and parquet files; what cannot be opened is one sentence."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy.typing as npt

from latentbench import DataError, check_memory, check_unpacked, open_regular, reading

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["check_filled", "find_column", "read_frame"]

SEPARATORS = (",", ";", "\t")
LONGEST_LINE = 2**24  # bytes
MOST_COLUMNS = 100_000
CELL = 8  # bytes


def read_frame(path: Path, text: Callable[[str], bool] | None = None, **options: Any) -> pd.DataFrame:
    """Return a CSV or parquet file as a frame; `options` are those of `pandas.read_csv`.

    A CSV file whose first line has no comma is separated by semicolons or tabs; only its empty cells are missing.
    The names of a parquet file's index are in `frame.attrs["index"]`, its levels are columns.

    Args:
        path: the file.
        text: whether a column of a CSV file, by its name, is read as it is written.
        options: of `pandas.read_csv`.

    Raises:
        DataError: the file is missing, damaged, holds no row or names a column twice.
    """
    import pandas as pd

    kind = "parquet" if path.suffix.lower() == ".parquet" else "CSV"
    with open_regular(path) as file, reading(path, f"a {kind} file", "check it or save it again"):
        try:
            frame = _read_parquet(path, file) if kind == "parquet" else _read_csv(path, file, text, options)
        except UnicodeDecodeError:
            raise DataError(f"{path} must be text in UTF-8, it is in another encoding; save it as UTF-8") from None
    if not len(frame):
        raise DataError(f"{path} must hold rows, got none; check that it is the right file")
    if kind == "CSV" and "index_col" not in options and not isinstance(frame.index, pd.RangeIndex):
        raise DataError(
            f"{path} must have a name for each column, rows hold more values than names; add the names"
        )
    return frame.rename(columns=lambda name: str(name).strip())


def _read_parquet(path: Path, file: BinaryIO) -> pd.DataFrame:
    import pandas as pd
    from pyarrow import parquet

    about = parquet.ParquetFile(file).metadata
    check_unpacked(path, file.seek(0, 2), about.num_rows * about.num_columns * CELL)
    check_memory(path, about.num_rows * about.num_columns * CELL)
    file.seek(0)
    frame = pd.read_parquet(file)
    if frame.columns.nlevels > 1:
        raise DataError(f"{path} must have one name for each column, it has {frame.columns.nlevels}; join them")
    named = [name for name in frame.index.names if name is not None]
    frame = frame.reset_index(level=named)
    frame.attrs["index"] = [str(name) for name in named]
    return frame


def _read_csv(
    path: Path, file: BinaryIO, text: Callable[[str], bool] | None, options: dict[str, Any]
) -> pd.DataFrame:
    import pandas as pd

    check_memory(path, file.seek(0, 2))
    file.seek(0)
    if "sep" not in options:
        start = file.readline(LONGEST_LINE + 1)
        if len(start) > LONGEST_LINE:
            raise DataError(f"{path} must start with a row of column names, its first line has no end; add it")
        line = start.decode("utf-8-sig")
        sep = next((sign for sign in SEPARATORS if sign in line), ",")
        names = next(csv.reader([line], delimiter=sep), [])
        _check_names(path, names)
        as_text = {name: str for name in names if text is not None and text(name.strip())}
        options = {"sep": sep, "dtype": as_text, "keep_default_na": False, "na_values": [""], **options}
    file.seek(0)
    frame: pd.DataFrame = pd.read_csv(file, low_memory=False, **options)
    return frame


def _check_names(path: Path, names: Sequence[str]) -> None:
    """Refuse very many names, and one that is there twice: pandas would call the second one another name."""
    if len(names) > MOST_COLUMNS:
        raise DataError(f"{path} must have at most {MOST_COLUMNS:,} columns, got {len(names):,}; save it as .npy")
    seen: set[str] = set()
    for name in filter(None, map(str.strip, names)):
        if name in seen:
            raise DataError(
                f"{path} must start with a row of different column names, {name!r} is there twice; rename one, or "
                "add that row if the file starts with values"
            )
        seen.add(name)


def find_column(path: Path, frame: pd.DataFrame, column: str | None, known: Sequence[str]) -> str | None:
    """Return the column `asked` for, else the only one that has a `known` name in any case; None if none has.

    Raises:
        DataError: the column asked for is not there, or several have a known name.
    """
    if column is not None:
        if column in frame:
            return column
        raise DataError(
            f"{path} must have the column {column!r}, got {', '.join(map(str, frame))}; check label_column"
        )
    names = [str(name) for name in frame if str(name).lower() in known]
    if len(names) > 1:
        raise DataError(
            f"{path} must have one column named {', '.join(known)}, got {' and '.join(names)}; rename or take out "
            "all but the right one"
        )
    return names[0] if names else None


def check_filled(path: Path, column: pd.Series[Any], of: Sequence[Any] | npt.NDArray[Any] = ()) -> None:
    """Refuse a column with an empty cell; `of` names the rows, else they are counted from 1."""
    gaps = column.isna().to_numpy()
    if gaps.any():
        row = int(gaps.argmax())
        name = f"file {of[row]}" if len(of) else f"row {row + 1}"
        raise DataError(
            f"{path} must have a value in every cell, column {str(column.name)!r} has none (NaN) for {name}; "
            "fill it or take the row out"
        )
