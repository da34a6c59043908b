"""What MNIST and its relatives share: four idx files, from a folder, the cache or the internet."""

from __future__ import annotations

import hashlib
import struct
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from latentbench import DataError, Dataset, Split, cache_dir
from latentbench_datasets._shared.classes import LabeledParams, keep_classes
from latentbench_datasets._shared.downloads import fetch
from latentbench_datasets._shared.fingerprints import remembered_fingerprint
from latentbench_datasets._shared.idx import read_idx

__all__ = ["IdxDataset"]

TRAIN = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte")
TEST = ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


class IdxDataset(Dataset):
    """28x28 grey images in 10 classes, as four idx files whose names are the same in the whole family.

    Files that are already there may be gzipped in any way, or be a subset; downloaded ones are checked by their
    md5. Whole label files are told from those of a relative by how often each class occurs, and whole files must
    be the published ones, row by row.

    Attributes:
        title: what messages call it.
        cache_name: its folder in the cache.
        source: the class of `torchvision.datasets` that knows mirrors and checksums.
        class_names: what the classes 0 to 9 are called.
        class_counts: for each size of a whole label file, how often each class occurs in it.
        digests: for each size of a whole file, the sha256 of the unpacked idx files published, images and labels.
        advice: the end of each error: what the user can do.
    """

    class Params(LabeledParams):
        """Where the files are, and which classes to keep."""

        path: Path | None = None

    params: Params
    title: ClassVar[str]
    cache_name: ClassVar[str]
    source: ClassVar[str]
    class_names: ClassVar[tuple[str, ...]]
    class_counts: ClassVar[Mapping[int, tuple[int, ...]]]
    digests: ClassVar[Mapping[int, tuple[str, str]]]
    advice: ClassVar[str]

    def load(self) -> tuple[Split, Split]:
        """Return train and test, downloaded first if they are nowhere.

        Raises:
            DataError: a file is missing, damaged or of another dataset, or the download failed.
        """
        files = self.files()
        train, test = self._read_split(*files[:2]), self._read_split(*files[2:])
        return keep_classes(train, test, self.params.classes, self.params.train_classes)

    def fingerprint(self) -> str:
        """Return the sha256 of the decoded arrays, without decoding files that are known already."""
        settings = self.params.model_dump(mode="json", exclude={"path"})
        return remembered_fingerprint(self.files(), self.version, super().fingerprint, settings)

    def files(self) -> list[Path]:
        """Return the four files: train images and labels, test images and labels."""
        if self.params.path is not None:
            return self._find_files(self.params.path.expanduser())
        for folder in self.folders():
            try:
                return self._find_files(folder)
            except DataError:
                continue
        self._download(self.folders()[-1])
        return self._find_files(self.folders()[-1])

    def folders(self) -> tuple[Path, ...]:
        """Return where to look without a `path`; a download goes to the last."""
        return (cache_dir() / self.cache_name,)

    def _find_files(self, folder: Path) -> list[Path]:
        try:
            present = {path.name for path in folder.iterdir()}
        except OSError as error:
            raise DataError(
                f"{folder} must be a folder with the idx files of {self.title}, it cannot be read "
                f"({error.strerror}); {self.advice}"
            ) from None
        files = []
        for stem in (*TRAIN, *TEST):
            names = [name for name in (f"{stem}.gz", stem) if name in present]
            if not names:
                raise DataError(f"{folder} must hold {stem} or {stem}.gz, neither is there; {self.advice}")
            files.append(folder / names[0])
        return files

    def _read_split(self, image_file: Path, label_file: Path) -> Split:
        images, labels = read_idx(image_file), read_idx(label_file)
        if images.dtype != np.uint8 or images.shape[1:] != (28, 28):
            raise DataError(
                f"{image_file} must hold bytes of shape (n, 28, 28), "
                f"got {images.dtype} of shape {images.shape}; {self.advice}"
            )
        if labels.dtype != np.uint8 or labels.ndim != 1:
            raise DataError(
                f"{label_file} must hold bytes of shape (n,), "
                f"got {labels.dtype} of shape {labels.shape}; {self.advice}"
            )
        if len(images) != len(labels) or not len(images):
            raise DataError(
                f"{image_file} and {label_file} must hold equally many rows and at least one, "
                f"got {len(images)} images and {len(labels)} labels; {self.advice}"
            )
        if labels.max() > 9:
            raise DataError(f"{label_file} must hold labels from 0 to 9, got {labels.max()}; {self.advice}")
        expected = self.class_counts.get(len(labels))
        if expected is not None and tuple(np.bincount(labels, minlength=10).tolist()) != expected:
            raise DataError(
                f"{label_file} must hold the labels of {self.title}, the classes in it occur as often as in no "
                f"such file, so it is of another dataset; {self.advice}"
            )
        self._check_published(image_file, images, 0)
        self._check_published(label_file, labels, 1)
        return Split(images[:, None], labels.astype(np.int64), class_names=self.class_names)

    def _check_published(self, file: Path, values: npt.NDArray[np.uint8], which: int) -> None:
        """Refuse a file of the published size with other rows, or with the same ones in another order."""
        digest = self.digests.get(len(values))
        if digest is not None and _idx_digest(values) != digest[which]:
            raise DataError(
                f"{file} must hold the {len(values)} rows of {self.title} as published, in that order, it has as "
                f"many but its sha256 differs; {self.advice}, or save a copy changed on purpose as .npz for "
                "`-d copy.npz`"
            )

    def _download(self, folder: Path) -> None:
        """Download the four files into `folder`; none appears there before all are whole."""
        import torchvision.datasets

        source = getattr(torchvision.datasets, self.source)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".part-", dir=folder) as part:
                for name, md5 in source.resources:
                    fetch(name, md5, source.mirrors, part)
                for name, _ in source.resources:
                    Path(part, name).replace(folder / name)
        except OSError as error:
            raise DataError(f"{self.title} cannot be downloaded to {folder}: {error}; {self.advice}") from error


def _idx_digest(values: npt.NDArray[np.uint8]) -> str:
    """Return the sha256 of bytes as an unpacked idx file holds them."""
    header = struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape)
    digest = hashlib.sha256(header)
    digest.update(np.ascontiguousarray(values).data)
    return digest.hexdigest()
