"""Opens files of arrays and tables; what cannot be opened is one sentence, and no pickle is ever loaded."""

from __future__ import annotations

import csv
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from latentbench import DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["check_filled", "find_column", "load_numpy", "read_frame"]

T = TypeVar("T")
SEPARATORS = (",", ";", "\t")


def load_numpy(path: Path, take: Callable[[Any], T]) -> T:
    """Return `take(content)` of a .npy or .npz file.

    Raises:
        DataError: the file is missing, damaged or holds pickled objects.
    """
    try:
        with path.open("rb") as file:  # np.load itself leaves a damaged one open
            return take(np.load(file, allow_pickle=False))
    except FileNotFoundError:
        raise DataError(f"{path} must be a file, nothing is there; check the path") from None
    except (OSError, ValueError, EOFError, KeyError, NotImplementedError, zlib.error, zipfile.BadZipFile) as error:
        if "allow_pickle" in str(error):
            raise DataError(
                f"{path} must be a NumPy file of plain arrays, it is none or holds pickled objects, which are "
                "never loaded; save numbers, or text as dtype 'U'"
            ) from None
        reason = str(error).rstrip(".") or type(error).__name__
        raise DataError(f"{path} must be a NumPy file, it cannot be read ({reason}); save it again") from error


def read_frame(path: Path, **options: Any) -> pd.DataFrame:
    """Return a CSV or parquet file as a frame; `options` are those of `pandas.read_csv`.

    A CSV file whose first line has no comma is separated by semicolons or tabs.

    Raises:
        DataError: the file is missing, damaged, holds no row or names a column twice.
    """
    import pandas as pd

    kind = "parquet" if path.suffix.lower() == ".parquet" else "CSV"
    try:
        frame = _read_parquet(path) if kind == "parquet" else _read_csv(path, options)
    except FileNotFoundError:
        raise DataError(f"{path} must be a file, nothing is there; check the path") from None
    except UnicodeDecodeError:
        raise DataError(f"{path} must be text in UTF-8, it is in another encoding; save it as UTF-8") from None
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise DataError(
            f"{path} must be a {kind} file, it cannot be read ({reason}); check it or save it again"
        ) from error
    if not len(frame):
        raise DataError(f"{path} must hold rows, got none; check that it is the right file")
    if kind == "CSV" and "index_col" not in options and not isinstance(frame.index, pd.RangeIndex):
        raise DataError(
            f"{path} must have a name for each column, rows hold more values than names; add the names"
        )
    return frame.rename(columns=lambda name: str(name).strip())


def _read_parquet(path: Path) -> pd.DataFrame:
    import pandas as pd

    frame = pd.read_parquet(path)
    return frame.reset_index(level=[name for name in frame.index.names if name is not None])


def _read_csv(path: Path, options: dict[str, Any]) -> pd.DataFrame:
    import pandas as pd

    if "sep" not in options:
        with path.open(encoding="utf-8-sig", newline="") as file:
            line = file.readline()
        options = {**options, "sep": next((sign for sign in SEPARATORS if sign in line), ",")}
        _check_unique(path, next(csv.reader([line], delimiter=options["sep"]), []))
    frame: pd.DataFrame = pd.read_csv(path, low_memory=False, **options)
    return frame


def _check_unique(path: Path, names: Sequence[str]) -> None:
    """Refuse a name that is there twice: pandas would call the second one another name."""
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
