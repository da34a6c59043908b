"""What one number means: a score, its purpose and its direction. No torch."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass
from typing import Literal, NewType, get_args

from latentbench.errors import ContractError
from latentbench.params import check_name, check_number, check_word, mismatch

__all__ = ["PURPOSES", "UNDECLARED", "Better", "Near", "Purpose", "Score", "gain"]

Near = NewType("Near", str)  # "near:VALUE"
Better = Literal["up", "down", "none"] | Near
Purpose = Literal["keep", "find", "group", "near", "walk", "make", "steer", "factors", "shift", "use", "cost"]
Kind = Literal["quality", "cost"]
Codes = Literal["mean", "sample"]

PURPOSES: tuple[Purpose, ...] = get_args(Purpose)  # in the order of tables
UNDECLARED = "likelihood not declared"  # of a model that has one
DIRECTIONS = ("up", "down", "none")


@dataclass(frozen=True)
class Score:
    """What one number means: declared beside the metric that computes it.

    Attributes:
        better: "up", "down", "near:VALUE", or "none" for a score with a trivial optimum (shown, never starred).
        description: one line for `latentbench info`; empty where the metric has no other score, so that its
            summary says it all.
        purpose: what the space is wanted for: keep, find, group, near, walk, make, steer, factors, shift, cost or
            use.
        headline: shown in the default table.
        range: smallest and largest possible value.
        unit: such as "nats" or "dB"; empty for a pure number.
        kind: "quality" (the same on any machine) or "cost" (seconds, bytes).
        codes: whether the score looks at posterior means or at posterior samples.
        floor: the score of an untrained baseline: a number, or the name of the reference model whose row gives it.
        ceiling: the score without any compression, likewise.
        per_likelihood: values of models with different likelihoods cannot be compared (a density with a
            probability): tables show them in a row for each likelihood.
        flag_below: below this value the trial is flagged `flag`.
        flag: such as "collapsed"; a flagged trial is never starred.

    Raises:
        ContractError: a misspelled word, an impossible range, or a flag without its limit.
    """

    better: Better
    description: str = ""
    _: KW_ONLY
    purpose: Purpose = "use"
    headline: bool = False
    range: tuple[float, float] = (-math.inf, math.inf)
    unit: str = ""
    kind: Kind = "quality"
    codes: Codes = "mean"
    floor: float | str | None = None
    ceiling: float | str | None = None
    per_likelihood: bool = False
    flag_below: float = -math.inf
    flag: str = ""

    def __post_init__(self) -> None:
        _check_better(self._field("better"), self.better)
        for name, known in (("purpose", PURPOSES), ("kind", get_args(Kind)), ("codes", get_args(Codes))):
            check_word(self._field(name), getattr(self, name), known)
        if not _is_range(self.range):
            raise mismatch(self._field("range"), "(smallest, largest)", self.range)
        for name in ("floor", "ceiling"):
            _check_bound(self._field(name), getattr(self, name))
        if not isinstance(self.per_likelihood, bool):
            raise mismatch(self._field("per_likelihood"), "True or False", self.per_likelihood)
        if bool(self.flag) != (self.flag_below > -math.inf):
            raise ContractError(f"correct {self._field('flag')}: `flag` and `flag_below` need each other")

    def _field(self, name: str) -> str:
        """Say which field of which score an error is about; a score does not know its name."""
        return f"`{name}` of the score described as {self.description!r}" if self.description else f"Score.{name}"

    def gain(self, value: float) -> float:
        """Return `value` on a scale where more is better; NaN for a score without a better direction."""
        return gain(value, self.better)


def gain(value: float, better: str) -> float:
    """Return `value` on a scale where more is better; NaN where `better` is "none".

    >>> gain(0.75, "down"), gain(0.75, "near:1")
    (-0.75, -0.25)
    """
    if better == "up":
        return value
    if better == "down":
        return -value
    return -abs(value - float(better.removeprefix("near:"))) if better.startswith("near:") else math.nan


def _check_better(where: str, better: object) -> None:
    if better in DIRECTIONS or (isinstance(better, str) and better.startswith("near:") and _is_finite(better[5:])):
        return
    raise mismatch(where, "'up', 'down', 'none' or 'near:VALUE'", better, DIRECTIONS)


def _is_range(bounds: object) -> bool:
    if not (isinstance(bounds, tuple) and len(bounds) == 2):
        return False
    return all(isinstance(bound, int | float) for bound in bounds) and bounds[0] < bounds[1]


def _check_bound(where: str, bound: float | str | None) -> None:
    if isinstance(bound, str):
        check_name(where, bound)
    elif bound is not None:
        check_number(where, bound)


def _is_finite(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
