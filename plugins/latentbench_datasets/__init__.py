"""The built-in datasets of latentbench, registered like anybody's plugin."""

from __future__ import annotations

from collections.abc import Callable

from latentbench import hookimpl


@hookimpl
def register_datasets(register: Callable[..., None]) -> None:
    """Offer the built-in datasets."""
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
