"""Optimal transport of signals and samples in one dimension, exact by quantiles: peaks move instead of fading."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["sample_barycenter", "signal_barycenter", "signal_barycenters", "signal_displacement"]


def signal_barycenter(signals: Tensor, weights: Tensor) -> Tensor:
    """Return the Wasserstein barycenter `(n,)` of signals `(k, n)` under weights `(k,)`; see `signal_barycenters`.

    >>> signal_barycenter(torch.tensor([[4.0, 0, 0, 0, 0], [0, 0, 0, 0, 2]]), torch.ones(2))
    tensor([0., 0., 3., 0., 0.])
    """
    if weights.ndim != 1:
        raise ValueError(f"weights must be (k,), got {tuple(weights.shape)}")
    return signal_barycenters(signals, weights[None])[0]


def signal_displacement(start: Tensor, end: Tensor, shares: Tensor) -> Tensor:
    """Return signals on the way from `start` to `end`, along which mass moves; exact at both ends.

    McCann's interpolation: the geodesic of the 2-Wasserstein distance between the two as densities.

    Source: McCann 1997.

    Args:
        start: `(n,)`, at least 0, not all 0.
        end: `(n,)`, at least 0, not all 0.
        shares: `(points,)`, in [0, 1].

    Returns:
        `(points, n)`.

    Raises:
        ValueError: wrong shapes or signs, or shares outside [0, 1].

    >>> start = torch.tensor([1.0, 0, 0, 0, 0])
    >>> signal_displacement(start, start.flip(0), torch.tensor([0.0, 0.5, 0.625]))
    tensor([[1.0000, 0.0000, 0.0000, 0.0000, 0.0000],
            [0.0000, 0.0000, 1.0000, 0.0000, 0.0000],
            [0.0000, 0.0000, 0.5000, 0.5000, 0.0000]])
    """
    if start.ndim != 1 or start.shape != end.shape:
        shapes = f"{tuple(start.shape)} and {tuple(end.shape)}"
        raise ValueError(f"start and end must both be (n,), equally long, got {shapes}")
    if shares.ndim != 1 or not bool(((shares >= 0) & (shares <= 1)).all()):
        raise ValueError(f"shares must be (points,), in [0, 1], got {shares.tolist()}")
    part = shares.double()
    return signal_barycenters(torch.stack([start, end]), torch.stack([1 - part, part], 1))


def signal_barycenters(signals: Tensor, weights: Tensor) -> Tensor:
    """Return the exact Wasserstein barycenters of signals for several weights.

    A signal is treated as a histogram: its values are masses, each spread evenly over a bin of width 1. Signals
    are normalized to mass 1; the quantile function of a barycenter is the weighted mean of theirs, and so is its
    mass. A single weight above 0 returns that signal bit for bit. In float64 on the CPU.

    Source: Agueh and Carlier 2011 (barycenters in one dimension).

    Traps: signals below 0 are not densities: treat the positive and the negative part separately. A constant
    background is mass too, and holds peaks in place.

    Args:
        signals: `(k, n)` on a common, even grid, at least 0, none all 0.
        weights: `(m, k)`, at least 0; each row is scaled to sum 1.

    Returns:
        `(m, n)`, in the floating type of the signals, else float32.

    Raises:
        ValueError: wrong shapes or signs.

    >>> signals = torch.tensor([[1.0, 0, 0, 0], [0, 0, 0, 1]])
    >>> signal_barycenters(signals, torch.tensor([[1.0, 0.0], [1.0, 2.0]]))
    tensor([[1., 0., 0., 0.],
            [0., 0., 1., 0.]])
    """
    _check(signals, weights)
    kind = signals.dtype if signals.is_floating_point() else torch.float32
    heaps = signals.detach().double().cpu()
    shares = weights.detach().double().cpu()
    shares = shares / shares.sum(1, keepdim=True)
    masses = heaps.sum(1)
    moved, lows, highs = _pieces(heaps / masses[:, None])
    barycenters = heaps.new_empty(len(shares), heaps.shape[1])
    for row, share in zip(barycenters, shares, strict=True):
        if int((share > 0).sum()) == 1:
            row.copy_(heaps[int(share.argmax())])
        else:
            row.copy_(_binned(moved, share @ lows, share @ highs, len(row)) * (share @ masses))
    return barycenters.to(kind).to(signals.device)


def sample_barycenter(samples: Sequence[Tensor], weights: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Return the Wasserstein barycenter of samples of numbers: its values `(m,)` and the mass of each `(m,)`.

    Exact: the weighted mean of the samples' quantile functions. For k samples of n values each it has n values of
    mass 1/n, the means of values of equal rank; for other sizes at most as many values as all samples together.

    Source: Agueh and Carlier 2011 (barycenters in one dimension).

    Args:
        samples: each `(n,)`, in any order and number.
        weights: `(k,)`, nothing below 0, brought to sum 1; equal where left out.

    Raises:
        ValueError: a sample that is empty, not finite or not `(n,)`, or wrong weights.

    >>> sample_barycenter([torch.tensor([3.0, 1.0]), torch.tensor([10.0, 20.0])])
    (tensor([ 5.5000, 11.5000], dtype=torch.float64), tensor([0.5000, 0.5000], dtype=torch.float64))
    """
    if not samples:
        raise ValueError("samples must be at least one, got none")
    shares = torch.ones(len(samples)) if weights is None else weights
    for sample in samples:
        if sample.ndim != 1 or not len(sample) or not bool(sample.isfinite().all()):
            raise ValueError(f"samples must each be (n,), finite, at least one, got shape {tuple(sample.shape)}")
    _check_weights(shares[None], len(samples))
    sizes = [len(sample) for sample in samples]
    steps = torch.cat([torch.arange(1, size + 1).double() / size for size in sizes])
    steps = torch.unique(steps)
    starts = torch.cat([steps.new_zeros(1), steps[:-1]])
    middles = (starts + steps) / 2
    values = torch.stack(
        [
            sample.detach().double().cpu().sort().values[(middles * len(sample)).long()]
            for sample in samples
        ]
    )  # fmt: skip
    part = shares.detach().double().cpu()
    return part @ values / part.sum(), steps - starts


