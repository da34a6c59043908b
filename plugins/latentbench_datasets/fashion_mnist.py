"""Fashion-MNIST, from a folder, Debian's package, the cache or the internet."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from http.client import HTTPException
from pathlib import Path

import numpy as np
from pydantic import Field

from latentbench import DataError, Dataset, Split, cache_dir
from latentbench_datasets.fingerprints import remembered_fingerprint
from latentbench_datasets.idx import read_idx

TRAIN = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte")
TEST = ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")
ADVICE = (
    "give a folder with the four idx files as `-p fashion_mnist.path=FOLDER`, "
    "or install Debian's package dataset-fashion-mnist"
)


class FashionMNIST(Dataset):
    """60,000 + 10,000 pictures of clothes, 28x28 grey, in 10 classes.

    Source: Xiao, Rasul and Vollgraf 2017, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning
    Algorithms". Files that are already there may be gzipped in any way, or be a subset; downloaded ones are
    checked by their md5.
    """

    class Params(Dataset.Params):
        """Where the files are."""

        path: Path | None = Field(
            default=None,
            description="folder with the four idx files, gzipped or not; by default that of Debian's package, "
            "then the cache, then a download",
        )

    params: Params

    def load(self) -> tuple[Split, Split]:
        """Return train and test, downloaded first if they are nowhere.

        Raises:
            DataError: a file is missing, damaged or not of Fashion-MNIST, or the download failed.
        """
        files = self.files()
        return _read_split(*files[:2]), _read_split(*files[2:])

    def fingerprint(self) -> str:
        """Return the sha256 of the decoded arrays, without decoding files that are known already."""
        return remembered_fingerprint(self.files(), self.version, super().fingerprint)

    def files(self) -> list[Path]:
        """Return the four files: train images and labels, test images and labels."""
        if self.params.path is not None:
            return _find_files(self.params.path.expanduser())
        cache = cache_dir() / "fashion_mnist"
        for folder in (DEBIAN_FOLDER, cache):
            try:
                return _find_files(folder)
            except DataError:
                continue
        _download(cache)
        return _find_files(cache)


def _find_files(folder: Path) -> list[Path]:
    try:
        present = {path.name for path in folder.iterdir()}
    except OSError as error:
        raise DataError(
            f"{folder} must be a folder with the idx files of Fashion-MNIST, it cannot be read "
            f"({error.strerror}); {ADVICE}"
        ) from None
    files = []
    for stem in (*TRAIN, *TEST):
        names = [name for name in (f"{stem}.gz", stem) if name in present]
        if not names:
            raise DataError(f"{folder} must hold {stem} or {stem}.gz, neither is there; {ADVICE}")
        files.append(folder / names[0])
    return files


def _read_split(image_file: Path, label_file: Path) -> Split:
    images, labels = read_idx(image_file), read_idx(label_file)
    if images.dtype != np.uint8 or images.shape[1:] != (28, 28):
        raise DataError(
            f"{image_file} must hold bytes of shape (n, 28, 28), "
            f"got {images.dtype} of shape {images.shape}; {ADVICE}"
        )
    if labels.dtype != np.uint8 or labels.ndim != 1:
        raise DataError(
            f"{label_file} must hold bytes of shape (n,), got {labels.dtype} of shape {labels.shape}; {ADVICE}"
        )
    if len(images) != len(labels) or not len(images):
        raise DataError(
            f"{image_file} and {label_file} must hold equally many rows and at least one, "
            f"got {len(images)} images and {len(labels)} labels; {ADVICE}"
        )
    if labels.max() > 9:
        raise DataError(f"{label_file} must hold labels from 0 to 9, got {labels.max()}; {ADVICE}")
    return Split(images[:, None], labels.astype(np.int64))


def _download(folder: Path) -> None:
    """Download the four files into `folder`; none appears there before all are whole."""
    from torchvision.datasets import FashionMNIST as Source

    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".part-", dir=folder) as part:
            for name, md5 in Source.resources:
                _fetch(name, md5, Source.mirrors, part)
            for name, _ in Source.resources:
                Path(part, name).replace(folder / name)
    except OSError as error:
        raise DataError(f"Fashion-MNIST cannot be downloaded to {folder}: {error}; {ADVICE}") from error


def _fetch(name: str, md5: str, mirrors: Sequence[str], folder: str) -> None:
    """Download one file from the first mirror that has it whole.

    Raises:
        OSError: no mirror has; it says what each answered.
    """
    from torchvision.datasets.utils import download_url

    answers = []
    for mirror in mirrors:
        try:
            download_url(mirror + name, folder, name, md5)
        except (OSError, RuntimeError, HTTPException) as error:
            answers.append(f"{mirror}{name} gave {str(error).rstrip('.') or type(error).__name__}")
        else:
            return
    raise OSError(", ".join(answers))
