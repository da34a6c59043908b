"""What the parts of gpu.py report: rows, their table, and the file that keeps them; it imports no torch."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

__all__ = ["Aim", "Row", "number", "read_rows", "shown", "table", "write_rows"]

COLUMNS = (
    *("part", "what", "batch", "precision", "members", "value"),
    *("unit", "aim", "hoped", "must", "met", "note"),
)
SHOWN = ("what", "batch", "precision", "members", "value", "unit", "aim", "met")
FAILED = "FAILED"


@dataclass(frozen=True)
class Aim:
    """What a number should be.

    Attributes:
        sign: at least or at most.
        value: the number that must be reached.
        hoped: the number hoped for.
    """

    sign: Literal[">=", "<="]
    value: float
    hoped: float | None = None

    def is_met(self, value: float | None) -> bool:
        """Whether a value, if there is one, is as it should be; NaN is not."""
        if value is None:
            return False
        return value >= self.value if self.sign == ">=" else value <= self.value

    def __str__(self) -> str:
        hoped = f" (hoped for: {self.hoped:,g})" if self.hoped is not None else ""
        return f"{self.sign} {self.value:,.7g}{hoped}"

    @classmethod
    def read(cls, text: str, hoped: str) -> Self | None:
        """Read back what `write_rows` wrote."""
        if not text:
            return None
        sign, value = text.split()
        return cls(">=" if sign == ">=" else "<=", float(value), float(hoped) if hoped else None)


@dataclass(frozen=True)
class Row:
    """One number; a line of the table and of the CSV.

    Attributes:
        part: which part of gpu.py made it.
        what: what was measured.
        value: None where it was skipped; `note` says why.
        unit: of the value.
        aim: what it should be, if anything.
        must: whether it is an error to miss the aim: for checks, not for speed.
        failed: it could not be measured; `note` has the error.
        batch: batch size, where it matters.
        precision: of training, likewise.
        members: trials trained at the same time, likewise.
        note: anything a reader must know.
    """

    part: str
    what: str
    value: float | None
    unit: str = ""
    aim: Aim | None = None
    must: bool = False
    failed: bool = False
    batch: int | None = None
    precision: str = ""
    members: int | None = None
    note: str = ""

    @property
    def met(self) -> str:
        """Whether the aim is met, in a word; nothing without an aim."""
        if self.failed:
            return FAILED
        if self.aim is None:
            return ""
        return "met" if self.aim.is_met(self.value) else "NOT MET"

    @property
    def wrong(self) -> bool:
        """Whether it makes the whole program fail."""
        return self.failed or (self.must and self.met == "NOT MET")


def number(value: float | None) -> str:
    """Write a number with three digits, or all those before the point."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if value == 0 or abs(value) >= 1000 else f"{value:.3g}"


def shown(row: Row) -> tuple[str, ...]:
    """Return a row's cells of the table."""
    values = {"value": number(row.value), "aim": "" if row.aim is None else str(row.aim)}
    return tuple(values.get(name, str(getattr(row, name) or "")) for name in SHOWN)


def table(rows: Sequence[Row]) -> list[str]:
    """Return a line for each row, with its note at the end."""
    grid = [SHOWN, *(shown(row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*grid, strict=True)]
    right = {SHOWN.index(name) for name in ("batch", "members", "value")}
    lines = []
    for cells, note in zip(grid, ["note", *(row.note for row in rows)], strict=True):
        placed = [
            cell.rjust(width) if place in right else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        lines.append("  ".join([*placed, note]).rstrip())
    return lines


def write_rows(rows: Sequence[Row], head: Sequence[str], folder: Path) -> None:
    """Keep rows as gpu.csv and as the table gpu.txt, each whole at any moment."""
    folder.mkdir(parents=True, exist_ok=True)
    begun = folder / ".gpu.csv"
    with begun.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(COLUMNS)
        lines.writerows(map(_cells, rows))
    begun.replace(folder / "gpu.csv")
    begun = folder / ".gpu.txt"
    begun.write_text("\n".join([*head, *table(rows), ""]), encoding="utf-8")
    begun.replace(folder / "gpu.txt")


def _cells(row: Row) -> list[object]:
    aim = row.aim
    written: dict[str, object] = {
        "aim": "" if aim is None else f"{aim.sign} {aim.value:.7g}",
        "hoped": "" if aim is None or aim.hoped is None else f"{aim.hoped:.7g}",
        "value": "" if row.value is None else f"{row.value:.6g}",
        "must": "must" if row.must else "",
    }
    return [written[name] if name in written else getattr(row, name) for name in COLUMNS]


def read_rows(folder: Path) -> list[Row]:
    """Read back what an earlier call kept in a folder; nothing where there was none."""
    path = folder / "gpu.csv"
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return [_row(cells) for cells in csv.DictReader(file)]


def _row(cells: dict[str, str]) -> Row:
    return Row(
        part=cells["part"],
        what=cells["what"],
        value=float(cells["value"]) if cells["value"] else None,
        unit=cells["unit"],
        aim=Aim.read(cells["aim"], cells["hoped"]),
        must=bool(cells["must"]),
        failed=cells["met"] == FAILED,
        batch=int(cells["batch"]) if cells["batch"] else None,
        precision=cells["precision"],
        members=int(cells["members"]) if cells["members"] else None,
        note=cells["note"],
    )
