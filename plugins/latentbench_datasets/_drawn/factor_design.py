"""Tables of ground-truth factors, drawn at random: independent, correlated, or with combinations held out."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

__all__ = ["FactorDesign", "FactorRange", "Source"]

Table = npt.NDArray[np.float64]
Source = Literal["normal", "uniform"]
BLOCK = 4096  # rows drawn at once; fewer rows are the first ones of more
LEAST = 0.01  # share of the rows that a holdout must leave
TINY = 2.0**-60  # a uniform number may be 0, whose normal one is infinite
CORRELATION = "NAME+NAME=NUMBER, as a+b=0.5"
HOLDOUT = "NAME=VALUE or NAME=LOW..HIGH joined by +, as a=1+b=0.5..1"


@dataclass(frozen=True)
class FactorRange:
    """A factor and its values: all between `low` and `high`, or only 0, 1, ... where it has a `size`.

    Attributes:
        name: what it is called.
        low: the smallest value; 0 where it has a size.
        high: the largest value; one less than the size where it has one.
        size: how many values it has, 0 for a continuous factor, as `Split.factor_sizes` holds it.
        meanings: what 0, 1, ... stand for, shown beside them; none where that is obvious.
    """

    name: str
    low: float = 0.0
    high: float = 1.0
    size: int = 0
    meanings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.size:
            object.__setattr__(self, "high", self.size - 1.0)

    @property
    def words(self) -> str:
        """Its values in words, as "0 or 1".

        >>> FactorRange("kind", size=3, meanings=("chair", "table", "couch")).words
        '0 (chair), 1 (table) or 2 (couch)'
        """
        if not self.size:
            return f"from {self.low:g} to {self.high:g}"
        meant = [f" ({meaning})" for meaning in self.meanings] or [""] * self.size
        *others, last = (f"{value}{meaning}" for value, meaning in enumerate(meant))
        return f"{', '.join(others)} or {last}"

    def has(self, values: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Say of each value whether the factor can take it."""
        numbers = np.asarray(values, dtype=np.float64)
        in_range: npt.NDArray[np.bool_] = (numbers >= self.low) & (numbers <= self.high)
        return in_range & (numbers % 1 == 0) if self.size else in_range

    def spread(self, shares: Table) -> Table:
        """Turn numbers that are even over [0, 1] into values that are as frequent as each other."""
        if not self.size:
            return self.low + (self.high - self.low) * shares
        return np.minimum(np.floor(self.size * shares), self.high)


