"""Finds out what sub-folders name, splits and classes, and whether images have an order."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from latentbench import DataError
from latentbench_datasets._arrays.image_folder import is_hidden

__all__ = ["check_row_order", "split_folders", "sub_folder_labels"]

TABLES = (".csv", ".tsv", ".parquet", ".npy", ".npz", ".xls", ".xlsx")
SPLITS = ("test", "train")
OTHER_SPLITS = ("val", "valid", "validation")


def split_folders(folder: Path, files: Sequence[Path]) -> list[Path]:
    """Return the sub-folders of train and test, or the folder itself where no sub-folder is named so.

    Raises:
        DataError: sub-folders name other splits, or images or classes are beside those of train and test.
    """
    tops = sorted({_top(folder, file) for file in files})
    if not {*SPLITS, *OTHER_SPLITS}.intersection(tops):
        return [folder]
    if tops != list(SPLITS):
        raise DataError(
            f"{folder} must hold images in both train and test and nowhere else if a sub-folder is named as a "
            f"split, got {', '.join(top or 'images outside' for top in tops)}; move or rename the others, or give "
            "one of them as the path"
        )
    return [folder / "train", folder / "test"]


def _top(folder: Path, file: Path) -> str:
    """Return the sub-folder that a file is in; empty for none."""
    parts = file.relative_to(folder).parts
    return parts[0] if len(parts) > 1 else ""


def sub_folder_labels(places: Sequence[Path], files: Sequence[Path]) -> npt.NDArray[Any] | None:
    """Return the name of the sub-folder that each file is in; None where there are no sub-folders.

    Args:
        places: the folder, or those of train and of test.
        files: the images, each in one of `places`.

    Raises:
        DataError: some files are in sub-folders and some are not, a sub-folder is empty or the only one, or there
            are none and a file that may hold labels is not read.
    """
    place_of = [next(place for place in places if place in file.parents) for file in files]
    names = [_top(place, file) for place, file in zip(place_of, files, strict=True)]
    if not any(names):
        for folder in {*places, places[0].parent if len(places) > 1 else places[0]}:
            _check_nothing_unread(folder)
        return None
    if not all(names):
        raise DataError(
            f"{files[names.index('')]} has no label: the other images are in sub-folders named by their class; "
            "move it into one, or write labels.csv with the columns file,label"
        )
    for place in places:
        _check_sub_folders(
            place, {name for name, folder_name in zip(names, place_of, strict=True) if folder_name == place}
        )
    if len(places) == 1 and len(set(names)) == 1:
        raise DataError(
            f"{places[0]} must hold at least 2 sub-folders of images, as they are classes, got 1 ({names[0]}); "
            f"add another, or give {places[0] / names[0]} as the path for images without labels"
        )
    return np.array(names)


def _check_sub_folders(folder: Path, names: set[str]) -> None:
    real = folder.resolve()
    present = {
        path.name
        for path in folder.iterdir()
        if path.is_dir() and not is_hidden(path.name) and not real.is_relative_to(path.resolve())  # a loop
    }
    if present - names:
        raise DataError(
            f"{folder / min(present - names)} must hold images, as sub-folders are classes, none is there; add "
            "some or take the sub-folder out"
        )


def _check_nothing_unread(folder: Path) -> None:
    files = sorted(path for path in folder.iterdir() if not is_hidden(path.name))
    for file in files:
        if file.suffix.lower() in TABLES or (file.suffix == ".txt" and file.stem.lower().startswith("label")):
            raise DataError(
                f"{file} is beside the images and would not be read; if it holds their labels, make it labels.csv "
                "with the columns file,label, else move it elsewhere"
            )


def check_row_order(folder: Path, files: Sequence[Path], labels: Path) -> None:
    """Refuse labels without file names for files whose order by name is not that of the numbers in them.

    Raises:
        DataError: it is not, as for 2.png and 10.png, or the files are in sub-folders.
    """
    names = [file.relative_to(folder).as_posix() for file in files]
    if any("/" in name for name in names) or names != sorted(names, key=_numbers):
        raise DataError(
            f"{labels} does not name files and those of {folder} have no certain order, as of 2.png and 10.png or "
            "sub-folders; write labels.csv with the columns file,label"
        )


def _numbers(name: str) -> list[tuple[bool, int, str]]:
    """Return a key that sorts the numbers in names by value."""
    parts = re.findall(r"\d+|\D+", name)
    return [(not part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts]
