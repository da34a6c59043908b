"""Matches the file names in a table of labels to the images of a folder."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt

from latentbench import DataError

__all__ = ["match_names"]


def match_names(
    table: Path, names: Sequence[str], labels: npt.NDArray[Any], folder: Path, files: Sequence[Path]
) -> list[int]:
    """Return the row of `table` that names each file.

    A name is the path from the folder; or, where only one image fits, the bare file name, or one without ending.

    Args:
        table: where the names are from, for messages.
        names: one a row, as they are written.
        labels: one a row, for messages.
        folder: the folder.
        files: the images in it.

    Raises:
        DataError: a name fits no image or several, or an image is named twice or not at all.
    """
    row_of: dict[Path, int] = {}
    for row, file in enumerate(_files_of(table, names, folder, files)):
        other = row_of.setdefault(file, row)
        if other != row:
            raise DataError(
                f"{table} must name each image once, rows {other + 1} ({labels[other]}) and {row + 1} "
                f"({labels[row]}) are both for {_short(file, folder)}; take one row out"
            )
    bare = [file for file in files if file not in row_of]
    if bare:
        raise DataError(
            f"{table} must hold a label for each image, {len(bare)} of {len(files)} have none, the first is "
            f"{_short(bare[0], folder)}; add its row or take the image out"
        )
    return [row_of[file] for file in files]


def _files_of(table: Path, names: Sequence[str], folder: Path, files: Sequence[Path]) -> list[Path]:
    exact = {os.path.abspath(file): file for file in files}  # noqa: PTH100 - resolve() asks the disk
    loose = _loose(folder, files)
    matches, lost = [], []
    for row, written in enumerate(names):
        name = written.strip().replace("\\", "/")
        file = exact.get(os.path.abspath(folder / name))  # noqa: PTH100 - likewise
        fits = [file] if file else loose.get(name, [])
        if len(fits) > 1:
            raise DataError(
                f"{table} must name one image in each row, {written.strip()!r} in row {row + 1} fits "
                f"{' and '.join(_short(each, folder) for each in fits[:2])}; write the path from the folder, with "
                "its ending"
            )
        matches += fits
        lost += [] if fits else [row]
    if lost:
        raise DataError(
            f"{table} must name images in {folder}, {len(lost)} of {len(names)} rows do not, the first is row "
            f"{lost[0] + 1} with {names[lost[0]].strip()!r}{_nearly(names[lost[0]], folder, files)}; correct the "
            "name, add the image or take the row out"
        )
    return matches


def _loose(folder: Path, files: Sequence[Path]) -> dict[str, list[Path]]:
    """Return the images that fit each bare name, and each path or name without its ending."""
    fits: dict[str, list[Path]] = defaultdict(list)
    for file in files:
        path = file.relative_to(folder)
        for name in {path.name, path.stem, path.with_suffix("").as_posix()}:
            fits[name].append(file)
    return fits


def _nearly(name: str, folder: Path, files: Sequence[Path]) -> str:
    """Name the image that would fit in another case."""
    fits = [file for file in files if file.name.lower() == Path(name.strip()).name.lower()]
    return f", where {_short(fits[0], folder)} is there" if fits else ""


def _short(file: Path, folder: Path) -> str:
    return file.relative_to(folder).as_posix()
