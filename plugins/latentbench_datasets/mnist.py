"""MNIST, from a folder, the cache or the internet."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from latentbench import Split
from latentbench_datasets._shared.idx_dataset import TEST, IdxDataset

Binarize = Literal["none", "threshold", "static"]


class MNIST(IdxDataset):
    """60,000 + 10,000 handwritten digits, 28x28 grey, in 10 classes.

    Source: LeCun, Bottou, Bengio and Haffner 1998, "Gradient-Based Learning Applied to Document Recognition".
    Files that are already there may be gzipped in any way, or be a subset; whole ones are checked by the sha256 of
    what they hold, downloaded ones by their md5. Binarized pixels, 0 or 255, are for likelihoods of binary data.
    "static" draws each once, as for the binary MNIST of Larochelle and Murray 2011, but not with their random
    numbers; where pixels are drawn anew in each epoch, as by Burda, Grosse and Salakhutdinov 2016, values differ.
    """

    class Params(IdxDataset.Params):
        """Where the files are, which classes to keep, and how bright pixels are."""

        path: Path | None = Field(
            default=None,
            description="folder with the four idx files, gzipped or not; by default the cache, then a download",
        )
        binarize: Binarize = Field(
            default="none",
            description="none: grey; threshold: white where over half; static: white with the probability of the "
            "grey value, drawn once and always the same",
        )

    params: Params
    title = "MNIST"
    cache_name = "mnist"
    source = "MNIST"
    class_names = tuple("0123456789")
    class_counts = {  # noqa: RUF012 - a constant, declared in the base
        60000: (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949),
        10000: (980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009),
    }
    digests = {  # noqa: RUF012 - likewise
        60000: (
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        ),
        10000: (
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    }
    advice = "give a folder with the four idx files as `-p mnist.path=FOLDER`"

    def _read_split(self, image_file: Path, label_file: Path) -> Split:
        split = super()._read_split(image_file, label_file)
        seed = int(image_file.name.startswith(TEST[0]))  # test has a stream of its own
        return replace(split, inputs=_binarize(split.inputs, self.params.binarize, seed))


def _binarize(images: npt.NDArray[np.uint8], how: Binarize, seed: int) -> npt.NDArray[np.uint8]:
    """Return `images`, or such with pixels of 0 and 255 only."""
    if how == "none":
        return images
    limits: int | npt.NDArray[np.uint8] = 127
    if how == "static":
        limits = np.random.default_rng(seed).integers(0, 255, images.shape, dtype=np.uint8)
    return np.where(images > limits, 255, 0).astype(np.uint8)
