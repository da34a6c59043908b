"""Paired differences between two models, or between a model and a baseline, in one score."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from latentbench.scores import gain
from latentbench.statistics import PairedDifference, paired_difference

__all__ = ["FEWEST_SEEDS", "Contender", "Entry", "common_seeds", "difference", "difference_to_constant", "entries"]

FEWEST_SEEDS = 5  # a clear gap is separated in half of the 3-seed subsets, in all 5-seed ones

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Contender:
    """One model's values of one score.

    Attributes:
        label: its column.
        values: seed -> value.
        items: the values of the single test items for a seed, or None.
        deterministic: the seed makes no difference, so that one value stands for all seeds.
        baselines: what it must beat before it is recommended.
        floors: seed -> the floor of that trial; empty where it has none, or where a baseline stands for it.
        tried: the number of settings that it was chosen from.
    """

    label: str
    values: Mapping[int, float]
    items: Callable[[int], Values | None]
    deterministic: bool = False
    baselines: Sequence[Contender] = ()
    floors: Mapping[int, float] = field(default_factory=dict)
    tried: int = 1

    @property
    def comparable(self) -> bool:
        """Whether there are enough values to compare."""
        return bool(self.values) if self.deterministic else len(self.values) >= FEWEST_SEEDS

    @property
    def fixed(self) -> bool:
        """Whether one value stands for all seeds, as that of a baseline that ran once."""
        return self.deterministic or len(self.values) == 1

    def value_at(self, seed: int) -> float:
        """Return the value for a seed; of a fixed one its only value."""
        return next(iter(self.values.values())) if self.fixed else self.values[seed]


@dataclass(frozen=True)
class Entry:
    """A contender with its items `(S, n)` of all its seeds, read once; None where some are missing or broken."""

    contender: Contender
    items: Values | None

    def at(self, seeds: Sequence[int]) -> tuple[list[float], Values | None]:
        """Return its values and its items for these seeds; a fixed one has the same for all."""
        known = list(self.contender.values)
        places = [0 if self.contender.fixed else known.index(seed) for seed in seeds]
        items = self.items if self.items is None or seeds == known else self.items[places]
        return [self.contender.values[known[place]] for place in places], items


def entries(contenders: Sequence[Contender], better: str) -> list[Entry]:
    """Read the items of some contenders, where the items' differences are those of the score."""
    of_items = better in ("up", "down")
    return [Entry(contender, _items(contender) if of_items else None) for contender in contenders]


def difference(a: Entry, b: Entry, better: str) -> PairedDifference | None:
    """Compare over seeds, and over test items too where both have them; a positive difference means a is better.

    Two fixed ones are compared over test items alone. None where nothing varies that both have.
    """
    seeds = common_seeds(a.contender, b.contender)
    if not seeds:
        return None
    (values_a, items_a), (values_b, items_b) = a.at(seeds), b.at(seeds)
    if items_a is not None and items_b is not None and items_a.shape == items_b.shape:
        return _over_items(items_a, items_b) if better == "up" else _over_items(items_b, items_a)
    gains_a, gains_b = ([gain(value, better) for value in values] for values in (values_a, values_b))
    return paired_difference(gains_a, gains_b) if len(seeds) > 1 else None


def difference_to_constant(entry: Entry, constants: Mapping[int, float], better: str) -> PairedDifference | None:
    """Compare a model with a known number for each of its seeds, as a floor that was declared."""
    seeds = [seed for seed in entry.contender.values if seed in constants]
    known = Contender("", {seed: constants[seed] for seed in seeds}, _no_items)
    values, items = entry.at(seeds)
    if items is None or not np.allclose(items.mean(axis=1), values, rtol=1e-6, atol=1e-9):
        return difference(entry, Entry(known, None), better)
    level = np.broadcast_to(np.array([[constants[seed]] for seed in seeds]), items.shape)
    return difference(entry, Entry(known, level), better)


def _no_items(_seed: int) -> None:
    return None


def _over_items(a: Values, b: Values) -> PairedDifference | None:
    """Compare items `(S, n)`; of one seed, the items are all that varies."""
    if len(a) > 1:
        return paired_difference(a, b)
    return paired_difference(a[0], b[0]) if a.shape[1] > 1 else None


def common_seeds(a: Contender, b: Contender) -> list[int]:
    """Return the seeds on which two are compared; a fixed one has the same value for all seeds of the other."""
    if a.fixed or b.fixed:
        return list((b if a.fixed else a).values)[: 1 if a.fixed and b.fixed else None]
    return [seed for seed in a.values if seed in b.values]


def _items(contender: Contender) -> Values | None:
    rows = []
    for seed in contender.values:
        row = contender.items(seed)
        if row is None or row.ndim != 1 or not np.isfinite(row).all():
            return None
        rows.append(row)
    return np.stack(rows).astype(np.float64, copy=False) if len({row.shape for row in rows}) == 1 else None
