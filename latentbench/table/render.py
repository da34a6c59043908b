"""The comparison table of a run, printed as text, Markdown or CSV; for LaTeX and HTML see markup.py."""

from __future__ import annotations

import csv
import html
import io
import math
from collections.abc import Callable, Sequence

from latentbench.errors import RequestError
from latentbench.table.comparison import AverageRanks, Cell, Comparison, ComparisonRow, Table
from latentbench.table.comparison_display import displays, rank_text
from latentbench.table.display import Display, DisplayRow
from latentbench.table.markup import html_table, latex_table
from latentbench.table.text_layout import (
    WIDTH,
    WIDTH_OF_SENTENCES,
    blocks,
    lines,
    wrapped,
    wrapped_label,
    wrapped_name,
)

__all__ = ["display_markdown", "display_text", "render"]

NOTHING = "no scores"
MOST_FAILURES = 5
HINT = "more: `latentbench table RUN` with --all, --for walk, --relative, --ranks; `latentbench info SCORE`"


def render(table: Table, form: str = "text", width: int = WIDTH) -> str:
    """Print a table as "text", "md" (for GitHub), "csv" (full precision), "latex" or "html".

    Args:
        table: what is printed.
        form: one of these.
        width: columns that text may take; what does not fit goes into blocks that repeat the first columns.

    Raises:
        RequestError: another form.
    """
    writers: dict[str, Callable[[Table], str]] = {
        "text": lambda shown: _text(shown, width),
        "md": _markdown,
        "csv": _csv,
        "latex": latex_table,
        "html": html_table,
    }
    if form not in writers:
        raise RequestError(f"a table is printed as {', '.join(writers)}, not {form!r}")
    return writers[form](table)


def _text(table: Table, width: int) -> str:
    parts = [display_text(shown, width) for shown in displays(table)] or [NOTHING]
    last = [line for text in (*_first(table.failures), HINT) for line in wrapped([text], "  ", width)]
    return "\n".join(["\n\n".join(parts), *last]) + "\n"


def display_text(shown: Display, width: int = WIDTH) -> str:
    """Print one table, in blocks of at most so many columns."""
    if not shown.rows:
        return "\n".join([*_head(shown, width), NOTHING])
    last = [[shown.last], *([row.last] for row in shown.rows)]
    grid = [lines(block) for block in blocks(_left(shown), _models(shown), last, width)]
    legend = [line for parts in shown.legend for line in wrapped(parts, width=width)]
    narrow = min(width, WIDTH_OF_SENTENCES)
    said = [line for sentence in shown.reading for line in wrapped([sentence], "  ", narrow)]
    table = "\n\n".join("\n".join(block) for block in grid)
    above = [*_head(shown, width), *said, *([""] if said else [])]
    return "\n".join([*above, table, *legend])


def _head(shown: Display, width: int) -> list[str]:
    line = "  ".join(shown.head)
    return [line] if len(line) <= width else wrapped(shown.head, width=width)


def _first(failures: Sequence[str]) -> list[str]:
    more = len(failures) - MOST_FAILURES
    return [*failures[:MOST_FAILURES], *([f"and {more} more failed trials"] if more > 0 else [])]


def _left(shown: Display) -> list[list[list[str]]]:
    return [
        [[heading], *(wrapped_name(row.words[place]) for row in shown.rows)]
        for place, heading in enumerate(shown.words)
    ]


def _models(shown: Display) -> list[list[list[str]]]:
    columns = []
    for place, heading in enumerate(shown.headings):
        head = [*wrapped_label(heading), *filter(None, [shown.under[place]])]
        cells = [row.cells[place] for row in shown.rows]
        columns.append([head, *([str(cell), *filter(None, [cell.under])] for cell in cells)])
    return columns


def _markdown(table: Table) -> str:
    parts = [display_markdown(shown) for shown in displays(table)] or [NOTHING]
    failures = (
        ["\n".join(f"- {_escaped(failure)}" for failure in _first(table.failures))] if table.failures else []
    )
    return "\n\n".join([*parts, *failures, HINT]) + "\n"


def display_markdown(shown: Display) -> str:
    """Write one table for GitHub."""
    head = f"**{_escaped(shown.head[0])}**" + "".join(f" · {_escaped(part)}" for part in shown.head[1:])
    if not shown.rows:
        return f"{head}\n\n{NOTHING}"
    models = [_markdown_cell(*pair) for pair in zip(shown.headings, shown.under, strict=True)]
    headings = [*shown.words, *models, shown.last]
    rule = [":--", ":--", *["--:"] * (len(headings) - 2)]
    grid = [headings, rule, *(_markdown_row(row) for row in shown.rows)]
    legend = [" · ".join(map(_escaped, parts)) for parts in shown.legend]
    said = ["\n".join(f"- {_escaped(sentence)}" for sentence in shown.reading)] if shown.reading else []
    return "\n\n".join([head, *said, "\n".join(f"| {' | '.join(row)} |" for row in grid), *legend])


def _markdown_row(row: DisplayRow) -> list[str]:
    cells = [_markdown_cell(str(cell), cell.under) for cell in row.cells]
    return [*map(_escaped, row.words), *cells, row.last]


def _markdown_cell(text: str, under: str) -> str:
    return _escaped(text) + (f"<br>{under}" if under else "")


def _escaped(text: str) -> str:
    """Escape text for a cell or a line of GitHub's Markdown."""
    plain = html.escape(" ".join(text.split()), quote=False).replace("\\", "\\\\")
    for sign in "|*`[":
        plain = plain.replace(sign, f"\\{sign}")
    return plain


def _csv(table: Table) -> str:
    labels = list(dict.fromkeys(column.label for part in table.comparisons for column in part.columns))
    parts = ("rank",) if table.ranks else ("mean", "low", "high", "n", "mark")
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    cells = [f"{label}_{part}" for label in labels for part in parts]
    last = ["critical_difference"] if table.ranks else []
    writer.writerow(
        ["dataset", "for", "score", "better", "floor", *cells, "ceiling", "unit", "items", "likelihood", *last]
    )
    for comparison in table.comparisons:
        writer.writerows(
            [*_csv_row(comparison, row, labels, table.ranks), *[""] * len(last)] for row in comparison.rows
        )
    writer.writerows(_csv_average(average, labels) for average in table.averages if average.ranks)
    return out.getvalue()


def _csv_row(comparison: Comparison, row: ComparisonRow, labels: Sequence[str], ranks: bool) -> list[str]:
    cells = dict(zip((column.label for column in comparison.columns), row.cells, strict=True))
    write = _csv_rank if ranks else _csv_cell
    values = [value for label in labels for value in write(cells.get(label, Cell()))]
    named = [comparison.dataset, row.purpose, row.score, row.better, _exact(row.floor)]
    return [*named, *values, _exact(row.ceiling), row.unit, _exact(row.items), row.likelihood]


def _csv_cell(cell: Cell) -> list[str]:
    return [*map(_exact, (cell.mean, cell.low, cell.high)), str(cell.seeds), cell.mark]


def _csv_rank(cell: Cell) -> list[str]:
    return [rank_text(cell.rank)]


def _csv_average(average: AverageRanks, labels: Sequence[str]) -> list[str]:
    named = [f"average over {average.datasets}", average.purpose, average.score, average.better, ""]
    ranks = [_exact(average.ranks.get(label, math.nan)) for label in labels]
    return [*named, *ranks, "", "", "", average.likelihood, _exact(average.critical)]


def _exact(value: float) -> str:
    """Write a number so that it reads back exactly; NaN is empty."""
    return "" if math.isnan(value) else repr(float(value))
