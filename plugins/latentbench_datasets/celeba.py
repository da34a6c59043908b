"""CelebA, from the user's folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image, ImageOps
from pydantic import Field

from latentbench import DataError, Dataset, Split
from latentbench_datasets._arrays.files import read_frame
from latentbench_datasets._arrays.images import as_array, open_image
from latentbench_datasets._arrays.prepared_images import Images, decoded_images
from latentbench_datasets._shared.fingerprints import remembered_fingerprint

IMAGES = "img_align_celeba"
ATTRIBUTES = "list_attr_celeba.txt"
PARTITION = "list_eval_partition.txt"
TRAIN, TEST = 0, 2  # numbers of the partition; 1 is its validation part
ADVICE = "fetch them from the page of CelebA and give the folder as `-p celeba.path=FOLDER`"


class CelebA(Dataset):
    """202,599 aligned photographs of faces in color, with 40 attributes that are there (1) or not (0) as factors.

    Source: Liu, Luo, Wang and Tang 2015, "Deep Learning Face Attributes in the Wild". The largest square in the
    middle of each image is resized. Train and test are the published ones; the published validation part is left
    out, for each dataset here has one carved from train.
    """

    class Params(Dataset.Params):
        """Where the files are, and how much of them."""

        path: Path | None = Field(
            default=None, description=f"folder with {IMAGES}/, {ATTRIBUTES} and {PARTITION}; needed, no download"
        )
        size: int = Field(default=64, ge=8, le=178, description="height and width of the images")
        limit: int | None = Field(
            default=None,
            ge=50,
            description="use at most this many images of train and of test, the first ones; by default all",
        )

    params: Params

    def load(self) -> tuple[Split, Split]:
        """Return train and test.

        Raises:
            DataError: a file is missing or damaged, or images, attributes and partition do not fit together.
        """
        folder = self._folder()
        table = _read_lists(folder)
        return self._read_split(folder, table, TRAIN), self._read_split(folder, table, TEST)

    def fingerprint(self) -> str:
        """Return the sha256 of the decoded arrays, without decoding files that are known already."""
        folder = self._folder()
        table = _read_lists(folder)
        rows = pd.concat([self._choose(table, part) for part in (TRAIN, TEST)])
        files = [folder / ATTRIBUTES, folder / PARTITION, *_find_images(folder, rows)]
        settings = self.params.model_dump(mode="json", exclude={"path"})
        return remembered_fingerprint(files, self.version, super().fingerprint, settings)

    def _folder(self) -> Path:
        if self.params.path is None:
            raise DataError(
                "celeba needs a folder of files that can be downloaded only from Google Drive with gdown, which "
                f"is not done here; {ADVICE}"
            )
        return self.params.path.expanduser()

    def _choose(self, table: pd.DataFrame, part: int) -> pd.DataFrame:
        """Return the attributes of one part, as far as the limit allows."""
        return table[table["part"] == part].drop(columns="part").head(self.params.limit or len(table))

    def _read_split(self, folder: Path, table: pd.DataFrame, part: int) -> Split:
        rows = self._choose(table, part)
        size = self.params.size
        files = _find_images(folder, rows)

        def read(file: Path) -> tuple[npt.NDArray[np.uint8], list[str]]:
            return _read_face(file, size), []

        images, _ = decoded_images(Images(f"images of {folder.name}", files, ["CelebA", size], read, channels=3))
        factors = (rows.to_numpy(np.float32) + 1) / 2
        return Split(images, None, factors, tuple(rows.columns), (2,) * len(rows.columns))


def _read_face(file: Path, size: int) -> npt.NDArray[np.uint8]:
    """Return one image, its middle, as `(3, size, size)`."""
    face = ImageOps.fit(open_image(file)[0].convert("RGB"), (size, size), Image.Resampling.BILINEAR)
    return as_array(face)


def _read_lists(folder: Path) -> pd.DataFrame:
    """Return one row an image, in the files' order: 40 attributes of -1 or 1, and `part` of 0, 1 or 2."""
    attributes = read_frame(folder / ATTRIBUTES, sep=r"\s+", skiprows=1, index_col=0)
    partition = read_frame(folder / PARTITION, sep=r"\s+", header=None, names=["file", "part"], index_col=0)
    if list(attributes.index) != list(partition.index):
        raise DataError(
            f"{folder / ATTRIBUTES} and {folder / PARTITION} must name the same images in the same order, "
            f"they have {len(attributes)} and {len(partition)} and differ; {ADVICE}"
        )
    if not attributes.isin([-1, 1]).to_numpy().all():
        raise DataError(f"{folder / ATTRIBUTES} must hold -1 or 1 for each attribute, it holds others; {ADVICE}")
    for part in (TRAIN, TEST):
        if not (partition["part"] == part).any():
            raise DataError(f"{folder / PARTITION} must put images in part {part}, it puts none there; {ADVICE}")
    return attributes.assign(part=partition["part"])


def _find_images(folder: Path, rows: pd.DataFrame) -> list[Path]:
    try:
        present = {path.name for path in (folder / IMAGES).iterdir()}
    except OSError as error:
        raise DataError(f"{folder / IMAGES} must be a folder of images ({error.strerror}); {ADVICE}") from None
    missing = [name for name in rows.index if name not in present]
    if missing:
        raise DataError(
            f"{folder / IMAGES} must hold the images that {ATTRIBUTES} names, {missing[0]} is not there "
            f"({len(missing)} are missing); {ADVICE}"
        )
    return [folder / IMAGES / name for name in rows.index]
