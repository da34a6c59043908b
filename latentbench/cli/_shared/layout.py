"""Tables and prose on the screen, wrapped to the width of the terminal; 80 columns and no colors elsewhere."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Collection, Iterable, Sequence

from latentbench.terminal.output import echo, terminal_width

__all__ = ["print_prose", "print_table"]

WIDEST_PROSE = 100


def print_table(
    rows: Iterable[Sequence[object]], headings: Sequence[str] = (), numbers: Collection[int] = (), indent: int = 0
) -> None:
    """Print a table. Long cells continue on the next line; nothing is cut off.

    Args:
        rows: the cells of each row, equally many in all rows.
        headings: those of the columns, or none.
        numbers: positions of the columns that hold numbers, aligned at their right and never wrapped.
        indent: spaces in front of each line.
    """
    from rich.console import Console
    from rich.padding import Padding
    from rich.table import Table

    cells = [[str(cell) for cell in row] for row in rows]
    console = Console(markup=False, highlight=False, emoji=False, width=terminal_width())
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=bool(headings), show_edge=False)
    for place, column in enumerate(zip(*([headings] if headings else []), *cells, strict=True)):
        whole = place in numbers or (place == 0 and max(map(len, column)) <= console.width // 2)
        table.add_column(
            headings[place] if headings else "",
            justify="right" if place in numbers else "left",
            no_wrap=whole,
            overflow="fold",
        )
    for row in cells:
        table.add_row(*row)
    with console.capture() as printed:
        console.print(Padding(table, (0, 0, 0, indent)))
    echo("\n".join(line.rstrip() for line in printed.get().splitlines()))


def print_prose(text: str) -> None:
    """Print paragraphs and lists of `- ` items, each wrapped anew."""
    width = min(terminal_width(), WIDEST_PROSE)
    for block in re.split(r"\n(?=- |\n)", text):
        hanging = "  " if block.startswith("- ") else ""
        lead = "\n" if block.startswith("\n") else ""
        echo(lead + textwrap.fill(" ".join(block.split()), width, subsequent_indent=hanging))
