"""A perfect latent space made from formulas: bright spots, encoded and decoded exactly."""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor

from latentbench.latent.parts import SpaceData, SpaceMaps
from latentbench.latent.space import LatentSpace, OtherSplits
from latentbench.model import Posterior

__all__ = ["FACTORS", "decode_spots", "encode_spots", "gallery"]

SIDE = 16
FACTORS = {"x": 8, "y": 8, "size": 4, "aspect": 3, "tone": 4}
LABEL = "aspect"
CLASSES = ("tall", "round", "wide")
VALIDATION = 300
JITTER = 0.1  # of the step between two values of a factor
SPREAD = 0.05  # standard deviation of the posterior, and of a pixel given its code
REACH = 2.0  # pixels that x and y move for a step of 1 in the code
WIDTH = 1.7  # standard deviation of a spot of middle size, in pixels
WIDE = 3.0  # standard deviation of the dimension that holds the label
SEEN = 1e-3  # light that counts as none, so that a dark image has a code too


def gallery(count: int = 1000, train: int = 1500, seed: int = 0) -> LatentSpace:
    """Return a latent space with everything a metric can need, and with known answers.

    Its images `(n, 1, 16, 16)` are single bright spots. A code `(n, 5)` holds the spot's x, y, size, aspect and
    tone, one per dimension, each with mean 0 and variance about 1; the aspect, which is the label (tall, round,
    wide), is three times as wide, so that classes are clusters. Encoder and decoder are formulas in torch, inverse
    to each other up to a spot's tails beyond the border. Factors are the five numbers before a little jitter, on a
    grid of 8 x 8 x 4 x 3 x 4; `render` draws them without jitter. Posteriors are narrow, the prior is the standard
    normal, the likelihood a Gaussian.

    Args:
        count: rows of the test split.
        train: rows of the training split, `space.train`; the two share no grid point. Up to 300 more make the
            validation split.
        seed: of the choice of grid points and of the jitter.

    Raises:
        ValueError: more rows than the grid has points (3072).
    """
    points = math.prod(FACTORS.values())
    if not 0 < count <= points - train:
        raise ValueError(f"count and train must be at least 1 and {points} in all, got {count} and {train}")
    generator = torch.Generator().manual_seed(seed)
    grid = torch.tensor(list(itertools.product(*map(range, FACTORS.values()))), dtype=torch.float64)
    order = torch.randperm(points, generator=generator)
    rows = grid[order[: count + train]]
    inputs = _drawn(rows, generator)
    seen = _look(inputs[count:], rows[count:], "train")
    return _look(inputs[:count], rows[:count], "", seen, _validation(grid, order[count + train :], generator))


def decode_spots(codes: Tensor) -> Tensor:
    """Draw the spots of codes `(n, 5)`: `(n, 1, 16, 16)` in [0, 1]; differentiable."""
    x, y, size, aspect, tone = codes.T[..., None, None]
    place = torch.arange(SIDE, dtype=codes.dtype, device=codes.device) - (SIDE - 1) / 2
    width, stretch = WIDTH * torch.exp(0.2 * size), torch.exp(0.2 / WIDE * aspect)
    across = (place[None, None, :] - REACH * x) / (width * stretch)
    down = (place[None, :, None] - REACH * y) / (width / stretch)
    light = torch.sigmoid(0.5 * tone + 1.5)
    return (light * torch.exp(-0.5 * (across.square() + down.square())))[:, None]


def encode_spots(images: Tensor) -> Tensor:
    """Read the codes `(n, 5)` from images of spots `(n, 1, 16, 16)`: from their light, centers and variances.

    The fourth power of the light is used, a spot half as wide, so that a little noise changes little.
    """
    place = torch.arange(SIDE, dtype=images.dtype, device=images.device) - (SIDE - 1) / 2
    light = images[:, 0].pow(4)
    mass = light.sum((1, 2)).clamp_min(SEEN**4)
    means, widths = [], []
    for axis in (1, 2):  # of the sums: along x first
        profile = light.sum(axis) / mass[:, None]
        mean = (profile * place).sum(1)
        means.append(mean / REACH)
        widths.append(2 * ((profile * place.square()).sum(1) - mean.square()).clamp_min(SEEN).sqrt())
    wide, high = widths
    size, aspect = (wide * high).sqrt().div(WIDTH).log() / 0.2, (wide / high).sqrt().log() / 0.2 * WIDE
    tone = (mass / (math.pi / 2 * wide * high)).pow(0.25).clamp(SEEN, 1 - SEEN)
    return torch.stack([*means, size, aspect, (tone.logit() - 1.5) / 0.5], 1)


def _standard(values: Tensor) -> Tensor:
    """Turn numbers of grid values into codes of mean 0 and variance about 1."""
    sizes = torch.tensor(list(FACTORS.values())).to(values)
    wide = torch.tensor([WIDE if name == LABEL else 1.0 for name in FACTORS]).to(values)
    return (values - (sizes - 1) / 2) / ((sizes.square() - 1) / 12).sqrt() * wide


def _drawn(rows: Tensor, generator: torch.Generator) -> Tensor:
    """Draw spots of these factors with a little jitter."""
    jitter = JITTER * torch.randn(rows.shape, generator=generator, dtype=torch.float64)
    return decode_spots(_standard(rows + jitter).float())


def _validation(grid: Tensor, order: Tensor, generator: torch.Generator) -> LatentSpace | None:
    """Look at a few more grid points, if there are any left."""
    rows = grid[order[:VALIDATION]]
    return _look(_drawn(rows, generator), rows, "validation") if len(rows) else None


def _look(
    inputs: Tensor,
    factors: Tensor,
    split: str,
    train: LatentSpace | None = None,
    validation: LatentSpace | None = None,
) -> LatentSpace:
    codes = encode_spots(inputs)
    zeros = torch.zeros_like(codes[0])
    data = SpaceData(
        inputs=inputs,
        codes=codes,
        labels=factors[:, list(FACTORS).index(LABEL)].long(),
        factors=factors,
        factor_names=tuple(FACTORS),
        factor_sizes=tuple(FACTORS.values()),
        class_names=CLASSES,
    )
    maps = SpaceMaps(
        encode=encode_spots,
        decode=decode_spots,
        posterior=Posterior(codes, torch.full_like(codes, SPREAD**2)),
        prior=Posterior(zeros, torch.ones_like(zeros)),
        likelihood=_log_likelihood,
        render=lambda factors: decode_spots(_standard(factors.double()).float()),
    )
    return LatentSpace(
        data,
        maps,
        OtherSplits(train, validation),
        cost={"train_seconds": 1.0, "images_per_second": 1.0, "parameters": 1.0, "peak_memory_bytes": 1.0},
        name=f"gallery, {split}" if split else "gallery",
    )


def _log_likelihood(inputs: Tensor, codes: Tensor) -> Tensor:
    error = (inputs - decode_spots(codes)).flatten(1)
    constant = error.shape[1] * math.log(SPREAD * math.sqrt(2 * math.pi))
    return -0.5 * error.square().sum(1) / SPREAD**2 - constant
