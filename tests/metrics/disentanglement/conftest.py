"""Shared by the tests of disentanglement: factors, codes made of them, and quicker trees."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from latentbench_metrics.disentanglement import dci as dci_module

SIZES = (5, 4, 3, 2)


@pytest.fixture
def few_trees(monkeypatch):
    monkeypatch.setattr(dci_module, "TREES", 15)


def _grid(*sizes, copies=1):
    return torch.cartesian_prod(*[torch.arange(float(size)) for size in sizes]).repeat(copies, 1)


def _drawn(n, sizes=SIZES, seed=0):
    rng = np.random.default_rng(seed)
    return torch.from_numpy(np.stack([rng.integers(size, size=n) for size in sizes], 1)).double()


def _normal(n, d, seed=0):
    return torch.from_numpy(np.random.default_rng(seed + 1000).standard_normal((n, d)))


def _mixed(n, sizes=SIZES, seed=0, noise=0.3):
    """Factors, and codes that tell of several of them, each at its own scale."""
    factors = _drawn(n, sizes, seed)
    mix = _normal(len(sizes), len(sizes) + 2, seed + 1)
    return (factors @ mix + noise * _normal(n, len(sizes) + 2, seed + 2)) * (
        _normal(1, len(sizes) + 2).exp()
    ), factors


def _turned(codes, degrees=45):
    angle = math.radians(degrees)
    turn = torch.tensor([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    return torch.cat([codes[:, :2].double() @ turn.double(), codes[:, 2:].double()], 1)


@pytest.fixture(scope="session")
def grid():
    return _grid


@pytest.fixture(scope="session")
def drawn():
    return _drawn


@pytest.fixture(scope="session")
def normal():
    return _normal


@pytest.fixture(scope="session")
def mixed():
    return _mixed


@pytest.fixture(scope="session")
def turned():
    return _turned
