"""Mutual information of code dimensions and ground-truth factors, both discretized into bins."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from latentbench import NotApplicableError

__all__ = [
    "BINS",
    "Array",
    "adjusted_information",
    "as_arrays",
    "check_shapes",
    "check_width",
    "entropy",
    "equal_frequency",
    "equal_width",
    "expected_information",
    "factor_classes",
    "is_continuous",
    "mutual_information",
    "standardized",
]

Array = npt.NDArray[Any]

BINS = 20
WIDEST = 256  # most dimensions that slow scores accept: an axis of pixels is not a factor
SAME = 1e-6  # of the median distance to the median, within which values are equal
NOTHING = 1e-12  # nats: below it an entropy counts as zero


def as_arrays(codes: Tensor, factors: Tensor, least: int = 1) -> tuple[Array, Array]:
    """Return codes `(n, d)` and the factors that vary `(n, K)` as float64 arrays.

    Values of a column within a millionth of its median distance from the median are made equal, so that rounding
    errors of a code carry no information.

    Args:
        codes: `(n, d)`, finite.
        factors: `(n, K)`, finite; those with a single value are left out.
        least: how many factors must vary.

    Raises:
        ValueError: not two matrices of equally many rows, or not finite.
        NotApplicableError: fewer than `least` factors vary.
    """
    check_shapes(codes, factors)
    points, values = (each.detach().cpu().double().numpy() for each in (codes, factors))
    if not (np.isfinite(points).all() and np.isfinite(values).all()):
        raise ValueError("codes and factors must be finite, got NaN or infinity")
    points, values = _without_rounding(points), _without_rounding(values)
    varied = values[:, (values != values[0]).any(0)]
    if varied.shape[1] < least:
        raise NotApplicableError(f"needs {least} factors that vary, there are {varied.shape[1]}")
    return points, varied


def check_shapes(codes: Tensor, factors: Tensor) -> None:
    """Raise ValueError unless codes are `(n, d)` and factors `(n, K)`, both non-empty."""
    if not (codes.ndim == factors.ndim == 2 and len(codes) == len(factors) and codes.numel() and factors.numel()):
        shapes = tuple(codes.shape), tuple(factors.shape)
        raise ValueError(f"codes and factors must be (n, d) and (n, K), got {shapes[0]} and {shapes[1]}")


def check_width(dim: int) -> None:
    """Raise NotApplicableError for codes with so many dimensions that a slow score would take minutes."""
    if dim > WIDEST:
        raise NotApplicableError(f"codes have {dim} dimensions: too slow over {WIDEST}")


def _without_rounding(columns: Array) -> Array:
    """Return columns `(n, d)` with nearly equal values replaced by the smallest of them."""
    order = columns.argsort(0, kind="stable")
    ranked = np.take_along_axis(columns, order, 0)
    spread = np.median(np.abs(columns - np.median(columns, axis=0)), axis=0)
    new = np.ones(columns.shape, bool)
    new[1:] = np.diff(ranked, axis=0) > SAME * spread
    first = np.maximum.accumulate(np.where(new, np.arange(len(columns))[:, None], 0), axis=0)
    result = np.empty_like(columns)
    np.put_along_axis(result, order, np.take_along_axis(ranked, first, 0), 0)
    return result


def standardized(columns: Array) -> Array:
    """Return columns `(n, d)` with mean 0 and standard deviation 1; constant ones become 0."""
    away = columns - columns.mean(0)
    away /= np.maximum(np.abs(away).max(0), np.finfo(float).tiny)  # squares neither overflow nor vanish
    spread = away.std(0)
    varies = (columns != columns[0]).any(0) & (spread > 0)
    return np.where(varies, away / np.where(varies, spread, 1.0), 0.0)


def equal_frequency(column: Array, bins: int = BINS) -> Array:
    """Return the bin of each value of `(n,)`: bins of about equally many items, equal values in one bin.

    With at most `bins` distinct values each has a bin of its own.

    >>> equal_frequency(np.array([0.3, -1.0, 0.5, 1000.0]), bins=2)
    array([0, 0, 1, 1])
    """
    _, classes, sizes = np.unique(column, return_inverse=True, return_counts=True)
    if len(sizes) <= bins:
        return classes
    middles = sizes.cumsum() - sizes / 2  # of the ranks of equal values
    return np.floor(middles * bins / len(column)).astype(int)[classes]


def equal_width(column: Array, bins: int = BINS) -> Array:
    """Return the bin of each value of `(n,)`: `bins` equal parts of the range.

    >>> equal_width(np.array([0.0, 1.0, 2.0, 1000.0]), bins=20)
    array([ 0,  0,  0, 19])
    """
    above = column - column.min()
    bins_of: Array = np.digitize(above, np.linspace(0, above.max(), bins + 1)[:-1]) - 1
    return bins_of


def is_continuous(column: Array, bins: int = BINS) -> bool:
    """Return whether a factor `(n,)` must be binned: over `bins` values, and over half as many as items."""
    return bool(len(np.unique(column)) > max(bins, len(column) / 2))


def factor_classes(factors: Array, bins: int = BINS) -> list[Array]:
    """Return each factor of `(n, K)` as class numbers `(n,)`; continuous ones in equal-frequency bins."""
    return [equal_frequency(each, bins if is_continuous(each, bins) else len(each)) for each in factors.T]


def entropy(classes: Array) -> float:
    """Return the entropy of class numbers `(n,)` in nats.

    >>> round(entropy(np.array([0, 1, 2, 3])) / float(np.log(2)), 12)
    2.0
    """
    shares = np.bincount(classes) / len(classes)
    shares = shares[shares > 0]
    return float(-(shares * np.log(shares)).sum())


def mutual_information(first: Array, second: Array) -> float:
    """Return the mutual information of two vectors of class numbers `(n,)`, in nats.

    >>> mutual_information(np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]))
    0.0
    """
    width = int(second.max()) + 1
    joint = np.bincount(first * width + second, minlength=(int(first.max()) + 1) * width).reshape(-1, width)
    rows, columns = np.nonzero(joint)
    seen = joint[rows, columns].astype(float)
    by_chance = joint.sum(1)[rows].astype(float) * joint.sum(0)[columns] / len(first)
    return max(0.0, float((seen * np.log(seen / by_chance)).sum() / len(first)))


def expected_information(first: list[Array], second: Array) -> list[float]:
    """Return the mean mutual information of each of `first` with `second` over all orders of the items, in nats.

    The exact hypergeometric mean (Vinh 2009). It is a sum over pairs of a bin and a class that depends only on
    their sizes; each size is computed once.

    >>> round(expected_information([np.array([0, 1])], np.array([0, 1]))[0], 6)  # log 2 in either order
    0.693147
    """
    from scipy.special import gammaln

    total = len(second)
    sizes, repeats = np.unique(np.bincount(second), return_counts=True)
    sizes, repeats = sizes[sizes > 0], repeats[sizes > 0]
    log_factorials = gammaln(np.arange(total + 1) + 1.0)
    known: dict[int, float] = {}

    def term(size: int) -> float:
        shared = np.arange(1, min(size, int(sizes.max())) + 1)[:, None]
        outside = total - size - sizes + shared
        possible = (shared <= sizes) & (outside >= 0)
        log_chance = log_factorials[sizes] + log_factorials[total - sizes]
        log_chance = log_chance + (log_factorials[size] + log_factorials[total - size] - log_factorials[total])
        log_chance = log_chance - log_factorials[shared] - log_factorials[size - shared]
        log_chance = log_chance - log_factorials[(sizes - shared).clip(0)] - log_factorials[outside.clip(0)]
        chance = np.where(possible, np.exp(np.where(possible, log_chance, -np.inf)), 0.0)
        gain = shared / total * (np.log(shared * float(total) / size) - np.log(sizes))
        return float((chance * gain * repeats).sum())

    means = []
    for classes in first:
        bin_sizes = [int(size) for size in np.bincount(classes) if size]
        for size in bin_sizes:
            if size not in known:
                known[size] = term(size)
        means.append(sum(known[size] for size in bin_sizes) if len(bin_sizes) > 1 else 0.0)
    return means


def adjusted_information(binned: list[Array], classes: list[Array]) -> Array:
    """Return (I - E) / (H - E) for each code dimension and factor, `(d, K)`, at least 0.

    E is the mutual information expected by chance, H the entropy of the factor: 1 means full information, 0 the
    level of chance, whatever the number of items and bins.
    """
    result = np.zeros((len(binned), len(classes)))
    for column, factor in enumerate(classes):
        whole = entropy(factor)
        for row, expected in enumerate(expected_information(binned, factor)):
            if whole - expected > NOTHING * max(1.0, whole):
                information = mutual_information(binned[row], factor)
                result[row, column] = (information - expected) / (whole - expected)
    return result.clip(0.0)
