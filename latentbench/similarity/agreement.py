"""Whether two models agree less than the seeds of one: intervals and tests over the seeds of both.

Scores between spaces that share a model's seed are not independent, so their spread says nothing by itself. One
seed of one side is left out in turn (the jackknife of a two-sample U-statistic: Arvesen 1969, "Jackknifing
U-Statistics"), and the variances of both sides are joined as those of seeds and items are
(`latentbench.statistics`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentbench.scores import gain
from latentbench.statistics import half_length, tail

__all__ = ["FEWEST_SEEDS", "Agreement", "between", "p_below_ceiling", "p_below_ceilings", "within"]

FEWEST_SEEDS = 3  # of which one can be left out and two remain to be compared
Values = NDArray[np.float64]
Variances = tuple[tuple[float, int], ...]


@dataclass(frozen=True)
class Agreement:
    """The mean score over pairs of seeds.

    Attributes:
        mean: the score.
        low, high: ends of its 95 % interval over seeds; NaN where nothing tells how it would vary.
        pairs: number of pairs of seeds.
    """

    mean: float
    low: float
    high: float
    pairs: int


def between(scores: ArrayLike) -> Agreement:
    """Return the mean of the scores `(m, n)` between m seeds of one model and n of another, with its interval.

    >>> between([[0.5, 0.7]]).mean
    0.6
    """
    table = _table(scores)
    return _agreement(float(table.mean()), _left_out_between(table), table.size)


def within(scores: ArrayLike) -> Agreement:
    """Return the mean of the scores between different seeds of one model, with its interval.

    Args:
        scores: `(m, m)`, m >= 2; the diagonal is not looked at.
    """
    table = _square(scores)
    return _agreement(_off_diagonal(table), _left_out_within(table), table.size - len(table))


def p_below_ceilings(scores: ArrayLike, first: ArrayLike, second: ArrayLike, better: str) -> float:
    """Return the p-value of: two models agree less than the seeds of each of them do.

    Each side is tested alone; the larger p-value holds for both together (an intersection-union test).

    Args:
        scores: `(m, n)` between m seeds of one model and n of another.
        first: `(m, m)` between the seeds of the first; the diagonal is not looked at.
        second: `(n, n)` between those of the second.
        better: direction of the score.

    Raises:
        ValueError: shapes that do not fit, or fewer than FEWEST_SEEDS seeds on a side.
    """
    table = _table(scores)
    return max(p_below_ceiling(table, first, better), p_below_ceiling(table.T, second, better))


def p_below_ceiling(scores: ArrayLike, ceiling: ArrayLike, better: str) -> float:
    """Return the one-sided p-value of: the models agree less than the seeds of the model of the rows do.

    Args:
        scores: `(m, n)` between m seeds of one model and n of another.
        ceiling: `(m, m)` between the seeds of the first; the diagonal is not looked at.
        better: direction of the score.
    """
    sign = gain(1.0, better)
    table, own = sign * _table(scores), sign * _square(ceiling)
    if len(own) != len(table) or min(table.shape) < FEWEST_SEEDS:
        raise ValueError(
            f"scores between {table.shape[0]} and {table.shape[1]} seeds need those among {table.shape[0]}, and "
            f"{FEWEST_SEEDS} seeds at least: got shape {own.shape}"
        )
    distance = _off_diagonal(own) - float(table.mean())
    rows = [_off_diagonal(_without(own, seed)) - _without_row(table, seed).mean() for seed in range(len(table))]
    columns = [_off_diagonal(own) - _without_row(table.T, seed).mean() for seed in range(table.shape[1])]
    two_sided = tail(abs(distance), (_variance(rows), _variance(columns)))
    return two_sided / 2 if distance > 0 else 1 - two_sided / 2


def _agreement(mean: float, variances: Variances, pairs: int) -> Agreement:
    if not variances:
        return Agreement(mean, math.nan, math.nan, pairs)
    half = half_length(0.95, variances)
    return Agreement(mean, mean - half, mean + half, pairs)


def _left_out_between(table: Values) -> Variances:
    """Return the variances that the seeds of rows and columns contribute; none of a side with a single seed."""
    return tuple(
        _variance([float(_without_row(side, seed).mean()) for seed in range(len(side))])
        for side in (table, table.T)
        if len(side) > 1
    )


def _left_out_within(table: Values) -> Variances:
    if len(table) < FEWEST_SEEDS:
        return ()
    return (_variance([_off_diagonal(_without(table, seed)) for seed in range(len(table))]),)


def _variance(left_out: Sequence[float]) -> tuple[float, int]:
    """Return the jackknife variance of a statistic, given its values without each seed, and its freedom."""
    values = np.asarray(left_out)
    count = len(values)
    return float((count - 1) / count * ((values - values.mean()) ** 2).sum()), count - 1


def _off_diagonal(table: Values) -> float:
    return float(table[~np.eye(len(table), dtype=bool)].mean())


def _without(table: Values, seed: int) -> Values:
    return np.delete(np.delete(table, seed, axis=0), seed, axis=1)


def _without_row(table: Values, seed: int) -> Values:
    return np.delete(table, seed, axis=0)


def _table(scores: ArrayLike) -> Values:
    table = np.asarray(scores, dtype=np.float64)
    if table.ndim != 2 or not table.size or not np.isfinite(table).all():
        raise ValueError(f"scores must be finite, (seeds, seeds), got shape {table.shape}")
    return table


def _square(scores: ArrayLike) -> Values:
    table = np.asarray(scores, dtype=np.float64)
    if table.ndim != 2 or len(table) != table.shape[1] or len(table) < 2:
        raise ValueError(f"scores within a model must be (seeds, seeds), two at least, got shape {table.shape}")
    if not np.isfinite(table[~np.eye(len(table), dtype=bool)]).all():
        raise ValueError("scores within a model must be finite")
    return table
