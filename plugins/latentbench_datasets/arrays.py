"""The user's own data: a folder of images, or a file of arrays."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field, ValidationInfo, field_validator

import latentbench
from latentbench import DataError, Dataset, Split, open_regular, row_hashes, take_rows
from latentbench_datasets._arrays.array_files import INPUTS, read_array_file, read_written_rows
from latentbench_datasets._arrays.column_names import ColumnNames, SomeColumns
from latentbench_datasets._arrays.folder_labels import check_row_order, split_folders, sub_folder_labels
from latentbench_datasets._arrays.image_folder import image_files, left_out, read_images
from latentbench_datasets._arrays.labels import numbered, odd_names, read_file_labels, read_row_labels
from latentbench_datasets._arrays.rows import Columns, InputRows
from latentbench_datasets._arrays.standardizing import standardized
from latentbench_datasets._arrays.tables import TABLES, TableRequest
from latentbench_datasets._shared.classes import LabeledParams, keep_classes
from latentbench_datasets._shared.fingerprints import remembered_fingerprint

Array = npt.NDArray[Any]
MINIMUM = 50


class Arrays(Dataset):
    """Images in a folder, or arrays in a .npy, .npz, CSV or parquet file, with labels if there are some.

    - folder: PNG, JPEG, WebP and BMP files; labels from labels.csv (columns file,label), which are matched by file
      name, or from the names of sub-folders. Sub-folders train and test are the two splits.
    - .npz: arrays named inputs (or x, images, data, features), labels (or y, target, ...), factors and
      factor_names; or x_train, x_test, y_train, y_test and the like. .npy: inputs only. uint8 arrays of 3 or 4
      dimensions are images, channels in front or at the end.
    - CSV, parquet: columns of numbers, and one of labels. `columns` or `drop` choose among them. Each column is
      standardized: less its mean in the train split, over its standard deviation there. Train is what `load`
      returns: after `classes` and `train_classes` have chosen, before the host carves validation from it. A column
      with one value in train is only centered. `standardize=no` keeps the numbers as they are; arrays in .npy and
      .npz files always stay so.

    Labels may be numbers or text; classes are numbered from 0, in the order of numbers if all are whole, else of
    text, without spaces around it. Only an empty cell, None and NaN are missing. A parquet file's index, and whole
    numbers or text in a column called id, index or the like, name rows. `remarks` says what is left out. Rows go
    to test by the hash of their inputs as read, so the split does not depend on their order, equal rows stay
    together, and the test items are the same standardized or not.
    """

    class Params(LabeledParams):
        """Where the data are and how to read them."""

        path: Path = Field(description="folder of images, or a .npy, .npz, .csv or .parquet file")
        labels: Path | None = Field(
            default=None,
            description="CSV file of labels, with columns file,label for a folder, else in the order of rows, or "
            ".npy file in the order of rows; by default those that the data bring along",
        )
        label_column: str | None = Field(
            default=None,
            min_length=1,
            description="the column that holds labels; by default label, labels, class or target",
        )
        columns: SomeColumns = Field(
            default=None,
            description="columns of a table that are inputs; by default all of numbers but the label's and those "
            "that name rows",
        )
        drop: ColumnNames = Field(default=(), description="columns of a table that are left out")
        standardize: bool | None = Field(
            default=None,
            description="bring the columns of a table to mean 0 and standard deviation 1 in the train split; by "
            "default yes for CSV and parquet, no for all else",
        )
        test_share: float = Field(default=0.2, gt=0, lt=1, description="share of the rows in the test split")
        size: int | None = Field(
            default=None, ge=1, le=4096, description="height and width that the images of a folder are resized to"
        )

        @field_validator("standardize")
        @classmethod
        def _settle(cls, value: bool | None, info: ValidationInfo) -> bool | None:
            """Put what the default means in its place, so that records hold it."""
            path = info.data.get("path")
            return _is_table(path) if value is None and path is not None else value

    version = 4
    params: Params
    reads_paths = True
    unrecorded: ClassVar[Mapping[str, Any]] = {"standardize": False}

    def __init__(self, params: Params) -> None:
        super().__init__(params)
        self._remarks: list[str] = []

    def load(self) -> tuple[Split, Split]:
        """Return train and test.

        Raises:
            DataError: a file is missing, damaged or of an unknown kind, or data and labels do not fit together.
        """
        self._remarks = []
        rows = self._read()
        parts = self._splits(rows)
        if len(parts) == 2:
            train, test = parts
        else:
            train, test = _split(parts[0], rows[0].identity, self.params.test_share, self._path())
        if self.params.classes is None:
            self._check_classes(train, test)
        train, test = keep_classes(train, test, self.params.classes, self.params.train_classes)
        self._check_count(len(train) + len(test), " of these classes" if self.params.classes else "")
        columns = rows[0].columns
        return (train, test) if columns is None else self._standardized(train, test, columns)

    def preparation(self) -> str:
        """Return "standardized" for a table whose columns are."""
        return "standardized" if self.params.standardize else ""

    @classmethod
    def read_rows(cls, path: Path, names: Sequence[str] = ()) -> list[latentbench.Rows]:
        """Return the rows of a .npy, .npz, CSV or parquet file in its order, as they are written."""
        return read_written_rows(path, tuple(dict.fromkeys((*names, *INPUTS))))

    @classmethod
    def read_labels(cls, path: Path, rows: int) -> Array:
        """Return the labels in a CSV, parquet or .npy file that holds one for each row."""
        return read_row_labels(path, None, rows)

    def fingerprint(self) -> str:
        """Return the sha256 of the decoded arrays, without decoding files that are known already."""
        settings = self.params.model_dump(mode="json", exclude={"path", "labels"})
        return remembered_fingerprint(self._files(), self.version, super().fingerprint, settings)

    def remarks(self) -> tuple[str, ...]:
        """Return what `load` left out of the files, or what they may mean otherwise."""
        return tuple(self._remarks)

    def _check_count(self, rows: int, which: str = "") -> None:
        what = "images" if self._is_folder() else "rows"
        if rows < MINIMUM:
            raise DataError(f"{self._path()} must hold at least {MINIMUM} {what}{which}, got {rows}; add more")

    def _check_classes(self, train: Split, test: Split) -> None:
        """Refuse a class that only test has: nothing could learn it."""
        if train.labels is None or test.labels is None:
            return
        lost = np.setdiff1d(test.labels, train.labels)
        if len(lost):
            count = int((test.labels == lost[0]).sum())
            name = train.class_names[lost[0]] if train.class_names else str(lost[0])
            raise DataError(
                f"every class of {self._path()} must have rows in train, {name!r} has {count} in test "
                "only; add more of it, or take it out"
            )

    def _path(self) -> Path:
        return self.params.path.expanduser()

    def _is_folder(self) -> bool:
        return os.path.isdir(self._path())  # noqa: PTH112 - Path.is_dir raises for a name that is too long

    def _label_file(self) -> Path | None:
        if self.params.labels is not None:
            return self.params.labels.expanduser()
        if not self._is_folder():
            return None
        return min((file for file in self._path().iterdir() if file.name.lower() == "labels.csv"), default=None)

    def _files(self) -> list[Path]:
        """Return all files that the data depend on; other problems of a folder are raised at once."""
        path, label_file = self._path(), self._label_file()
        files = image_files(path) if self._is_folder() else [path]
        if self._is_folder() and label_file is None:
            sub_folder_labels(split_folders(path, files), files)  # no memo knows of files that are not read
        files += [] if label_file is None else [label_file]
        for file in files:
            if not os.path.isfile(file):  # noqa: PTH113 - likewise
                if os.path.exists(file):  # noqa: PTH110 - likewise
                    open_regular(file).close()
                raise DataError(f"{file} must be a file or a folder of images, nothing is there; check the path")
        return files

    def _read(self) -> list[InputRows]:
        """Return all rows, or those of train and those of test."""
        self._check_table_params()
        parts = self._read_folder() if self._is_folder() else self._read_file()
        self._check_count(sum(len(part.inputs) for part in parts))
        _check_alike(parts, self._path())
        return parts

    def _check_table_params(self) -> None:
        """Refuse what only a table can have."""
        path, params = self._path(), self.params
        if _is_table(path):
            return
        kind = "a folder" if self._is_folder() else "an array file"
        for name in ("columns", "drop"):
            if getattr(params, name):
                raise DataError(f"{name} is for tables (.csv, .parquet), {path} is {kind}; leave {name} out")
        if params.standardize:
            raise DataError(
                f"standardize is for tables (.csv, .parquet), {path} is {kind}, which is used as it is; leave "
                "standardize out"
            )

    def _splits(self, parts: Sequence[InputRows]) -> list[Split]:
        """Return one split that holds all rows, or train and test; classes are numbered."""
        path = self._path()
        labelled = [part.labels for part in parts if part.labels is not None]
        numbers: Sequence[Array | None] = [None] * len(parts)
        names: tuple[str, ...] = ()
        if labelled:
            numbers, names = numbered(labelled, self._label_file() or path)
        self._remarks += [*(remark for part in parts for remark in part.remarks), *odd_names(names)]
        return [
            Split(part.inputs, labels, part.factors, part.factor_names, part.factor_sizes, names)
            for part, labels in zip(parts, numbers, strict=True)
        ]

    def _read_folder(self) -> list[InputRows]:
        path = self._path()
        files = image_files(path)
        places = split_folders(path, files)
        labels = self._folder_labels(files, places)
        images, losses = read_images(path, files, self.params.size)
        label_file = self._label_file()
        self._remarks += [*left_out(path, files if label_file is None else [*files, label_file]), *losses]
        if len(places) == 1:
            return [InputRows(images, labels)]
        inside = [np.array([place in file.parents for file in files]) for place in places]
        return [InputRows(take_rows(images, rows), None if labels is None else labels[rows]) for rows in inside]

    def _folder_labels(self, files: list[Path], places: list[Path]) -> Array | None:
        """Return the label of each of `files`, which are in `places`."""
        path, label_file = self._path(), self._label_file()
        if label_file is None:
            return sub_folder_labels(places, files)
        if label_file.suffix.lower() == ".npy":
            check_row_order(path, files, label_file)
            return read_row_labels(label_file, None, len(files))
        return read_file_labels(label_file, self.params.label_column, path, files)

    def _read_file(self) -> list[InputRows]:
        path, label_file, column = self._path(), self._label_file(), self.params.label_column
        if self.params.size is not None:
            raise DataError(f"size resizes images of a folder, {path} is a file; leave size out")
        params = self.params
        request = TableRequest(params.columns, params.drop, column, standardize=bool(params.standardize))
        parts = read_array_file(path, request)
        if label_file is None:
            return parts
        if len(parts) == 2:
            raise DataError(f"{path} holds train and test, so labels must be in it; add y_train and y_test to it")
        labels = read_row_labels(label_file, column, len(parts[0].inputs))
        return [replace(parts[0], labels=labels)]

    def _standardized(self, train: Split, test: Split, columns: Columns) -> tuple[Split, Split]:
        inputs, test_inputs, constant = standardized(self._path(), train.inputs, test.inputs, columns)
        self._remarks.append(
            "columns are standardized (mean 0, standard deviation 1 in the train split); standardize=no keeps them"
        )
        self._remarks += [f"column {name!r} has one value in train and is only centered" for name in constant]
        return replace(train, inputs=inputs), replace(test, inputs=test_inputs)


def _is_table(path: Path) -> bool:
    """Whether a path is that of a table: a folder may be called x.csv."""
    return path.suffix.lower() in TABLES and not os.path.isdir(path.expanduser())  # noqa: PTH112 - as above


def _check_alike(parts: Sequence[InputRows], path: Path) -> None:
    """Refuse train and test of different types or shapes."""
    kinds = [f"{part.inputs.dtype} of shape {part.inputs.shape[1:]}" for part in parts]
    if len(set(kinds)) > 1:
        raise DataError(
            f"train and test of {path} must hold rows alike, got {kinds[0]} and {kinds[1]}; save both the same way"
        )


def _split(rows: Split, identity: Array | None, share: float, path: Path) -> tuple[Split, Split]:
    """Take for the test the rows whose identity, or inputs, have the smallest sha256; equal rows stay together."""
    hashes = row_hashes(rows.inputs if identity is None else identity)
    count = min(max(1, round(share * len(rows))), len(rows) - 1)  # never none and never all
    test = hashes < np.sort(hashes)[count]
    if not test.any():
        raise DataError(f"{path} must hold different rows, too many of {len(rows)} are equal; take those out")
    return rows.take(~test), rows.take(test)
