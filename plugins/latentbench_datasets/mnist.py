"""MNIST, from a folder, the cache or the internet."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from latentbench_datasets.idx_dataset import IdxDataset


class MNIST(IdxDataset):
    """60,000 + 10,000 handwritten digits, 28x28 grey, in 10 classes.

    Source: LeCun, Bottou, Bengio and Haffner 1998, "Gradient-Based Learning Applied to Document Recognition".
    Files that are already there may be gzipped in any way, or be a subset; whole ones are checked by the sha256 of
    what they hold, downloaded ones by their md5.
    """

    class Params(IdxDataset.Params):
        """Where the files are, and which classes to keep."""

        path: Path | None = Field(
            default=None,
            description="folder with the four idx files, gzipped or not; by default the cache, then a download",
        )

    params: Params
    title = "MNIST"
    cache_name = "mnist"
    source = "MNIST"
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
