"""A comparison as words: every string of a printed table, before it is laid out as text, Markdown or HTML."""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass, replace

from latentbench.report.cells import Style, count, measured, number, row_style
from latentbench.report.comparison import Cell, Column, Comparison, Row, Table
from latentbench.report.stars import BEST, FEWEST_SEEDS

__all__ = ["Display", "DisplayCell", "DisplayRow", "display"]

FEWEST_WORD = {5: "five"}.get(FEWEST_SEEDS, str(FEWEST_SEEDS))
LONG_UNITS = {"s": "_seconds", "B": "_bytes", "1/s": "_per_second"}


@dataclass(frozen=True)
class DisplayCell:
    """What stands in one cell: the mark before the text, and a second line under it."""

    text: str
    mark: str = ""
    under: str = ""

    def __str__(self) -> str:
        return f"{self.mark} {self.text}" if self.mark else self.text


@dataclass(frozen=True)
class DisplayRow:
    """One score in words."""

    purpose: str
    score: str
    better: str
    floor: str
    cells: tuple[DisplayCell, ...]
    items: str
    source: Row


@dataclass(frozen=True)
class Display:
    """One comparison in words.

    Attributes:
        head: parts of the line above it.
        headings: one for each model.
        under: a second line of each heading, or empty.
        rows: in the order of the comparison.
        legend: lines below it, each of several parts.
    """

    head: tuple[str, ...]
    headings: tuple[str, ...]
    under: tuple[str, ...]
    rows: tuple[DisplayRow, ...]
    legend: tuple[tuple[str, ...], ...]


def display(comparison: Comparison, table: Table) -> Display:
    """Put a comparison of `table` into words."""
    letters = _letters(comparison.rows)
    rows = tuple(_display_row(row, comparison.columns, letters) for row in comparison.rows)
    headings = tuple(f"! {column.label}" if column.flags else column.label for column in comparison.columns)
    under = tuple(f"{column.ok}/{column.asked} ok" * (column.ok < column.asked) for column in comparison.columns)
    legend = (
        _signs(comparison),
        (*(f"{letter} {reason}" for reason, letter in letters.items()), *_flags(comparison.columns)),
        _cautions(comparison, table),
    )
    return Display(_head(comparison), headings, under, rows, tuple(line for line in legend if line))


def _head(comparison: Comparison) -> tuple[str, ...]:
    seeds = [f"{comparison.seeds} seed{'s' * (comparison.seeds != 1)}"] if comparison.seeds else []
    trials = [f"{comparison.ok}/{comparison.asked} trials ok"] if comparison.asked else []
    return (comparison.dataset, *comparison.budget, *seeds, *trials)


def _display_row(row: Row, columns: Sequence[Column], letters: dict[str, str]) -> DisplayRow:
    style = row_style(
        [cell.mean for cell in row.cells], [cell.half for cell in row.cells], rough=row.kind == "cost"
    )
    cells = [_display_cell(cell, column, style, letters) for cell, column in zip(row.cells, columns, strict=True)]
    return DisplayRow(
        row.purpose,
        _with_unit(row),
        "-" if row.better == "none" else row.better.replace("near:", "near "),
        number(row.floor, style if style.places else replace(style, places=None)),
        tuple(cells),
        count(row.items),
        row,
    )


def _display_cell(cell: Cell, column: Column, style: Style, letters: dict[str, str]) -> DisplayCell:
    share = f"{cell.seeds}/{cell.asked} ok"
    if cell.status == "ok":
        told = cell.seeds == (column.ok if column.asked else cell.asked)  # by the heading of the column
        return DisplayCell(measured(cell.mean, cell.half, style), cell.mark, "" if told else share)
    if cell.status == "not applicable":
        return DisplayCell(f"- {letters[cell.reason]}" if cell.reason else "-")
    return DisplayCell(share if cell.status == "failed" else "...")


def _with_unit(row: Row) -> str:
    said = not row.unit or row.score.endswith(LONG_UNITS.get(row.unit, f"_{row.unit}"))
    return row.score if said else f"{row.score}, {row.unit}"


def _letters(rows: Sequence[Row]) -> dict[str, str]:
    """Number the reasons why cells are empty: a, b, ... z, aa, ab."""
    empty = [cell.reason for row in rows for cell in row.cells if cell.status == "not applicable" and cell.reason]
    names = [first + second for first in ["", *string.ascii_lowercase] for second in string.ascii_lowercase]
    return dict(zip(dict.fromkeys(empty), names, strict=False))


def _signs(comparison: Comparison) -> tuple[str, ...]:
    cells = [cell for row in comparison.rows for cell in row.cells]
    parts = ["* best", "= not separable from it (paired, Holm, 95 %)"] if _starred(comparison) else []
    parts += ["± 95 % interval over seeds"] if any(cell.half > 0 for cell in cells) else []
    parts += ["- no better direction"] if any(row.better == "none" for row in comparison.rows) else []
    parts += ["... not computed"] if any(cell.status == "missing" for cell in cells) else []
    once = [column.label for column in comparison.columns if column.deterministic and column.asked <= 1]
    parts += [f"{', '.join(once)}: deterministic, one trial{' each' * (len(once) > 1)}"] if once else []
    return tuple(parts)


def _starred(comparison: Comparison) -> bool:
    return any(cell.mark == BEST for row in comparison.rows for cell in row.cells)


def _left_out(comparison: Comparison) -> list[str]:
    """Contenders that have values but took no part in the comparison."""
    seeds = [max(row.cells[place].seeds for row in comparison.rows) for place in range(len(comparison.columns))]
    return [
        column.label
        for column, most in zip(comparison.columns, seeds, strict=True)
        if most and not column.reference and (column.flags or (most < FEWEST_SEEDS and not column.deterministic))
    ]


def _flags(columns: Sequence[Column]) -> list[str]:
    return [
        f"! {column.label} {flag}" + (f" ({trials} of {column.asked} trials)" if column.asked > 1 else "")
        for column in columns
        for flag, trials in column.flags.items()
    ]


def _cautions(comparison: Comparison, table: Table) -> tuple[str, ...]:
    few = comparison.seeds < FEWEST_SEEDS and any(not column.reference for column in comparison.columns)
    parts = [f"no stars under {FEWEST_WORD} seeds"] if few else []
    if _starred(comparison) and (names := _left_out(comparison)):
        parts.append(f"not compared (flagged, or under {FEWEST_WORD} seeds): {', '.join(names)}")
    parts += ["relative: 0 at the floor, 1 at the ceiling"] if table.relative else []
    parts += [f"without floor or ceiling: {', '.join(comparison.omitted)}"] if comparison.omitted else []
    parts += [f"mixed environments: {comparison.environments}"] if comparison.environments > 1 else []
    return tuple(parts)
