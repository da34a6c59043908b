"""Fashion-MNIST, from a folder, Debian's package, the cache or the internet."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from latentbench_datasets.idx_dataset import IdxDataset

DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")


class FashionMNIST(IdxDataset):
    """60,000 + 10,000 pictures of clothes, 28x28 grey, in 10 classes.

    Source: Xiao, Rasul and Vollgraf 2017, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning
    Algorithms". Files that are already there may be gzipped in any way, or be a subset; downloaded ones are
    checked by their md5.
    """

    class Params(IdxDataset.Params):
        """Where the files are, and which classes to keep."""

        path: Path | None = Field(
            default=None,
            description="folder with the four idx files, gzipped or not; by default that of Debian's package, "
            "then the cache, then a download",
        )

    params: Params
    title = "Fashion-MNIST"
    cache_name = "fashion_mnist"
    source = "FashionMNIST"
    class_counts = {60000: (6000,) * 10, 10000: (1000,) * 10}  # noqa: RUF012 - a constant, declared in the base
    advice = (
        "give a folder with the four idx files as `-p fashion_mnist.path=FOLDER`, "
        "or install Debian's package dataset-fashion-mnist"
    )

    def folders(self) -> tuple[Path, ...]:
        """Return where to look without a `path`: Debian's package, then the cache."""
        return DEBIAN_FOLDER, *super().folders()
