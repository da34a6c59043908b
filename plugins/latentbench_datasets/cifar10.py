"""CIFAR-10 in its binary version, from a folder, the cache or the internet."""

from __future__ import annotations

import shutil
import tarfile
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import Field

from latentbench import DataError, Dataset, Split, cache_dir, open_regular
from latentbench_datasets._shared.classes import LabeledParams, keep_classes
from latentbench_datasets._shared.downloads import fetch
from latentbench_datasets._shared.fingerprints import remembered_fingerprint

TRAIN = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
TEST = ("test_batch.bin",)
NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
BATCH_ROWS = 10_000
CLASS_ROWS = {50_000: 5_000, 10_000: 1_000}  # rows of each class, by how many rows the published splits have
ROW_BYTES = 1 + 3 * 32 * 32  # a label and an image
FOLDER = "cifar-10-batches-bin"
ARCHIVE = "cifar-10-binary.tar.gz"
ARCHIVE_MD5 = "c32a1d4ab5d03f1284b67883e8d87530"
ADVICE = f"give the folder {FOLDER} of the unpacked {ARCHIVE} as `-p cifar10.path=FOLDER`"


class CIFAR10(Dataset):
    """50,000 + 10,000 photographs, 32x32 in color, in 10 classes.

    The classes 0 to 9 are airplane, automobile, bird, cat, deer, dog, frog, horse, ship and truck.

    Source: Krizhevsky 2009, "Learning Multiple Layers of Features from Tiny Images". Only the binary version is
    read: the Python version is made of pickles, which run code. A download is checked by its md5, any
    files by how often each class occurs.
    """

    class Params(LabeledParams):
        """Where the files are, and which classes to keep."""

        path: Path | None = Field(
            default=None,
            description=f"the folder {FOLDER}, or the one that holds it; by default the cache, then a download",
        )

    params: Params

    def load(self) -> tuple[Split, Split]:
        """Return train and test, downloaded first if they are nowhere.

        Raises:
            DataError: a file is missing, damaged or of another version, or the download failed.
        """
        files = self.files()
        train, test = _read_split(files[: len(TRAIN)]), _read_split(files[len(TRAIN) :])
        for split in (train, test):
            _check_counts(split, files[0].parent)
        return keep_classes(train, test, self.params.classes, self.params.train_classes)

    def fingerprint(self) -> str:
        """Return the sha256 of the decoded arrays, without decoding files that are known already."""
        settings = {"classes": self.params.classes, "train_classes": self.params.train_classes}
        return remembered_fingerprint(self.files(), self.version, super().fingerprint, settings)

    def files(self) -> list[Path]:
        """Return the six files: five batches of train, one of test."""
        if self.params.path is not None:
            return _find_files(self.params.path.expanduser())
        cache = cache_dir() / "cifar10"
        try:
            return _find_files(cache)
        except DataError:
            _download(cache)
        return _find_files(cache)


def _find_files(folder: Path) -> list[Path]:
    if (folder / FOLDER).is_dir():
        folder = folder / FOLDER
    names = (*TRAIN, *TEST)
    missing = [name for name in names if not (folder / name).is_file()]
    if not missing:
        return [folder / name for name in names]
    if any((place / "data_batch_1").exists() for place in (folder, folder / "cifar-10-batches-py")):
        raise DataError(
            f"{folder} must hold the binary version of CIFAR-10, it holds the Python version, which is made of "
            f"pickles and not read; {ADVICE}"
        )
    raise DataError(f"{folder} must hold the six .bin files of CIFAR-10, {missing[0]} is not there; {ADVICE}")


def _read_split(files: list[Path]) -> Split:
    rows = np.concatenate([_read_batch(file) for file in files])
    return Split(rows[:, 1:].reshape(-1, 3, 32, 32), rows[:, 0].astype(np.int64), class_names=NAMES)


def _read_batch(file: Path) -> npt.NDArray[np.uint8]:
    """Return the rows of one file: label, then the red, green and blue planes."""
    with open_regular(file) as opened:
        content = opened.read(BATCH_ROWS * ROW_BYTES + 1)
    if len(content) != BATCH_ROWS * ROW_BYTES:
        raise DataError(
            f"{file} must hold {BATCH_ROWS} rows of {ROW_BYTES} bytes, got {len(content)} bytes, which is "
            f"{len(content) / ROW_BYTES:.1f} rows; delete it and fetch it again"
        )
    rows = np.frombuffer(content, np.uint8).reshape(BATCH_ROWS, ROW_BYTES)
    if rows[:, 0].max() > 9:
        raise DataError(f"{file} must hold labels from 0 to 9, got {rows[:, 0].max()}; {ADVICE}")
    return rows


def _check_counts(split: Split, folder: Path) -> None:
    """Refuse a split of the published size in which classes do not occur as often as in the published one."""
    expected = CLASS_ROWS.get(len(split))
    if expected is None or split.labels is None:
        return
    counts = np.bincount(split.labels, minlength=10).tolist()
    for number, count in enumerate(counts):
        if count != expected:
            raise DataError(
                f"{folder} must hold {expected} images of each class among {len(split)}, as published, "
                f"{NAMES[number]} (class {number}) has {count}; {ADVICE}, or save a copy changed "
                "on purpose as .npz for `-d copy.npz`"
            )


def _download(folder: Path) -> None:
    """Download and unpack the archive into `folder`; nothing appears there before all is whole."""
    import torchvision.datasets

    mirror = torchvision.datasets.CIFAR10.url.rpartition("/")[0] + "/"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".part-", dir=folder) as part:
            fetch(ARCHIVE, ARCHIVE_MD5, [mirror], part)
            Path(part, FOLDER).mkdir()
            with tarfile.open(Path(part, ARCHIVE)) as archive:
                for name in (*TRAIN, *TEST):
                    member = archive.extractfile(f"{FOLDER}/{name}")
                    if member is None:
                        raise tarfile.ExtractError(f"{FOLDER}/{name} is no file")
                    Path(part, FOLDER, name).write_bytes(member.read())
            shutil.rmtree(folder / FOLDER, ignore_errors=True)  # an incomplete one
            Path(part, FOLDER).replace(folder / FOLDER)
    except (OSError, KeyError, tarfile.TarError) as error:
        raise DataError(f"CIFAR-10 cannot be downloaded to {folder}: {error}; {ADVICE}") from error
