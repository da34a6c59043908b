"""The built-in datasets of latentbench, registered like anybody's plugin."""

from __future__ import annotations

from collections.abc import Callable

from latentbench import hookimpl


@hookimpl
def register_datasets(register: Callable[..., None]) -> None:
    """Offer the built-in datasets."""
    register(
        "arrays",
        "latentbench_datasets.arrays:Arrays",
        summary="your own data: a folder of images, .npy, .npz, CSV or parquet",
    )
    register(
        "celeba",
        "latentbench_datasets.celeba:CelebA",
        summary="202,599 photographs of faces with 40 attributes, in color, from your folder",
    )
    register(
        "cifar10",
        "latentbench_datasets.cifar10:CIFAR10",
        summary="60,000 photographs in 10 classes, 32x32 in color",
    )
    register(
        "digits",
        "latentbench_datasets.digits:Digits",
        summary="1,797 handwritten digits, 8x8 grey, ships with scikit-learn",
    )
    register(
        "fashion_mnist",
        "latentbench_datasets.fashion_mnist:FashionMNIST",
        summary="70,000 pictures of clothes in 10 classes, 28x28 grey",
    )
    register(
        "mnist",
        "latentbench_datasets.mnist:MNIST",
        summary="70,000 handwritten digits, 28x28 grey",
    )
