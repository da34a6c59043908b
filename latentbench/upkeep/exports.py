"""scores.csv and scores.parquet: whether they are what the trials' files say."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from latentbench.errors import RunFolderError
from latentbench.files.regular import read_regular
from latentbench.results import Results
from latentbench.upkeep.findings import FileFinding, Kind
from latentbench.upkeep.places import fault

__all__ = ["EXPORTS", "examine_exports"]

EXPORTS = ("scores.csv", "scores.parquet")
ADVICE = "--repair, or the next run, writes it again"


def examine_exports(results: Results) -> Iterator[FileFinding]:
    """Yield a finding for each table that is not there, or not what a run would write now."""
    try:
        frame = results.exported
    except RunFolderError:  # no score is asked for
        return
    for name, is_current in (("scores.csv", _is_csv), ("scores.parquet", _is_parquet)):
        if not is_current(results.path / name, frame):
            found = fault(results.path, name, "differs from what the trials' files say")
            kind: Kind = "missing" if found.kind == "missing" else "outdated"
            yield FileFinding(kind, name, found.what, ADVICE)


def _is_csv(path: Path, frame: pd.DataFrame) -> bool:
    try:
        return read_regular(path) == frame.to_csv(index=False).encode()
    except (OSError, ValueError):
        return False


def _is_parquet(path: Path, frame: pd.DataFrame) -> bool:
    """Whether the file is what would be written now; by other versions of its libraries, whether it says that."""
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    try:
        content = read_regular(path)
        if content == buffer.getvalue():
            return True
        stored = io.BytesIO(content)
        if _writer(stored) == _writer(buffer):
            return False
        return pd.read_parquet(stored).equals(pd.read_parquet(buffer))
    except Exception:  # noqa: BLE001 - damaged parquet files raise anything
        return False


def _writer(file: io.BytesIO) -> tuple[str, object]:
    """Return by what a parquet file was written."""
    from pyarrow.parquet import ParquetFile

    stored = ParquetFile(file)
    return str(stored.metadata.created_by), stored.schema_arrow.pandas_metadata["pandas_version"]
