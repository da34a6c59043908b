"""What a contest over label budgets shows, in sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from latentbench.table.label_budgets.needed import LabelContest, LabelsNeeded, label_contests
from latentbench.table.number_format import number, row_style
from latentbench.table.outcomes import listed

if TYPE_CHECKING:
    from latentbench.table.scored_run import ScoredRun

__all__ = ["label_reading", "label_sentence"]

MOST_NAMED = 4  # models of a kind


def label_reading(results: ScoredRun, dataset: str) -> tuple[str, ...]:
    """Say for each family of scores which model needs fewest labels to match the reference without compression."""
    return tuple(map(label_sentence, label_contests(results, dataset)))


def label_sentence(contest: LabelContest) -> str:
    """Say which model needs fewest labels, with 95 % intervals over seeds, and which are not separable from it."""
    aim, most = f"With few labels ({contest.family.name}): ", max(contest.family.budgets)
    target = f"{contest.target} with {contest.budget} labels ({_accuracy(contest.accuracy)})"
    matched = [model for model in contest.models if model.matched]
    if not matched:
        return f"{aim}no model with up to {most} labels matches {target}."
    parts = [f"{target} are matched by {_matched(contest, matched)}"]
    parts += [words for model in contest.models if (words := _unmatched(model, most))][:MOST_NAMED]
    if contest.beyond is not None:
        budget, accuracy = contest.beyond
        parts.append(f"{contest.target} with {budget} ({_accuracy(accuracy)}) by no model")
    return f"{aim}{'; '.join(parts)}."


def _matched(contest: LabelContest, matched: Sequence[LabelsNeeded]) -> str:
    """Name who gets there, with how many labels, and whether the first is clearly ahead."""
    fewest = min(contest.family.budgets)
    best = [_who(model, fewest) for model in matched if model.label in contest.tied]
    others = [_who(model, fewest) for model in matched if model.label not in contest.tied]
    if not best:
        return _named(others) + ", not tested against each other" * (len(others) > 1)
    if len(best) > 1:
        return f"{_named(best)}, not separable" + (f", then {_named(others)}" if others else "")
    return f"{best[0]}, clearly fewer than {_named(others)}"


def _who(model: LabelsNeeded, fewest: int) -> str:
    if all(labels == fewest for labels in model.by_seed.values()):
        return f"{model.label} with {fewest} or fewer"
    mean, low, high = model.interval
    ends = f" ({_labels(low)} to {_labels(high)})" if math.isfinite(low) else ""
    return f"{model.label} with {_labels(mean)}{ends}"


def _unmatched(model: LabelsNeeded, most: int) -> str:
    """Say in how many seeds a model does not get there; nothing where it does in all."""
    short = sum(math.isinf(labels) for labels in model.by_seed.values())
    which = f" in {short} of {len(model.by_seed)} seeds" if short < len(model.by_seed) else ""
    return f"{model.label} needs more than {most}{which}" if short else ""


def _labels(count: float) -> str:
    """Write a number of labels with two digits.

    >>> _labels(38.7), _labels(462.0), _labels(8.34)
    ('39', '460', '8.3')
    """
    return f"{float(f'{count:.2g}'):g}"


def _accuracy(value: float) -> str:
    return number(value, row_style([value], [math.nan]))


def _named(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMED
    return listed(list(names)) if more <= 0 else f"{', '.join(names[:MOST_NAMED])} and {more} more"
