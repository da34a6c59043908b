"""A comparison as words: every string of a printed table, before it is laid out as text, Markdown or HTML."""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass, replace

from latentbench.report.table.comparison import Cell, Column, Comparison, ComparisonRow, Table
from latentbench.report.table.conditions import conditions_in_words
from latentbench.report.table.number_format import Style, count, measured, number, row_style
from latentbench.report.table.sentences import choices_reading, reading
from latentbench.report.table.significance import BEST, FEWEST_DATASETS, FEWEST_SEEDS
from latentbench.report.table.sweeps import Curve, Sweep

__all__ = [
    "Display",
    "DisplayCell",
    "DisplayRow",
    "axis_displays",
    "display",
    "displays",
    "is_told_by_axes",
    "rank_text",
]

WORDS_OF_SCORES = ("for", "score", "better", "floor")
WORDS = {5: "five", 6: "six"}
FEWEST_WORD = WORDS.get(FEWEST_SEEDS, str(FEWEST_SEEDS))
TOGETHER = "†"
TOLD_TOGETHER = (
    "codes made of all test items together (transductive), probes cross-validated on them: not compared"
)
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
        reading: what it says, in sentences that stand above it.
        words: headings of the first words of a row.
        last: heading of its last entry.
    """

    head: tuple[str, ...]
    headings: tuple[str, ...]
    under: tuple[str, ...]
    rows: tuple[DisplayRow, ...]
    legend: tuple[tuple[str, ...], ...]
    reading: tuple[str, ...] = ()
    words: tuple[str, ...] = WORDS_OF_SCORES
    last: str = "n"


def displays(table: Table) -> list[Display]:
    """Put all of a table into words: for each data set the comparison, and what came of settings that varied."""
    shown = []
    for comparison in table.comparisons:
        swept = [sweep for sweep in table.sweeps if sweep.dataset == comparison.dataset]
        axes = axis_displays(comparison, table)
        if not axes or not is_told_by_axes(comparison, table):
            own = display(comparison, table)
            choices = [sentence for sweep in swept if not axes for sentence in choices_reading(sweep)]
            shown.append(replace(own, reading=(*own.reading, *choices)))
        shown += axes
    return shown


def axis_displays(comparison: Comparison, table: Table) -> list[Display]:
    """Put what varied on the data set of a comparison into words, one table an axis."""
    swept = [sweep for sweep in table.sweeps if sweep.dataset == comparison.dataset]
    return [shown for sweep in swept for shown in _sweep_displays(sweep, comparison)]


def display(comparison: Comparison, table: Table) -> Display:
    """Put a comparison of `table` into words."""
    letters = _letters(comparison.rows)
    shape = _rank_row if table.ranks else _display_row
    rows = tuple(shape(row, comparison.columns, letters) for row in comparison.rows)
    headings = tuple(map(_heading, comparison.columns))
    under = tuple(f"{column.ok}/{column.asked} ok" * (column.ok < column.asked) for column in comparison.columns)
    reasons = () if table.ranks else tuple(f"{letter} {reason}" for reason, letter in letters.items())
    legend = (
        _rank_signs(comparison) if table.ranks else _signs(comparison),
        (*reasons, *_flags(comparison.columns)),
        _cautions(comparison, table),
        conditions_in_words(comparison.conditions) if any(map(_costs, comparison.rows)) else (),
        *(_averages(table) if comparison is table.comparisons[-1] else ()),
    )
    said = () if table.ranks or table.relative or not rows else tuple(reading(comparison))
    return Display(_head(comparison), headings, under, rows, tuple(line for line in legend if line), said)


def _heading(column: Column) -> str:
    return f"{'! ' * bool(column.flags)}{column.label}{TOGETHER * column.together}"


def is_told_by_axes(comparison: Comparison, table: Table) -> bool:
    """Whether every contender and every yardstick has a line over some axis: a comparison would repeat that.

    Where purposes were asked for, each of their scores must have a curve.
    """
    here = [sweep for sweep in table.sweeps if sweep.dataset == comparison.dataset]
    curves = [curve for sweep in here for curve in sweep.curves]
    if table.purposes and not {row.score for row in comparison.rows} <= {curve.score for curve in curves}:
        return False
    lines = [line for curve in curves for line in curve.lines if not line.level]
    varied = {point.label for line in lines for point in line.points}
    return bool(varied) and all(
        column.label in varied for column in comparison.columns if column.reference in ("", "yardstick")
    )


def _sweep_displays(sweep: Sweep, comparison: Comparison) -> list[Display]:
    """Put the curves of each axis into words; the choices are read above the first."""
    axes = list(dict.fromkeys(curve.axis for curve in sweep.curves))
    told = {"latent_dim": "d=", "epochs": " epoch", "train_limit": " training items"}
    signs = [told[axis] for axis in axes if axis in told]
    budget = [part for part in comparison.budget if not any(sign in part for sign in signs)]
    seeds = f"{comparison.seeds} seed{'s' * (comparison.seeds != 1)}"
    shown: list[Display] = []
    for axis in axes:
        curves = [curve for curve in sweep.curves if curve.axis == axis]
        points = [point.x for curve in curves for line in curve.lines for point in line.points if not line.level]
        places = sorted(set(points))
        rows = tuple(row for curve in curves for row in _curve_rows(curve, places, sweep))
        head = f"{sweep.dataset} over {axis}", f"validation split ({sweep.items} items)", *budget, seeds
        legend = (
            ("* chosen on the validation split; test of *: the one value that is read from the test split",),
            tuple(_flagged(sweep, axis)),
            ("all settings on the test split: `latentbench table RUN --all`",),
        )
        said = tuple(choices_reading(sweep)) if not shown else ()
        names = tuple(f"{place:g}" for place in places)
        shown.append(
            Display(head, names, ("",) * len(names), rows, legend, said, ("score", "better", "model"), "test of *")
        )
    return shown


def _flagged(sweep: Sweep, axis: str) -> list[str]:
    """Name the settings that carry a flag; a look at a training that goes on has never converged."""
    shown = {flag: labels for flag, labels in sweep.flags.items() if flag != "not converged" or axis != "epochs"}
    return [f"! {flag}: {', '.join(labels)}" for flag, labels in shown.items()]


def _curve_rows(curve: Curve, places: Sequence[float], sweep: Sweep) -> list[DisplayRow]:
    """One row for each contender and yardstick that varies; the score is named once."""
    lines = [line for line in curve.lines if not line.level and line.reference in ("", "yardstick")]
    values = [point.value for line in lines for point in line.points]
    style = row_style([value.mean for value in values], [value.half for value in values])
    rows: list[DisplayRow] = []
    chosen = {choice.label: choice.test for choice in sweep.choices if choice.score == curve.score}
    for line in lines:
        at = {point.x: point for point in line.points}
        cells = [
            DisplayCell(measured(at[x].value.mean, at[x].value.half, style), BEST if at[x].label in chosen else "")
            if x in at
            else DisplayCell("")
            for x in places
        ]
        tests = [chosen[point.label] for point in line.points if point.label in chosen]
        last = measured(tests[0].mean, tests[0].half, style) if tests else "-"
        about = ("", "") if rows else (curve.score, curve.better.replace("near:", "near "))
        rows.append(DisplayRow((*about, line.label), tuple(cells), last))
    return rows


def _head(comparison: Comparison) -> tuple[str, ...]:
    seeds = [f"{comparison.seeds} seed{'s' * (comparison.seeds != 1)}"] if comparison.seeds else []
    trials = [f"{comparison.ok}/{comparison.asked} trials ok"] if comparison.asked else []
    return (comparison.dataset, *comparison.budget, *seeds, *trials)


def _display_row(row: ComparisonRow, columns: Sequence[Column], letters: dict[str, str]) -> DisplayRow:
    means, halves = [cell.mean for cell in row.cells], [cell.half for cell in row.cells]
    style = row_style(means, halves, row.kind == "cost", row.unit)
    cells = [_display_cell(cell, column, style, letters) for cell, column in zip(row.cells, columns, strict=True)]
    words = (
        row.purpose,
        _with_unit(row),
        "-" if row.better == "none" else row.better.replace("near:", "near "),
        number(row.floor, style if style.places else replace(style, places=None)),
    )
    return DisplayRow(words, tuple(cells), count(row.items), row)


def _rank_row(row: ComparisonRow, columns: Sequence[Column], letters: dict[str, str]) -> DisplayRow:
    """Put ranks where the values are."""
    ranks = tuple(DisplayCell(rank_text(cell.rank)) for cell in row.cells)
    return replace(_display_row(row, columns, letters), cells=ranks)


def rank_text(rank: tuple[int, int] | None) -> str:
    """Write a rank, or the best and the worst.

    >>> rank_text((2, 2)), rank_text((1, 3)), rank_text(None)
    ('2', '1-3', '-')
    """
    return "-" if rank is None else "-".join(map(str, dict.fromkeys(rank)))


def _display_cell(cell: Cell, column: Column, style: Style, letters: dict[str, str]) -> DisplayCell:
    share = f"{cell.seeds}/{cell.asked} ok"
    if cell.status == "ok":
        told = cell.seeds == (column.ok if column.asked else cell.asked)  # by the heading of the column
        return DisplayCell(measured(cell.mean, cell.half, style), cell.mark, "" if told else share)
    if cell.status == "not applicable":
        return DisplayCell(f"- {letters[cell.reason]}" if cell.reason in letters else "-")
    if cell.status == "failed":
        return DisplayCell(f"{share} {letters[cell.reason]}" if cell.reason in letters else share)
    return DisplayCell("...")


def _with_unit(row: ComparisonRow) -> str:
    said = not row.unit or row.score.endswith(LONG_UNITS.get(row.unit, f"_{row.unit}"))
    return row.score if said else f"{row.score}, {row.unit}"


def _letters(rows: Sequence[ComparisonRow]) -> dict[str, str]:
    """Number the reasons why cells are empty, a, b, ... z, aa, ab; that some models have no such cost is plain."""
    words = {"quality": ("not applicable", "failed"), "cost": ("failed",)}
    cells = [cell for row in rows for cell in row.cells if cell.status in words[row.kind]]
    empty = [cell.reason for cell in cells if cell.reason]
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
    alone = [row.score for row in comparison.rows if row.seeds_only and row.kind != "cost" and _has_star(row)]
    parts += [f"marks allow for other seeds, not for another test set: {', '.join(alone)}"] if alone else []
    low = [row.score for row in comparison.rows if row.at_floor]
    parts += [f"no star, none better than the floor: {', '.join(low)}"] if low else []
    return tuple(parts)


def _rank_signs(comparison: Comparison) -> tuple[str, ...]:
    meant = ["1-3 best and worst rank that the comparison leaves open (paired, Holm, 95 %)"]
    return (*(meant if _compared(comparison) else []), "- not ranked")


def _averages(table: Table) -> list[tuple[str, ...]]:
    """Tell the average ranks over data sets, a line a score, or why there are none."""
    if not table.averages:
        return []
    told = [one for one in table.averages if one.ranks]
    few = [one for one in table.averages if not one.ranks]
    needed = f"critical difference: needs {WORDS.get(FEWEST_DATASETS, FEWEST_DATASETS)} data sets"
    if not told:
        return [(f"{needed}, here {max(one.datasets for one in few)}",)]
    lines = [
        (
            f"{one.score}, average ranks over {one.datasets} data sets:",
            *(f"{label} {rank:.2f}" for label, rank in one.ranks.items()),
            f"critical difference {one.critical:.2f} (Nemenyi, 95 %)",
        )
        for one in told
    ]
    return [*lines, *([(f"{needed}: {', '.join(f'{one.score} {one.datasets}' for one in few)}",)] if few else [])]


def _costs(row: ComparisonRow) -> bool:
    return row.kind == "cost" and any(cell.status == "ok" for cell in row.cells)


def _starred(comparison: Comparison) -> bool:
    return any(map(_has_star, comparison.rows))


def _has_star(row: ComparisonRow) -> bool:
    return any(cell.mark == BEST for cell in row.cells)


def _compared(comparison: Comparison) -> bool:
    return any(cell.rank for row in comparison.rows for cell in row.cells)


def _left_out(comparison: Comparison) -> list[str]:
    """Contenders that have values but took no part in the comparison."""
    seeds = [max(row.cells[place].seeds for row in comparison.rows) for place in range(len(comparison.columns))]
    return [
        column.label
        for column, most in zip(comparison.columns, seeds, strict=True)
        if most
        and not (column.reference or column.together)
        and (column.flags or (most < FEWEST_SEEDS and not column.deterministic))
    ]


def _flags(columns: Sequence[Column]) -> list[str]:
    return [
        f"! {column.label} {flag}" + (f" ({trials} of {column.asked} trials)" if column.asked > 1 else "")
        for column in columns
        for flag, trials in column.flags.items()
    ]


def _cautions(comparison: Comparison, table: Table) -> tuple[str, ...]:
    few = comparison.seeds < FEWEST_SEEDS and any(not column.reference for column in comparison.columns)
    parts = [f"no {'ranks' if table.ranks else 'stars'} under {FEWEST_WORD} seeds"] if few else []
    if _compared(comparison) and (names := _left_out(comparison)):
        parts.append(f"not compared (flagged, or under {FEWEST_WORD} seeds): {', '.join(names)}")
    parts += [f"{comparison.hidden} settings not chosen are left out (--all shows them)"] * bool(comparison.hidden)
    if any(column.together for column in comparison.columns):
        parts.append(f"{TOGETHER} {TOLD_TOGETHER}")
    parts += ["relative: 0 at the floor, 1 at the ceiling"] if table.relative else []
    parts += [f"without floor or ceiling: {', '.join(comparison.omitted)}"] if comparison.omitted else []
    parts += [
        f"applicable to no model here: {', '.join(names)} ({why})" for why, names in comparison.empty.items()
    ]
    parts += [f"mixed environments: {comparison.environments}"] if comparison.environments > 1 else []
    return tuple(parts)
