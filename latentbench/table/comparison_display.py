"""A comparison put into words: every string of a printed table but those of its legend and its reading."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from latentbench.table.comparison import Cell, Column, Comparison, ComparisonRow, Table
from latentbench.table.display import Display, DisplayCell, DisplayRow
from latentbench.table.legend import TOGETHER, legend, letters_of
from latentbench.table.number_format import Style, count, measured, number, row_style
from latentbench.table.sentences import choices_reading, reading, verdicts, warnings
from latentbench.table.sweep_display import axes_show_all, axis_displays

__all__ = ["conclusions", "display", "displays", "rank_text"]

LONG_UNITS = {"s": "_seconds", "B": "_bytes", "1/s": "_per_second"}


def displays(table: Table) -> list[Display]:
    """Put all of a table into words: for each data set the comparison, and what came of settings that varied."""
    shown = []
    for comparison in table.comparisons:
        axes = axis_displays(comparison, table)
        if not axes or not axes_show_all(comparison, table):
            compared = display(comparison, table)
            choices = () if axes else _choices(comparison, table)
            shown.append(replace(compared, reading=(*compared.reading, *choices)))
        elif not (table.ranks or table.relative):
            axes[0] = replace(axes[0], reading=(*axes[0].reading, *warnings(comparison)))
        shown += axes
    return shown


def conclusions(comparison: Comparison, table: Table) -> list[str]:
    """Return all sentences about a data set but warnings, in the order in which `displays` has them."""
    repeated = axes_show_all(comparison, table) and axis_displays(comparison, table)
    return [*([] if repeated else verdicts(comparison)), *_choices(comparison, table)]


def _choices(comparison: Comparison, table: Table) -> tuple[str, ...]:
    swept = [sweep for sweep in table.sweeps if sweep.dataset == comparison.dataset]
    return tuple(sentence for sweep in swept for sentence in choices_reading(sweep))


def display(comparison: Comparison, table: Table) -> Display:
    """Put a comparison of `table` into words."""
    letters = letters_of(comparison.rows)
    row_display = _rank_row if table.ranks else _display_row
    rows = tuple(row_display(row, comparison.columns, letters) for row in comparison.rows)
    headings = tuple(map(_heading, comparison.columns))
    under = tuple(f"{column.ok}/{column.trials} ok" * (column.ok < column.trials) for column in comparison.columns)
    said = () if table.ranks or table.relative or not rows else tuple(reading(comparison))
    return Display(_head(comparison), headings, under, rows, legend(comparison, table, letters), said)


def _heading(column: Column) -> str:
    return f"{'! ' * bool(column.flags)}{column.label}{TOGETHER * column.together}"


def _head(comparison: Comparison) -> tuple[str, ...]:
    seeds = [f"{comparison.seeds} seed{'s' * (comparison.seeds != 1)}"] if comparison.seeds else []
    trials = [f"{comparison.ok}/{comparison.trials} trials ok"] if comparison.trials else []
    return (comparison.dataset, *comparison.budget, *seeds, *trials)


def _display_row(row: ComparisonRow, columns: Sequence[Column], letters: Mapping[str, str]) -> DisplayRow:
    means, halves = [cell.mean for cell in row.cells], [cell.half for cell in row.cells]
    style = row_style(means, halves, row.kind == "cost", row.unit)
    cells = [_display_cell(cell, column, style, letters) for cell, column in zip(row.cells, columns, strict=True)]
    words = (
        row.purpose,
        _with_unit(row),
        row.better.replace("near:", "near "),
        number(row.floor, style if style.places else replace(style, places=None)),
    )
    return DisplayRow(words, tuple(cells), count(row.items), row)


def _rank_row(row: ComparisonRow, columns: Sequence[Column], letters: Mapping[str, str]) -> DisplayRow:
    """Put ranks where the values are."""
    ranks = tuple(DisplayCell(rank_text(cell.rank)) for cell in row.cells)
    return replace(_display_row(row, columns, letters), cells=ranks)


def rank_text(rank: tuple[int, int] | None) -> str:
    """Write a rank, or the best and the worst.

    >>> rank_text((2, 2)), rank_text((1, 3)), rank_text(None)
    ('2', '1-3', '-')
    """
    return "-" if rank is None else "-".join(map(str, dict.fromkeys(rank)))


def _display_cell(cell: Cell, column: Column, style: Style, letters: Mapping[str, str]) -> DisplayCell:
    share = f"{cell.seeds}/{cell.trials} ok"
    if cell.status == "ok":
        in_heading = cell.seeds == (column.ok if column.trials else cell.trials)
        return DisplayCell(measured(cell.mean, cell.half, style), cell.mark, "" if in_heading else share)
    if cell.status == "not applicable":
        return DisplayCell(f"- {letters[cell.reason]}" if cell.reason in letters else "-")
    if cell.status == "failed":
        return DisplayCell(f"{share} {letters[cell.reason]}" if cell.reason in letters else share)
    return DisplayCell("...")


def _with_unit(row: ComparisonRow) -> str:
    named = not row.unit or row.score.endswith(LONG_UNITS.get(row.unit, f"_{row.unit}"))
    of = f" ({row.likelihood})" if row.likelihood else ""
    return f"{row.score}{of}" if named else f"{row.score}, {row.unit}{of}"
