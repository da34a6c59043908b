"""Sentences that say what a table shows, and warnings about its numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from latentbench.scores import gain
from latentbench.table.baselines import FLOOR
from latentbench.table.comparison import Column, Comparison, ComparisonRow
from latentbench.table.contests import is_baseline
from latentbench.table.number_format import number, row_style
from latentbench.table.outcomes import Finding, listed, outcome
from latentbench.table.pairing import FEWEST_SEEDS
from latentbench.table.sweeps import Choice, Sweep
from latentbench.trial import UPPER_BOUND

__all__ = [
    "AIMS",
    "cautions",
    "choices_reading",
    "faults",
    "reading",
    "shortfall",
    "spoken",
    "verdicts",
    "warnings",
]

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
FEWEST_ITEMS = 1000


def reading(comparison: Comparison) -> list[str]:
    """Return what a comparison shows: its verdicts, how many labels models need, and warnings."""
    return [*verdicts(comparison), *comparison.few_labels, *warnings(comparison)]


def verdicts(comparison: Comparison) -> list[str]:
    """Return for each purpose the best models, if they clearly beat all baselines; else what they do not beat.

    Purposes with the same verdict share a sentence. Where nothing could be tested, one sentence tells the means.
    """
    outcomes: dict[Finding, list[str]] = {}
    for row in spoken(comparison):
        outcomes.setdefault(outcome(row, comparison.columns), []).append(_aim(row.purpose, row.score, row.name))
    said = [f"{_capital(listed(outcomes[each]))}: {each.words}." for each in sorted(outcomes, key=_order)]
    return said or ([] if comparison.swept else [_untested(comparison)])


def spoken(comparison: Comparison) -> list[ComparisonRow]:
    """Return the rows that verdicts are about: those that were tested; headline scores, where there are any."""
    tested = [row for row in comparison.rows if row.purpose in AIMS and row.standings]
    return [row for row in tested if row.headline] or tested


def _order(each: Finding) -> int:
    return each.place


def choices_reading(sweep: Sweep) -> list[str]:
    """Say which setting of a model is chosen for which purposes, and which baselines it does not clearly beat."""
    aims_by_setting: dict[str, list[str]] = {}
    for choice in sweep.choices:
        but = f"{shortfall(choice)} on the validation split" if shortfall(choice) else ""
        setting = f"{choice.model} with {choice.chosen}, of {choice.tried} tried{but}"
        aims_by_setting.setdefault(setting, []).append(_aim(choice.purpose, choice.score, choice.line.name))
    said = [f"{_capital(listed(aims))}: {setting}." for setting, aims in aims_by_setting.items()]
    few = [choice.validation.seeds for choice in sweep.choices if choice.standing is None]
    return said + ([f"{_seeds(max(few))}: baselines are compared by their means alone."] if few else [])


def shortfall(choice: Choice) -> str:
    """Say which baselines a chosen setting does not clearly beat on the validation split; nothing if it beats all.

    With too few seeds for a test, name those whose mean is as good.
    """
    if choice.standing is None:
        return f", no better than {listed(choice.as_good, 'or')}" if choice.as_good else ""
    ahead = choice.standing.ahead
    level = [name for name in choice.standing.unbeaten if name not in ahead]
    parts = [f"clearly worse than {listed(ahead)}"] if ahead else []
    parts += [f"not clearly better than {listed(level, 'or')}"] if level else []
    return f", but {' and '.join(parts)}" if parts else ""


def _aim(purpose: str, score: str, name: str) -> str:
    """Return the purpose as part of a sentence, with the score that measures it."""
    words = AIMS.get(purpose, f"For {purpose}")
    how = " from sampled codes" if score.endswith("_sample") else ""
    return f"{words[0].lower()}{words[1:]}{how} ({name})"


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def warnings(comparison: Comparison) -> list[str]:
    """Return what a reader must know before the numbers: what is wrong, then cautions; nothing for most tables."""
    return [*faults(comparison), *cautions(comparison)]


def faults(comparison: Comparison) -> list[str]:
    """Return what is wrong with the numbers: collapsed and unfinished models, failures, mixed environments."""
    flagged: dict[str, list[str]] = {}
    for column in comparison.columns:
        for flag, trials in column.flags.items():
            flagged.setdefault(flag, []).append(
                f"{column.label} in {trials} of {max(column.trials, trials)} trials"
            )
    said = [f"{_capital(flag)}: {', '.join(columns)}." for flag, columns in flagged.items()]
    bad = comparison.trials - comparison.ok
    where = [column.label for column in comparison.columns if column.ok < column.trials]
    named = f" ({listed(where)})" if where else ""
    said += [f"{bad} of {comparison.trials} trials gave no result{named}."] if bad else []
    mixed = comparison.environments > 1
    said += [f"The numbers come from {comparison.environments} different environments."] if mixed else []
    return said


def cautions(comparison: Comparison) -> list[str]:
    """Return how little the numbers can tell apart: few test items, few seeds. Nothing is wrong with them."""
    items = max(
        (row.items for row in comparison.rows if row.kind == "quality" and row.items > 0), default=math.inf
    )
    few = [f"Only {items:.0f} test items: differences of about 1 % are noise."] if items < FEWEST_ITEMS else []
    return few + (_too_few_seeds(comparison) if 0 < comparison.seeds < FEWEST_SEEDS else [])


def _too_few_seeds(comparison: Comparison) -> list[str]:
    if not any(row.items_only and row.starred for row in comparison.rows):
        return [f"{_seeds(comparison.seeds)}: too few to tell models apart, so no stars."]
    drawn = [
        column.label
        for column in comparison.columns
        if not (column.reference or column.together or column.deterministic)
    ]
    which = f"{_seeds(comparison.seeds)} of {listed(drawn)}" if drawn else ""
    return [f"{which}: too few to compare with the other models."] if drawn else []


def _untested(comparison: Comparison) -> str:
    """Tell the best mean of the first score that has one, and that of the best baseline."""
    for row in comparison.rows:
        if row.better == "none" or row.purpose not in AIMS:
            continue
        models, baselines = _means(row, comparison.columns)
        if models:
            return f"{AIMS[row.purpose]}, not tested: {_highest(row, models, baselines)}."
    return "There are no scores to compare."


def _means(row: ComparisonRow, columns: Sequence[Column]) -> tuple[dict[str, float], dict[str, float]]:
    """Return the means of the models (of references, where there are only these), and those of the baselines."""
    known = [
        (column, cell.mean)
        for column, cell in zip(columns, row.cells, strict=True)
        if cell.status == "ok" and column.reference != UPPER_BOUND
    ]
    models = {column.label: mean for column, mean in known if not (column.reference or column.together)}
    baselines = {column.label: mean for column, mean in known if is_baseline(column.reference, row.purpose)}
    if not models:
        return {column.label: mean for column, mean in known}, {}
    floor = {FLOOR: row.floor} if math.isfinite(row.floor) else {}
    return models, {**baselines, **floor}


def _highest(row: ComparisonRow, models: Mapping[str, float], baselines: Mapping[str, float]) -> str:
    def best(means: Mapping[str, float]) -> str:
        return max(means, key=lambda label: gain(means[label], row.better))

    style = row_style([*models.values(), *baselines.values()], [math.nan] * (len(models) + len(baselines)))
    label, end = best(models), {"up": "highest", "down": "lowest"}.get(row.better, "best")
    value = number(models[label], style)
    said = f"{row.name} is " + (f"{end} with {label} ({value})" if len(models) > 1 else f"{value} with {label}")
    if not baselines:
        return said
    rival = best(baselines)
    ahead = gain(models[label], row.better) > gain(baselines[rival], row.better)
    place = "ahead of" if ahead else "no better than"
    return f"{said}, {place} {rival} ({number(baselines[rival], style)})"


def _seeds(count: int) -> str:
    return "One seed" if count == 1 else f"Only {count} seeds"
