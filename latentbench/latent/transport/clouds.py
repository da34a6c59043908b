"""Optimal transport of point clouds: each point moved to its partner; morphs of one class into another."""

from __future__ import annotations

import torch
from torch import Tensor

from latentbench.latent.class_names import class_words, known_classes
from latentbench.latent.space import LatentSpace
from latentbench.latent.transport.pot import pot

__all__ = ["class_codes", "cloud_morph", "displacement"]

MOST = 1000  # codes of each class: finding partners takes cubic time


def cloud_morph(
    space: LatentSpace, from_class: int, to_class: int, shares: Tensor, count: int = 200, seed: int = 0
) -> Tensor:
    """Return codes on the way from one class to another, `(points, n, d)`.

    McCann's interpolation of equally large samples of the two classes under the exact assignment, the one of least
    summed squared distance. Unlike the line between the class means, the cloud keeps its spread, and both ends are
    codes of items. Row i follows one code all the way; decode `result[:, i]` to see it.

    Source: McCann 1997.

    Traps: the assignment is the cheapest in total, so a partner need not be the nearest code; codes between two
    classes may lie where there is no data.

    Args:
        space: the latent space, with labels.
        from_class: number of the first class.
        to_class: number of the second class.
        shares: `(points,)`, in [0, 1].
        count: maximum number of codes per class; a smaller class limits it.
        seed: seed of the sample of items.

    Raises:
        ValueError: a class without items, two equal classes, shares outside [0, 1], or a count not from 1 to 1000.
        NotApplicableError: no labels.

    >>> codes = torch.tensor([[0.0], [1.0], [12.0], [10.0]])
    >>> space = LatentSpace.from_arrays(codes=codes, labels=[5, 5, 9, 9])
    >>> cloud_morph(space, 5, 9, torch.tensor([0.0, 0.5, 1.0]))[:, :, 0].sort(1).values
    tensor([[ 0.0000,  1.0000],
            [ 5.0000,  6.5000],
            [10.0000, 12.0000]])
    """
    if from_class == to_class:
        raise ValueError(f"a morph needs two classes, got {class_words(from_class, space.class_names)} twice")
    if shares.ndim != 1 or not bool(((shares >= 0) & (shares <= 1)).all()):
        raise ValueError(f"shares must be (points,), in [0, 1], got {shares.tolist()}")
    if not 1 <= count <= MOST:
        raise ValueError(f"count must be from 1 to {MOST}, got {count}")
    clouds = [class_codes(space, number) for number in (from_class, to_class)]
    size = min(count, *map(len, clouds))
    generator = torch.Generator().manual_seed(seed)
    drawn = [cloud[torch.randperm(len(cloud), generator=generator)[:size].to(cloud.device)] for cloud in clouds]
    partners = displacement(drawn[0], drawn[1], 1)
    return torch.lerp(drawn[0], partners, shares.to(partners)[:, None, None])


def class_codes(space: LatentSpace, number: int) -> Tensor:
    """Return the codes `(n, d)` of a class.

    Raises:
        ValueError: the class has no items.
        NotApplicableError: no labels.
    """
    rows = (space.labels == number).nonzero()[:, 0]
    if not len(rows):
        known = known_classes(space.class_names, torch.unique(space.labels).tolist())
        raise ValueError(f"no item is of {class_words(number, space.class_names)}; classes are {known}")
    return space.codes[rows]


def displacement(x: Tensor, y: Tensor, t: float) -> Tensor:
    """Return the cloud `(n, d)` a share `t` of the way from `x` to `y`, each point moved to its exact partner.

    McCann's interpolation: the geodesic of the 2-Wasserstein distance, W2(x, result) = t W2(x, y). Row i of the
    result started at row i of `x`. O(n³) and n x n numbers, on the CPU in float64.

    Source: McCann 1997.

    Traps: in many dimensions the partners in a small sample are far from those of the underlying distributions.

    Args:
        x: `(n, d)`.
        y: `(n, d)`, equally many rows.
        t: in [0, 1].

    Raises:
        ValueError: unequal shapes, or t outside [0, 1].

    >>> x, y = torch.tensor([[0.0], [1.0]]), torch.tensor([[12.0], [10.0]])
    >>> displacement(x, y, 0.5)
    tensor([[5.0000],
            [6.5000]])
    """
    if x.ndim != 2 or x.shape != y.shape or not len(x):
        raise ValueError(
            f"x and y must both be (n, d), equally many rows, got {tuple(x.shape)} and {tuple(y.shape)}"
        )
    if not 0 <= t <= 1:
        raise ValueError(f"t must be in [0, 1], got {t}")
    return (1 - t) * x + t * y[_partners(x, y).to(y.device)]


def _partners(x: Tensor, y: Tensor) -> Tensor:
    """Return for each row of `x` its row of `y` in the cheapest one-to-one assignment."""
    from scipy.optimize import linear_sum_assignment

    sources, targets = ((cloud.double() - cloud.double().mean(0)).cpu().numpy() for cloud in (x, y))
    return torch.from_numpy(linear_sum_assignment(pot().dist(sources, targets))[1])
