"""The lines of a table: a score, or a score of one likelihood where models have several."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence, Set
from dataclasses import replace
from operator import attrgetter
from typing import NamedTuple

import numpy as np

from latentbench.score_rows import ScoreRow, grouped
from latentbench.scores import UNDECLARED, gain

__all__ = ["ScoreLine", "exceeded", "lines_of"]

OTHER = "another likelihood"
ROUNDING = 1e-9  # by which a mean of equal values may exceed them


class ScoreLine(NamedTuple):
    """A score, and the likelihood of the models that are compared by it; "" where that does not matter."""

    score: str
    likelihood: str = ""

    @property
    def name(self) -> str:
        """Both in words, as "elbo, bernoulli"."""
        return ", ".join(filter(None, self))

    @property
    def comparable(self) -> bool:
        """Whether values may be compared: not where nobody says of which likelihood they are."""
        return self.likelihood != UNDECLARED

    def own(self, rows: Sequence[ScoreRow]) -> list[ScoreRow]:
        """Return the rows of models of this likelihood."""
        return [row for row in rows if self.likelihood in ("", row.likelihood or UNDECLARED)]


def lines_of(rows: Iterable[ScoreRow], per_likelihood: Set[str]) -> dict[ScoreLine, list[ScoreRow]]:
    """Return the rows of each line, lines and rows in the order they come in.

    In a line of one likelihood, models of another one are not applicable.

    Args:
        rows: of one data set.
        per_likelihood: the scores in which only models with the same likelihood can be compared.
    """
    lines: dict[ScoreLine, list[ScoreRow]] = {}
    for score, block in grouped(rows, attrgetter("score")).items():
        likelihoods = _likelihoods(block) if score in per_likelihood else []
        if len(likelihoods) < 2 and UNDECLARED not in likelihoods:
            lines[ScoreLine(score)] = block
        for likelihood in likelihoods if ScoreLine(score) not in lines else ():
            lines[ScoreLine(score, likelihood)] = [_seen_from(likelihood, row) for row in block]
    return lines


def _likelihoods(rows: Sequence[ScoreRow]) -> list[str]:
    return list(dict.fromkeys(filter(None, map(_likelihood, rows))))


def _likelihood(row: ScoreRow) -> str:
    """Return the likelihood of which a row has a value, or could have one; "" for none."""
    if row.has_value:
        return row.likelihood or UNDECLARED
    return "" if row.status == "not applicable" else row.likelihood


def _seen_from(likelihood: str, row: ScoreRow) -> ScoreRow:
    if _likelihood(row) in ("", likelihood):
        return row
    return replace(row, status="not applicable", reason=OTHER, value=math.nan, se=math.nan, n_eval=0)


def exceeded(rows: Sequence[ScoreRow]) -> bool:
    """Whether the ceiling of one score on one data set is none: the floor, or the mean of a model, lies beyond it.

    "Beyond" means better; where no side is better, farther from the floor. The ceiling's own model cannot be.
    """
    return any(_is_beyond(block) for block in grouped(rows, attrgetter("label")).values())


def _is_beyond(rows: Sequence[ScoreRow]) -> bool:
    first = rows[0]
    values = [row.value for row in rows if row.has_value]
    if first.reference == "ceiling" or not values or not math.isfinite(first.ceiling):
        return False
    slack = ROUNDING * max(abs(first.ceiling), abs(first.floor) if math.isfinite(first.floor) else 0.0)
    if first.better == "none":
        sign = math.copysign(1.0, first.ceiling - first.floor)
        return sign * (float(np.mean(values)) - first.ceiling) > slack
    best = gain(first.ceiling, first.better) + slack
    return gain(float(np.mean(values)), first.better) > best or gain(first.floor, first.better) > best
