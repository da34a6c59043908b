"""Shared by the tests of edits: spaces whose attributes are known, and a classifier that learns quickly."""

from __future__ import annotations

import pytest
import torch

from latentbench import LatentSpace
from latentbench.execution.scoring import compute
from latentbench.testing import gallery

SIDE = 6


@pytest.fixture(scope="module", autouse=True)
def _quick_judge():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("latentbench_metrics._shared.features.ITEMS", 15_000)
        yield


@pytest.fixture(scope="session")
def spots():
    return gallery(300, 1500)


def _scores(space, metric, **params):
    values = compute(metric(metric.Params(**params)), space)
    return {name: float(value.mean()) for name, value in values.items()}


def _normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _drawn(pattern, count=400, decode=None, encode=None, correlated=False):
    """Images that are sums of patterns `(k, ...)`, each there or not; codes are PCA's unless others are given."""

    def factors_of(seed):
        values = (_normal(count, len(pattern), seed=seed) > 0).double()
        if correlated and seed != 1:
            same = _normal(count, seed=9 + seed) > -1
            values[:, 1] = torch.where(same, values[:, 0], values[:, 1])
        return values

    def render(factors):
        return (0.1 + torch.tensordot(factors, pattern.double(), 1)).float()

    train_images = render(factors_of(0))
    mean, axes = (
        train_images.mean(0),
        torch.linalg.svd((train_images - train_images.mean(0)).flatten(1), full_matrices=False).Vh[: len(pattern)],
    )
    encode = encode or (lambda images: (images - mean).flatten(1) @ axes.T)
    decode = decode or (lambda codes: (codes @ axes).reshape(-1, *mean.shape) + mean)
    names = ("hat", "glasses", "beard")[: len(pattern)]

    def look(seed, **more):
        factors = factors_of(seed)
        inputs = render(factors)
        seen = {"inputs": inputs, "codes": encode(inputs), "factors": factors, "render": render, **more}
        sizes = (2,) * len(names)
        return LatentSpace().replaced(encode=encode, decode=decode, factor_names=names, factor_sizes=sizes, **seen)

    return look(1, train=look(0), validation=look(2))


def _blocks(count=3):
    """Patterns in places of their own."""
    pattern = torch.zeros(count, 1, SIDE, SIDE)
    for number in range(count):
        pattern[number, 0, 2 * number : 2 * number + 2] = 0.5
    return pattern


@pytest.fixture(scope="session")
def scores():
    return _scores


@pytest.fixture(scope="session")
def normal():
    return _normal


@pytest.fixture(scope="session")
def drawn():
    return _drawn


@pytest.fixture(scope="session")
def blocks():
    return _blocks


@pytest.fixture(scope="session")
def always_grey():
    """A model that draws the same grey image for every code."""
    return _drawn(_blocks(), decode=lambda codes: torch.full((len(codes), 1, SIDE, SIDE), 0.3))
