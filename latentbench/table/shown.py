"""A comparison table as one meets it in Python: printed, shown by a notebook, or as a frame."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from latentbench.table.comparison import Comparison, ComparisonRow, Table
from latentbench.table.render import render

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ShownTable"]

COLUMNS = (
    "dataset",
    "purpose",
    "score",
    "likelihood",
    "better",
    "unit",
    "model",
    "mean",
    "low",
    "high",
    "mark",
    "seeds",
    "status",
    "reason",
    "floor",
    "ceiling",
    "n",
)
RANKS = ("best_rank", "worst_rank")


@dataclass(frozen=True, repr=False)
class ShownTable:
    """The comparison table of a run; a notebook shows it with its marks, `print` prints it.

    Attributes:
        table: the numbers and marks behind it.
    """

    table: Table

    def __str__(self) -> str:
        return render(self.table, "text").rstrip()

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return render(self.table, "html")

    @cached_property
    def frame(self) -> pd.DataFrame:
        """One row for each data set, score and model, in the order of the table; see `Results.table`."""
        import pandas as pd

        rows = (
            cell
            for comparison in self.table.comparisons
            for row in comparison.rows
            for cell in _cells(comparison, row)
        )
        frame = pd.DataFrame(rows, columns=[*COLUMNS, *RANKS])
        return frame if self.table.ranks else frame[[*COLUMNS]]


def _cells(comparison: Comparison, row: ComparisonRow) -> Iterator[tuple[Any, ...]]:
    """Yield the values of COLUMNS and RANKS for each model."""
    about = comparison.dataset, row.purpose, row.score, row.likelihood, row.better, row.unit
    for column, cell in zip(comparison.columns, row.cells, strict=True):
        measured = cell.mean, cell.low, cell.high, cell.mark, cell.seeds, cell.status, cell.reason
        yield (*about, column.label, *measured, row.floor, row.ceiling, row.items, *(cell.rank or (None, None)))
