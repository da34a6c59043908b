"""A table as text, cell by cell, before it is laid out as plain text, Markdown, LaTeX or HTML."""

from __future__ import annotations

from dataclasses import dataclass

from latentbench.table.comparison import ComparisonRow

__all__ = ["Display", "DisplayCell", "DisplayRow"]


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
    """One row: its first words, a cell for each heading, its last entry; `source` is what it was made from."""

    words: tuple[str, ...]
    cells: tuple[DisplayCell, ...]
    last: str
    source: ComparisonRow | None = None


@dataclass(frozen=True)
class Display:
    """One table in words.

    Attributes:
        head: parts of the line above it.
        headings: one for each cell of a row: models, or settings.
        under: a second line of each heading, or empty.
        rows: from top to bottom.
        legend: lines below it, each of several parts.
        reading: what the table says, in sentences above it.
        words: headings of the first words of a row.
        last: heading of its last entry.
    """

    head: tuple[str, ...]
    headings: tuple[str, ...]
    under: tuple[str, ...]
    rows: tuple[DisplayRow, ...]
    legend: tuple[tuple[str, ...], ...]
    reading: tuple[str, ...] = ()
    words: tuple[str, ...] = ("for", "score", "better", "floor")
    last: str = "n"
