"""How often tables tell equal models apart, and different ones: `python benchmarks/separation.py [--write]`.

Values are drawn from a known truth and judged by the code that marks every table. A model's value for one test
item is its quality + the item's difficulty, shared by all models + an effect of model and item + an effect of the
seed + noise of seed and item; 0/1 values tell whether that sum is above 0. Seeds and test items are drawn anew for
every table and score: equal models are equal over all seeds and all test sets, not on those that are drawn.
Nine scores are all headline scores of quality with a better side; without known factors a table has eight of them.
Cost scores are in no family of several: each is judged alone, as a table of one score is here.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import special

from latentbench.table.pairing import Contender
from latentbench.table.significance import Contest, Verdict, judged

TARGET = Path(__file__).parents[1] / "results" / "reference" / "separation.txt"
REPEATS = 200
MANY = 2000  # tables of models with one trial each, which are drawn quickly: so many show half a percent
SEEDS = (5, 10)
SIZES = ((2, 1), (2, 9), (3, 1), (3, 9), (5, 1), (5, 9))  # models, scores of one family
WITH_FIXED = 3, 9  # one of these models is deterministic
POWER_SIZES = ((2, 1), (3, 9))
GAPS = (0.5, 1.0, 2.0, 4.0)  # in standard deviations over seeds
ITEM_GAPS = (1.0, 2.0, 4.0, 6.0)  # in standard errors of the difference between two models with one trial
SINGLE_SIZES = ((2, 1), (2, 9), (5, 1), (5, 9))
DIFFICULTY, EFFECT, SEED, NOISE = 1.0, 0.5, 0.05, 0.5  # standard deviations
SPREAD = math.sqrt(DIFFICULTY**2 + EFFECT**2 + SEED**2 + NOISE**2)
USUAL = 0.85  # share of ones among 0/1 values

Values = NDArray[np.floating]


@dataclass(frozen=True)
class Truth:
    """Where values come from.

    Attributes:
        name: in the printed table.
        items: test items, or 0 where a seed gives one number.
        binary: values are 0 or 1.
        tails: effects of seeds are "normal", "heavy" (t, 3 degrees of freedom) or "skewed" (exponential).
        test_set: one number a seed, which also has an effect of model and test set as large as that of the seed.
    """

    name: str
    items: int = 0
    binary: bool = False
    tails: str = "normal"
    test_set: bool = False

    def draw(self, rng: np.random.Generator, models: int, scores: int, seeds: int, fixed: int = 0) -> Values:
        """Return `(scores, models, seeds, items)`, not yet 0 or 1; the first `fixed` models have no seeds."""
        of_seeds = SEED * self._seed_effects(rng, (scores, models, seeds, 1))
        if self.test_set:
            of_seeds += SEED * rng.standard_normal((scores, models, 1, 1), np.float32)
        of_seeds[:, :fixed] = 0
        if not self.items:
            return of_seeds
        own = EFFECT * rng.standard_normal((scores, models, 1, self.items), np.float32)
        sums = NOISE * rng.standard_normal((scores, models, seeds, self.items), np.float32)
        own[:, :fixed] *= math.sqrt(SPREAD**2 - DIFFICULTY**2) / EFFECT
        sums[:, :fixed] = 0
        own += DIFFICULTY * rng.standard_normal((scores, 1, 1, self.items), np.float32)
        own += SPREAD * float(special.ndtri(USUAL)) * self.binary
        sums += own
        sums += of_seeds
        return sums

    def observed(self, sums: Values, shift: float = 0.0) -> Values:
        """Return what a metric would give, model 0 better by `shift`."""
        moved = sums.astype(np.float64)
        moved[:, 0] += shift
        return (moved > 0).astype(np.float64) if self.binary else moved

    def unit(self, rng: np.random.Generator) -> float:
        """Return the standard deviation over seeds of one model's value on one test set."""
        if not self.binary:
            return math.sqrt(SEED**2 + (NOISE**2 / self.items if self.items else 0))
        values = self.observed(self.draw(rng, 1, 20, 100)).mean(axis=3)
        return float(np.sqrt(values.var(axis=2, ddof=1).mean()))

    def shift(self, gap: float) -> float:
        """Return what to add to a model's sums so that its expected value is `gap` higher."""
        return SPREAD * float(special.ndtri(USUAL + gap) - special.ndtri(USUAL)) if self.binary else gap

    def _seed_effects(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Values:
        if self.tails == "heavy":
            return (rng.standard_t(3, shape) / math.sqrt(3)).astype(np.float32)
        if self.tails == "skewed":
            return (rng.standard_exponential(shape) - 1).astype(np.float32)
        return rng.standard_normal(shape, np.float32)


TRUTHS = (
    Truth("one number a seed"),
    Truth("one number, heavy tails", tails="heavy"),
    Truth("0/1, 360 items", 360, binary=True),
    Truth("0/1, 2000 items", 2000, binary=True),
    Truth("real, 360 items", 360),
    Truth("real, 2000 items", 2000),
)
SKEWED = Truth("one number, skewed, against a deterministic model", tails="skewed")
OTHER_TEST_SET = Truth("one number, equal over test sets, not on this one", test_set=True)


def contests(values: Values, with_items: bool, fixed: int = 0) -> list[Contest]:
    """Make a table of `(scores, models, seeds, items)`; the first `fixed` models have one trial for all seeds."""
    return [
        Contest([_contender(place, model, with_items, place < fixed) for place, model in enumerate(row)], "up")
        for row in values
    ]


def _contender(place: int, model: Values, with_items: bool, fixed: bool) -> Contender:
    means = model.mean(axis=1, dtype=np.float64)
    known = {seed: float(value) for seed, value in enumerate(means[:1] if fixed else means)}
    return Contender(str(place), known, lambda seed: model[seed] if with_items else None, fixed)


def wronged(verdicts: Sequence[Verdict], better: str = "") -> bool:
    """Whether any model is found better than another, other than `better`."""
    return any(
        high < len(verdict.ranks)
        for verdict in verdicts
        for label, (_, high) in verdict.ranks.items()
        if label != better
    )


def false_separations(
    truth: Truth, seeds: int, sizes: Sequence[tuple[int, int]] = SIZES, fixed: int = 0, repeats: int = REPEATS
) -> list[int]:
    """Return for each (models, scores) in how many tables of equal models any two are told apart."""
    rng = np.random.default_rng([seeds, fixed, *truth.name.encode()])
    models, scores = (max(size[axis] for size in sizes) for axis in (0, 1))
    counts = [0] * len(sizes)
    for _ in range(repeats):
        values = truth.observed(truth.draw(rng, models, scores, seeds, fixed))
        for place, (k, rows) in enumerate(sizes):
            counts[place] += wronged(judged(contests(values[:rows, :k], truth.items > 0, fixed)))
    return counts


def power(
    truth: Truth, seeds: int, size: tuple[int, int], gaps: Sequence[float] = GAPS, repeats: int = REPEATS
) -> list[tuple[float, int]]:
    """Let model 0 be better in every score by each of `gaps`, in units.

    Returns:
        For each gap the share of other models it is told from, and the number of tables with a false separation.
    """
    rng = np.random.default_rng([seeds, *size, *truth.name.encode()])
    unit = truth.unit(rng)
    found, wrong = [0] * len(gaps), [0] * len(gaps)
    for _ in range(repeats):
        sums = truth.draw(rng, *size, seeds)
        for place, gap in enumerate(gaps):
            verdicts = judged(contests(truth.observed(sums, truth.shift(gap * unit)), truth.items > 0))
            found[place] += sum(
                verdict.ranks[label][0] > 1 for verdict in verdicts for label in verdict.ranks if label != "0"
            )
            wrong[place] += wronged(verdicts, better="0")
    pairs = repeats * (size[0] - 1) * size[1]
    return [(told / pairs, bad) for told, bad in zip(found, wrong, strict=True)]


def item_unit(truth: Truth, rng: np.random.Generator) -> float:
    """Return the standard deviation over test sets of the difference of two models with one trial each."""
    means = truth.observed(truth.draw(rng, 2, REPEATS, 1, fixed=2)).mean(axis=3)[:, :, 0]
    return float((means[:, 0] - means[:, 1]).std(ddof=1))


def item_power(
    truth: Truth, size: tuple[int, int], gaps: Sequence[float] = ITEM_GAPS, repeats: int = REPEATS
) -> list[tuple[float, int]]:
    """Return what `power` does of models with one trial each, which their items alone tell apart."""
    rng = np.random.default_rng([1, *size, *truth.name.encode()])
    unit = item_unit(truth, rng)
    found, wrong = [0] * len(gaps), [0] * len(gaps)
    for _ in range(repeats):
        sums = truth.draw(rng, *size, 1, fixed=size[0])
        for place, gap in enumerate(gaps):
            verdicts = judged(contests(truth.observed(sums, truth.shift(gap * unit)), True, size[0]))
            found[place] += sum(
                verdict.ranks[label][0] > 1 for verdict in verdicts for label in verdict.ranks if label != "0"
            )
            wrong[place] += wronged(verdicts, better="0")
    pairs = repeats * (size[0] - 1) * size[1]
    return [(told / pairs, bad) for told, bad in zip(found, wrong, strict=True)]


def main() -> None:
    """Print the rates; with --write, keep them."""
    started = time.monotonic()
    parts = [_equal(), _different(), _single(), _not_covered()]
    text = "\n\n".join("\n".join(lines) for lines in parts) + "\n"
    print(text, end="")
    print(f"{time.monotonic() - started:.0f} s", file=sys.stderr)
    if "--write" in sys.argv[1:]:
        TARGET.write_text(f"python benchmarks/separation.py --write\n{text}", encoding="utf-8")


def _equal() -> list[str]:
    k, rows = WITH_FIXED
    heads = [f"{models} x {scores}" for models, scores in SIZES]
    grid = [["values", "seeds", *heads, f"{k} x {rows}, one deterministic"]]
    for truth in TRUTHS:
        for seeds in SEEDS:
            counts = [*false_separations(truth, seeds), *false_separations(truth, seeds, [WITH_FIXED], fixed=1)]
            grid.append([truth.name, str(seeds), *map(_percent, counts)])
    return [
        f"Equal models: tables with any false separation, percent of {REPEATS} tables of models x scores.",
        "Promised: at most 5; by chance one cell in a hundred is above 8.5 where the truth is 5.",
        *_aligned(grid),
    ]


def _different() -> list[str]:
    heads = [f"{k} x {rows}: {gap:g}" for k, rows in POWER_SIZES for gap in GAPS]
    grid = [["values", "seeds", "unit", *heads, "false"]]
    for truth in TRUTHS:
        for seeds in SEEDS:
            cells = [cell for size in POWER_SIZES for cell in power(truth, seeds, size)]
            unit = truth.unit(np.random.default_rng(0))
            shares = [f"{100 * share:.0f}" for share, _ in cells]
            grid.append(
                [truth.name, str(seeds), f"{unit:.4f}", *shares, _percent(max(wrong for _, wrong in cells))]
            )
    return [
        "One model better in every score: pairs with it that are told apart, percent, by gap in units.",
        "Unit: standard deviation over seeds of one model's value on one test set. False: the other, equal models",
        f"told apart from each other or found better, percent of {REPEATS} tables, the highest of the eight.",
        *_aligned(grid),
    ]


def _single() -> list[str]:
    heads = [f"{k} x {rows}" for k, rows in SINGLE_SIZES]
    heads += [f"{k} x {rows}: {gap:g}" for k, rows in POWER_SIZES for gap in ITEM_GAPS]
    grid = [["values", "unit", *heads, "false"]]
    for truth in TRUTHS:
        if truth.items:
            fixed = max(models for models, _ in SINGLE_SIZES)
            equal = false_separations(truth, 1, SINGLE_SIZES, fixed, MANY)
            cells = [cell for size in POWER_SIZES for cell in item_power(truth, size)]
            unit = item_unit(truth, np.random.default_rng(0))
            shares = [f"{100 * share:.0f}" for share, _ in cells]
            wrong = _percent(max(wrong for _, wrong in cells))
            grid.append([truth.name, f"{unit:.4f}", *(_percent(count, MANY) for count in equal), *shares, wrong])
    return [
        "Models with one trial each, told apart by test items alone: equal models, tables with a false",
        f"separation, percent of {MANY:,}; then one model better in every score, pairs with it that are told",
        f"apart, percent of {REPEATS} tables, by gap in units. Unit: standard deviation over test sets of two",
        "models' difference. False: as in the block above, of these tables.",
        *_aligned(grid),
    ]


def _not_covered() -> list[str]:
    grid = [["values", "seeds", "2 x 1", "3 x 9"]]
    for truth, fixed in ((SKEWED, 1), (OTHER_TEST_SET, 0)):
        grid += [
            [truth.name, str(n), *map(_percent, false_separations(truth, n, POWER_SIZES, fixed))] for n in SEEDS
        ]
    return [
        "Not covered: false separations as above, where a seed gives one number and the t test's terms fail.",
        "No test on five such numbers can know how skewed they are, or what another test set would say.",
        *_aligned(grid),
    ]


def _percent(count: int, of: int = REPEATS) -> str:
    return f"{100 * count / of:.1f}"


def _aligned(grid: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*grid, strict=True)]
    return [
        "  ".join(
            [
                row[0].ljust(widths[0]),
                *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)),
            ]
        )
        for row in grid
    ]


if __name__ == "__main__":
    main()
