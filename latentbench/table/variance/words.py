"""The analysis of variance put into words, and printed in the forms of a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence

from latentbench.table.display import Display, DisplayCell, DisplayRow
from latentbench.table.markup import display_html, display_latex
from latentbench.table.number_format import measured, row_style
from latentbench.table.render import display_markdown, display_text
from latentbench.table.text_layout import WIDTH
from latentbench.table.variance.build import ScoreVariance, VarianceTable
from latentbench.text import counted

__all__ = ["render_variance", "variance_display"]

KINDS = ("method", "setting", "seed")
LEGEND = (
    (
        "method: share of a score's variance between the means of methods",
        "setting: between those of one method's settings",
        "seed: the rest, between trials that differ in their seed alone",
    ),
    ("in brackets: less what seeds alone would make of it on average (epsilon squared)",),
    ("sd: standard deviation over all trials",),
)


def render_variance(tables: Sequence[VarianceTable], form: str = "text", width: int = WIDTH) -> str:
    """Print tables as "text", "md" (for GitHub), "csv" (full precision), "latex" or "html"."""
    if form == "csv":
        return _csv(tables)
    writers: dict[str, Callable[[Display], str]] = {
        "text": lambda shown: display_text(shown, width) + "\n",
        "md": lambda shown: display_markdown(shown) + "\n",
        "latex": display_latex,
        "html": display_html,
    }
    return "\n".join(writers[form](variance_display(table)) for table in tables)


def variance_display(table: VarianceTable) -> Display:
    """Put one table into words."""
    head = (
        f"{table.dataset}: variance",
        counted(len(table.methods), "method"),
        counted(table.settings, "setting"),
        counted(table.trials, "trial"),
    )
    rows = tuple(map(_row, table.rows))
    words = ("for", "score", "better", "trials")
    return Display(
        head, KINDS, ("",) * len(KINDS), rows, (*LEGEND, tuple(_cautions(table))), _said(table), words, "sd"
    )


def _row(analyzed: ScoreVariance) -> DisplayRow:
    shares = analyzed.shares
    every = [_share(value) for value in _shares(analyzed)]
    cells = tuple(DisplayCell(f"{share} ({beyond})") for share, beyond in zip(every[:3], every[3:], strict=True))
    better = analyzed.better.replace("near:", "near ")
    style = row_style([shares.deviation], [float("nan")], rough=True)
    words = (analyzed.purpose, analyzed.line.name, better, str(shares.values))
    return DisplayRow(words, cells, measured(shares.deviation, float("nan"), style))


def _shares(analyzed: ScoreVariance) -> tuple[float, ...]:
    shares = analyzed.shares
    beyond = shares.method_beyond_chance, shares.setting_beyond_chance, shares.seed_beyond_chance
    return shares.method, shares.setting, shares.seed, *beyond


def _share(value: float) -> str:
    """Write a share with two digits.

    >>> _share(0.374), _share(-0.02), _share(1.0), _share(-0.001)
    ('.37', '-.02', '1.00', '.00')
    """
    text = f"{value:.2f}"
    return text.replace("-0.00", "0.00").replace("0.", ".", 1) if abs(value) < 0.995 else text


def _said(table: VarianceTable) -> tuple[str, ...]:
    """Say what explains most, on average over scores."""
    if not table.rows:
        return ()
    means = [sum(column) / len(table.rows) for column in zip(*map(_shares, table.rows), strict=True)][:3]
    parts = [f"{kind} {mean:.0%}".replace("%", " %") for kind, mean in zip(KINDS, means, strict=True)]
    scores = counted(len(table.rows), "score")
    return (f"of the variance over all trials, on average over {scores}: {', '.join(parts)}",)


def _cautions(table: VarianceTable) -> list[str]:
    parts = ["settings and seeds are not equally many; every trial counts alike"] if table.uneven else []
    parts += [f"{counted(table.missing, 'trial')} without a value left out"] if table.missing else []
    parts += [f"{counted(table.flagged, 'trial')} flagged as worthless counted"] if table.flagged else []
    return parts + ([f"all trials equal: {', '.join(table.level)}"] if table.level else [])


def _csv(tables: Sequence[VarianceTable]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    beyond = [f"{kind}_beyond_chance" for kind in KINDS]
    writer.writerow(["dataset", "for", "score", "better", "trials", *KINDS, *beyond, "sd", "likelihood"])
    for table in tables:
        for row in table.rows:
            named = [table.dataset, row.purpose, row.line.score, row.better, row.shares.values]
            writer.writerow([*named, *map(repr, _shares(row)), repr(row.shares.deviation), row.line.likelihood])
    return out.getvalue()
