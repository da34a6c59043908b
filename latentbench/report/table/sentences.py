"""Sentences that say what a table shows, and warnings about its numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence

from latentbench.report.table.comparison import Cell, Column, Comparison, ComparisonRow
from latentbench.report.table.number_format import number, row_style
from latentbench.report.table.significance import BEST, FEWEST_SEEDS, TIED
from latentbench.report.table.sweeps import Sweep
from latentbench.scores import gain

__all__ = ["MOST_SENTENCES", "choices_reading", "reading", "sentences", "warnings"]

AIMS = {
    "find": "To find similar items",
    "keep": "To reconstruct the input",
    "group": "To group items by class",
    "walk": "To interpolate between items",
    "near": "To preserve neighbors",
    "make": "To generate new items",
    "steer": "To edit attributes",
    "factors": "To separate factors",
    "shift": "To withstand small input changes",
}
OF_INPUTS = ("keep", "near")  # measured against the inputs: codes that are the inputs are perfect
MOST_SENTENCES = 2
FEWEST_ITEMS = 1000


def reading(comparison: Comparison) -> list[str]:
    """Return what a comparison shows: the best models for each purpose, what baselines do, and warnings.

    Purposes with the same best models share a sentence. Without any star, one sentence names the best mean.
    """
    verdicts = _verdicts(comparison)
    if not verdicts:
        return [*([] if comparison.swept else [_without_stars(comparison)]), *warnings(comparison)]
    return [*verdicts, *_baselines(comparison), *warnings(comparison)]


def choices_reading(sweep: Sweep) -> list[str]:
    """Say which setting of a model is chosen for which purposes, and of how many."""
    aims_by_setting: dict[tuple[str, str, int], list[str]] = {}
    for choice in sweep.choices:
        setting = choice.model, choice.chosen, choice.tried
        aims_by_setting.setdefault(setting, []).append(_aim(choice.purpose, choice.score))
    return [
        f"{_capital(_listed(aims))}: {model} with {chosen}, of {tried} tried."
        for (model, chosen, tried), aims in aims_by_setting.items()
    ] + _yardsticks_as_good(sweep)


def _yardsticks_as_good(sweep: Sweep) -> list[str]:
    """Say where a yardstick does as well on the validation split as the chosen setting, at the same place."""
    scores_of: dict[str, list[str]] = {}
    for choice in sweep.choices:
        for curve in (curve for curve in sweep.curves if curve.score == choice.score):
            places = {point.x for line in curve.lines for point in line.points if point.label == choice.label}
            for line in (line for line in curve.lines if line.reference == "yardstick"):
                same = line.level and line.label == line.model  # it has one setting
                rivals = [point.value.mean for point in line.points if same or point.x in places]
                chosen = gain(choice.validation.mean, curve.better)
                if any(gain(rival, curve.better) >= chosen for rival in rivals):
                    scores_of.setdefault(line.label, []).append(choice.score)
    return [
        f"{name} scores as well or better there on {_listed(list(dict.fromkeys(scores)))}."
        for name, scores in scores_of.items()
    ]


def _aim(purpose: str, score: str) -> str:
    """Return the purpose as part of a sentence, with the score that measures it."""
    words = AIMS.get(purpose, f"For {purpose}")
    how = " from sampled codes" if score.endswith("_sample") else ""
    return f"{words[0].lower()}{words[1:]}{how} ({score})"


def _verdicts(comparison: Comparison) -> list[str]:
    """Return one sentence for all purposes for which the same models are best."""
    by_best: dict[tuple[str, ...], list[str]] = {}
    for row in _headlines(comparison):
        pairs = zip(row.cells, comparison.columns, strict=True)
        best = tuple(column.label for cell, column in pairs if cell.mark)
        if best:
            by_best.setdefault(best, []).append(_aim(row.purpose, row.score))
    sure = [(best, aims) for best, aims in by_best.items() if len(best) == 1]
    tied = [(best, aims) for best, aims in by_best.items() if len(best) > 1]
    return [
        *(f"{_capital(_listed(aims))}: {best[0]}." for best, aims in sure),
        *(f"{_capital(_listed(aims))}: {_listed(best)}, not separable." for best, aims in tied),
    ]


def _headlines(comparison: Comparison) -> list[ComparisonRow]:
    """Return the headline rows of the purposes in `AIMS`."""
    return [row for row in comparison.rows if row.headline and row.purpose in AIMS]


def _baselines(comparison: Comparison) -> list[str]:
    """Say where models that learn little or nothing score as well as the best one."""
    scores_of: dict[str, list[str]] = {}
    rows = [row for row in _headlines(comparison) if _best(row, comparison.columns)]
    for row in rows:
        best = next(cell.mean for cell in row.cells if cell.mark == BEST)
        for cell, column in zip(row.cells, comparison.columns, strict=True):
            trivial = row.purpose in OF_INPUTS and column.reference == "ceiling"
            if column.reference and not trivial and _reaches(cell, best, row):
                scores_of.setdefault(column.label, []).append(row.score)
    names = [column.label for column in comparison.columns if column.reference in ("yardstick", "ceiling")]
    as_good = [f"{name} on {_listed(scores_of[name])}" for name in names if name in scores_of]
    if as_good:
        return [f"Baselines that score as well or better: {'; '.join(as_good)}."]
    ceilings = [column.label for column in comparison.columns if column.reference == "ceiling"]
    compared = [f"{name} (except where it is the ground truth)" if name in ceilings else name for name in names]
    return [f"No baseline scores as well on any of these: {', '.join(compared)}."] if names and rows else []


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def sentences(comparison: Comparison) -> list[str]:
    """Return at most two sentences: which model is best for which purpose, by the stars of the table.

    Without any star, one sentence names the best mean.
    """
    rows = {row.purpose: row for row in reversed(comparison.rows) if _best(row, comparison.columns)}
    verdicts = [_sentence(rows[purpose], comparison.columns) for purpose in AIMS if purpose in rows]
    return verdicts[:MOST_SENTENCES] or ([] if comparison.swept else [_without_stars(comparison)])


def warnings(comparison: Comparison) -> list[str]:
    """Return what a reader must know before the numbers; nothing for most tables."""
    flagged: dict[str, list[str]] = {}
    for column in comparison.columns:
        for flag, trials in column.flags.items():
            flagged.setdefault(flag, []).append(
                f"{column.label} in {trials} of {max(column.trials, trials)} trials"
            )
    said = [f"{_capital(flag)}: {', '.join(columns)}." for flag, columns in flagged.items()]
    bad = comparison.trials - comparison.ok
    where = [column.label for column in comparison.columns if column.ok < column.trials]
    named = f" ({_listed(where)})" if where else ""
    said += [f"{bad} of {comparison.trials} trials gave no result{named}."] if bad else []
    items = max(
        (row.items for row in comparison.rows if row.kind == "quality" and row.items > 0), default=math.inf
    )
    said += [f"Only {items:.0f} test items: differences of about 1 % are noise."] if items < FEWEST_ITEMS else []
    few = 0 < comparison.seeds < FEWEST_SEEDS
    said += [f"{_seeds(comparison.seeds)}: too few to tell models apart, so no stars."] if few else []
    mixed = comparison.environments > 1
    said += [f"The numbers come from {comparison.environments} different environments."] if mixed else []
    return said


def _sentence(row: ComparisonRow, columns: Sequence[Column]) -> str:
    best = _best(row, columns)
    verdict = f"{_listed(best)}, not separable" if len(best) > 1 else best[0]
    mean = next(cell.mean for cell in row.cells if cell.mark == BEST)
    return f"{AIMS[row.purpose]} ({row.score}): {verdict}{_but(row, columns, mean)}."


def _best(row: ComparisonRow, columns: Sequence[Column]) -> list[str]:
    pairs = list(zip(row.cells, columns, strict=True))
    return [column.label for mark in (BEST, TIED) for cell, column in pairs if cell.mark == mark]


def _but(row: ComparisonRow, columns: Sequence[Column], best: float) -> str:
    """Name the references that score as well as the best model, except inputs compared with themselves."""
    rivals = [
        column.label
        for cell, column in zip(row.cells, columns, strict=True)
        if column.reference
        and _reaches(cell, best, row)
        and not (row.purpose in OF_INPUTS and cell.mean == row.ceiling)
    ]
    return f", but no better than {_listed(rivals)}" if rivals else ""


def _reaches(cell: Cell, best: float, row: ComparisonRow) -> bool:
    return gain(cell.mean, row.better) >= gain(best, row.better)


def _without_stars(comparison: Comparison) -> str:
    rows = [row for row in comparison.rows if row.better in ("up", "down") and row.purpose in AIMS]
    places = [place for place, column in enumerate(comparison.columns) if not column.reference]
    contenders = [place for place in places if not comparison.columns[place].together] or places
    for row in rows:
        cells = {comparison.columns[place].label: row.cells[place] for place in contenders}
        means = {label: cell.mean for label, cell in cells.items() if cell.status == "ok"}
        if means:
            label = (max if row.better == "up" else min)(means, key=means.__getitem__)
            value = number(means[label], row_style([means[label]], [math.nan]))
            end = "highest" if row.better == "up" else "lowest"
            verdict = f"is {value} with {label}" if len(means) == 1 else f"is {end} with {label} ({value})"
            return f"{AIMS[row.purpose]}: {row.score} {verdict}{_but(row, comparison.columns, means[label])}."
    return "There are no scores to compare."


def _seeds(count: int) -> str:
    return "One seed" if count == 1 else f"Only {count} seeds"


def _listed(names: Sequence[str]) -> str:
    """Join names as in a sentence.

    >>> _listed(["ae", "vae", "pca"])
    'ae, vae and pca'
    """
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
