"""Writes docs/obtained.md from the rows and from what was kept of making them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.published.rows import GREEN, OUTSIDE, Row, verdict

__all__ = ["Counts", "count", "page"]

Kept = Mapping[str, Mapping[str, Any]]
INTRODUCTION = """# Published numbers, made again

Numbers that others printed, beside those that this project's models, latent spaces and metrics give. Each band
was committed before its number was made: it is the source's own spread, or two standard errors of both numbers, or
has the reason that is said. What came out stands here whatever it is. A command makes the numbers of its row and
writes this page; without a name it lists the rows, and `--quick` makes those that take under two minutes.
"""
OWN = """## Checked against our own references

These are not counted: their references were measured by this project with other code, or are remembered from
papers of which no page was at hand to read.
"""
LOOKED_FOR = """## Looked for, and no printed number read

- Trustworthiness and continuity of `topo_ae` on Fashion-MNIST (Moor 2020, table 1): the repository holds code and
  configurations, no table that can be read.
- ACAI's table of lines (Berthelot 2018): the README shows pictures, the notebook of its figures holds no outputs.
- The intrinsic dimension of Fashion-MNIST: Pope 2021 prints that of MNIST; nobody was found who prints this one.
- k-means on the pixels of Fashion-MNIST: the tables found are pictures, or print accuracy alone.
- MIG of InfoGAN-CR on dSprites: its README refers to the paper for the table.
- `hvae` (pythae prints 86.21 nats for binary MNIST): there is no such model here.
"""


@dataclass(frozen=True)
class Counts:
    """How many numbers, rows and set-ups were made, and how many are green: a row when all of its numbers are.

    Attributes:
        numbers: green, made.
        rows: green, made.
        setups: with a green row, wholly green, made.
        seconds: all rows together.
    """

    numbers: tuple[int, int]
    rows: tuple[int, int]
    setups: tuple[int, int, int]
    seconds: float


def verdicts(row: Row, kept: Kept) -> list[str]:
    """Return what became of each number of a row."""
    values = kept.get(row.name, {}).get("values", {})
    return [verdict(number, values.get(name)) for name, number in row.numbers.items()]


def count(rows: Iterable[Row], kept: Kept) -> Counts:
    """Count what was made of the rows that count."""
    made = {row.name: (row.setup, verdicts(row, kept)) for row in rows if row.counted and row.name in kept}
    numbers = [each for _, found in made.values() for each in found]
    green = {name: all(each == GREEN for each in found) for name, (_, found) in made.items()}
    setups: dict[str, list[bool]] = {}
    for name, (setup, _) in made.items():
        setups.setdefault(setup, []).append(green[name])
    return Counts(
        (numbers.count(GREEN), len(numbers)),
        (sum(green.values()), len(green)),
        (sum(map(any, setups.values())), sum(map(all, setups.values())), len(setups)),
        sum(kept[name]["seconds"] for name in made),
    )


def page(rows: Sequence[Row], kept: Kept) -> str:
    """Return docs/obtained.md."""
    here = [row for row in rows if row.counted and not row.needs]
    elsewhere = [row for row in rows if row.counted and row.needs]
    parts = [
        INTRODUCTION,
        summary(count(rows, kept), here),
        "## Made here\n",
        table(here, kept),
        "## What lies outside\n",
        "\n".join(outside(here, kept)) + "\n",
        "## Not run here\n",
        "The data of these rows are not here. With them the same commands train and score; none counts before.\n",
        table(elsewhere, kept),
        LOOKED_FOR,
        OWN,
        table([row for row in rows if not row.counted], kept),
    ]
    return "\n".join(parts)


def summary(counts: Counts, rows: Sequence[Row]) -> str:
    """Return the sentence of counts."""
    (inside, numbers), (green, made), (some, whole, setups) = counts.numbers, counts.rows, counts.setups
    return (
        f"**{inside} of {numbers} numbers made lie in their bands; {green} rows of {made} are green in all their\n"
        f"numbers. They come from {some} set-ups of {setups}, of which {whole} are wholly green.** Rows of one\n"
        f"set-up share data and procedure, and count once. Rows not made yet: {len(rows) - made}. All took\n"
        f"{counts.seconds / 60:.0f} minutes on 2 cores that others kept busy.\n"
    )


def table(rows: Iterable[Row], kept: Kept) -> str:
    """Return a table; what holds for all numbers of a row stands at its first."""
    head = ["model", "number", "published", "obtained", "band", "why", "source", "command", "minutes", "verdict"]
    lines = [cells(head), cells(["---"] * len(head))]
    for row in rows:
        lines += row_lines(row, kept)
    return "\n".join(lines) + "\n"


def row_lines(row: Row, kept: Kept) -> Iterator[str]:
    """Yield the lines of one row."""
    made = kept.get(row.name, {})
    minutes = f"{made['seconds'] / 60:.1f}" if made else ""
    why = f"{row.why}. Differs: {row.differs}" if row.differs else row.why
    first = (f"{row.model}; {row.setup}" if row.model else row.setup, why, row.source, command(row), minutes)
    for place, (name, number) in enumerate(row.numbers.items()):
        value = made.get("values", {}).get(name)
        model, *said = first if place == 0 else [""] * len(first)
        outcome = row.needs if row.needs and value is None else verdict(number, value)
        obtained = "" if value is None else f"{value:.6g}"
        yield cells(
            [model, name, number.printed, obtained, f"{number.low:.6g} to {number.high:.6g}", *said, outcome]
        )


def command(row: Row) -> str:
    """Return what makes a row."""
    return f"`python benchmarks/obtained.py {row.name}`"


def cells(texts: Sequence[str]) -> str:
    """Return a line of a table."""
    return "| " + " | ".join(texts) + " |"


def outside(rows: Iterable[Row], kept: Kept) -> list[str]:
    """Return what was tried where numbers lie outside."""
    missed = [row for row in rows if OUTSIDE in verdicts(row, kept)]
    return [f"- {command(row)}: {row.tried or 'nothing was tried yet'}." for row in missed] or ["Nothing."]
