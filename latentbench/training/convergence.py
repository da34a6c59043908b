"""Whether a training run had converged when its budget ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

__all__ = ["late_fall"]


def late_fall(history: Sequence[Mapping[str, float]]) -> float:
    """Return the share of the loss's total decrease that falls into the last tenth of the epochs.

    A negative log density has no natural zero, so the fall is measured against the fall since the first epoch and
    not against the loss itself. Losses of single epochs are noisy: where a tenth is several epochs, what it began
    and ended with are means over half as many. Over 0.01 a run counts as not converged. A single epoch holds the
    whole fall: 1. 0 where the loss never fell, or there is no one loss but one a player.

    >>> late_fall([{"total": 10.0}, {"total": 2.0}, {"total": 0.0}])
    0.2
    """
    totals = [losses["total"] for losses in history if "total" in losses]
    if len(totals) == 1:
        return 1.0
    if not totals or totals[0] <= min(totals):
        return 0.0
    tenth = max(1, round(len(totals) / 10))
    few = max(1, tenth // 2)
    return (fmean(totals[-tenth - few : -tenth]) - fmean(totals[-few:])) / (totals[0] - min(totals))
