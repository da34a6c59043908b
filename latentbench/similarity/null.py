"""What unrelated spaces score: the null of a pair score, and whether pairs score more than that.

A null is the score of two spaces after the items of one were permuted. Similarity scores grow with the dimension
and shrink with the number of items even where nothing is shared, so a score says little without its null. All
pairs of models are tested as one family: in each permutation the largest standardized score of all pairs is taken
(Westfall and Young 1993, "Resampling-Based Multiple Testing"), as a few hundred permutations give single p-values
that are too coarse for Holm's procedure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentbench.scores import gain

__all__ = ["LEVEL", "Null", "adjusted_p", "calibrated"]

LEVEL = 0.95


@dataclass(frozen=True)
class Null:
    """The scores of a pair of models after permutations.

    Attributes:
        mean: of the scores; `deviation` is their standard deviation.
        quantile: what a share of LEVEL of them does not exceed, in the direction that is better.
        count: number of permutations.
    """

    mean: float
    deviation: float
    quantile: float
    count: int

    @classmethod
    def of(cls, values: ArrayLike, better: str) -> Null:
        """Summarize the scores `(permutations,)` of a pair; `better` is the direction of the score.

        >>> Null.of([0.0, 0.25, 0.5], "up")
        Null(mean=0.25, deviation=0.25, quantile=0.5, count=3)
        """
        sample = np.asarray(values, dtype=np.float64)
        if sample.ndim != 1 or len(sample) < 2:
            raise ValueError(f"values must be (permutations,), two at least: got shape {sample.shape}")
        share = 1 - LEVEL if better == "down" else LEVEL
        quantile = np.quantile(sample, share, method="lower" if better == "down" else "higher")
        return cls(float(sample.mean()), float(sample.std(ddof=1)), float(quantile), len(sample))


def calibrated(value: float, null: Null, best: float) -> float:
    """Return where a score lies between the 95 % quantile of its null (0) and the best value (1).

    Below 0, unrelated spaces score as much. NaN where the score has no best value, or the null reaches it.

    >>> round(calibrated(0.6, Null(0.0, 0.1, 0.2, 200), best=1.0), 6)
    0.5
    """
    if not math.isfinite(best) or null.quantile == best:
        return math.nan
    return (value - null.quantile) / (best - null.quantile)


def adjusted_p(observed: ArrayLike, nulls: ArrayLike, better: str) -> NDArray[np.float64]:
    """Return for each pair the chance that the best of all pairs scores so well where no two spaces are related.

    Args:
        observed: scores `(pairs,)`.
        nulls: scores `(pairs, permutations)`; in a column, the items of all pairs are permuted alike.
        better: direction of the score, "up" or "down".

    Returns:
        p-values `(pairs,)`, adjusted for the number of pairs; the smallest is 1 / (permutations + 1).

    Raises:
        ValueError: shapes that do not fit, or numbers that are not finite.

    >>> adjusted_p([0.9, 0.1], [[0.1, 0.2, 0.0], [0.1, 0.1, 0.1]], "up")
    array([0.25, 1.  ])
    """
    values, permuted = np.asarray(observed, dtype=np.float64), np.asarray(nulls, dtype=np.float64)
    if values.ndim != 1 or permuted.ndim != 2 or len(permuted) != len(values) or permuted.shape[1] < 2:
        raise ValueError(
            f"observed must be (pairs,) and nulls (pairs, permutations), two at least: got shapes {values.shape} "
            f"and {permuted.shape}"
        )
    if not (np.isfinite(values).all() and np.isfinite(permuted).all()):
        raise ValueError("observed and nulls must be finite: leave out the pairs that have no score")
    if not len(values):
        return values
    together = gain(1.0, better) * np.concatenate([values[:, None], permuted], axis=1)
    standard = _standardized(together)
    reached = standard[:, 1:].max(axis=0) >= standard[:, :1]
    return np.asarray((1 + reached.sum(axis=1)) / (1 + permuted.shape[1]), dtype=np.float64)


def _standardized(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (value - mean) / standard deviation in each row; 0 in a row that does not vary.

    The observed score is among the values: only so is it, without any relation, exchangeable with the others.
    """
    apart = values - values.mean(axis=1, keepdims=True)
    deviation = apart.std(axis=1, keepdims=True)
    standard: NDArray[np.float64] = np.divide(apart, deviation, out=np.zeros_like(apart), where=deviation > 0)
    return standard
