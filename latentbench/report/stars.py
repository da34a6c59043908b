"""Which cells of a row are marked: the best model, and those that cannot be separated from it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latentbench.statistics import holm, paired_difference

__all__ = ["BEST", "FEWEST_SEEDS", "LEVEL", "TIED", "Contender", "marks"]

BEST, TIED = "*", "="
FEWEST_SEEDS = 5  # a clear gap is separated in half of the 3-seed subsets, in all 5-seed ones
LEVEL = 0.95

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Contender:
    """One model's values of one score.

    Attributes:
        label: its column.
        values: seed -> value.
        items: the values of the single test items for a seed, or None.
        deterministic: the seed makes no difference, so that one value stands for all seeds.
    """

    label: str
    values: Mapping[int, float]
    items: Callable[[int], Values | None]
    deterministic: bool = False

    @property
    def comparable(self) -> bool:
        """Whether there are values enough to compare."""
        return bool(self.values) if self.deterministic else len(self.values) >= FEWEST_SEEDS


def marks(contenders: Sequence[Contender], better: str) -> dict[str, str]:
    """Return label -> "*" for the best mean, "=" for what a paired test (Holm, 95 %) cannot tell from it.

    Empty where there is nothing to compare: no better direction, one model, under five seeds.
    """
    able = [contender for contender in contenders if contender.comparable]
    if better == "none" or len(able) < 2 or all(contender.deterministic for contender in able):
        return {}
    best = max(able, key=lambda contender: float(np.mean(_gains(list(contender.values.values()), better))))
    others = [contender for contender in able if contender is not best]
    adjusted = holm([_p_value(best, other, better) for other in others])
    tied = [other for other, p in zip(others, adjusted, strict=True) if not p < 1 - LEVEL]
    return {best.label: BEST} | {other.label: TIED for other in tied}


def _p_value(a: Contender, b: Contender, better: str) -> float:
    """Over seeds, and over test items too where both have them; NaN where nothing could tell them apart."""
    seeds = _common_seeds(a, b)
    if len(seeds) < 2:
        return math.nan
    items = None if better.startswith("near") else _items(a, b, seeds)
    if items is not None:
        return paired_difference(*items).p_value
    return paired_difference(_gains(_at(a, seeds), better), _gains(_at(b, seeds), better)).p_value


def _common_seeds(a: Contender, b: Contender) -> list[int]:
    if a.deterministic or b.deterministic:
        drawn = b if a.deterministic else a
        return [] if drawn.deterministic else sorted(drawn.values)
    return sorted(a.values.keys() & b.values.keys())


def _at(contender: Contender, seeds: Sequence[int]) -> list[float]:
    only = next(iter(contender.values.values()))
    return [only if contender.deterministic else contender.values[seed] for seed in seeds]


def _items(a: Contender, b: Contender, seeds: Sequence[int]) -> tuple[Values, Values] | None:
    first, second = _stack(a, seeds), _stack(b, seeds)
    usable = first is not None and second is not None and first.shape == second.shape
    return (first, second) if usable else None  # type: ignore[return-value]


def _stack(contender: Contender, seeds: Sequence[int]) -> Values | None:
    own = [next(iter(contender.values))] * len(seeds) if contender.deterministic else seeds
    rows = [row for row in map(contender.items, own) if row is not None and np.isfinite(row).all()]
    same = len(rows) == len(seeds) and len({row.shape for row in rows}) == 1
    return np.stack(rows).astype(np.float64) if same and rows[0].ndim == 1 else None


def _gains(values: Sequence[float], better: str) -> Values:
    """More is better: as `Score.gain`, which would import torch."""
    array = np.asarray(values, dtype=np.float64)
    if better.startswith("near:"):
        return -np.abs(array - float(better.removeprefix("near:")))
    return -array if better == "down" else array
