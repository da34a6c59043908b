"""Shared by the tests of pair metrics: codes that are drawn, turned, shuffled and halved."""

import numpy as np
import torch


def normal(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def normal32(*shape, seed=0):
    return normal(*shape, seed=seed).float()


def turn(dim, seed=7):
    """A rotation."""
    return torch.linalg.qr(normal(dim, dim, seed=seed))[0]


def shuffled(count, seed=0):
    """Row numbers in another order."""
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed))


def halved(*spaces):
    """Training codes of all spaces, then the codes that are scored."""
    return (*(space[: len(space) // 2] for space in spaces), *(space[len(space) // 2 :] for space in spaces))
