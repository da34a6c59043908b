"""Shared by the tests of metrics: one thread, a cache of their own, spaces made from digits."""

from __future__ import annotations

import gzip
import math
import warnings
from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest
import torch

from latentbench import LatentSpace, Posterior
from latentbench.latent.parts import SpaceData, SpaceMaps
from latentbench.testing import gallery
from latentbench_datasets.lines import draw_lines

DIM = 8
FASHION = Path("/usr/share/datasets/fashion-mnist")


@pytest.fixture(autouse=True, scope="session")
def _one_thread_own_cache(tmp_path_factory):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LATENTBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def torchmetrics():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import torchmetrics.functional
        import torchmetrics.functional.image

        return torchmetrics


@pytest.fixture(scope="session")
def digits():
    """Training images and labels, test images and labels: float32 (n, 1, 8, 8) in [0, 1]."""
    from sklearn.datasets import load_digits

    data = load_digits()
    images = torch.from_numpy(data.images).float().unsqueeze(1) / 16
    labels = torch.from_numpy(data.target).long()
    order = torch.from_numpy(np.random.default_rng(0).permutation(len(images)))
    train, test = order[:1297], order[1297:]
    return images[train], labels[train], images[test], labels[test]


@pytest.fixture(scope="session")
def fashion_mnist():
    """The same of Fashion-MNIST, 60,000 and 10,000 images (n, 1, 28, 28), where Debian has put it."""
    if not FASHION.exists():
        pytest.skip("dataset-fashion-mnist is not installed")

    def load(name, start):
        return torch.from_numpy(
            np.frombuffer(gzip.decompress((FASHION / name).read_bytes()), np.uint8)[start:].copy()
        )

    return tuple(
        load(f"{stem}-images-idx3-ubyte.gz", 16).reshape(-1, 1, 28, 28).float() / 255
        if part == "images"
        else load(f"{stem}-labels-idx1-ubyte.gz", 8).long()
        for stem in ("train", "t10k")
        for part in ("images", "labels")
    )


@pytest.fixture(scope="session")
def space(digits):
    """PCA of digits, with a posterior, a prior, a training split and costs."""
    return pca_space(digits)


@pytest.fixture(scope="session")
def make_space(digits):
    """A function that builds it anew; keyword arguments go to `LatentSpace`."""
    return lambda **changes: pca_space(digits, **changes)


@pytest.fixture(scope="session")
def suited(space):
    """A function that gives a metric a space that has what it needs, always the same one."""
    return cache(partial(suited_space, space))


def suited_space(space, metric):
    if metric.__name__ == "AcaiLines":
        return turning_lines()
    if metric.__name__ == "MsSsim":
        return magnified(gallery(100, 50))
    if metric.__name__ == "HeldOutClasses":
        return space.replaced(train=space.train.take((space.train.labels < 8).nonzero()[:, 0]))
    if metric.__name__ == "IntersectionOverUnion":
        return disks()
    return known_space() if {"factors", "likelihood"} & set(metric.needs) else space


def disks():
    """Signed distances from circles about the center; the code is the radius, decoded a little too large."""
    radii = torch.linspace(0.3, 0.8, 40)[:, None]
    along = (2 * torch.arange(16) + 1) / 16 - 1
    far = torch.hypot(along, along[:, None])

    def decode(codes):
        return far.to(codes.device) - 1.1 * codes[..., None, None]

    return LatentSpace(SpaceData(codes=radii, inputs=far - radii[..., None, None]), SpaceMaps(decode=decode))


@cache
def known_space():
    return gallery(600, 1000)


def turning_lines():
    """Lines whose code is the point of the circle at their angle; between two, the nearest line on the circle."""
    angles = torch.rand(80, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2 * math.pi
    return LatentSpace().replaced(
        codes=torch.stack([angles.cos(), angles.sin()], 1).float(),
        inputs=torch.from_numpy(draw_lines(angles.numpy())),
        factors=angles[:, None],
        factor_names=("angle",),
        factor_sizes=(0,),
        decode=lambda codes: torch.from_numpy(draw_lines(torch.atan2(codes[:, 1], codes[:, 0]).double().numpy())),
    )


def magnified(space):
    """The same images, each pixel four."""

    def four(images):
        return images.repeat_interleave(2, 2).repeat_interleave(2, 3)

    return space.replaced(inputs=four(space.inputs), decode=lambda codes: four(space.decoder(codes)))


def pca_space(digits, **changes):
    images, labels, test_images, test_labels = digits
    flat = images.flatten(1)
    mean = flat.mean(0)
    _, scales, axes = torch.linalg.svd(flat - mean, full_matrices=False)
    scales = scales[:DIM] / len(flat) ** 0.5

    def encode(inputs):
        here, down, size = (part.to(inputs.device) for part in (mean, axes[:DIM].T, scales))
        return (inputs.flatten(1) - here) @ down / size

    def decode(codes):
        here, up, size = (part.to(codes.device) for part in (mean, axes[:DIM], scales))
        return (codes * size @ up + here).reshape(-1, 1, 8, 8)

    def look(inputs, labels, **more):
        posterior = Posterior(0.95 * encode(inputs), torch.full((len(inputs), DIM), 0.1))
        prior = Posterior(torch.zeros(DIM), torch.ones(DIM))
        given = {
            "inputs": inputs, "labels": labels, "encode": encode, "decode": decode, "posterior": posterior,
            "prior": prior, **more,
        }  # fmt: skip
        return LatentSpace().replaced(**given)

    train = look(images, labels)
    return look(test_images, test_labels, **{"train": train, "cost": COST, **changes})


COST = {"train_seconds": 1.5, "images_per_second": 2000.0, "parameters": 640, "peak_memory_bytes": 2**20}
