"""What one number means: a score, what it is for and which way is good. No torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

__all__ = ["PURPOSES", "Score", "gain"]

BETTER = ("up", "down", "none")
PURPOSES = (
    "keep",
    "find",
    "group",
    "near",
    "walk",
    "make",
    "steer",
    "factors",
    "shift",
    "use",
    "cost",
)  # as tables order them


@dataclass(frozen=True)
class Score:
    """What one number means: declared beside the metric that computes it.

    Attributes:
        better: "up", "down", "near:VALUE", or "none" for a score with a trivial optimum (shown, never starred).
        description: one line for `latentbench info` and the report.
        purpose: what a reader wants a space for: keep, find, group, near, walk, make, steer, factors, shift,
            cost or use.
        headline: stands in the default table.
        range: smallest and largest possible value.
        unit: as "nats" or "dB"; empty for a pure number.
        kind: "quality" (the same on any machine) or "cost" (seconds, bytes).
        codes: whether posterior means or posterior samples are looked at.
        floor: what no learning at all gives: a number, or the name of the reference model whose row gives it.
        ceiling: what no compression at all gives, likewise.
        flag_below: under this value the trial is flagged `flag`.
        flag: as "collapsed"; a flagged trial is never starred.
    """

    better: str
    description: str
    purpose: str = "use"
    headline: bool = False
    range: tuple[float, float] = (-math.inf, math.inf)
    unit: str = ""
    kind: Literal["quality", "cost"] = "quality"
    codes: Literal["mean", "sample"] = "mean"
    floor: float | str | None = None
    ceiling: float | str | None = None
    flag_below: float = -math.inf
    flag: str = ""

    def __post_init__(self) -> None:
        if self.better not in BETTER:
            word, _, value = self.better.partition(":")
            if word != "near" or not _is_number(value):
                raise ValueError(f"better must be up, down, none or near:VALUE, got {self.better!r}")
        if self.purpose not in PURPOSES:
            raise ValueError(f"purpose must be one of {', '.join(PURPOSES)}, got {self.purpose!r}")

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


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
