"""Opens files of arrays and tables; what cannot be opened is one sentence, and no pickle is ever loaded."""

from __future__ import annotations

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

__all__ = ["check_filled", "load_numpy", "read_frame"]

T = TypeVar("T")


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
    except (OSError, ValueError, EOFError, KeyError, zlib.error, zipfile.BadZipFile) as error:
        if "allow_pickle" in str(error):
            raise DataError(
                f"{path} must be a NumPy file of plain arrays, it is none or holds pickled objects, which are "
                "never loaded; save numbers, or text as dtype 'U'"
            ) from None
        reason = str(error).rstrip(".") or type(error).__name__
        raise DataError(f"{path} must be a NumPy file, it cannot be read ({reason}); save it again") from error


def read_frame(path: Path, **options: Any) -> pd.DataFrame:
    """Return a CSV or parquet file as a frame; `options` are those of `pandas.read_csv`.

    Raises:
        DataError: the file is missing, damaged or holds no row.
    """
    import pandas as pd

    kind = "parquet" if path.suffix.lower() == ".parquet" else "CSV"
    try:
        frame = pd.read_parquet(path) if kind == "parquet" else pd.read_csv(path, low_memory=False, **options)
    except FileNotFoundError:
        raise DataError(f"{path} must be a file, nothing is there; check the path") from None
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
    return frame.rename(columns=str)


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