@dataclass(frozen=True)
class FactorDesign:
    """How rows of factors are drawn: evenly over a range, or each value of a few with the same chance.

    Attributes:
        factors: the columns.
        correlation: pairs that go together, each as "smile+glasses=0.8". The number is the correlation of the two
            columns, from -1 to 1 (to 0.866 either way for a continuous with a binary factor: they can have no
            more). Pairs are joined by a Gaussian copula: normal numbers with the correlation that gives the wanted
            one are turned into each factor's own distribution, which stays as it is. A factor of three values or
            more is a choice between kinds: no order, no correlation.
        holdout: combinations that never occur, each as "glasses=1+hat=1" or "smile=0.5..1+beard=1"; rows that hold
            one are drawn again, so what is left of the distribution stays as it is.
        source: the random numbers that rows are made of. One is as good as the other, but they give other rows: a
            data set stays with the one it has.

    Raises:
        ValueError: an unknown name, a value out of range, correlations that no numbers can have together, or a
            holdout that leaves under 1 % of the rows; one sentence that begins with "must".
    """

    factors: tuple[FactorRange, ...]
    correlation: tuple[str, ...] = ()
    holdout: tuple[str, ...] = ()
    source: Source = "normal"
    _root: tuple[list[int], Table] = field(init=False, repr=False, compare=False)
    _boxes: tuple[dict[int, tuple[float, float]], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_root", self._read_correlations())
        object.__setattr__(self, "_boxes", tuple(map(self._read_box, self.holdout)))
        left = len(self._kept(np.random.default_rng(0))) / BLOCK if self.holdout else 1.0
        if left < LEAST:
            raise ValueError(f"must leave at least {LEAST:.0%} of the rows, it leaves {left:.1%}")

    def draw(self, count: int, rng: np.random.Generator) -> Table:
        """Return `count` rows `(count, k)` in float64, in no order; the first rows do not depend on `count`.

        >>> factors = FactorRange("smile", -1.0), FactorRange("hat", size=2)
        >>> rows = FactorDesign(factors, ("smile+hat=0.8",)).draw(20_000, np.random.default_rng(0))
        >>> round(float(np.corrcoef(rows.T)[0, 1]), 2), round(float(rows[:, 1].mean()), 2)
        (0.8, 0.5)
        """
        blocks = [np.empty((0, len(self.factors)))]
        while sum(map(len, blocks)) < count:
            blocks.append(self._kept(rng))
        return np.concatenate(blocks)[:count]

    def _kept(self, rng: np.random.Generator) -> Table:
        """Return what the holdout leaves of one block of rows."""
        rows = self._block(rng)
        out = np.zeros(len(rows), dtype=bool)
        for ranges in self._boxes:
            out |= np.all(
                [(rows[:, i] >= low) & (rows[:, i] <= high) for i, (low, high) in ranges.items()], axis=0
            )
        return rows[~out]

    def _block(self, rng: np.random.Generator) -> Table:
        chosen, root = self._root
        shape = BLOCK, len(self.factors)
        if self.source == "normal":
            normal = rng.standard_normal(shape)
            shares, free = ndtr(normal), normal[:, chosen]
        else:
            shares = rng.uniform(size=shape)
            free = ndtri(shares[:, chosen].clip(TINY))
        for column, weights in zip(chosen, root, strict=True):
            shares[:, column] = ndtr((free * weights).sum(1))
        return np.stack(
            [factor.spread(column) for factor, column in zip(self.factors, shares.T, strict=True)], axis=1
        )

    def _read_correlations(self) -> tuple[list[int], Table]:
        """Return which columns are correlated, and a root of the covariance of the normal numbers behind them."""
        pairs = [self._read_pair(text) for text in self.correlation]
        chosen = sorted({index for pair, _ in pairs for index in pair})
        normal = np.eye(len(chosen))
        for (first, second), number in pairs:
            i, j = chosen.index(first), chosen.index(second)
            if normal[i, j]:
                names = " and ".join(sorted(self.factors[index].name for index in (first, second)))
                raise ValueError(f"must name a pair once, it names {names} twice")
            normal[i, j] = normal[j, i] = _behind(self.factors[first], self.factors[second], number)
        values, vectors = np.linalg.eigh(normal) if chosen else (np.empty(0), normal)
        if (values < -1e-9).any():
            raise ValueError("must be correlations that numbers can have together; bring some nearer to 0")
        return chosen, (vectors * np.sqrt(values.clip(0))) @ vectors.T

    def _read_pair(self, text: str) -> tuple[tuple[int, int], float]:
        names, _, number = text.partition("=")
        first, plus, second = names.partition("+")
        value = _read_number(number)
        if not plus or value is None:
            raise ValueError(f"must be {CORRELATION}, not {text!r}")
        pair = self._index(first), self._index(second)
        if pair[0] == pair[1]:
            raise ValueError(f"must name two factors, not {first!r} twice")
        for factor in (self.factors[index] for index in pair):
            if factor.size > 2:
                raise ValueError(
                    f"must not use {factor.name}, whose {factor.size} values have no order; hold out combinations "
                    "with it instead"
                )
        most = _most(self.factors[pair[0]], self.factors[pair[1]])
        if not 0 < abs(value) <= most:
            raise ValueError(f"must be from -{most:.4g} to {most:.4g} and not 0 for {names}; it is {number}")
        return pair, value

    def _read_box(self, text: str) -> dict[int, tuple[float, float]]:
        ranges: dict[int, tuple[float, float]] = {}
        for part in text.split("+"):
            name, equals, values = part.partition("=")
            numbers = [_read_number(number) for number in values.split("..")]
            if not equals or len(numbers) > 2 or None in numbers:
                raise ValueError(f"must be {HOLDOUT}, not {text!r}")
            index = self._index(name)
            low, high = (float(number or 0) for number in (numbers[0], numbers[-1]))
            factor = self.factors[index]
            if not factor.has([low, high]).all():
                raise ValueError(f"must keep {name} {factor.words}, not {part!r}")
            if low > high or (low == high and not factor.size):
                raise ValueError(
                    f"must give {name} a range, as {name}={factor.low:g}..{factor.high:g}, not {part!r}"
                )
            if index in ranges:
                raise ValueError(f"must name a factor once in a combination, not {text!r}")
            ranges[index] = low, high
        return ranges

    def _index(self, name: str) -> int:
        names = [factor.name for factor in self.factors]
        if name.strip() not in names:
            raise ValueError(f"must use the factors {', '.join(names)}, not {name!r}")
        return names.index(name.strip())


def _read_number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _most(first: FactorRange, second: FactorRange) -> float:
    """Return the largest correlation that two factors can have: an even spread is no function of 0 and 1."""
    return 1.0 if first.size == second.size else math.sqrt(12) / 4


def _behind(first: FactorRange, second: FactorRange, wanted: float) -> float:
    """Return the correlation of two normal numbers that gives the factors made of them the wanted one.

    By Sheppard's theorem on the quadrant of two normal numbers, for both ways of making a factor: by the sign
    (binary) and by the distribution function, which is the chance that a third, independent number is smaller.
    """
    if first.size and second.size:
        return math.sin(math.pi * wanted / 2)
    if first.size or second.size:
        return math.sqrt(2) * math.sin(math.pi * wanted / math.sqrt(12))
    return 2 * math.sin(math.pi * wanted / 6)
