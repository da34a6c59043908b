"""The lines below a comparison: what its signs mean, why cells are empty, and how its costs were measured."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence

from latentbench.choices.chosen import choices_in_words
from latentbench.table.baselines import FLOOR
from latentbench.table.comparison import AverageRanks, Column, Comparison, ComparisonRow, Table
from latentbench.table.conditions import conditions_in_words
from latentbench.table.contests import is_truth
from latentbench.table.lines import ScoreLine
from latentbench.table.outcomes import listed, without_floor
from latentbench.table.pairing import FEWEST_SEEDS
from latentbench.table.sentences import spoken
from latentbench.table.significance import FEWEST_DATASETS
from latentbench.trial import UPPER_BOUND

__all__ = ["TOGETHER", "legend", "letters_of"]

NUMBER_WORDS = {5: "five", 6: "six"}
FEWEST = NUMBER_WORDS.get(FEWEST_SEEDS, str(FEWEST_SEEDS))
TOGETHER = "†"
JOINT_CODES = "not compared: codes computed jointly for all test items (transductive), probes cross-validated"


def letters_of(rows: Sequence[ComparisonRow]) -> dict[str, str]:
    """Name the reasons why cells are empty a, b, ... z, aa, ab; a cost that a model does not have needs none."""
    explained = {"quality": ("not applicable", "failed"), "cost": ("failed",)}
    cells = [cell for row in rows for cell in row.cells if cell.status in explained[row.kind]]
    reasons = dict.fromkeys(cell.reason for cell in cells if cell.reason)
    names = [first + second for first in ["", *string.ascii_lowercase] for second in string.ascii_lowercase]
    return dict(zip(reasons, names, strict=False))


def legend(comparison: Comparison, table: Table, letters: Mapping[str, str]) -> tuple[tuple[str, ...], ...]:
    """Return the lines below a comparison of `table`, each of several parts; `letters` is that of `letters_of`."""
    reasons = [f"{letter} {reason}" for reason, letter in letters.items()]
    explained = () if table.ranks else (*_significance(comparison), *reasons)
    tested = () if table.ranks or table.relative else tuple(_baselines(comparison))
    lines = (
        _rank_signs(comparison) if table.ranks else _signs(comparison),
        tested,
        (*explained, *_flags(comparison.columns)),
        choices_in_words(comparison.chosen),
        _cautions(comparison, table),
        conditions_in_words(comparison.conditions) if any(map(_has_cost, comparison.rows)) else (),
        *(_average_ranks(table.averages) if comparison is table.comparisons[-1] else ()),
    )
    return tuple(line for line in lines if line)


def _signs(comparison: Comparison) -> tuple[str, ...]:
    cells = [cell for row in comparison.rows for cell in row.cells]
    starred = any(row.starred for row in comparison.rows)
    parts = ["* best", "= not separable (paired, Holm, 95 %)"] if starred else []
    parts += ["± 95 % interval over seeds"] if any(cell.half > 0 for cell in cells) else []
    once = [column.label for column in comparison.columns if column.deterministic and column.trials <= 1]
    parts += [f"{', '.join(once)}: one trial"] if once else []
    parts += ["... not computed"] if any(cell.status == "missing" for cell in cells) else []
    return tuple(parts)


def _significance(comparison: Comparison) -> list[str]:
    """Say which marks rest on seeds alone or on test items alone, and where nobody has one."""
    starred = [row for row in comparison.rows if row.kind != "cost" and row.starred]
    alone = [row.name for row in starred if row.seeds_only]
    parts = [f"significance covers seeds only (no per-item values): {', '.join(alone)}"] if alone else []
    fixed = [row.name for row in starred if row.items_only]
    which = "" if len(fixed) == len(starred) else f": {', '.join(fixed)}"
    parts += [f"significance covers test items, not seeds (one trial a model){which}"] if fixed else []
    untold = [row.name for row in comparison.rows if fixed and _lacks_items(row, comparison.columns)]
    parts += [f"no star (no per-item values): {', '.join(untold)}"] if untold else []
    low = [row.name for row in comparison.rows if row.at_floor]
    return parts + ([f"no star, none beats the floor: {', '.join(low)}"] if low else [])


def _baselines(comparison: Comparison) -> list[str]:
    """Say against what the sentences above the table were tested, and where that would be no test."""
    rows = spoken(comparison)
    tested = [standing.baselines for row in rows for standing in row.standings.values()]
    names = [name for baselines in sorted(tested, key=len, reverse=True) for name in baselines]
    models = dict.fromkeys(bare for name in names if (bare := without_floor(name)))
    floor = [FLOOR] if any(name.startswith(FLOOR) for name in names) else []
    truths = [
        f"{column.label} is the truth in {listed(scores)}"
        for column in comparison.columns
        if (scores := [row.name for row in rows if is_truth(column.reference, row.purpose)])
    ]
    against = f"sentences: against {listed([*models, *floor])} (paired, Holm, 95 %)" if names else ""
    return [against, *truths] if names else []


def _flags(columns: Sequence[Column]) -> list[str]:
    return [
        f"! {column.label} {flag}" + (f" ({trials} of {column.trials} trials)" if column.trials > 1 else "")
        for column in columns
        for flag, trials in column.flags.items()
    ]


def _cautions(comparison: Comparison, table: Table) -> tuple[str, ...]:
    random = any(not (column.reference or column.deterministic) for column in comparison.columns)
    over_items = any(row.items_only and row.starred for row in comparison.rows)
    few = comparison.seeds < FEWEST_SEEDS and random and not over_items
    parts = [f"no {'ranks' if table.ranks else 'stars'} with fewer than {FEWEST} seeds"] if few else []
    if any(cell.rank for row in comparison.rows for cell in row.cells) and (names := _left_out(comparison)):
        parts.append(f"not compared (flagged, or fewer than {FEWEST} seeds): {', '.join(names)}")
    parts += [f"{comparison.hidden} settings not chosen are hidden (--all shows them)"] * bool(comparison.hidden)
    parts += [f"{TOGETHER} {JOINT_CODES}"] if any(column.together for column in comparison.columns) else []
    bounds = [column.label for column in comparison.columns if column.reference == UPPER_BOUND]
    several = "each an upper bound" if len(bounds) > 1 else "an upper bound"
    trained = f"{listed(bounds)} {'are' if len(bounds) > 1 else 'is'} trained by labels" if bounds else ""
    parts += [f"{trained}: {several}, never starred"] * bool(bounds)
    parts += ["relative: 0 at the floor, 1 at the ceiling"] if table.relative else []
    parts += [f"no floor or ceiling: {', '.join(comparison.omitted)}"] if comparison.omitted else []
    beyond = f"no ceiling, as some model exceeds it: {', '.join(comparison.beyond)}"
    parts += [beyond] if comparison.beyond else []
    parts += [
        f"not applicable to any model here: {', '.join(names)} ({why})" for why, names in comparison.empty.items()
    ]
    parts += [f"{comparison.environments} different environments"] if comparison.environments > 1 else []
    return tuple(parts)


def _left_out(comparison: Comparison) -> list[str]:
    """Return the contenders that have values but took no part in the comparison."""
    seeds = [max(row.cells[place].seeds for row in comparison.rows) for place in range(len(comparison.columns))]
    return [
        column.label
        for column, most in zip(comparison.columns, seeds, strict=True)
        if most
        and not (column.reference or column.together)
        and (column.flags or (most < FEWEST_SEEDS and not column.deterministic))
    ]


def _rank_signs(comparison: Comparison) -> tuple[str, ...]:
    ranked = any(cell.rank for row in comparison.rows for cell in row.cells)
    meant = ["1-3 range of ranks that significance allows (paired, Holm, 95 %)"] if ranked else []
    return (*meant, "- not ranked")


def _average_ranks(averages: Sequence[AverageRanks]) -> list[tuple[str, ...]]:
    """Return the average ranks over data sets, a line a score, or why there are none."""
    ranked = [average for average in averages if average.ranks]
    few = [average for average in averages if not average.ranks]
    needed = f"critical difference: needs {NUMBER_WORDS.get(FEWEST_DATASETS, FEWEST_DATASETS)} data sets"
    lines = [
        (
            f"{ScoreLine(average.score, average.likelihood).name}, average ranks over "
            f"{average.datasets} data sets:",
            *(f"{label} {rank:.2f}" for label, rank in average.ranks.items()),
            f"critical difference {average.critical:.2f} (Nemenyi, 95 %)",
        )
        for average in ranked
    ]
    if few and not ranked:
        return [(f"{needed}, there are {max(average.datasets for average in few)}",)]
    counts = ", ".join(f"{average.score} has {average.datasets}" for average in few)
    return [*lines, *([(f"{needed}; {counts}",)] if few else [])]


def _has_cost(row: ComparisonRow) -> bool:
    return row.kind == "cost" and any(cell.status == "ok" for cell in row.cells)


def _lacks_items(row: ComparisonRow, columns: Sequence[Column]) -> bool:
    """Whether a score of quality is unmarked although several models with one trial each have it."""
    known = [
        column.deterministic
        for column, cell in zip(columns, row.cells, strict=True)
        if column.contends and cell.status == "ok"
    ]
    judged = row.kind == "quality" and row.better != "none" and not row.at_floor
    return judged and len(known) > 1 and all(known) and not row.starred
