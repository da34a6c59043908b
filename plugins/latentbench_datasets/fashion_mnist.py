"""Fashion-MNIST, from a folder, Debian's package, the cache or the internet."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from latentbench_datasets._shared.idx_dataset import IdxDataset

DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")


class FashionMNIST(IdxDataset):
    """60,000 + 10,000 pictures of clothes, 28x28 grey, in 10 classes.

    The classes 0 to 9 are T-shirt/top, trouser, pullover, dress, coat, sandal, shirt, sneaker, bag and ankle boot.

    Source: Xiao, Rasul and Vollgraf 2017, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning
    Algorithms". Files that are already there may be gzipped in any way, or be a subset; whole ones are
    checked by the sha256 of what they hold, downloaded ones by their md5.
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
    class_names = (
        "T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"
    )  # fmt: skip
    class_counts = {60000: (6000,) * 10, 10000: (1000,) * 10}  # noqa: RUF012 - a constant, declared in the base
    digests = {  # noqa: RUF012 - likewise
        60000: (
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        ),
        10000: (
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
    }
    advice = (
        "give a folder with the four idx files as `-p fashion_mnist.path=FOLDER`, "
        "or install Debian's package dataset-fashion-mnist"
    )

    def folders(self) -> tuple[Path, ...]:
        """Return where to look without a `path`: Debian's package, then the cache."""
        return DEBIAN_FOLDER, *super().folders()
