"""The user's own data: a folder of images, or a file of arrays."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
from pydantic import Field

from latentbench import DataError, Dataset, Split
from latentbench_datasets.array_files import Rows, read_array_file
from latentbench_datasets.classes import LabeledParams, keep_classes
from latentbench_datasets.fingerprints import remembered_fingerprint
from latentbench_datasets.image_folder import folder_labels, image_files, read_images
from latentbench_datasets.labels import number_classes, read_file_labels, read_row_labels

MINIMUM = 50


class Arrays(Dataset):
    """Images in a folder, or arrays in a .npy, .npz, CSV or parquet file, with labels if there are some.

    - folder: PNG, JPEG, WebP and BMP files; labels from labels.csv (columns file,label) or from the names of
      sub-folders.
    - .npz: arrays named inputs (or x, images, data), labels (or y), factors and factor_names; or x_train, x_test,
      y_train, y_test and the like. .npy: inputs only. uint8 arrays of 3 or 4 dimensions are images.
    - CSV, parquet: columns of numbers, and one of labels.

    Labels may be numbers or text; classes are numbered from 0 in ascending order. Rows go to test by the hash of
    their inputs, so the split does not depend on their order and equal rows stay together.
    """

    class Params(LabeledParams):
        """Where the data are and how to read them."""

        path: Path = Field(description="folder of images, or a .npy, .npz, .csv or .parquet file")
        labels: Path | None = Field(
            default=None,
            description="CSV file (columns file,label for a folder) or .npy file of labels, in the order of rows; "
            "by default those that the data bring along",
        )
        label_column: str = Field(default="label", min_length=1, description="the column that holds labels")
        test_share: float = Field(default=0.2, gt=0, lt=1, description="share of the rows that are for the test")
        size: int | None = Field(
            default=None, ge=1, le=4096, description="make each image of a folder this high and wide"
        )

    params: Params
    reads_paths = True

    def load(self) -> tuple[Split, Split]:
        """Return train and test.

        Raises:
            DataError: a file is missing, damaged or of an unknown kind, or data and labels do not fit together.
        """
        parts = self._read()
        if len(parts) == 2:
            train, test = parts
        else:
            train, test = _split(parts[0], self.params.test_share, self._path())
        train, test = keep_classes(train, test, self.params.classes)
        self._check_count(len(train) + len(test))
        return train, test

    def fingerprint(self) -> str:
        """Return the sha256 of the decoded arrays, without decoding files that are known already."""
        settings = self.params.model_dump(mode="json", exclude={"path", "labels"})
        return remembered_fingerprint(self._files(), self.version, super().fingerprint, settings)

    def _check_count(self, rows: int) -> None:
        if rows < MINIMUM:
            raise DataError(f"{self._path()} must hold at least {MINIMUM} rows, got {rows}; add more")

    def _path(self) -> Path:
        return self.params.path.expanduser()

    def _label_file(self) -> Path | None:
        if self.params.labels is not None:
            return self.params.labels.expanduser()
        inside = self._path() / "labels.csv"
        return inside if inside.is_file() else None

    def _files(self) -> list[Path]:
        """Return all files that the data depend on."""
        label_file = self._label_file()
        files = image_files(self._path()) if self._path().is_dir() else [self._path()]
        files += [] if label_file is None else [label_file]
        for file in files:
            if not file.is_file():
                raise DataError(f"{file} must be a file or a folder of images, nothing is there; check the path")
        return files

    def _read(self) -> list[Split]:
        """Return one split that holds all rows, or train and test."""
        path = self._path()
        parts = [self._read_folder()] if path.is_dir() else self._read_file()
        self._check_count(sum(len(part.inputs) for part in parts))
        given = [part.labels for part in parts if part.labels is not None]
        numbered = number_classes(given, self._label_file() or path) if given else [None] * len(parts)
        return [
            Split(part.inputs, labels, part.factors, part.factor_names, part.factor_sizes)
            for part, labels in zip(parts, numbered, strict=True)
        ]

    def _read_folder(self) -> Rows:
        path, label_file, column = self._path(), self._label_file(), self.params.label_column
        files = image_files(path)
        if label_file is None:
            labels = folder_labels(path, files)
        elif label_file.suffix == ".npy":
            labels = read_row_labels(label_file, column, len(files))
        else:
            labels = read_file_labels(label_file, column, path, files)
        return Rows(read_images(files, self.params.size), labels)

    def _read_file(self) -> list[Rows]:
        path, label_file, column = self._path(), self._label_file(), self.params.label_column
        if self.params.size is not None:
            raise DataError(f"size resizes images of a folder, {path} is a file; leave size out")
        parts = read_array_file(path, column)
        if label_file is None:
            return parts
        if len(parts) == 2:
            raise DataError(f"{path} holds train and test, so labels must be in it; add y_train and y_test to it")
        labels = read_row_labels(label_file, column, len(parts[0].inputs))
        return [replace(parts[0], labels=labels)]


def _split(rows: Split, share: float, path: Path) -> tuple[Split, Split]:
    """Take the rows whose inputs have the smallest sha256 for the test; equal rows end on the same side."""
    flat = np.ascontiguousarray(rows.inputs).reshape(len(rows), -1)
    hashes = np.array([hashlib.sha256(row.tobytes()).hexdigest() for row in flat])
    count = min(max(1, round(share * len(rows))), len(rows) - 1)  # never none and never all
    test = hashes < np.sort(hashes)[count]
    if not test.any():
        raise DataError(f"{path} must hold different rows, too many of {len(rows)} are equal; take those out")
    return rows.take(~test), rows.take(test)
