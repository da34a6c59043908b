"""Writing an archive of a run: the same files give the same bytes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from latentbench.errors import RequestError
from latentbench.files.failures import refusal
from latentbench.files.regular import read_regular
from latentbench.files.writing import write_atomically
from latentbench.packed.opening import is_packed_run

__all__ = ["refuse_other_file", "write_archive"]

EPOCH = (1980, 1, 1, 0, 0, 0)  # the first that a zip file can tell
MODE = 0o644 << 16
COMPRESSED = (".json", ".csv", ".txt")  # arrays and weights hardly shrink, and parquet is compressed by itself
LEVEL = 1  # a third of the time of the default, a few percent larger


def refuse_other_file(path: Path) -> None:
    """Raise RequestError where something lies at `path` that is no packed run."""
    if path.is_dir():
        raise RequestError(f"{path} is a folder; name the archive with -o, as -o {path / 'run.zip'}")
    if (path.is_symlink() or path.exists()) and not is_packed_run(path):
        raise RequestError(f"{path} is there already and is no packed run; choose another name with -o")


def write_archive(path: Path, files: Mapping[str, Path]) -> None:
    """Write a zip file of `files`, name in the archive -> where it lies, whole or not at all.

    Raises:
        RequestError: the archive cannot be written there.
        LatentbenchError: the disk is full or fails.
    """

    def write(file: BinaryIO) -> None:
        with ZipFile(file, "w") as archive:
            for name in sorted(files):
                _add(archive, name, read_regular(files[name]))

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, write)
    except OSError as error:
        raise refusal(error, f"{path} cannot be written", RequestError) from error


def _add(archive: ZipFile, name: str, content: bytes) -> None:
    about = ZipInfo(name, EPOCH)
    about.create_system, about.external_attr = 3, MODE  # as on Unix, wherever it is written
    kind = ZIP_DEFLATED if name.endswith(COMPRESSED) else ZIP_STORED
    archive.writestr(about, content, kind, LEVEL if kind == ZIP_DEFLATED else None)