def _pieces(heaps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return masses `(p,)` and where each begins and ends in each signal `(k, p)`, in order.

    Between two levels that any distribution function takes at the edge of a bin, all quantile functions are
    straight; where a signal has empty bins its quantile function leaps from one piece to the next.
    """
    sums = heaps.cumsum(1)
    sums = sums / sums[:, -1:]
    levels = torch.unique(torch.cat([sums.new_zeros(1), sums.flatten()]))
    low, high = levels[:-1], levels[1:]
    middle = ((low + high) / 2).expand(len(heaps), -1).contiguous()
    bins = torch.searchsorted(sums, middle)
    before = torch.cat([sums.new_zeros(len(heaps), 1), sums[:, :-1]], 1).gather(1, bins)
    width = sums.gather(1, bins) - before
    ends = [(bins + ((level - before) / width).clamp(0, 1)) for level in (low, high)]
    return high - low, ends[0], ends[1]


def _binned(masses: Tensor, lows: Tensor, highs: Tensor, count: int) -> Tensor:
    """Return the mass in bins of width 1, of masses `(p,)` spread evenly from low to high, in order."""
    edges = torch.arange(count + 1).double()
    upto = torch.cat([masses.new_zeros(1), masses.cumsum(0)])
    piece = (torch.searchsorted(lows, edges, right=True) - 1).clamp_min(0)  # the last piece that starts before
    widths = (highs - lows)[piece]  # rounding leaves pieces of width 0
    inside = torch.where(widths > 0, (edges - lows[piece]) / widths, 1).clamp(0, 1)
    return (upto[piece] + inside * masses[piece]).diff().clamp_min(0)


def _check(signals: Tensor, weights: Tensor) -> None:
    if signals.ndim != 2 or not signals.numel():
        raise ValueError(f"signals must be (k, n), at least one, got {tuple(signals.shape)}")
    if not bool(((signals >= 0) & (signals < math.inf)).all()) or not bool((signals > 0).any(1).all()):
        raise ValueError("signals must hold finite numbers, nothing below 0, and none may be all 0")
    _check_weights(weights, len(signals))


def _check_weights(weights: Tensor, count: int) -> None:
    good = weights.ndim == 2 and weights.shape[1] == count and bool(((weights >= 0) & (weights < math.inf)).all())
    if not good or not bool((weights > 0).any(1).all()):
        raise ValueError(f"weights must be {count} numbers from 0, not all 0, got {weights.tolist()}")
