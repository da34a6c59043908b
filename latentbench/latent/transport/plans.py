"""The plan of optimal transport between two images: which mass goes from which pixel to which."""

from __future__ import annotations

import torch
from torch import Tensor

from latentbench.latent.transport.kernels import GridKernel

__all__ = ["image_plan"]

STEPS = 10_000  # most steps to a plan
TOLERANCE = 1e-5  # of its marginals, before they are made exact
CHECK = 5  # steps between two checks of the error
LEVEL_STEPS = 12  # before the entropy is halved
RELAXATION = 1.8  # times the step that the iteration proposes
FAINT = 1e-9  # share of a pixel's mass below which it goes nowhere
ROWS = 256  # pixels whose ways to all others are held at once
EQUAL = 1e-9  # relative difference of images that are one image times a number


def image_plan(start: Tensor, end: Tensor, reg: float) -> tuple[Tensor, Tensor, Tensor]:
    """Return sources and targets `(m, 2)` in rows and columns, and the share `(m,)` of mass moved between them.

    The entropic plan between images of mass 1 by Sinkhorn's iteration: more entropy first, then less (Schmitzer
    2019), with steps that are longer than proposed (Thibault 2021). What its marginals lack at the end is moved
    too (Altschuler 2017), so that they are exact. Between an image and a multiple of it nothing moves.

    Args:
        start: `(h, w)` in float64 on the CPU, at least 0, not all 0.
        end: an image of the same shape.
        reg: entropy in squared pixels.

    Raises:
        ValueError: no plan was found.
    """
    heaps = [image / image.sum() for image in (start, end)]
    if torch.allclose(heaps[0], heaps[1], rtol=EQUAL, atol=0):
        still = heaps[0].nonzero().double()
        return still, still, heaps[0][heaps[0] > 0]
    boxes = [_box(heap) for heap in heaps]
    masses = [heap[box] for heap, box in zip(heaps, boxes, strict=True)]
    lines = [[torch.arange(line.start, line.stop).double() for line in box] for box in boxes]
    rows, columns = ((first[:, None] - second).square() for first, second in zip(*lines, strict=True))
    potentials = _potentials(masses, (rows, columns), reg)
    corners = [torch.tensor([line.start for line in box]) for box in boxes]
    kept = _entries(masses, corners, potentials, reg)
    from_, to, moved = _exact(*kept, [mass[mass > 0] for mass in masses])
    lit = [mass.nonzero() + corner for mass, corner in zip(masses, corners, strict=True)]
    return lit[0][from_].double(), lit[1][to].double(), moved


def _box(heap: Tensor) -> tuple[slice, slice]:
    """Return the rows and columns that hold mass."""
    lit = [(heap > 0).any(1 - axis).nonzero()[:, 0] for axis in (0, 1)]
    rows, columns = (slice(int(line[0]), int(line[-1]) + 1) for line in lit)
    return rows, columns


def _potentials(masses: list[Tensor], costs: tuple[Tensor, Tensor], reg: float) -> tuple[Tensor, Tensor]:
    """Return both potentials, in units of `reg`, under which the marginals are right."""
    first, second = (mass.log() for mass in masses)
    u, v = torch.zeros_like(first), torch.zeros_like(second)
    level = max(float(sum(cost.max() for cost in costs)) / 4, reg)
    while True:
        kernel = GridKernel(costs, level)
        last = level == reg
        for step in range(1, (STEPS if last else LEVEL_STEPS) + 1):
            longer = RELAXATION if last and step < STEPS // 2 else 1.0
            u = torch.lerp(u, -kernel.back(second + v), longer)
            proposed = -kernel.summed(first + u)
            if last and step % CHECK == 0 and float(_missed(masses[1], v - proposed)) < TOLERANCE:
                return u, proposed
            v = torch.lerp(v, proposed, longer)
        if last:
            raise ValueError(f"no plan between these images found in {STEPS} steps: make them smaller")
        lower = max(level / 2, reg)
        u, v, level = u * (level / lower), v * (level / lower), lower


def _missed(mass: Tensor, logs: Tensor) -> Tensor:
    """Return how much of the mass arrives at wrong places, if places get exp(logs) times what is theirs."""
    return (mass * logs.exp() - mass)[mass > 0].abs().sum()


def _entries(
    masses: list[Tensor], corners: list[Tensor], potentials: tuple[Tensor, Tensor], reg: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Return numbers of lit pixels from which and to which more than a faint share goes, and how much does."""
    places = [(mass.nonzero() + corner).double() for mass, corner in zip(masses, corners, strict=True)]
    logs = [(mass.log() + part)[mass > 0] for mass, part in zip(masses, potentials, strict=True)]
    least = FAINT * masses[0][masses[0] > 0]
    parts = []
    for rows in torch.split(torch.arange(len(places[0])), ROWS):
        far = (places[0][rows, None] - places[1]).square().sum(2)
        mass = (logs[0][rows, None] + logs[1] - far / reg).exp()
        from_, to = (mass > least[rows, None]).nonzero(as_tuple=True)
        parts.append((rows[from_], to, mass[from_, to]))
    from_, to, mass = (torch.cat(column) for column in zip(*parts, strict=True))
    return from_, to, mass


def _exact(from_: Tensor, to: Tensor, mass: Tensor, heaps: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """Make marginals exact: take from pixels that send or get too much, move what is lacking (Altschuler 2017)."""
    for ends, heap in ((from_, heaps[0]), (to, heaps[1])):
        sums = torch.zeros_like(heap).index_add_(0, ends, mass)
        mass = mass * (heap / sums).clamp_max(1)[ends]
    lacking = [
        (heap - torch.zeros_like(heap).index_add_(0, ends, mass)).clamp_min(0)
        for ends, heap in ((from_, heaps[0]), (to, heaps[1]))
    ]
    rest = _in_order(*lacking)
    return torch.cat([from_, rest[0]]), torch.cat([to, rest[1]]), torch.cat([mass, rest[2]])


def _in_order(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return a plan between two heaps `(n,)` and `(m,)` of equal sum, in the order of their numbers."""
    sums = [heap.cumsum(0) for heap in (first, second)]
    levels = torch.cat([first.new_zeros(1), *sums]).sort().values
    middles = (levels[1:] + levels[:-1]) / 2
    rows, columns = (torch.searchsorted(line, middles).clamp_max(len(line) - 1) for line in sums)
    return rows, columns, levels.diff()
