"""The built-in datasets of latentbench, registered through the same hook as any plugin."""

from __future__ import annotations

from collections.abc import Callable

from latentbench import hookimpl


@hookimpl
def register_datasets(register: Callable[..., None]) -> None:
    """Register the built-in datasets."""
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
        "dsprites",
        "latentbench_datasets.dsprites:DSprites",
        summary="737,280 squares, ellipses and hearts with 5 known factors, 64x64 black and white, from your file",
    )
    register(
        "faces",
        "latentbench_datasets.faces:Faces",
        summary="13,111 cartoon faces with 19 known factors, 64x64 in color, drawn on demand",
    )
    register(
        "fashion_mnist",
        "latentbench_datasets.fashion_mnist:FashionMNIST",
        summary="70,000 pictures of clothes in 10 classes, 28x28 grey",
    )
    register(
        "garments",
        "latentbench_datasets.garments:Garments",
        summary="13,111 shoes and clothes with 7 known factors, 28x28 grey, drawn on demand",
    )
    register(
        "furniture",
        "latentbench_datasets.furniture:Furniture",
        summary="2,500 chairs, tables and couches with 7 known factors, as signed distances, drawn on demand",
    )
    register(
        "lines",
        "latentbench_datasets.lines:Lines",
        summary="12,000 half-lines with 1 known factor, their angle, 32x32 grey, drawn on demand",
    )
    register(
        "mnist",
        "latentbench_datasets.mnist:MNIST",
        summary="70,000 handwritten digits, 28x28 grey",
    )
    register(
        "shapes3d",
        "latentbench_datasets.shapes3d:Shapes3D",
        summary="480,000 views of a body in a room with 6 known factors, 64x64 in color, from your file",
    )
    register(
        "sprites",
        "latentbench_datasets.sprites:Sprites",
        summary="24,576 squares, ellipses and hearts with 5 known factors, 32x32 grey, drawn on demand",
    )
