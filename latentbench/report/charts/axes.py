"""The axes of a panel: their range, their titles, and a note about values outside of them."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from latentbench.table.number_format import number, row_style
from latentbench.table.sweeps import Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.ticker import ScalarFormatter

__all__ = ["counted", "finish_axes", "short", "shown_range", "title_panel"]

MOST_NAMED = 2  # values outside a panel
NOTICE = 46  # characters of a line below a panel
FAR = 8  # median deviations from the median: points beyond may be left out of a panel ...
FLATTENED = 10  # ... if they would make it this many times as high ...
FEWEST = 4  # ... and there are at least this many points


def finish_axes(
    panel: Axes,
    axis: str,
    named: Sequence[tuple[str, Estimate]],
    far: Sequence[tuple[str, Estimate]] = (),
    others: Sequence[Estimate] = (),
) -> tuple[float, float]:
    """Set and return the range of y, label the x axis, and name below it the values outside the panel."""
    low, high = shown_range([*(value for _, value in named), *others])
    panel.set_ylim(low, high)
    panel.yaxis.set_major_formatter(_as_many_digits())
    panel.tick_params(labelsize=8)
    hidden = [*far, *((name, value) for name, value in named if value.mean < low or value.mean > high)]
    said = [f"{name} ({short(value.mean)})" for name, value in hidden[:MOST_NAMED]]
    said += [f"{len(hidden) - MOST_NAMED} more"] if len(hidden) > MOST_NAMED else []
    notice = textwrap.fill(f"outside: {', '.join(said)}", NOTICE) if said else ""
    panel.set_xlabel("\n".join(filter(None, [axis, notice])), fontsize=8)
    return low, high


def _as_many_digits() -> ScalarFormatter:
    """Return what writes the numbers of an axis with equally many digits."""
    from matplotlib.ticker import ScalarFormatter

    formatter = ScalarFormatter(useOffset=False)
    formatter.set_powerlimits((-4, 7))
    return formatter


def title_panel(panel: Axes, purpose: str, score: str, better: str, unit: str = "") -> None:
    """Name the score above a panel and its unit beside it."""
    panel.set_title(f"{purpose}: {score} ({better.replace(':', ' ')})")
    panel.set_ylabel(unit, fontsize=8)


def counted(count: int, what: str) -> str:
    """Write a number of things, as "1 seed" or "5 seeds"."""
    return f"{count} {what}{'' if count == 1 else 's'}"


def short(value: float) -> str:
    """Write a number that stands alone."""
    return number(value, row_style([value], [math.nan]))


def shown_range(values: Sequence[Estimate], flattened: float = FLATTENED) -> tuple[float, float]:
    """Return the ends of an axis that shows these means; a few outliers are left out where they flatten the rest.

    It holds the shorter half of the intervals; longer ones may reach out of it by more than the means spread.

    Args:
        values: all that is to be shown, in any unit.
        flattened: how many times as long far means must make the axis before they are left out.

    >>> low, high = shown_range([Estimate(mean) for mean in (0.5, 0.6, 0.7, 0.8, -35.0)])
    >>> round(low, 2), round(high, 2)
    (0.48, 0.82)
    """
    means = np.array([value.mean for value in values if math.isfinite(value.mean)])
    if not len(means):
        return 0.0, 1.0
    apart = np.abs(means - np.median(means))
    near = means[apart <= FAR * np.median(apart)]
    shorter = np.ptp(means) > flattened * max(np.ptp(near), np.abs(near).max() / 4) > 0
    inside_means = near if shorter and len(means) >= FEWEST else means
    low, high = float(inside_means.min()), float(inside_means.max())
    span = high - low or abs(high) / 10 or 0.1
    inside = [value for value in values if low <= value.mean <= high]
    halves = sorted(value.half for value in inside if math.isfinite(value.half))
    reach = max([span, *halves[: (len(halves) + 1) // 2]])
    bottom = min([low, *(max(value.low, low - reach) for value in inside if math.isfinite(value.low))])
    top = max([high, *(min(value.high, high + reach) for value in inside if math.isfinite(value.high))])
    pad = 0.06 * (top - bottom or span)
    return bottom - pad, top + pad
